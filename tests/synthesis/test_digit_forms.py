from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.synthesis import digit_forms
from inkdigits.synthesis.canvas import CANVAS_SIDE
from inkdigits.synthesis.pens import enlarge

Ink = NDArray[np.uint8]
Step = Callable[[Ink, np.random.Generator], Ink]

STEPS = [
    digit_forms.write_european_one,
    digit_forms.write_european_seven,
    digit_forms.write_hooked_six,
    digit_forms.write_hooked_nine,
]


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


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


@pytest.mark.parametrize("lean", [0, 5, 12])
@pytest.mark.parametrize("seed", range(8))
def test_a_european_one_has_an_upstroke_on_its_left(lean: int, seed: int) -> None:
    ink = draw_stem(lean)
    one = digit_forms.write_european_one(ink, np.random.default_rng(seed))
    assert np.all(one >= ink)
    added = np.nonzero((one > 127) & (ink < 128))
    above = added[0] < 60
    assert above.sum() > 40
    assert added[1][above].mean() < 56 + lean


def test_a_one_that_has_its_upstroke_already_keeps_its_form() -> None:
    ink = draw_stem()
    cv2.line(ink, (56, 20), (16, 50), 255, 9)
    cv2.line(ink, (30, 92), (82, 92), 255, 9)
    one = digit_forms.write_european_one(ink, np.random.default_rng(0))
    np.testing.assert_array_equal(one, ink)


@pytest.mark.parametrize("seed", range(8))
def test_a_european_seven_is_crossed_in_the_middle(seed: int) -> None:
    ink = draw_seven()
    seven = digit_forms.write_european_seven(ink, np.random.default_rng(seed))
    assert np.all(seven >= ink)
    middle, foot = slice(45, 70), slice(82, 92)
    assert measure_reach(seven, middle) > measure_reach(ink, middle) + 5
    np.testing.assert_array_equal(seven[foot], ink[foot])


@pytest.mark.parametrize("seed", range(5))
def test_a_hooked_six_reaches_right_at_its_top_and_a_nine_left_at_its_end(seed: int) -> None:
    six = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    cv2.circle(six, (56, 72), 19, 255, 9)
    cv2.line(six, (37, 72), (52, 18), 255, 9)
    hooked = digit_forms.write_hooked_six(six, np.random.default_rng(seed))

    def reach(ink: Ink) -> int:
        return int(np.nonzero(ink[:30] > 127)[1].max())

    assert reach(hooked) >= reach(six) + 5
    assert abs(np.ptp(np.nonzero(hooked > 127)[0]) - np.ptp(np.nonzero(six > 127)[0])) <= 12
    nine = cv2.rotate(six, cv2.ROTATE_180).astype(np.uint8)
    turned = digit_forms.write_hooked_nine(nine, np.random.default_rng(seed))
    np.testing.assert_array_equal(cv2.rotate(turned, cv2.ROTATE_180), hooked)


@pytest.mark.parametrize("label", range(10))
def test_only_four_digits_have_another_form(label: int, digits: LabelledImages) -> None:
    inks = [enlarge(image) for image in digits.images[digits.labels == label][:20]]
    n_other = sum(
        bool(np.any(digit_forms.write_other_form(ink, label, np.random.default_rng(0)) != ink))
        for ink in inks
    )
    # Some have it already, or are written so that it does not fit.
    assert n_other > 10 if label in (1, 6, 7, 9) else n_other == 0
