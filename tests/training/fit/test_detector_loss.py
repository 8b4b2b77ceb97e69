"""The loss of the detector, compared with its formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from inkdigits.results.alphabet import N_CLASSES, POINT
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.fit.detector_loss import compute_detector_loss
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.samples.detector_targets import (
    BOX,
    CENTRE,
    N_TARGETS,
    WEIGHT,
    build_targets,
)

MakePage = Callable[..., DrawnPage]


def test_loss_is_that_of_its_formulas(make_page: MakePage) -> None:
    """Compared with sums over all cells, one by one."""
    page = make_page(
        ((101, 54, 22, 37), 7, 37.0, True),
        ((30, 180, 5, 5), POINT, 40.0, True),
        ((180, 180, 30, 30), 2, 30.0, False),
        ((200, 40, 8, 10), 2, 10.0, True),
    )
    targets = build_targets(page)[np.newaxis]
    outputs = np.random.default_rng(0).normal(0, 2, (1, 64, 64, N_CLASSES + 5))
    expected, n = 0.0, 0.0
    for target, output in zip(
        targets.reshape(-1, N_TARGETS).astype(np.float64), outputs.reshape(64 * 64, -1), strict=True
    ):
        for bump, logit in zip(target[: N_CLASSES + 1], output[: N_CLASSES + 1], strict=True):
            share = 1 / (1 + math.exp(-logit))
            if bump >= 0.999:
                expected -= (1 - share) ** 2 * math.log(share)
            else:
                weight = target[WEIGHT] * (1 - bump) ** 4
                expected -= weight * share**2 * math.log(1 - share)
        if target[CENTRE] == 1:
            n += 1
            expected += 0.5 * float(np.abs(output[-4:] - target[BOX]).sum())

    loss = compute_detector_loss(targets, outputs.astype(np.float32))

    assert n == 2
    assert float(load_keras().ops.convert_to_numpy(loss)) == pytest.approx(expected / n, rel=1e-4)
