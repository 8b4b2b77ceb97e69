from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.synthesis.blemishes import BLEMISHES, add_neighbour, add_rule, add_specks
from inkdigits.synthesis.pens import enlarge

Ink = NDArray[np.uint8]
Step = Callable[[Ink, np.random.Generator], Ink]

STEPS = [step for _, step in BLEMISHES]


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


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


@pytest.mark.parametrize("step", [add_neighbour, add_rule, add_specks])
def test_what_stands_beside_a_digit_leaves_its_ink(step: Step, digits: LabelledImages) -> None:
    n_added = 0
    for seed, image in enumerate(digits.images[:40]):
        ink = enlarge(image)
        joined = step(ink, np.random.default_rng(seed))
        solid = ink > 127
        # A speck fainter than the ink may lie on it, on few of its pixels.
        assert np.mean(joined[solid] > 80) == 1
        n_added += bool(np.any(joined[~solid] > ink[~solid]))
    assert n_added >= 38
