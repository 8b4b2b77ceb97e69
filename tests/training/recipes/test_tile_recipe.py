from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import Layer
from inkdigits.training.recipes.tile_recipe import Recipe


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_round_trip_of_each_recipe(recipe: Recipe) -> None:
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@given(
    epochs=st.integers(1),
    learning_rate=st.floats(0, 10, exclude_min=True, exclude_max=True),
    patience=st.none() | st.integers(1),
    units=st.integers(1, 1_000),
)
def test_round_trip_of_any_recipe(
    epochs: int, learning_rate: float, patience: int | None, units: int
) -> None:
    recipe = replace(
        RECIPES["smoke"],
        network=(Layer("Dense", units, activation="relu"),),
        epochs=epochs,
        learning_rate=learning_rate,
        patience=patience,
    )

    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    "change",
    [{"network": None}, {"colour": "red"}, {"epochs": 0}, {"network": [["Dense"]]}],
    ids=str,
)
def test_json_of_another_version(change: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_json({**RECIPES["smoke"].to_json(), **change})


@pytest.mark.parametrize("missing", ["network", "name", "epochs"])
def test_json_that_lacks_a_field(missing: str) -> None:
    values = RECIPES["smoke"].to_json()
    del values[missing]

    with pytest.raises(RecipeError, match=r"unsupported recipe format .*: train again"):
        Recipe.from_json(values)
