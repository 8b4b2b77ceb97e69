from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from inkdigits.errors import RecipeError
from inkdigits.training.recipes import RECIPES, Layer, Recipe
from inkdigits.training.recipes.toml_recipes import read_toml_recipe, write_toml


def write(folder: Path, text: str) -> Path:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_each_recipe_can_be_written_changed_and_read(recipe: Recipe, tmp_path: Path) -> None:
    read, added = read_toml_recipe(write(tmp_path, write_toml(recipe)))

    assert read == replace(recipe, name="my")
    assert added == ()


def test_a_file_states_only_what_it_changes(tmp_path: Path) -> None:
    recipe, added = read_toml_recipe(write(tmp_path, 'start = "tiny"\nepochs = 3\n'))

    assert recipe == replace(RECIPES["tiny"], name="my", epochs=3)
    assert added == ()


def test_a_network_is_enough(tmp_path: Path) -> None:
    recipe, added = read_toml_recipe(write(tmp_path, "network = ['Flatten', 'Dense(10)']"))

    assert (recipe.name, recipe.epochs, recipe.batch_size) == ("my", 10, 128)
    assert recipe.network[-2:] == (Layer("Dense", 10), Layer("Softmax"))
    assert len(added) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs = 3", "has no network: expected a list such as"),
        ("epochs =", "is not valid TOML"),
        ('start = "clasic"', "unknown recipe 'clasic': did you mean 'classic'"),
        ('start = "tiny"\nepoch = 3', "unknown recipe field 'epoch': did you mean 'epochs'"),
        ('start = "tiny"\nepochs = 0', "epochs is 0; expected a whole number"),
        ('start = "tiny"\noptimizer = 5', "optimizer is '5'; expected the name"),
        ('start = "tiny"\nclass_weight = [1, 2]', "expected 'balanced', none, or a list of 10"),
        ("network = ['Dense(']", "layer of the network is 'Dense('; expected a name, or a call"),
        ("network = 'Dense'", "network is 'Dense'"),
        ("network = []", "network is empty"),
    ],
)
def test_a_wrong_file_is_explained_in_one_line(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_toml_recipe(write(tmp_path, text))

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing.toml cannot be read \(No such file"):
        read_toml_recipe(tmp_path / "nothing.toml")
