from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

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

    for name in ("dropout", "reader"):
        assert main(["recipes", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) in rows


def test_a_recipe_is_shown_with_layers_fields_and_published_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["recipes", "classic"]) == 0

    lines = capsys.readouterr().out.splitlines()
    cells = [line.split() for line in lines]
    assert ["Conv2D", "26", "×", "26", "×", "32", "320", "194,688"] in cells
    assert ["together", "225,034", "2,631,040"] in cells
    assert ["patience", "none"] in cells
    assert any(line.startswith("99.12 % ± 0.02 (n = 3) of the test images") for line in lines)


def test_a_reader_is_shown_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "reader"]) == 0

    assert ["judge_windows", "5000000"] in map(str.split, capsys.readouterr().out.splitlines())


def test_a_recipe_is_printed_as_a_file_to_change(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["recipes", "tiny", "--toml"]) == 0
    (tmp_path / "my.toml").write_text(capsys.readouterr().out, encoding="utf-8")

    assert main(["recipes", str(tmp_path / "my.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**RECIPES["tiny"].to_json(), "name": "my"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classic", "--toml", "--json"], "choose one of them"),
        (["--toml"], "--toml prints one recipe: name it"),
        (["reader", "--toml"], "--toml is for networks for tiles"),
        (["nothing.toml"], "nothing.toml cannot be read (No such file or directory)"),
        (["nothing.py"], "nothing.py cannot be read (No such file or directory)"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained(
    arguments: list[str], message: str, fail: Callable[..., str]
) -> None:
    assert message in fail("recipes", *arguments)


def test_a_misspelt_recipe_gets_a_suggestion(fail: Callable[..., str]) -> None:
    assert fail("recipes", "drop-out") == "unknown recipe 'drop-out': did you mean 'dropout'?"
