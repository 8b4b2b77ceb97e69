"""Suites: how well a model reads digits that differ from MNIST's test images in a known way.

A suite has a row for each kind of what it reads. Every picture goes through `Recognizer.read` with
its default options, as a user's does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist
from inkdigits.errors import MissingExtraError
from inkdigits.evaluation.drawn_suites import evaluate_marks, evaluate_pages
from inkdigits.evaluation.suite_result import (
    ReportProgress,
    SuiteResult,
    SuiteRow,
    check_limit,
    read_pictures,
)
from inkdigits.recognition import Recognizer
from inkdigits.synthesis.corruptions import CORRUPTIONS

_SEED: Final = 0
_PEN: Final = 20  # picture pixels for one pixel of an 8 × 8 digit
_MARGIN: Final = 40  # of bare paper, in picture pixels: those digits reach to their edge
_CLASSIFY: Final = "classify"
"""The column for `Recognizer.classify` on the images as tiles, as is usual for MNIST."""


def evaluate_mnist(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on MNIST's 10,000 test images, each read as a picture of 28 × 28 pixels.

    Args:
        recognizer: The model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        limit: Takes only the first so many test images; None takes all.
        report_progress: Told how far the work is.

    Returns:
        One row, beside it the classification of the images as tiles.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: No whole MNIST.
    """
    digits = _take_digits(data, limit)
    row = _measure(recognizer, "mnist", digits.images, digits.labels, report_progress)
    return SuiteResult("mnist", (row,), second=_CLASSIFY)


def evaluate_corruptions(
    recognizer: Recognizer,
    *,
    data: Path | str | None = None,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on the test images under the fifteen corruptions of MNIST-C.

    The same images and the same limit give the same corrupted images every time. All are 160,000
    pictures (half an hour on two cores).

    Args:
        recognizer: The model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        limit: Takes only the first so many test images; None takes all.
        report_progress: Told how far the work is.

    Returns:
        A row for each corruption, and the uncorrupted images; beside them the classification of
        the images as tiles.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: No whole MNIST.
    """
    digits = _take_digits(data, limit)
    images, labels = digits.images, digits.labels
    clean = _measure(recognizer, "clean", images, labels, report_progress)
    rows = []
    for number, (name, corrupt) in enumerate(CORRUPTIONS.items()):
        # Each corruption has its own draws, whichever came before it.
        corrupted = corrupt(images, np.random.default_rng((_SEED, number)))
        rows.append(_measure(recognizer, name, corrupted, labels, report_progress))
    return SuiteResult("corruptions", tuple(rows), clean, second=_CLASSIFY)


def evaluate_digits8x8(
    recognizer: Recognizer,
    *,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on the 1,797 digits that scikit-learn brings (Alpaydin & Kaynak 1998).

    They come from other hands, 13 people's, and another scanner than MNIST's, and were counted
    down to 8 × 8 pixels. Each is enlarged to a picture, dark on white, and read as a user's is.

    Args:
        recognizer: The model.
        limit: Takes only the first so many digits; None takes all.
        report_progress: Told how far the work is.

    Returns:
        One row.

    Raises:
        UsageError: The limit is less than 1.
        MissingExtraError: scikit-learn is not installed.
    """
    check_limit(limit)
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            f"the suite digits8x8 needs scikit-learn ({error}): pip install scikit-learn"
        ) from error
    digits = load_digits()
    labels = digits.target[:limit].tolist()
    pictures = map(enlarge_digit, digits.images[:limit])
    readings = read_pictures(recognizer, "digits8x8", pictures, len(labels), report_progress)
    right = sum(reading.text == str(label) for reading, label in zip(readings, labels, strict=True))
    return SuiteResult("digits8x8", (SuiteRow("digits8x8", len(labels), right),))


SUITES: Final[Mapping[str, Callable[..., SuiteResult]]] = {
    "corruptions": evaluate_corruptions,
    "digits8x8": evaluate_digits8x8,
    "marks": evaluate_marks,
    "mnist": evaluate_mnist,
    "pages": evaluate_pages,
}
"""What `inkdigits evaluate --suite` calls them; each takes a recognizer, `limit` and
`report_progress`."""


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


def _measure(
    recognizer: Recognizer,
    name: str,
    tiles: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    report_progress: ReportProgress | None,
) -> SuiteRow:
    """Reads each tile as a picture, and classifies all as tiles; a refused one is not right."""
    predictions = recognizer.classify(tiles).argmax(axis=1)
    readings = read_pictures(recognizer, name, tiles, len(tiles), report_progress)
    right = sum(
        reading.text == str(label) for reading, label in zip(readings, labels.tolist(), strict=True)
    )
    return SuiteRow(name, len(tiles), right, int((predictions == labels).sum()))


def _take_digits(data: Path | str | None, limit: int | None) -> LabelledImages:
    """The first test images.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: No whole MNIST.
    """
    check_limit(limit)
    test = (fetch_mnist() if data is None else load_mnist(data)).test
    return test if limit is None else test.take(range(min(limit, len(test))))
