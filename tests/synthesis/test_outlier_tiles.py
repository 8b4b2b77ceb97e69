from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.errors import UsageError
from inkdigits.recognition.framing import frame
from inkdigits.synthesis.held_out_marks import HELD_OUT_KINDS
from inkdigits.synthesis.outlier_tiles import (
    OUTLIER_KINDS,
    cut_digit,
    generate_outliers,
    group_digits,
)


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


def make_tiles(kind: str, digits: LabelledImages, n: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(3)
    make = OUTLIER_KINDS[kind]
    return np.stack([frame(make(digits.images, digits.labels, random)) for _ in range(n)])


@pytest.mark.parametrize("kind", OUTLIER_KINDS)
def test_every_kind_gives_many_different_tiles(kind: str, digits: LabelledImages) -> None:
    tiles = make_tiles(kind, digits, 80)
    assert tiles.dtype == np.uint8
    inked = tiles[tiles.any(axis=(1, 2))]
    assert len(inked) > 0.8 * len(tiles)
    assert len(np.unique(inked, axis=0)) > 0.9 * len(inked)
    # Different in more than a few grey values: no two kinds of tile dominate.
    patterns = (inked > 127).reshape(len(inked), -1).astype(int)
    differences = (patterns[:, np.newaxis] != patterns).sum(axis=2)
    assert np.median(differences[~np.eye(len(inked), dtype=bool)]) > 30


@pytest.mark.parametrize("kind", OUTLIER_KINDS)
def test_every_kind_follows_from_the_chance_alone(kind: str, digits: LabelledImages) -> None:
    images = digits.images.copy()
    np.testing.assert_array_equal(make_tiles(kind, digits, 5), make_tiles(kind, digits, 5))
    np.testing.assert_array_equal(digits.images, images)


@pytest.mark.parametrize("n", [0, 1, 120])
def test_generated_tiles_all_have_ink(n: int, digits: LabelledImages) -> None:
    tiles = generate_outliers(digits.images, digits.labels, n, np.random.default_rng(0))
    assert tiles.shape == (n, 28, 28)
    assert tiles.dtype == np.uint8
    assert tiles.any(axis=(1, 2)).all()
    again = generate_outliers(digits.images, digits.labels, n, np.random.default_rng(0))
    np.testing.assert_array_equal(again, tiles)


def test_a_digit_that_is_missing_is_named(digits: LabelledImages) -> None:
    others = digits.take(np.flatnonzero(digits.labels != 3))
    with pytest.raises(UsageError, match="shows the digit 3"):
        generate_outliers(others.images, others.labels, 1, np.random.default_rng(0))


def test_no_held_out_kind_is_trained_on() -> None:
    assert not set(OUTLIER_KINDS) & set(HELD_OUT_KINDS)


def test_fragments_are_wide_and_hardly_ever_have_a_hole(digits: LabelledImages) -> None:
    random = np.random.default_rng(0)
    n_holes = 0
    for _ in range(100):
        piece = cut_digit(digits.images, digits.labels, random)
        mask = cv2.threshold(piece, 127, 255, cv2.THRESH_BINARY)[1]
        _, _, width, height = cv2.boundingRect(mask)
        assert width > 1.1 * height
        # Enclosed paper is background that a flood from the corner does not reach.
        padded = np.pad(mask, 1)
        cv2.floodFill(padded, None, (0, 0), 255)
        n_holes += int(np.count_nonzero(padded == 0) > 4)
    assert n_holes <= 4  # a thick pen may close a bay after the cut


def test_groups_hold_more_ink_than_a_digit(digits: LabelledImages) -> None:
    random = np.random.default_rng(0)
    shapes = [group_digits(digits.images, digits.labels, random).shape for _ in range(60)]
    longer = np.array([max(shape) for shape in shapes])
    assert np.median(longer) > 100  # a digit alone is 80 pixels on the longer side
    assert np.mean([height > width for height, width in shapes]) > 0.05
