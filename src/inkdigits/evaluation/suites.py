"""Test suites: digits that differ from MNIST's test images in a known way.

A suite has one row for each kind of picture. `Recognizer.read` reads every picture with its default
options, in the same way as a user's picture.
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
_SCALE: Final = 20  # picture pixels for one pixel of an 8 × 8 digit
_MARGIN_PX: Final = 40  # background around a digit, because the digits touch the edges
_CLASSIFY: Final = "classify"
"""Column for `Recognizer.classify` on the images as tiles, the usual way to evaluate MNIST."""


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
        data: A file or folder, as in `load_mnist`. None takes MNIST from the cache and downloads it
            if it is missing.
        limit: Takes only the first `limit` test images; None takes all.
        report_progress: Called after each picture.

    Returns:
        One row. Its second column is the classification of the images as tiles.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: MNIST is missing or damaged.
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

    The same images and the same limit give the same corrupted images every time. The whole suite
    has 160,000 pictures and takes half an hour on two cores.

    Args:
        recognizer: The model.
        data: A file or folder, as in `load_mnist`. None takes MNIST from the cache and downloads it
            if it is missing.
        limit: Takes only the first `limit` test images; None takes all.
        report_progress: Called after each picture.

    Returns:
        One row for each corruption, and one for the uncorrupted images. The second column is the
        classification of the images as tiles.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: MNIST is missing or damaged.
    """
    digits = _take_digits(data, limit)
    images, labels = digits.images, digits.labels
    clean = _measure(recognizer, "clean", images, labels, report_progress)
    rows = []
    for number, (name, corrupt) in enumerate(CORRUPTIONS.items()):
        # Each corruption has its own seed, so it does not depend on those before it.
        corrupted = corrupt(images, np.random.default_rng((_SEED, number)))
        rows.append(_measure(recognizer, name, corrupted, labels, report_progress))
    return SuiteResult("corruptions", tuple(rows), clean, second=_CLASSIFY)


def evaluate_digits8x8(
    recognizer: Recognizer,
    *,
    limit: int | None = None,
    report_progress: ReportProgress | None = None,
) -> SuiteResult:
    """Measures a model on the 1,797 digits included in scikit-learn (Alpaydin & Kaynak 1998).

    The digits come from 13 writers and a scanner other than MNIST's. They were reduced to 8 × 8
    pixels by counting ink. Each digit is enlarged to a picture, dark on white, and read in the
    same way as a user's picture.

    Args:
        recognizer: The model.
        limit: Takes only the first `limit` digits; None takes all.
        report_progress: Called after each picture.

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
            f"the suite digits8x8 needs scikit-learn ({error}); run: pip install scikit-learn"
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
"""Suites by their name in `inkdigits evaluate --suite`. Each takes a recognizer, `limit` and
`report_progress`."""


def enlarge_digit(digit: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Enlarges a digit of 8 × 8 pixels to a smooth picture.

    Args:
        digit: Shape (8, 8), 0 background to 16 full ink.

    Returns:
        uint8, shape (240, 240), 255 background to 0 full ink, with background on all sides.
    """
    ink = cv2.resize(
        digit.astype(np.float32), None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC
    )
    # Cubic interpolation can leave the range 0 to 16.
    levels = np.rint(np.clip(ink, 0, 16) * (255 / 16)).astype(np.uint8)
    return 255 - np.pad(levels, _MARGIN_PX)


def _measure(
    recognizer: Recognizer,
    name: str,
    tiles: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    report_progress: ReportProgress | None,
) -> SuiteRow:
    """Reads each tile as a picture and also classifies it; a rejected tile counts as wrong."""
    predictions = recognizer.classify(tiles).argmax(axis=1)
    readings = read_pictures(recognizer, name, tiles, len(tiles), report_progress)
    right = sum(
        reading.text == str(label) for reading, label in zip(readings, labels.tolist(), strict=True)
    )
    return SuiteRow(name, len(tiles), right, int((predictions == labels).sum()))


def _take_digits(data: Path | str | None, limit: int | None) -> LabelledImages:
    """Returns the first `limit` test images, or all.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: MNIST is missing or damaged.
    """
    check_limit(limit)
    test = (fetch_mnist() if data is None else load_mnist(data, required=["test"])).test
    return test if limit is None else test.take(range(min(limit, len(test))))
