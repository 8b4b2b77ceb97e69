from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.synthesis import snapshots
from inkdigits.synthesis.canvas import CANVAS_SIDE
from inkdigits.synthesis.pens import enlarge

Ink = NDArray[np.uint8]
Step = Callable[[Ink, np.random.Generator], Ink]

STEPS = [snapshots.photograph, snapshots.take_picture]


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


def test_photographs_bring_the_ink_back(digits: LabelledImages) -> None:
    """What comes back lies where the ink was, whichever is lighter, paper or ink."""
    for seed, image in enumerate(digits.images[:60]):
        ink = enlarge(image)
        back = snapshots.photograph(ink, np.random.default_rng(seed))
        back = cv2.resize(back, ink.shape, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        written, found = ink > 127, back > 127
        assert (written & found).sum() > 0.45 * (written | found).sum()


def test_pictures_have_both_polarities() -> None:
    ink = draw_seven()
    darker = [
        picture[ink > 127].mean() < picture[ink == 0].mean()
        for picture in (
            snapshots.take_picture(ink, np.random.default_rng(seed)) for seed in range(40)
        )
    ]
    assert 0.4 < np.mean(darker) < 0.9
