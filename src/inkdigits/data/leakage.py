"""Keeps MNIST's test images out of training.

    python -c 'from inkdigits.data.leakage import write_hashes; write_hashes()'   # from MNIST

`leakage.bin` has a hash of each of the 10,000 test images. It is part of the package because the
service and training on your own pictures must know the images without MNIST. The hash covers the
ink of an image: the smallest rectangle around all pixels that differ from the background, and its
size. So a test image is also found if its margin was cropped or widened, and if it is inverted. An
image whose grey values have changed, such as a JPEG file or an enlarged copy, is not found.

A hash is the first 64 bits of a SHA-256, and 10,000 are known: the probability that an image with
other ink is taken for a test image is 10,000 / 2**64 = 5e-16, and 1e-9 among a million images, each
as it is and inverted. None of MNIST's 60,000 training images has the ink of a test image.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.folder import PUBLISHED_SHA256, TRAIN_IMAGES
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.data.mnist import Mnist, fetch_mnist, load_mnist
from inkdigits.errors import DataLeakageError
from inkdigits.files import write_whole

HASHES: Final = Path(__file__).with_name("leakage.bin")
"""The hashes of the ink of MNIST's test images: sorted, unsigned, big-endian, 8 bytes each."""

_MAX_INK: Final = 20
"""Longest side of the ink of an MNIST image, in pixels. Pictures with more ink are not hashed."""

_N_NAMED: Final = 3
"""Number of images that a message names."""

_logger = logging.getLogger(__name__)


def find_test_images(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Returns which images are MNIST's test images, by the hash of their ink.

    Args:
        images: uint8, shape (n, height, width), of any size; ink light on black (0) or dark on
            white (255), as in a PNG file of a test image, inverted or not.

    Returns:
        bool, shape (n,): True for a test image.
    """
    found = np.zeros(len(images), bool)
    for background in (0, 255):
        numbers, hashes = [], []
        for number, ink in _iterate_inks(images, background):
            numbers.append(number)
            hashes.append(_hash_ink(ink))
        known = np.isin(np.array(hashes, np.uint64), _load_hashes())
        found[np.array(numbers, np.int64)[known]] = True
    return found


def is_test_image(pixels: NDArray[np.uint8]) -> bool:
    """Returns whether a picture is one of MNIST's test images, as in `find_test_images`.

    Args:
        pixels: uint8, shape (height, width), of any size.
    """
    return bool(find_test_images(pixels[np.newaxis])[0])


def check_training_images(labelled: LabelledImages, what: str) -> None:
    """Checks that there are no MNIST test images among images to train on.

    Args:
        labelled: The images.
        what: What they are, such as "own images", for the message.

    Raises:
        DataLeakageError: Some of them are test images. The message says how many, and which.
    """
    found = np.flatnonzero(find_test_images(labelled.images))
    if len(found):
        raise build_leakage_error(_name_images(labelled, found), len(labelled), what)


def build_leakage_error(named: Sequence[str], n: int, what: str) -> DataLeakageError:
    """Returns the error for test images among images to train on.

    Args:
        named: Name of each test image; the message has the first three.
        n: Number of all images.
        what: What the images are, such as "pictures in my-corrections".
    """
    return DataLeakageError(
        f"{_describe(named, n, what)}: remove {'it' if len(named) == 1 else 'them'}, because a "
        "model cannot be measured on images that it was trained on"
    )


def load_training_data(
    data: Path | str | None,
    *,
    class_names: Sequence[str] = (),
    progress: bool = False,
    report: bool = True,
) -> Mnist:
    """Loads the data to train on, and leaves MNIST's test images out of it.

    Data sets that are mixed anew, such as Kaggle's `train.csv`, have thousands of them.

    Args:
        data: A path, as in `load_mnist`. None: MNIST from the cache, downloaded if missing.
        class_names: As in `load_mnist`.
        progress: Whether to show progress bars of a download on stderr.
        report: Whether to log a warning that says how many test images are left out, and which.

    Returns:
        MNIST or the user's own data, with training images. The SHA-256 are those of all images.

    Raises:
        DataLeakageError: All of the training images are MNIST's test images.
        DataFormatError, DataUnavailableError, MissingExtraError: As in `load_mnist`.
        OutputError: A download cannot be stored.
    """
    if data is None:
        return fetch_mnist(progress=progress)
    mnist = load_mnist(data, required=["train"], class_names=class_names)
    if mnist.sha256[TRAIN_IMAGES] == PUBLISHED_SHA256[TRAIN_IMAGES]:
        return mnist
    is_test = find_test_images(mnist.train.images)
    if not is_test.any():
        return mnist
    named = _name_images(mnist.train, np.flatnonzero(is_test))
    what = f"training images in {mnist.source}"
    if is_test.all():
        raise build_leakage_error(named, len(is_test), what)
    if report:
        _logger.warning("warning: %s: left out of training", _describe(named, len(is_test), what))
    return replace(mnist, train=mnist.train.take(np.flatnonzero(~is_test)))


def write_hashes(path: Path = HASHES) -> None:
    """Writes the hashes of MNIST's test images.

    Args:
        path: The file to replace.

    Raises:
        DataFormatError, DataUnavailableError: MNIST is damaged or not available.
        OutputError: The file cannot be written.
    """
    hashes = [_hash_ink(ink) for _, ink in _iterate_inks(fetch_mnist().test.images, 0)]
    with write_whole(path) as temporary:
        temporary.write_bytes(np.sort(np.array(hashes, ">u8")).tobytes())


def _name_images(labelled: LabelledImages, numbers: NDArray[np.int64]) -> list[str]:
    if labelled.files:
        return [str(labelled.files[number]) for number in numbers]
    return [f"image {number}" for number in numbers]


def _describe(named: Sequence[str], n: int, what: str) -> str:
    """Returns the statement that some of n images to train on are test images."""
    more = len(named) - _N_NAMED
    names = ", ".join(named[:_N_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    verb = "is an MNIST test image" if len(named) == 1 else "are MNIST test images"
    return f"{len(named):,} of the {n:,} {what} {verb} ({names})"


@cache
def _load_hashes() -> NDArray[np.uint64]:
    return np.frombuffer(HASHES.read_bytes(), ">u8").astype(np.uint64)


def _iterate_inks(
    images: NDArray[np.uint8], background: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yields the ink of each image that has little enough to be one of MNIST's.

    Args:
        images: uint8, shape (n, height, width).
        background: Value of the pixels without ink, 0 or 255.

    Yields:
        The number of the image, and its ink: uint8, at most 20 × 20 pixels, 0 background.
    """
    has_ink = images != background
    rows, columns = has_ink.any(axis=2), has_ink.any(axis=1)
    tops, lefts = rows.argmax(axis=1), columns.argmax(axis=1)
    bottoms = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    rights = columns.shape[1] - columns[:, ::-1].argmax(axis=1)
    is_small = np.maximum(bottoms - tops, rights - lefts) <= _MAX_INK
    for number in np.flatnonzero(is_small & rows.any(axis=1)):
        ink = images[number, tops[number] : bottoms[number], lefts[number] : rights[number]]
        yield int(number), ink ^ np.uint8(background)  # x ^ 255 is 255 - x


def _hash_ink(ink: NDArray[np.uint8]) -> int:
    digest = hashlib.sha256(bytes(ink.shape) + ink.tobytes())
    return int.from_bytes(digest.digest()[:8], "big")
