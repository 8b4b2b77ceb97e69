"""The planned learning rate is the one that Keras' schedules compute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inkdigits.reporting.learning_rates import plan_rate
from inkdigits.training.networks.optimizers import build_optimizer
from inkdigits.training.recipes import RECIPES

N_STEPS = 1_000


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_rates_are_those_of_keras(schedule: Any) -> None:
    recipe = replace(RECIPES["smoke"], schedule=schedule)
    optimizer = build_optimizer(recipe, N_STEPS)

    for step in (0, 100, 200, 201, 600, N_STEPS):
        optimizer.iterations.assign(step)
        expected = float(optimizer.learning_rate)
        found = plan_rate(recipe.to_json(), step / N_STEPS)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7), step


def test_an_unknown_schedule_has_no_rate() -> None:
    assert plan_rate({"learning_rate": 0.1, "schedule": "new"}, 0.5) is None
    assert plan_rate({}, 0.5) is None
