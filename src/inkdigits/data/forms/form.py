"""What every form of a data set has in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.datasets import DIGITS, Classes
from inkdigits.data.folder import MAX_IMAGES
from inkdigits.data.idx import SIDE, check_labels
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")

_ROLE = re.compile(r"(?:^|[^a-z])(train|test|t10k)(?:ing)?(?:[^a-z]|$)")


@dataclass(frozen=True)
class Form:
    """A data set that was found at a path, but is not loaded yet.

    Attributes:
        name: The form in words, such as "Keras's mnist.npz".
        path: The file or folder that was found.
        readers: The parts that are there, each with the function that loads it. The functions
            raise DataFormatError, DataUnavailableError and MissingExtraError.
        unlabelled: Parts that are there without labels, and their files.
    """

    name: str
    path: Path
    readers: Mapping[Part, Callable[[], LabelledImages]]
    unlabelled: Mapping[Part, Path] = field(default_factory=dict)


def find_part(name: str) -> Part | None:
    """Returns whether a name says training or test, such as "mnist_train" or "t10k-images"."""
    match = _ROLE.search(name.lower())
    if match is None:
        return None
    return "train" if match[1] == "train" else "test"


def assign_parts(path: Path) -> tuple[Part, ...]:
    """Returns the parts that one file or folder serves as: both if its name says neither."""
    part = find_part(path.stem)
    return PARTS if part is None else (part,)


def check_count(count: int, name: str) -> None:
    """Raises DataFormatError unless there is at least one image, and not too many."""
    if count == 0:
        raise DataFormatError(f"{name} contains no images, expected at least one: use another file")
    if count > MAX_IMAGES:
        raise DataFormatError(
            f"{name} contains {count:,} images, expected at most {MAX_IMAGES:,}: split it"
        )


def build_labelled(
    images: NDArray[Any],
    labels: NDArray[Any],
    images_name: str,
    labels_name: str,
    classes: Classes = DIGITS,
) -> LabelledImages:
    """Checks arrays as other libraries write them, and converts them.

    Args:
        images: Integers, 0 background to 255 full ink, of shape (n, 28, 28), (n, 28, 28, 1),
            (n, 1, 28, 28) or (n, 784).
        labels: Integers, of digits 0 to 9, of shape (n,) or (n, 1).
        images_name: Name of the images in error messages.
        labels_name: Name of the labels in error messages.
        classes: What the labels stand for.

    Raises:
        DataFormatError: The arrays are of other types or shapes, or do not belong together.
    """
    shape = images.shape[1:]
    if shape not in ((SIDE, SIDE), (SIDE, SIDE, 1), (1, SIDE, SIDE), (SIDE * SIDE,)):
        raise DataFormatError(
            f"{images_name} has the shape {images.shape}, expected (n, {SIDE}, {SIDE}): resize the "
            "images before writing the file"
        )
    check_count(len(images), images_name)
    if images.dtype != np.uint8:
        is_integer = np.issubdtype(images.dtype, np.integer)
        if not is_integer or images.min() < 0 or images.max() > 255:
            raise DataFormatError(
                f"{images_name} is {images.dtype} of other values than whole numbers 0 to 255: "
                "scale the images to 0 (background) to 255 (ink) and convert them to uint8"
            )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape[1:] not in ((), (1,)):
        raise DataFormatError(
            f"{labels_name} is {labels.dtype} of shape {labels.shape}, expected integers of shape "
            "(n,): write one whole number for each image"
        )
    if len(images) != len(labels):
        raise DataFormatError(
            f"{images_name} contains {len(images)} images but {labels_name} contains "
            f"{len(labels)} labels: use two that belong together"
        )
    return LabelledImages(
        np.ascontiguousarray(images.astype(np.uint8).reshape(-1, SIDE, SIDE)),
        check_labels(labels.reshape(-1), labels_name, classes),
        n_classes=len(classes.names),
    )
