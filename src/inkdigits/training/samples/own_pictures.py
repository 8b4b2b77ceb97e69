"""Adds a user's own labelled pictures to MNIST's training images."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from inkdigits.data import LabelledImages, load_labelled_pictures
from inkdigits.data.leakage import build_leakage_error, check_training_images, is_test_image
from inkdigits.errors import DataUnavailableError
from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition.crops import cut_tile, extract_mark
from inkdigits.recognition.opencv import cv2

LARGEST_SHARE: Final = 0.02
"""Own pictures are repeated up to this fraction of the training images."""

MOST_COPIES: Final = 100


def load_tiles(directory: Path | str) -> LabelledImages:
    """Loads the pictures of single digits in a folder as tiles, framed as for prediction.

    Args:
        directory: As in `load_labelled_pictures`. Pictures labelled with no digit or with several
            digits, and pictures without ink, are left out.

    Returns:
        One tile and label per picture.

    Raises:
        DataUnavailableError: The folder does not exist, or has no picture of a single digit.
        DataFormatError, PictureError: A manifest or a picture that cannot be read.
        DataLeakageError: Some of the pictures are MNIST's test images.
    """
    tiles, labels, leaked = [], [], []
    single = [picture for picture in load_labelled_pictures(directory) if len(picture.label) == 1]
    for picture in single:
        pixels = decode_picture(picture.path).pixels
        ink = extract_mark(pixels)
        if ink.any():
            tile = cut_tile(pixels, cv2.boundingRect(ink))
            tiles.append(tile)
            labels.append(int(picture.label))
            # The picture itself too, because cutting changes the grey values.
            if is_test_image(pixels) or is_test_image(tile):
                leaked.append(str(picture.path.relative_to(directory)))
    if leaked:
        raise build_leakage_error(leaked, len(single), f"pictures of single digits in {directory}")
    if not tiles:
        raise DataUnavailableError(
            f"no picture of a single digit in {directory}: expected at least one to train on"
        )
    return LabelledImages(np.stack(tiles), np.array(labels, np.uint8))


def add_copies(training: LabelledImages, own: LabelledImages) -> LabelledImages:
    """Appends copies of a user's own images, so that these few images affect training.

    Args:
        training: MNIST's training images.
        own: The user's images. Each is appended the same number of times: at least once, at most
            `MOST_COPIES` times, and otherwise as often as keeps all copies together within
            `LARGEST_SHARE` of `training`.

    Returns:
        The training images, followed by the copies.

    Raises:
        DataLeakageError: Some of the user's images are MNIST's test images.
    """
    check_training_images(own, "own images")
    n_copies = int(np.clip(LARGEST_SHARE * len(training) // len(own), 1, MOST_COPIES))
    return LabelledImages(
        np.concatenate([training.images, *[own.images] * n_copies]),
        np.concatenate([training.labels, *[own.labels] * n_copies]),
    )
