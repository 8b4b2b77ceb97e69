from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inkdigits.data import LabelledImages
from inkdigits.recognition.card import NONE
from inkdigits.training.recipes import Recipe
from inkdigits.training.recipes.catalogue import PICTURES, SMOKE
from inkdigits.training.samples.tile_epochs import EpochFeed


def draw(recipe: Recipe, images: LabelledImages, epochs: list[int], seed: int = 3) -> list[bytes]:
    feed = EpochFeed(recipe, images, seed, n_noisy_layers=2)
    try:
        drawn = [feed.draw(epoch) for epoch in epochs]
    finally:
        feed.close()
    return [
        b"".join(part.tobytes() for part in (d.noise_seeds, d.images, d.targets)) for d in drawn
    ]


def test_plain_epochs_are_permutations(test_slice: LabelledImages) -> None:
    feed = EpochFeed(SMOKE, test_slice, 0, n_noisy_layers=1)
    first, second = feed.draw(0), feed.draw(1)
    for drawn in (first, second):
        rows = {row.tobytes() for row in drawn.images}
        assert rows == {row.tobytes() for row in test_slice.images}
        assert np.array_equal(np.bincount(drawn.targets), np.bincount(test_slice.labels))
    assert not np.array_equal(first.images, second.images)
    assert first.process_seed != second.process_seed


DISTORTED = replace(SMOKE, name="distorted", augmentation="distortions", epochs=3)
MOVED = replace(DISTORTED, name="moved", augmentation="affine")


@pytest.mark.parametrize(
    "recipe", [SMOKE, DISTORTED, MOVED, replace(PICTURES, epochs=3)], ids=lambda recipe: recipe.name
)
def test_an_epoch_follows_from_seed_and_number_alone(
    recipe: Recipe, test_slice: LabelledImages
) -> None:
    images = test_slice.take(range(200))
    in_turn = draw(recipe, images, [0, 1, 2])
    assert draw(recipe, images, [2, 0]) == [in_turn[2], in_turn[0]]
    assert len({*in_turn, *draw(recipe, images, [0], seed=4)}) == 4


def test_outliers_are_a_share_and_labelled_none(test_slice: LabelledImages) -> None:
    images = test_slice.take(range(200))
    feed = EpochFeed(replace(PICTURES, outliers=0.25), images, 0, n_noisy_layers=0)
    drawn = feed.draw(0)
    feed.close()
    assert drawn.images.shape == (250, 28, 28)
    assert np.count_nonzero(drawn.targets == NONE) == 50
    digits = drawn.targets[drawn.targets != NONE]
    assert np.array_equal(np.bincount(digits), np.bincount(images.labels))
