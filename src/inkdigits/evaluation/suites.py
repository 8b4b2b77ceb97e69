"""Suites: how well a model reads digits that differ from MNIST's test images in a known way.

A suite has a row for each kind of what it reads: digits, or pages of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_mnist, load_mnist
from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.recognition import Recognizer
from inkdigits.synthesis.corruptions import CORRUPTIONS
from inkdigits.synthesis.suite_pages import KINDS, draw_page

ReportProgress = Callable[[str, int, int], None]
"""Called with the name of a row, the number of its digits or pages read so far, and of all."""

_SEED: Final = 0
_PEN: Final = 20  # picture pixels for one pixel of an 8 × 8 digit
_MARGIN: Final = 40  # of bare paper, in picture pixels: those digits reach to their edge


@dataclass(frozen=True)
class SuiteRow:
    """How well one kind of digits or pages was read.

    Attributes:
        name: The kind, such as a corruption.
        n: Number of digits or pages, at least 1.
        right: Number of those that were read correctly.
    """

    name: str
    n: int
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.n or self.n < 1:
            raise ValueError(f"{self.right} of {self.n} cannot have been read correctly")

    @property
    def accuracy(self) -> float:
        """Share of the digits or pages that were read correctly."""
        return self.right / self.n


@dataclass(frozen=True)
class SuiteResult:
    """What a suite measured.

    Attributes:
        suite: Its name.
        rows: At least one.
        clean: The same digits as they were before, which do not count in the mean; None for a
            suite that changes nothing.
    """

    suite: str
    rows: tuple[SuiteRow, ...]
    clean: SuiteRow | None = None

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("a suite has at least one row")

    @property
    def mean(self) -> float:
        """Mean of the rows' accuracies, each counting alike."""
        return statistics.fmean(row.accuracy for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The result as plain numbers, strings and lists."""
        return {
            "suite": self.suite,
            "mean": self.mean,
            "clean": None if self.clean is None else _to_json(self.clean),
            "rows": [_to_json(row) for row in self.rows],
        }

    def to_table(self) -> str:
        """The result as text for a terminal, at most 60 columns wide."""
        rule = "─" * 60
        heads = f"{'Accuracy':>10}{'95 % interval':>20}{'Mistakes':>9}{'of':>7}"
        lines = [f"{self.suite:<14}{heads}", rule]
        if self.clean is not None:
            lines += [_to_line(self.clean), rule]
        lines += map(_to_line, self.rows)
        if len(self.rows) > 1:
            lines += [rule, f"{'mean':<14}{100 * self.mean:8.2f} %"]
        return "\n".join(lines)


def evaluate_corruptions(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    limit: int | None = None,
    as_pictures: bool = False,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on the test images under the fifteen corruptions of MNIST-C.

    The same images and the same limit give the same corrupted images every time.

    Args:
        recognizer: The model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        limit: Takes only the first so many test images; None takes all.
        as_pictures: Whether each corrupted image is read as a user's picture is: its ink found
            and framed. Otherwise it goes to the network as the tile that it is, as is usual for
            MNIST-C.
        report_progress: Told how far the work is.

    Returns:
        A row for each corruption, and the uncorrupted images.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: No whole MNIST.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}; expected 1 or more test images")
    test = (fetch_mnist() if data is None else load_mnist(data)).test
    images, labels = test.images[:limit], test.labels[:limit]

    def measure(name: str, tiles: NDArray[np.uint8]) -> SuiteRow:
        if as_pictures:
            return _measure_pictures(recognizer, name, tiles, labels, report_progress)
        predictions = recognizer.classify(tiles).argmax(axis=1)
        if report_progress is not None:
            report_progress(name, len(labels), len(labels))
        return SuiteRow(name, len(labels), int((predictions == labels).sum()))

    clean = measure("clean", images)
    # Each corruption has its own draws, whichever came before it.
    rows = [
        measure(name, corrupt(images, np.random.default_rng((_SEED, number))))
        for number, (name, corrupt) in enumerate(CORRUPTIONS.items())
    ]
    return SuiteResult("corruptions", tuple(rows), clean)


def evaluate_digits8x8(
    recognizer: Recognizer, *, report_progress: ReportProgress | None = None
) -> SuiteResult:
    """Measures a model on the 1,797 digits that scikit-learn brings (Alpaydin & Kaynak 1998).

    They come from other hands, 13 people's, and another scanner than MNIST's, and were counted
    down to 8 × 8 pixels. Each is enlarged to a picture, dark on white, and read as a user's is.

    Args:
        recognizer: The model.
        report_progress: Told how far the work is.

    Returns:
        One row.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            f"the suite digits8x8 needs scikit-learn ({error}): pip install scikit-learn"
        ) from error
    digits = load_digits()
    pictures = map(enlarge_digit, digits.images)
    row = _measure_pictures(recognizer, "digits8x8", pictures, digits.target, report_progress)
    return SuiteResult("digits8x8", (row,))


