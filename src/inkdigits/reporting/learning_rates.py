"""The learning rate that a recipe plans over its epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_WARMUP = 0.2  # share of the steps in which "one-cycle" rises, as in `build_optimizer`
_START = 1 / 25  # of the highest rate


def plan_rate(recipe: Mapping[str, Any], progress: float) -> float | None:
    """Returns the learning rate at a moment of training, without Keras.

    Args:
        recipe: A recipe for tiles as plain JSON.
        progress: Share of all steps that are done, 0 to 1.

    Returns:
        The learning rate; None if the recipe has a schedule that is unknown here, or none.
    """
    rate, schedule = recipe.get("learning_rate"), recipe.get("schedule", "constant")
    if not isinstance(rate, int | float):
        return None
    if schedule == "constant":
        return float(rate)
    if schedule == "cosine":
        return float(rate) * _fall(progress)
    if schedule == "one-cycle":
        if progress < _WARMUP:
            return float(rate) * (_START + (1 - _START) * progress / _WARMUP)
        return float(rate) * _fall((progress - _WARMUP) / (1 - _WARMUP))
    return None


def _fall(progress: float) -> float:
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2
