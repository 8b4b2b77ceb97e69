"""The reader's networks: input and output shapes, and number of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.networks.reader_networks import (
    N_DETECTOR_OUTPUTS,
    N_HEATMAPS,
    build_detector,
    build_judge,
)
from inkdigits.training.recipes.reader_recipe import NetworkSize


@pytest.mark.parametrize(("size", "n_parameters"), [("small", 864_557), ("large", 1_739_173)])
def test_detector_of_any_size(size: NetworkSize, n_parameters: int) -> None:
    detector = build_detector(size=size)

    assert detector.count_params() == n_parameters
    for height, width in ((32, 64), (96, 32)):
        outputs = detector(np.zeros((2, height, width, 1), np.float32)).numpy()
        assert outputs.shape == (2, height // 4, width // 4, N_DETECTOR_OUTPUTS)
        # With random weights, almost nothing is found.
        shares = 1 / (1 + np.exp(-outputs[..., :N_HEATMAPS]))
        assert shares.mean() == pytest.approx(0.01, abs=0.01)


def test_detector_moves_with_the_picture() -> None:
    """Away from the edges, moving the picture by 32 pixels moves the output by 8 cells."""
    detector = build_detector()
    picture = np.zeros((1, 32, 1024, 1), np.float32)
    picture[:, :, 480:500] = np.random.default_rng(0).uniform(0, 255, (1, 32, 20, 1))

    here, there = detector(picture).numpy(), detector(np.roll(picture, 32, axis=2)).numpy()

    np.testing.assert_allclose(there[:, :, 108:158], here[:, :, 100:150], atol=1e-3)


@pytest.mark.parametrize(("size", "n_parameters"), [("small", 576_513), ("large", 1_587_281)])
def test_judge_of_any_size(size: NetworkSize, n_parameters: int) -> None:
    judge = build_judge(size=size)

    assert judge.count_params() == n_parameters
    assert judge(np.zeros((3, 48, 48, 1), np.float32)).shape == (3, N_CLASSES + 1)


@pytest.mark.parametrize("build", [build_detector, build_judge])
def test_16_bits_have_the_same_weights_in_32(build: Callable[..., Any]) -> None:
    plain, mixed = build(), build("bfloat16")

    plain.set_weights(mixed.get_weights())

    assert [(v.name, tuple(v.shape), v.dtype) for v in mixed.variables] == [
        (v.name, tuple(v.shape), v.dtype) for v in plain.variables
    ]
