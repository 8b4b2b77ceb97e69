from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.recognition.framing import measure_stroke
from inkdigits.synthesis import pens
from inkdigits.synthesis.canvas import CANVAS_SIDE
from inkdigits.synthesis.pens import enlarge

Ink = NDArray[np.uint8]
Step = Callable[[Ink, np.random.Generator], Ink]

STEPS = [
    pens.bend,
    pens.square_up,
    pens.change_pen,
    pens.outline,
    pens.straighten,
    pens.break_stroke,
    pens.soften,
]


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


def draw_seven() -> Ink:
    ink = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    line = np.array([(35, 20), (80, 20), (50, 92)], np.int32)
    return cv2.polylines(ink, [line], False, 255, 9).astype(np.uint8)


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


def test_straight_strokes_have_few_corners() -> None:
    ring = cv2.circle(np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8), (56, 56), 36, 255, 9)
    straight = pens.straighten(ring.astype(np.uint8), np.random.default_rng(0))
    contours, _ = cv2.findContours(straight, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    assert len(contours) == 2  # it is a ring still
    corners = [len(cv2.approxPolyDP(contour, 1.5, True)) for contour in contours]
    round_corners = [
        len(cv2.approxPolyDP(contour, 1.5, True))
        for contour in cv2.findContours(ring, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]
    ]
    assert max(corners) < min(round_corners)


def test_squared_up_a_circle_fills_its_corners() -> None:
    ring = cv2.circle(np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8), (56, 56), 32, 255, 9)
    squared = pens.square_up(ring.astype(np.uint8), np.random.default_rng(0))

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
        measure_stroke(pens.change_pen(ink, np.random.default_rng(seed))) for seed in range(80)
    ]
    width = measure_stroke(ink)
    assert min(widths) < 0.5 * width
    assert max(widths) > 1.6 * width


def test_thick_pens_do_not_close_a_hole() -> None:
    ring = np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)
    cv2.circle(ring, (56, 56), 16, 255, 8)
    for seed in range(60):
        written = pens.change_pen(ring, np.random.default_rng(seed))
        assert written[48:64, 48:64].min() < 128


def test_an_outline_is_hollow() -> None:
    ink = draw_seven()
    hollow = pens.outline(ink, np.random.default_rng(0))
    assert hollow[50:85].max() == 255
    middle_of_stem = hollow[56, 55:75]
    edges = np.flatnonzero(np.diff((middle_of_stem > 127).astype(int)))
    assert len(edges) >= 2
