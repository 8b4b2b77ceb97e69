"""Suites of drawn pictures: pages of numbers, and marks that are not digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist
from inkdigits.data.fonts import fetch_fonts
from inkdigits.evaluation.suite_result import (
    ReportProgress,
    SuiteResult,
    SuiteRow,
    check_limit,
    read_pictures,
)
from inkdigits.recognition import Recognizer
from inkdigits.synthesis import suite_marks, suite_pages
from inkdigits.synthesis.suite_marks import MarkPicture, gather_scribes
from inkdigits.synthesis.suite_pages import Page, draw_page

_SEED: Final = 0
_PAGES_PER_KIND: Final = 24
"""Of 21 kinds: 504 pages."""
_PLACE: Final = re.compile(r"[0-9?]")
"""What stands for a digit in a text, whichever it is."""


def evaluate_pages(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on drawn pages of numbers in MNIST's test digits.

    A page is right where every digit is read, nothing else is, and lines are told apart. The same
    digits give the same pages every time, whatever their number.

    Args:
        recognizer: The model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        limit: Number of pages of each kind of `inkdigits.synthesis.suite_pages.KINDS`; None: 24.
        report_progress: Told how far the work is.

    Returns:
        A row for each kind.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: No whole MNIST.
    """
    check_limit(limit)
    n = _PAGES_PER_KIND if limit is None else limit
    digits = _take_digits(data)
    rows = []
    for number, kind in enumerate(suite_pages.KINDS):
        texts: list[str] = []
        pages = _draw_row(partial(draw_page, kind, digits), number, n, texts)
        readings = read_pictures(recognizer, kind, pages, n, report_progress)
        right = sum(reading.text == texts[place] for place, reading in enumerate(readings))
        rows.append(SuiteRow(kind, n, right))
    return SuiteResult("pages", tuple(rows))


def evaluate_marks(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures whether marks are told from digits, by hands and fonts kept from training.

    A number of the row "separators" is right where every separator is read at its place among the
    digits, and none is read where none is, whichever the digits are; the column "digits" says how
    often they are right. A picture of the other rows, without any digit, is right where no digit
    is read. The same digits give the same pictures every time, whatever their number.

    Args:
        recognizer: The model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        limit: Takes only the first so many pictures of each kind of
            `inkdigits.synthesis.suite_marks.KINDS`; None takes all.
        report_progress: Told how far the work is.

    Returns:
        A row for each kind.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: No whole MNIST, or not the fonts kept from training,
            which are fetched where missing.
        MissingExtraError: matplotlib or scikit-learn is not installed, which bring letters, signs
            and photographs.
    """
    check_limit(limit)
    scribes = gather_scribes(
        _take_digits(data), fetch_fonts("held-out"), np.random.default_rng(_SEED)
    )
    rows = []
    for number, (kind, (most, draw_mark)) in enumerate(suite_marks.KINDS.items()):
        n = most if limit is None else min(limit, most)
        texts: list[str] = []
        marks = _draw_row(partial(draw_mark, scribes), number, n, texts)
        right = digits_right = 0
        readings = read_pictures(recognizer, kind, marks, n, report_progress, separators=True)
        for place, reading in enumerate(readings):
            right += find_separators(reading.text) == find_separators(texts[place])
            digits_right += reading.to_text() == "".join(filter(str.isdigit, texts[place]))
        has_digits = any(texts)
        rows.append(SuiteRow(kind, n, right, digits_right if has_digits else None))
    return SuiteResult("marks", tuple(rows), second="digits")


def find_separators(text: str) -> str:
    """A text with every digit, uncertain ones too, written as 0: only separators tell it apart."""
    return _PLACE.sub("0", text)


def _draw_row(
    draw: Callable[[np.random.Generator], Page | MarkPicture], row: int, n: int, texts: list[str]
) -> Iterator[NDArray[np.uint8]]:
    """Draws the pictures of a row as they are asked for, and appends what each says to `texts`."""
    for place in range(n):
        # Each picture has its own draws, whichever came before it.
        drawn = draw(np.random.default_rng((_SEED, row, place)))
        texts.append(drawn.text)
        yield drawn.picture


def _take_digits(data: Path | str | None) -> LabelledImages:
    return (fetch_mnist() if data is None else load_mnist(data)).test