def evaluate_pages(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    pages_per_kind: int = 24,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on drawn pages of numbers in MNIST's test digits.

    A page is right where every digit is read, nothing else is, and lines are told apart. The same
    digits give the same pages every time, whatever their number.

    Args:
        recognizer: The model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        pages_per_kind: Number of pages of each kind of `inkdigits.synthesis.suite_pages.KINDS`.
        report_progress: Told how far the work is.

    Returns:
        A row for each kind.

    Raises:
        UsageError: Fewer than 1 page of each kind.
        DataFormatError, DataUnavailableError: No whole MNIST.
    """
    if pages_per_kind < 1:
        raise UsageError(f"{pages_per_kind} pages of each kind: expected 1 or more")
    digits = (fetch_mnist() if data is None else load_mnist(data)).test
    rows = []
    for number, kind in enumerate(KINDS):
        right = 0
        for done in range(pages_per_kind):
            # Each page has its own draws, whichever came before it.
            page = draw_page(kind, digits, np.random.default_rng((_SEED, number, done)))
            right += recognizer.read(page.picture).text == page.text
            if report_progress is not None:
                report_progress(kind, done + 1, pages_per_kind)
        rows.append(SuiteRow(kind, pages_per_kind, right))
    return SuiteResult("pages", tuple(rows))


SUITES: Final[Mapping[str, Callable[..., SuiteResult]]] = {
    "corruptions": evaluate_corruptions,
    "digits8x8": evaluate_digits8x8,
    "pages": evaluate_pages,
}
"""What `inkdigits evaluate --suite` calls them; each takes a recognizer and `report_progress`."""


def enlarge_digit(digit: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Draw a coarse digit as a picture.

    Args:
        digit: Shape (8, 8), 0 background to 16 full ink.

    Returns:
        uint8, shape (240, 240), 255 paper to 0 ink, smooth, with bare paper all around.
    """
    ink = cv2.resize(
        digit.astype(np.float32), None, fx=_PEN, fy=_PEN, interpolation=cv2.INTER_CUBIC
    )
    # Cubic interpolation overshoots.
    levels = np.rint(np.clip(ink, 0, 16) * (255 / 16)).astype(np.uint8)
    return 255 - np.pad(levels, _MARGIN)


def _measure_pictures(
    recognizer: Recognizer,
    name: str,
    pictures: Iterable[NDArray[np.uint8]],
    labels: NDArray[np.integer[Any]],
    report_progress: ReportProgress | None,
) -> SuiteRow:
    """Reads each picture as a user's that holds one digit; a refused one is not right."""
    right = 0
    for done, (picture, label) in enumerate(zip(pictures, labels.tolist(), strict=True), start=1):
        right += recognizer.read(picture, one_digit=True).text == str(label)
        if report_progress is not None:
            report_progress(name, done, len(labels))
    return SuiteRow(name, len(labels), right)


def _to_json(row: SuiteRow) -> dict[str, Any]:
    return {"name": row.name, "n": row.n, "accuracy": row.accuracy}


def _to_line(row: SuiteRow) -> str:
    lower, upper = compute_interval(row.right, row.n)
    return (
        f"{row.name:<14}{100 * row.accuracy:8.2f} %  {100 * lower:6.2f} to {100 * upper:6.2f} %"
        f"{row.n - row.right:9,}{row.n:7,}"
    )
