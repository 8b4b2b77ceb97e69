"""Images with their labels, and their split into training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.idx import SIDE
from inkdigits.errors import DataFormatError, UsageError


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of digits, or of other classes, and their labels.

    Attributes:
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        labels: uint8, shape (n,), counted from 0; of digits 0 to 9, where 0 is the digit zero.
        files: The file of each image, if each has one of its own; else empty.
        n_classes: Number of classes; labels are less.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    files: tuple[Path, ...] = ()
    n_classes: int = 10

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.shape[1:] != (SIDE, SIDE):
            raise DataFormatError(
                f"images are {self.images.dtype} of shape {self.images.shape}, "
                f"expected uint8 of shape (n, {SIDE}, {SIDE}): convert the array"
            )
        if self.labels.dtype != np.uint8 or self.labels.ndim != 1:
            raise DataFormatError(
                f"labels are {self.labels.dtype} of shape {self.labels.shape}, "
                "expected uint8 of shape (n,): convert the array"
            )
        if len(self.images) != len(self.labels):
            raise DataFormatError(
                f"{len(self.images)} images and {len(self.labels)} labels, expected one label "
                "for each image: use arrays that belong together"
            )
        if self.labels.size and self.labels.max() >= self.n_classes:
            raise DataFormatError(
                f"the highest label is {self.labels.max()}, expected 0 to {self.n_classes - 1}: "
                f"remove the images that are not {'digits' if self.n_classes == 10 else 'of these'}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.integer[Any]] | Sequence[int]) -> LabelledImages:
        """Returns a copy of the images and labels at `indices`, in that order.

        Raises:
            IndexError: An index is out of range.
        """
        chosen = indices if isinstance(indices, np.ndarray) else list(indices)
        files = tuple(self.files[index] for index in chosen) if self.files else ()
        return LabelledImages(self.images[chosen], self.labels[chosen], files, self.n_classes)


def split_validation(
    labelled: LabelledImages, n_validation: int, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Splits images randomly into a training part and a validation part.

    Args:
        labelled: The images to split. They are not modified.
        n_validation: Number of validation images, at least 1 and less than `len(labelled)`.
        seed: Seed of the random split, at least 0. The same seed gives the same split.

    Returns:
        The training part and the validation part, each in the original order.

    Raises:
        UsageError: `n_validation` or `seed` is out of range.
    """
    if not 0 < n_validation < len(labelled):
        raise UsageError(
            f"cannot use {n_validation} of {len(labelled)} images for validation: "
            f"choose 1 to {len(labelled) - 1}"
        )
    if seed < 0:
        raise UsageError(f"invalid seed {seed}: choose 0 or more")
    order = np.random.default_rng(seed).permutation(len(labelled))
    validation, training = np.sort(order[:n_validation]), np.sort(order[n_validation:])
    return labelled.take(training), labelled.take(validation)


def split_fold(
    labelled: LabelledImages, fold: int, n_folds: int, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Splits images into the training and validation part of one fold of a cross-validation.

    Args:
        labelled: The images to split. They are not modified.
        fold: Number of the fold, counted from 0.
        n_folds: Number of folds; each image is in the validation part of exactly one of them.
        seed: Seed of the random split, at least 0.

    Returns:
        The training part and the validation part, each in the original order.

    Raises:
        UsageError: Fewer than two folds, or more than images.
    """
    if not 2 <= n_folds <= len(labelled):
        raise UsageError(
            f"cannot split {len(labelled)} images into {n_folds} folds: choose 2 to {len(labelled)}"
        )
    parts = np.array_split(np.random.default_rng(seed).permutation(len(labelled)), n_folds)
    training = np.sort(np.concatenate([*parts[:fold], *parts[fold + 1 :]]))
    return labelled.take(training), labelled.take(np.sort(parts[fold]))
