"""What each epoch is fitted to, drawn from the seed and the epoch's number alone."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.recognition.card import NONE
from inkdigits.synthesis.outlier_tiles import generate_outliers
from inkdigits.synthesis.tile_augmentation import DISTORTIONS, augment_digits, distort_digits
from inkdigits.training.distillation import Teacher
from inkdigits.training.recipes import Recipe


@dataclass(frozen=True, eq=False)
class EpochData:
    """The tiles of one epoch, in the order of its steps.

    Attributes:
        noise_seeds: One for each layer that draws noise, such as dropout.
        process_seed: For generators that belong to the whole process.
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        targets: int32, shape (n,), 0 to 9, and 10 for what is no digit; with a teacher its
            probabilities, float32, shape (n, 10) or (n, 11).
    """

    noise_seeds: NDArray[np.int64]
    process_seed: int
    images: NDArray[np.uint8]
    targets: NDArray[Any]


class EpochFeed:
    """Draws the epochs of a fit; where that takes its time, one ahead in a thread of its own."""

    def __init__(
        self,
        recipe: Recipe,
        training: LabelledImages,
        seed: int,
        n_noisy_layers: int,
        teacher: Teacher | None = None,
    ) -> None:
        """Draws nothing yet.

        Args:
            recipe: Says what is augmented and added.
            training: The images to draw from.
            seed: Of the fit.
            n_noisy_layers: How many layers of the network want a seed for each epoch.
            teacher: Says what to learn of each tile beside its label.
        """
        self._recipe = recipe
        self._training = training
        self._seed = seed
        self._n_noisy_layers = n_noisy_layers
        self._teacher = teacher
        self._is_slow = recipe.augmentation != "none" or teacher is not None
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._ahead: dict[int, Future[EpochData]] = {}

    def draw(self, epoch: int) -> EpochData:
        """The epoch of this number, counted from 0."""
        ahead = self._ahead.pop(epoch, None)
        drawn = self._draw(epoch) if ahead is None else ahead.result()
        if self._is_slow and epoch + 1 < self._recipe.epochs:
            self._ahead[epoch + 1] = self._executor.submit(self._draw, epoch + 1)
        return drawn

    def close(self) -> None:
        """Lets the thread end; what it has drawn ahead is dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _draw(self, epoch: int) -> EpochData:
        random = np.random.default_rng([self._seed, epoch])
        noise_seeds = random.integers(2**31, size=self._n_noisy_layers)
        order = random.permutation(len(self._training))
        process_seed = int(random.integers(2**31))
        images, labels = self._training.images[order], self._training.labels[order]
        tiles, drawn = draw_tiles(self._recipe, images, labels, random)
        targets = drawn if self._teacher is None else self._teacher(tiles, drawn)
        return EpochData(noise_seeds, process_seed, tiles, targets)


def draw_tiles(
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """The tiles that a recipe makes of some digits, outliers mixed in.

    Args:
        recipe: Says what is augmented and added.
        images: uint8, shape (n, 28, 28).
        labels: uint8, shape (n,), 0 to 9.
        random: Source of all chance.

    Returns:
        Tiles, uint8, shape (m, 28, 28), and labels, int32, shape (m,), 0 to 10; m is n and the
        share of outliers more.
    """
    n_outliers = round(recipe.outliers * len(images))
    tiles, targets = images, labels.astype(np.int32)
    if recipe.augmentation in DISTORTIONS:
        tiles = distort_digits(images, random, DISTORTIONS[recipe.augmentation])
    elif recipe.augmentation == "pictures":
        tiles = augment_digits(images, labels, random)
    if n_outliers:
        outliers = generate_outliers(images, labels, n_outliers, random)
        mixed = random.permutation(len(tiles) + n_outliers)
        tiles = np.concatenate([tiles, outliers])[mixed]
        targets = np.concatenate([targets, np.full(n_outliers, NONE, np.int32)])[mixed]
    return tiles, targets
