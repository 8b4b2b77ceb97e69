"""Recipes of readers: lookup, overrides, checks, JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inkdigits.errors import RecipeError, UsageError
from inkdigits.training import READER_RECIPES, RECIPES, ReaderRecipe, train
from inkdigits.training.recipes.lookup import find_recipe, get_reader_recipe
from inkdigits.training.recipes.reader_recipe import load_reader_recipe


def test_names_of_both_kinds_differ() -> None:
    assert not set(READER_RECIPES) & set(RECIPES)
    assert all(name == recipe.name for name, recipe in READER_RECIPES.items())


def test_recipe_by_name() -> None:
    assert find_recipe("reader") == READER_RECIPES["reader"]
    assert find_recipe("quick") == RECIPES["quick"]


def test_overrides() -> None:
    recipe = get_reader_recipe("reader-quick", ["detector_pages=320", "learning_rate=0.001"])

    assert recipe == replace(
        READER_RECIPES["reader-quick"], detector_pages=320, learning_rate=0.001
    )
    assert get_reader_recipe("reader", {"precision": "float32"}).precision == "float32"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["detector_page=3"], "did you mean 'detector_pages'"),
        (["epochs=3"], "unknown recipe field"),
        (["name=mine"], "unknown recipe field"),
        (["detector_pages"], "has no '='"),
        (["detector_pages=0"], "detector_pages is 0; expected a whole number of at least 1"),
        (["detector_pages=1.5"], "expected a whole number"),
        (["page_batch=True"], "expected a whole number"),
        (["window_batch=4"], "at least 5"),
        (["glyphs=9"], "glyphs is 9; expected a whole number of at least 100"),
        (["learning_rate=1"], "expected a number between 0 and 1"),
        (["learning_rate=fast"], "learning_rate is 'fast'"),
        (["average=nan"], "average is"),
        (["precision=float16"], "expected one of float32, bfloat16"),
    ],
)
def test_bad_overrides(overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        get_reader_recipe("reader", overrides)
    with pytest.raises(RecipeError, match=message):
        train("reader", overrides=overrides)  # before anything is loaded or written


def test_unknown_recipe_names_neighbours_of_both_kinds() -> None:
    with pytest.raises(RecipeError, match="did you mean 'reader'"):
        train("raeder")
    with pytest.raises(RecipeError, match="did you mean 'quick'"):
        train("quik")


def test_what_readers_do_not_take(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave pictures and teacher out"):
        train("reader", pictures=tmp_path)
    with pytest.raises(UsageError, match="leave pictures and teacher out"):
        train("reader", teacher=[tmp_path])
    with pytest.raises(UsageError, match="overrides apply to the name of a recipe only"):
        train(READER_RECIPES["reader"], overrides={"page_batch": 8})


@pytest.mark.parametrize("recipe", READER_RECIPES.values(), ids=str)
def test_json_and_back(recipe: ReaderRecipe) -> None:
    assert load_reader_recipe(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_recipes_of_early_versions_can_be_read() -> None:
    values = READER_RECIPES["reader"].to_json()
    for name in ("detector_size", "second_judge", "start_parts", "repeats"):
        del values[name]
    assert load_reader_recipe(values) == READER_RECIPES["reader"]

    for name in ("context_pages", "context_batch", "context_repeats"):
        del values[name]
    assert load_reader_recipe(values).context_pages == 0

    for name in ("picture_windows", "picture_repeats"):
        del values[name]
    assert load_reader_recipe(values).picture_windows == 0


@pytest.mark.parametrize(
    "change", [{"kind": "tiles"}, {"more": 1}, {"page_batch": None}, {"page_batch": "16"}]
)
def test_foreign_json_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        load_reader_recipe({**READER_RECIPES["reader"].to_json(), **change})
    values = READER_RECIPES["reader"].to_json()
    del values["glyphs"]
    with pytest.raises(RecipeError, match="glyphs"):
        load_reader_recipe(values)
