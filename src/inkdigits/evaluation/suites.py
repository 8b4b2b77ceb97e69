"""Test suites: digits that differ from MNIST's test images in a known way.

A suite has one row for each kind of picture. `Recognizer.read` reads every picture with its default
options, in the same way as a user's picture.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist
from inkdigits.errors import MissingExtraError
from inkdigits.evaluation.drawn_suites import (
    draw_marks,
    draw_pages,
    evaluate_marks,
    evaluate_pages,
    has_same_separators,
)
from inkdigits.evaluation.suite_result import (
    PictureRow,
    ReportProgress,
    SuiteResult,
    SuiteRow,
    check_limit,
    read_row,
)
from inkdigits.recognition import Recognizer
from inkdigits.recognition.opencv import cv2, load_opencv
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


def draw_mnist(
    *, data: Path | str | None = None, limit: int | None = None
) -> tuple[PictureRow, ...]:
    """Returns the images of `evaluate_mnist`, with the same arguments and errors."""
    digits = _take_digits(data, limit)
    return (_pair("mnist", digits.images, digits.labels),)


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
        MissingExtraError: OpenCV is not installed.
    """
    load_opencv()
    digits = _take_digits(data, limit)
    clean = _measure(recognizer, "clean", digits.images, digits.labels, report_progress)
    rows = tuple(
        _measure(recognizer, name, _corrupt(name, digits.images), digits.labels, report_progress)
        for name in CORRUPTIONS
    )
    return SuiteResult("corruptions", rows, clean, second=_CLASSIFY)


def draw_corruptions(
    *, data: Path | str | None = None, limit: int | None = None
) -> tuple[PictureRow, ...]:
    """Returns the corrupted images of `evaluate_corruptions`, with the same arguments and errors.

    The images without corruption, which do not count in the mean, are left out.
    """
    load_opencv()
    digits = _take_digits(data, limit)

    def draw(name: str) -> Iterator[tuple[NDArray[np.uint8], str]]:
        yield from zip(_corrupt(name, digits.images), _to_texts(digits.labels), strict=True)

    return tuple(PictureRow(name, len(digits), draw(name)) for name in CORRUPTIONS)


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
        MissingExtraError: scikit-learn or OpenCV is not installed.
    """
    (row,) = draw_digits8x8(limit=limit)
    right = sum(
        reading.text == text for reading, text in read_row(recognizer, row, report_progress)
    )
    return SuiteResult("digits8x8", (SuiteRow(row.name, row.n, right),))


def draw_digits8x8(*, limit: int | None = None) -> tuple[PictureRow, ...]:
    """Returns the pictures of `evaluate_digits8x8`, with the same arguments and errors."""
    check_limit(limit)
    load_opencv()
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            f"the suite digits8x8 needs scikit-learn ({error}); run: pip install scikit-learn"
        ) from error
    digits = load_digits()
    labels = digits.target[:limit]
    pictures = map(enlarge_digit, digits.images[:limit])
    pairs = zip(pictures, _to_texts(labels), strict=True)
    return (PictureRow("digits8x8", len(labels), pairs),)


SUITES: Final[Mapping[str, Callable[..., SuiteResult]]] = {
    "corruptions": evaluate_corruptions,
    "digits8x8": evaluate_digits8x8,
    "marks": evaluate_marks,
    "mnist": evaluate_mnist,
    "pages": evaluate_pages,
}
"""Suites by their name in `inkdigits evaluate --suite`. Each takes a recognizer, `limit` and
`report_progress`."""


@dataclass(frozen=True)
class SuitePictures:
    """The pictures of a suite, for reading them with several models side by side.

    Attributes:
        draw: Returns the rows of pictures; takes `limit`.
        is_right: Whether a text that was read is right, given the text that is written.
        separators: Whether separators are read; see `Recognizer.read`.
    """

    draw: Callable[..., tuple[PictureRow, ...]]
    is_right: Callable[[str, str], bool] = operator.eq
    separators: bool = False


SUITE_PICTURES: Final[Mapping[str, SuitePictures]] = {
    "corruptions": SuitePictures(draw_corruptions),
    "digits8x8": SuitePictures(draw_digits8x8),
    "marks": SuitePictures(draw_marks, has_same_separators, separators=True),
    "mnist": SuitePictures(draw_mnist),
    "pages": SuitePictures(draw_pages),
}
"""The pictures of the suites, by the names of `SUITES`."""


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
    readings = read_row(recognizer, _pair(name, tiles, labels), report_progress)
    right = sum(reading.text == text for reading, text in readings)
    return SuiteRow(name, len(tiles), right, int((predictions == labels).sum()))


def _pair(name: str, tiles: NDArray[np.uint8], labels: NDArray[np.uint8]) -> PictureRow:
    return PictureRow(name, len(tiles), zip(tiles, _to_texts(labels), strict=True))


def _to_texts(labels: NDArray[np.integer[Any]]) -> list[str]:
    return [str(label) for label in labels.tolist()]


def _corrupt(name: str, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Each corruption has its own seed, so it does not depend on those before it.
    random = np.random.default_rng((_SEED, list(CORRUPTIONS).index(name)))
    return CORRUPTIONS[name](images, random)


def _take_digits(data: Path | str | None, limit: int | None) -> LabelledImages:
    """Returns the first `limit` test images, or all.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError: MNIST is missing or damaged.
    """
    check_limit(limit)
    test = (fetch_mnist() if data is None else load_mnist(data, required=["test"])).test
    return test if limit is None else test.take(range(min(limit, len(test))))
