from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inkdigits.errors import RecipeError
from inkdigits.training.networks.optimizers import (
    build_loss,
    build_optimizer,
    compute_class_weight,
)
from inkdigits.training.recipes import RECIPES


def rate_by_formula(schedule: str, step: int, n_steps: int, highest: float) -> float:
    """Returns the learning rate by the formulas of the papers."""
    if schedule == "constant":
        return highest
    if schedule == "cosine":
        return highest * (1 + math.cos(math.pi * step / n_steps)) / 2
    warmup_steps = n_steps // 5
    if step < warmup_steps:
        return highest / 25 + (highest - highest / 25) * step / warmup_steps
    share = (step - warmup_steps) / (n_steps - warmup_steps)
    return highest * (1 + math.cos(math.pi * share)) / 2


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_schedule(schedule: Any) -> None:
    recipe = replace(RECIPES["smoke"], schedule=schedule, learning_rate=0.01)
    optimizer = build_optimizer(recipe, 100)

    for step in (0, 1, 10, 19, 20, 21, 60, 99, 100):
        optimizer.iterations.assign(step)
        expected = rate_by_formula(schedule, step, 100, 0.01)
        assert float(optimizer.learning_rate) == pytest.approx(expected, abs=1e-7), step


@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_schedule_of_few_steps(n_steps: int) -> None:
    optimizer = build_optimizer(RECIPES["quick"], n_steps)

    for step in range(n_steps):
        optimizer.iterations.assign(step)
        assert 0 <= float(optimizer.learning_rate) <= RECIPES["quick"].learning_rate


def test_optimizer_is_adam_with_the_recipes_rates() -> None:
    optimizer = build_optimizer(RECIPES["quick"], 10)

    assert type(optimizer).__name__ == "Adam"
    assert (optimizer.beta_1, optimizer.beta_2) == (0.7, 0.9)


@pytest.mark.parametrize(
    ("text", "kind", "settings"),
    [
        ("adamw(weight_decay=0.01)", "AdamW", {"weight_decay": 0.01, "beta_2": 0.999}),
        ("sgd(momentum=0.9, nesterov=True)", "SGD", {"momentum": 0.9, "nesterov": True}),
        ("lion", "Lion", {"beta_1": 0.9, "beta_2": 0.99}),  # Lion's own default
        ("rms_prop", "RMSprop", {"rho": 0.9}),
        ("Nadam", "Nadam", {}),
        ("muon", "Muon", {}),
    ],
)
def test_optimizers_have_the_names_and_settings_of_keras(
    text: str, kind: str, settings: dict[str, Any]
) -> None:
    optimizer = build_optimizer(replace(RECIPES["smoke"], optimizer=text), 10)

    assert type(optimizer).__name__ == kind
    assert {name: getattr(optimizer, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"optimizer": "adm"}, "unknown optimizer of Keras 'adm': did you mean 'Adam'"),
        ({"optimizer": "sgd(momentm=1)"}, "unknown setting 'momentm': did you mean 'momentum'"),
        ({"optimizer": "sgd(0.1)"}, "expected its settings by name"),
        ({"optimizer": "adam(learning_rate=1)"}, "the learning rate is a field of the recipe"),
        ({"optimizer": "sgd(momentum=2)"}, "sgd(momentum=2)"),
        ({"optimizer": "sgd", "beta_1": 0.5}, "unknown setting 'beta_1'"),
        ({"loss": "categorical_crosentropy"}, "did you mean 'CategoricalCrossentropy'"),
        ({"loss": "ctc"}, "does not compare the probabilities of 10 classes"),
    ],
    ids=str,
)
def test_what_keras_does_not_have_is_explained(values: dict[str, Any], expected: str) -> None:
    recipe = replace(RECIPES["smoke"], **values)

    def build() -> None:
        build_optimizer(recipe, 10)
        build_loss(recipe, with_labels=True)

    with pytest.raises(RecipeError) as caught:
        build()

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_smoothing_is_that_of_the_formula() -> None:
    recipe = replace(RECIPES["smoke"], loss="categorical_crossentropy(label_smoothing=0.1)")
    outputs = np.full((1, 10), 0.05, np.float32)
    outputs[0, 3] = 0.55
    target = np.eye(10, dtype=np.float32)[[3]]

    smoothed = 0.9 * target + 0.1 / 10
    expected = -float((smoothed * np.log(outputs)).sum())

    assert float(build_loss(recipe, with_labels=False)(target, outputs)) == pytest.approx(expected)


def test_balanced_classes_weigh_the_same_together() -> None:
    recipe = replace(RECIPES["smoke"], class_weight="balanced")
    labels = np.array([0] * 6 + [1] * 3 + [7], np.int32)

    weights = compute_class_weight(recipe, labels)

    assert weights is not None
    assert [6 * weights[0], 3 * weights[1], weights[7]] == pytest.approx([10 / 3] * 3)
    one_hot = np.eye(10, dtype=np.float32)[labels]
    assert compute_class_weight(recipe, one_hot) == weights
    assert compute_class_weight(RECIPES["smoke"], labels) is None
