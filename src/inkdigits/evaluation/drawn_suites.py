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
    PictureRow,
    ReportProgress,
    SuiteResult,
    SuiteRow,
    check_limit,
    read_row,
)
from inkdigits.recognition import Recognizer
from inkdigits.recognition.opencv import load_opencv
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
    rows = []
    for row in draw_pages(data=data, limit=limit):
        readings = read_row(recognizer, row, report_progress)
        right = sum(reading.text == text for reading, text in readings)
        rows.append(SuiteRow(row.name, row.n, right))
    return SuiteResult("pages", tuple(rows))


def draw_pages(
    *, data: Path | str | None = None, limit: int | None = None
) -> tuple[PictureRow, ...]:
    """Returns the pages of `evaluate_pages`, with the same arguments and errors."""
    check_limit(limit)
    load_opencv()
    n = _PAGES_PER_KIND if limit is None else limit
    digits = _take_digits(data)
    return tuple(
        PictureRow(kind, n, _draw_row(partial(draw_page, kind, digits), number, n))
        for number, kind in enumerate(suite_pages.KINDS)
    )


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
    rows = []
    for row in draw_marks(data=data, limit=limit):
        right = digits_right = 0
        has_digits = False
        for reading, text in read_row(recognizer, row, report_progress, separators=True):
            right += has_same_separators(reading.text, text)
            digits_right += reading.to_text() == "".join(filter(str.isdigit, text))
            has_digits = has_digits or bool(text)
        rows.append(SuiteRow(row.name, row.n, right, digits_right if has_digits else None))
    return SuiteResult("marks", tuple(rows), second="digits")


def draw_marks(
    *, data: Path | str | None = None, limit: int | None = None
) -> tuple[PictureRow, ...]:
    """Returns the pictures of `evaluate_marks`, with the same arguments and errors."""
    check_limit(limit)
    load_opencv()
    scribes = gather_scribes(
        _take_digits(data), fetch_fonts("held-out"), np.random.default_rng(_SEED)
    )
    rows = []
    for number, (kind, (most, draw_mark)) in enumerate(suite_marks.KINDS.items()):
        n = most if limit is None else min(limit, most)
        rows.append(PictureRow(kind, n, _draw_row(partial(draw_mark, scribes), number, n)))
    return tuple(rows)


def has_same_separators(text: str, true: str) -> bool:
    """Returns whether two texts have the same separators at the same positions."""
    return find_separators(text) == find_separators(true)


def find_separators(text: str) -> str:
    """Returns a text with every digit, also an uncertain one, replaced by 0.

    Two results are equal if the separators and their positions are equal.
    """
    return _DIGIT.sub("0", text)


def _draw_row(
    draw: Callable[[np.random.Generator], Page | MarkPicture], row: int, n: int
) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Draws the pictures of a row one at a time."""
    for place in range(n):
        # Each picture has its own seed, so it does not depend on the pictures before it.
        drawn = draw(np.random.default_rng((_SEED, row, place)))
        yield drawn.picture, drawn.text


def _take_digits(data: Path | str | None) -> LabelledImages:
    return (fetch_mnist() if data is None else load_mnist(data, required=["test"])).test
