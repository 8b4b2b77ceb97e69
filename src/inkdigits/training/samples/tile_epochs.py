"""The tiles and targets of each epoch, which depend only on the seed and the epoch's number."""

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
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.samples.distillation import Teacher, encode_one_hot


@dataclass(frozen=True, eq=False)
class EpochData:
    """The tiles of one epoch, in the order in which they are used.

    Attributes:
        noise_seeds: One seed for each layer with random noise, such as dropout.
        process_seed: Seed of the process-wide random generators.
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        targets: int32, shape (n,), 0 to 9, or 10 for "not a digit". With a teacher, or a loss that
            takes them, probabilities instead: float32, shape (n, 10) or (n, 11).
    """

    noise_seeds: NDArray[np.int64]
    process_seed: int
    images: NDArray[np.uint8]
    targets: NDArray[Any]


class EpochFeed:
    """Draws the epochs of a training run.

    With augmentation or a teacher, drawing takes time, so the next epoch is drawn ahead in a
    thread.
    """

    def __init__(
        self,
        recipe: Recipe,
        training: LabelledImages,
        seed: int,
        n_noisy_layers: int,
        teacher: Teacher | None = None,
    ) -> None:
        """Prepares the feed without drawing an epoch.

        Args:
            recipe: Gives the augmentation and the fraction of outliers.
            training: The images to draw from.
            seed: Seed of the run.
            n_noisy_layers: Number of layers of the network that need a seed for each epoch.
            teacher: Computes the targets from tiles and labels; None: the targets are the labels,
                in the form that the loss takes.
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
        """Returns the epoch with this number, counted from 0."""
        ahead = self._ahead.pop(epoch, None)
        drawn = self._draw(epoch) if ahead is None else ahead.result()
        if self._is_slow and epoch + 1 < self._recipe.epochs:
            self._ahead[epoch + 1] = self._executor.submit(self._draw, epoch + 1)
        return drawn

    def close(self) -> None:
        """Stops the thread and discards the epoch that it has drawn ahead."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _draw(self, epoch: int) -> EpochData:
        random = np.random.default_rng([self._seed, epoch])
        noise_seeds = random.integers(2**31, size=self._n_noisy_layers)
        order = random.permutation(len(self._training))
        process_seed = int(random.integers(2**31))
        images, labels = self._training.images[order], self._training.labels[order]
        tiles, drawn = draw_tiles(self._recipe, images, labels, random)
        if self._teacher is not None:
            targets: NDArray[Any] = self._teacher(tiles, drawn)
        else:
            targets = encode_targets(self._recipe, drawn)
        return EpochData(noise_seeds, process_seed, tiles, targets)


def encode_targets(recipe: Recipe, labels: NDArray[Any]) -> NDArray[Any]:
    """Returns labels, integers (n,), in the form that the loss takes: as they are, or one-hot."""
    return labels if recipe.takes_labels else encode_one_hot(labels, recipe.n_outputs)


def draw_tiles(
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Augments digits as a recipe says, and mixes outliers into them.

    Args:
        recipe: Gives the augmentation and the fraction of outliers.
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        labels: uint8, shape (n,), 0 to 9.
        random: Source of all random numbers.

    Returns:
        Tiles, uint8, shape (m, 28, 28), 0 background, 255 full ink; and labels, int32, shape (m,),
        0 to 9, or 10 for outliers. m = n + round(n · `recipe.outliers`).
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
