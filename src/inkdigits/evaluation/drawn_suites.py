"""Test suites of drawn pictures: pages of numbers, and marks that are not digits."""

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
"""There are 21 kinds, so a whole suite has 504 pages."""
_DIGIT: Final = re.compile(r"[0-9?]")
"""A digit in the text of a reading; "?" stands for an uncertain one."""


def evaluate_pages(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on drawn pages of numbers, written with MNIST's test digits.

    A page counts as correct if every digit is read, nothing else is read, and the digits are on
    the right lines. The pages depend only on the digits; `limit` takes the first pages of each
    kind.

    Args:
        recognizer: The model.
        data: A file or folder, as in `load_mnist`. None takes MNIST from the cache and downloads it
            if it is missing.
        limit: Number of pages of each kind in `inkdigits.synthesis.suite_pages.KINDS`; None
            takes 24.
        report_progress: Called after each page.

    Returns:
        One row for each kind.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: MNIST is missing or damaged.
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
    """Measures how well a model tells other marks from digits.

    Training uses none of these writers and fonts. In the row "separators", a number counts as
    correct if every separator is read at its position among the digits and no other separator is
    read. Which digits are read does not matter there; the column "digits" counts the numbers
    whose digits are right. In the other rows the pictures show no digit, and a picture counts as
    correct if no digit is read. The pictures depend only on the digits; `limit` takes the first
    pictures of each kind.

    Args:
        recognizer: The model.
        data: A file or folder, as in `load_mnist`. None takes MNIST from the cache and downloads it
            if it is missing.
        limit: Takes only the first `limit` pictures of each kind in
            `inkdigits.synthesis.suite_marks.KINDS`; None takes all.
        report_progress: Called after each picture.

    Returns:
        One row for each kind.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: MNIST or the held-out fonts are missing or damaged.
            Missing fonts are downloaded.
        MissingExtraError: matplotlib, which provides letters and signs, or scikit-learn, which
            provides photographs, is not installed.
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
    """Returns a text with every digit, also an uncertain one, replaced by 0.

    Two results are equal if the separators and their positions are equal.
    """
    return _DIGIT.sub("0", text)


def _draw_row(
    draw: Callable[[np.random.Generator], Page | MarkPicture], row: int, n: int, texts: list[str]
) -> Iterator[NDArray[np.uint8]]:
    """Draws the pictures of a row one at a time and appends the text of each to `texts`."""
    for place in range(n):
        # Each picture has its own seed, so it does not depend on the pictures before it.
        drawn = draw(np.random.default_rng((_SEED, row, place)))
        texts.append(drawn.text)
        yield drawn.picture


def _take_digits(data: Path | str | None) -> LabelledImages:
    return (fetch_mnist() if data is None else load_mnist(data, required=["test"])).test
