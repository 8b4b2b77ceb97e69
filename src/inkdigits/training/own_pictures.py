"""A user's own pictures beside MNIST's training images."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from inkdigits.data import LabelledImages, load_labelled_pictures
from inkdigits.errors import DataUnavailableError
from inkdigits.recognition.crops import cut_tile, extract_mark
from inkdigits.recognition.decoding import decode_picture

LARGEST_SHARE: Final = 0.02
"""Of the images to train on, that own pictures are repeated to."""

MOST_COPIES: Final = 100


def load_tiles(directory: Path | str) -> LabelledImages:
    """Frames the pictures of single digits in a folder as reading frames what it finds.

    Args:
        directory: As in `load_labelled_pictures`; pictures of no digit, of several digits or
            without ink are left out.

    Returns:
        A tile and a label for each.

    Raises:
        DataUnavailableError: No such folder, or no picture of a single digit in it.
        DataFormatError, PictureError: A manifest or a picture that cannot be read.
    """
    tiles, labels = [], []
    for picture in load_labelled_pictures(directory):
        if len(picture.label) == 1:
            pixels = decode_picture(picture.path).pixels
            ink = extract_mark(pixels)
            if ink.any():
                tiles.append(cut_tile(pixels, cv2.boundingRect(ink)))
                labels.append(int(picture.label))
    if not tiles:
        raise DataUnavailableError(
            f"{directory} holds no picture of a single digit: expected at least one to train on"
        )
    return LabelledImages(np.stack(tiles), np.array(labels, np.uint8))


def add_copies(training: LabelledImages, own: LabelledImages) -> LabelledImages:
    """Repeats a few images so that a fit notices them beside the many.

    Args:
        training: The many.
        own: The few, which follow them in a whole number of copies: `MOST_COPIES` at most, fewer
            where they would be more than `LARGEST_SHARE` of `training`, and one at least.
    """
    n_copies = int(np.clip(LARGEST_SHARE * len(training) // len(own), 1, MOST_COPIES))
    return LabelledImages(
        np.concatenate([training.images, *[own.images] * n_copies]),
        np.concatenate([training.labels, *[own.labels] * n_copies]),
    )
