from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from inkdigits.cli import main
from inkdigits.training.recipes import READER_RECIPES, RECIPES


def test_each_recipe_is_listed_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0

    printed = capsys.readouterr()
    expected = [(recipe.name, recipe.summary) for recipe in RECIPES.values()]
    expected += [(recipe.name, recipe.summary) for recipe in READER_RECIPES.values()]
    assert [tuple(line.split(maxsplit=1)) for line in printed.out.splitlines()] == expected
    assert printed.err == ""


def test_recipes_are_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [*RECIPES, *READER_RECIPES]

    assert main(["recipes", "dropout"]) == 0
    assert json.loads(capsys.readouterr().out) in rows


def test_a_misspelt_recipe_gets_a_suggestion(fail: Callable[..., str]) -> None:
    assert fail("recipes", "drop-out") == "unknown recipe 'drop-out': did you mean 'dropout'?"
