from __future__ import annotations

from collections.abc import Callable
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
from inkdigits.recognition.framing import frame, is_framed, measure_stroke
from inkdigits.training import augmentation
from inkdigits.training.augmentation import (
    CANVAS_SIDE,
    DISTORTIONS,
    Distortion,
    augment_digits,
    distort_digits,
    enlarge,
)

Ink = NDArray[np.uint8]
Step = Callable[[Ink, np.random.Generator], Ink]

STEPS = [
    augmentation.bend,
    augmentation.change_pen,
    augmentation.outline,
    augmentation.break_stroke,
    augmentation.add_neighbour,
    augmentation.add_rule,
    augmentation.add_specks,
    augmentation.soften,
    augmentation.square_up,
    augmentation.straighten,
    augmentation.photograph,
    augmentation.take_picture,
    augmentation.write_european_one,
    augmentation.write_european_seven,
    augmentation.write_hooked_six,
    augmentation.write_hooked_nine,
]


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


@pytest.fixture(scope="module")
def tiles(digits: LabelledImages) -> Ink:
    """The digits augmented."""
    return augment_digits(digits.images, digits.labels, np.random.default_rng(0))


def draw_stem(lean: int = 0) -> Ink:
    """A plain 1 on a canvas, leaning to the right by some pixels."""
    ink = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    return cv2.line(ink, (56 + lean, 20), (56 - lean, 92), 255, 9).astype(np.uint8)


def draw_seven() -> Ink:
    ink = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    line = np.array([(35, 20), (80, 20), (50, 92)], np.int32)
    return cv2.polylines(ink, [line], False, 255, 9).astype(np.uint8)


def measure_reach(ink: Ink, rows: slice) -> int:
    """Number of columns, from the first with ink to the last, in some rows."""
    return int(np.ptp(np.nonzero(ink[rows] > 127)[1])) + 1


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


def test_straight_strokes_have_few_corners() -> None:
    ring = cv2.circle(np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8), (56, 56), 36, 255, 9)
    straight = augmentation.straighten(ring.astype(np.uint8), np.random.default_rng(0))
    contours, _ = cv2.findContours(straight, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    assert len(contours) == 2  # it is a ring still
    corners = [len(cv2.approxPolyDP(contour, 1.5, True)) for contour in contours]
    round_corners = [
        len(cv2.approxPolyDP(contour, 1.5, True))
        for contour in cv2.findContours(ring, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]
    ]
    assert max(corners) < min(round_corners)


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (np.zeros((2, 28, 28), np.float32), np.zeros(2, int), "images are float32"),
        (np.zeros((2, 32, 32), np.uint8), np.zeros(2, int), r"shape \(2, 32, 32\)"),
        (np.zeros((28, 28), np.uint8), np.zeros(28, int), r"shape \(28, 28\)"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(3, int), r"labels of shape \(3,\)"),
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


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_every_step_leaves_its_input_and_some_ink(step: Step, digits: LabelledImages) -> None:
    for seed, image in enumerate(digits.images[:60]):
        ink = enlarge(image)
        before = ink.copy()
        changed = step(ink, np.random.default_rng(seed))
        np.testing.assert_array_equal(ink, before)
        assert changed.dtype == np.uint8
        assert changed.any()
        np.testing.assert_array_equal(step(ink, np.random.default_rng(seed)), changed)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kept=st.floats(0, 1))
def test_any_ink_becomes_tiles(seed: int, kept: float) -> None:
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (4, 28, 28))
    images = np.where(random.random(noise.shape) < kept, noise, 0).astype(np.uint8)
    tiles = augment_digits(images, random.integers(0, 10, 4), random)
    assert tiles.shape == images.shape


@pytest.mark.parametrize("lean", [0, 5, 12])
@pytest.mark.parametrize("seed", range(8))
def test_a_european_one_has_an_upstroke_on_its_left(lean: int, seed: int) -> None:
    ink = draw_stem(lean)
    one = augmentation.write_european_one(ink, np.random.default_rng(seed))
    assert np.all(one >= ink)
    added = np.nonzero((one > 127) & (ink < 128))
    above = added[0] < 60
    assert above.sum() > 40
    assert added[1][above].mean() < 56 + lean


def test_a_one_that_has_its_upstroke_already_keeps_its_form() -> None:
    ink = draw_stem()
    cv2.line(ink, (56, 20), (16, 50), 255, 9)
    cv2.line(ink, (30, 92), (82, 92), 255, 9)
    one = augmentation.write_european_one(ink, np.random.default_rng(0))
    np.testing.assert_array_equal(one, ink)


@pytest.mark.parametrize("seed", range(8))
def test_a_european_seven_is_crossed_in_the_middle(seed: int) -> None:
    ink = draw_seven()
    seven = augmentation.write_european_seven(ink, np.random.default_rng(seed))
    assert np.all(seven >= ink)
    middle, foot = slice(45, 70), slice(82, 92)
    assert measure_reach(seven, middle) > measure_reach(ink, middle) + 5
    np.testing.assert_array_equal(seven[foot], ink[foot])


