from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from inkdigits.data import LabelledImages, Mnist
from inkdigits.errors import DataFormatError
from inkdigits.recognition.framing import frame, is_framed
from inkdigits.synthesis.tile_augmentation import (
    DISTORTIONS,
    Distortion,
    augment_digits,
    distort_digits,
)

Ink = NDArray[np.uint8]


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


@pytest.fixture(scope="module")
def tiles(digits: LabelledImages) -> Ink:
    """The digits augmented."""
    return augment_digits(digits.images, digits.labels, np.random.default_rng(0))


def test_augmented_digits_are_tiles_with_ink(tiles: Ink, digits: LabelledImages) -> None:
    assert tiles.shape == digits.images.shape
    assert tiles.dtype == np.uint8
    assert tiles.any(axis=(1, 2)).all()


def test_the_same_chance_gives_the_same_tiles(digits: LabelledImages, tiles: Ink) -> None:
    given_images = digits.images.copy()
    again = augment_digits(digits.images, digits.labels, np.random.default_rng(0))
    np.testing.assert_array_equal(again, tiles)
    np.testing.assert_array_equal(digits.images, given_images)
    other = augment_digits(digits.images, digits.labels, np.random.default_rng(1))
    assert np.any(other != tiles, axis=(1, 2)).mean() > 0.8


def test_a_share_of_the_digits_stays_as_it_is(tiles: Ink, digits: LabelledImages) -> None:
    unchanged = np.all(tiles == digits.images, axis=(1, 2)).mean()
    assert 1 / 6 < unchanged < 1 / 4


def test_all_but_the_disturbed_are_framed(tiles: Ink) -> None:
    framed = np.mean([is_framed(tile) for tile in tiles])
    assert 0.7 < framed < 0.85  # of the 80 % that change, 30 % are disturbed after the framing


def test_augmented_digits_still_are_the_digits_they_were(
    mnist: Mnist, tiles: Ink, digits: LabelledImages
) -> None:
    """A classifier that has seen unchanged digits only, other ones than these, reads them."""
    known = mnist.train.take(range(1_000, 13_000))
    neighbours = KNeighborsClassifier(3).fit(known.images.reshape(-1, 784), known.labels)
    read = neighbours.predict(tiles.reshape(-1, 784))
    recalls = [np.mean(read[digits.labels == digit] == digit) for digit in range(10)]
    assert np.mean(recalls) > 0.75
    assert min(recalls) > 0.55
    sixes, nines = read[digits.labels == 6], read[digits.labels == 9]
    assert np.mean(sixes == 9) + np.mean(nines == 6) < 0.03


@pytest.mark.parametrize("distortion", DISTORTIONS.values(), ids=DISTORTIONS)
def test_distorted_digits_move_little_and_stay_what_they_were(
    mnist: Mnist, digits: LabelledImages, distortion: Distortion
) -> None:
    distorted = distort_digits(digits.images, np.random.default_rng(0), distortion)
    again = distort_digits(digits.images, np.random.default_rng(0), distortion)
    np.testing.assert_array_equal(distorted, again)
    assert np.any(distorted != digits.images, axis=(1, 2)).mean() > 0.99

    def find_centres(images: Ink) -> NDArray[np.float64]:
        masses = images.sum(axis=(1, 2), dtype=np.float64)[:, np.newaxis]
        places = np.indices((28, 28)).reshape(2, -1).T
        return np.asarray(images.reshape(-1, 784) @ places.astype(np.float64) / masses)

    moves = find_centres(distorted) - find_centres(digits.images)
    # What turns, zooms and bends add to the shift.
    assert np.abs(moves).max() < distortion.shift + 2.5
    assert np.abs(moves.mean(axis=0)).max() < 0.15
    known = mnist.train.take(range(1_000, 13_000))
    neighbours = KNeighborsClassifier(3).fit(known.images.reshape(-1, 784), known.labels)
    in_the_middle = np.stack([frame(tile) for tile in distorted])
    assert neighbours.score(in_the_middle.reshape(-1, 784), digits.labels) > 0.85


def test_no_distortion_leaves_digits_as_they_are(digits: LabelledImages) -> None:
    none = Distortion(degrees=0, shear=0, zoom=0, shift=0, bend=0)
    same = distort_digits(digits.images, np.random.default_rng(0), none)
    np.testing.assert_array_equal(same, digits.images)


@pytest.mark.parametrize("distortion", DISTORTIONS.values(), ids=DISTORTIONS)
def test_digits_turn_no_further_than_said(distortion: Distortion) -> None:
    """A long bar, whose angle the moments of its ink tell."""
    turned_only = replace(distortion, shear=0, zoom=0, shift=0, bend=0)
    bar = np.zeros((500, 28, 28), np.uint8)
    bar[:, 4:24, 12:16] = 255
    turned = distort_digits(bar, np.random.default_rng(0), turned_only)
    moments = [cv2.moments(tile) for tile in turned]
    angles = [np.rad2deg(np.arctan2(2 * m["mu11"], m["mu02"] - m["mu20"])) / 2 for m in moments]
    assert 0.95 * distortion.degrees < np.abs(angles).max() < distortion.degrees + 0.5
    assert min(angles) < 0 < max(angles)


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (np.zeros((2, 28, 28), np.float32), np.zeros(2, int), "images are float32"),
        (np.zeros((2, 32, 32), np.uint8), np.zeros(2, int), r"shape \(2, 32, 32\)"),
        (np.zeros((28, 28), np.uint8), np.zeros(28, int), r"shape \(28, 28\)"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(3, int), r"labels have shape \(3,\)"),
    ],
)
def test_what_is_no_set_of_digits_is_refused(
    images: NDArray[np.uint8], labels: NDArray[np.int64], expected: str
) -> None:
    with pytest.raises(DataFormatError, match=expected):
        augment_digits(images, labels, np.random.default_rng(0))


def test_no_digits_give_no_tiles() -> None:
    tiles = augment_digits(
        np.zeros((0, 28, 28), np.uint8), np.zeros(0, int), np.random.default_rng(0)
    )
    assert tiles.shape == (0, 28, 28)


@pytest.mark.parametrize("label", range(10))
def test_images_without_ink_are_survived(label: int) -> None:
    blank = np.zeros((40, 28, 28), np.uint8)
    tiles = augment_digits(blank, np.full(40, label), np.random.default_rng(0))
    assert tiles.shape == blank.shape


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kept=st.floats(0, 1))
def test_any_ink_becomes_tiles(seed: int, kept: float) -> None:
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (4, 28, 28))
    images = np.where(random.random(noise.shape) < kept, noise, 0).astype(np.uint8)
    tiles = augment_digits(images, random.integers(0, 10, 4), random)
    assert tiles.shape == images.shape