@pytest.mark.parametrize("seed", range(5))
def test_a_hooked_six_reaches_right_at_its_top_and_a_nine_left_at_its_end(seed: int) -> None:
    six = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    cv2.circle(six, (56, 72), 19, 255, 9)
    cv2.line(six, (37, 72), (52, 18), 255, 9)
    hooked = augmentation.write_hooked_six(six, np.random.default_rng(seed))

    def reach(ink: Ink) -> int:
        return int(np.nonzero(ink[:30] > 127)[1].max())

    assert reach(hooked) >= reach(six) + 5
    assert abs(np.ptp(np.nonzero(hooked > 127)[0]) - np.ptp(np.nonzero(six > 127)[0])) <= 12
    nine = cv2.rotate(six, cv2.ROTATE_180).astype(np.uint8)
    turned = augmentation.write_hooked_nine(nine, np.random.default_rng(seed))
    np.testing.assert_array_equal(cv2.rotate(turned, cv2.ROTATE_180), hooked)


def test_squared_up_a_circle_fills_its_corners() -> None:
    ring = cv2.circle(np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8), (56, 56), 32, 255, 9)
    squared = augmentation.square_up(ring.astype(np.uint8), np.random.default_rng(0))

    def fill(ink: Ink) -> float:
        contours, _ = cv2.findContours(ink, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        _, _, width, height = cv2.boundingRect(contours[0])
        return cv2.contourArea(contours[0]) / (width * height)

    assert fill(ring.astype(np.uint8)) == pytest.approx(np.pi / 4, abs=0.03)
    assert fill(squared) > 0.84
    assert np.abs(np.subtract(cv2.boundingRect(squared), cv2.boundingRect(ring))).max() <= 2


def test_pens_reach_from_thin_to_thick() -> None:
    ink = draw_seven()
    widths = [
        measure_stroke(augmentation.change_pen(ink, np.random.default_rng(seed)))
        for seed in range(80)
    ]
    width = measure_stroke(ink)
    assert min(widths) < 0.5 * width
    assert max(widths) > 1.6 * width


def test_thick_pens_do_not_close_a_hole() -> None:
    ring = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    cv2.circle(ring, (56, 56), 16, 255, 8)
    for seed in range(60):
        written = augmentation.change_pen(ring, np.random.default_rng(seed))
        assert written[48:64, 48:64].min() < 128


def test_an_outline_is_hollow() -> None:
    ink = draw_seven()
    hollow = augmentation.outline(ink, np.random.default_rng(0))
    assert hollow[50:85].max() == 255
    middle_of_stem = hollow[56, 55:75]
    edges = np.flatnonzero(np.diff((middle_of_stem > 127).astype(int)))
    assert len(edges) >= 2


def test_photographs_bring_the_ink_back(digits: LabelledImages) -> None:
    """What comes back lies where the ink was, whichever is lighter, paper or ink."""
    for seed, image in enumerate(digits.images[:60]):
        ink = enlarge(image)
        back = augmentation.photograph(ink, np.random.default_rng(seed))
        back = cv2.resize(back, ink.shape, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        written, found = ink > 127, back > 127
        assert (written & found).sum() > 0.45 * (written | found).sum()


def test_pictures_have_both_polarities() -> None:
    ink = draw_seven()
    darker = [
        picture[ink > 127].mean() < picture[ink == 0].mean()
        for picture in (
            augmentation.take_picture(ink, np.random.default_rng(seed)) for seed in range(40)
        )
    ]
    assert 0.4 < np.mean(darker) < 0.9


def test_disturbing_keeps_the_tile_and_most_of_its_ink(digits: LabelledImages) -> None:
    correlations = []
    for seed, image in enumerate(digits.images[:200]):
        disturbed = augmentation.disturb(image, np.random.default_rng(seed))
        assert disturbed.shape == image.shape
        assert disturbed.dtype == np.uint8
        correlations.append(np.corrcoef(image.ravel(), disturbed.ravel())[0, 1])
    assert 0.5 < np.median(correlations) < 0.999
    assert np.mean(np.array(correlations) > 0.2) > 0.9


@pytest.mark.parametrize("spoil", augmentation._DISTURBANCES, ids=lambda spoil: spoil.__name__)
def test_each_disturbance_changes_the_tile(
    spoil: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]],
    digits: LabelledImages,
) -> None:
    image = digits.images[0].astype(np.float32)
    changed = [spoil(image.copy(), np.random.default_rng(seed)) for seed in range(10)]
    assert all(values.shape == image.shape for values in changed)
    assert all(np.isfinite(values).all() for values in changed)
    assert sum(np.abs(values - image).max() > 20 for values in changed) >= 9
