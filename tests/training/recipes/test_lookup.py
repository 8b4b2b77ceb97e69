from __future__ import annotations

import json
from typing import Any

import pytest

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import Layer
from inkdigits.training.recipes.lookup import get_recipe


@pytest.mark.parametrize(
    ("overrides", "field", "expected"),
    [
        (["epochs=3"], "epochs", 3),
        ([" epochs = 3 "], "epochs", 3),
        ({"epochs": 3}, "epochs", 3),
        (["epochs=3", "epochs=4"], "epochs", 4),
        (["batch_size=64", "epochs=2"], "batch_size", 64),
        (["learning_rate=1e-2"], "learning_rate", 0.01),
        (["schedule=cosine"], "schedule", "cosine"),
        (["schedule='one-cycle'"], "schedule", "one-cycle"),
        (["patience=None"], "patience", None),
        (["patience=none"], "patience", None),
        (["patience=null"], "patience", None),
        (["training_images=NULL"], "training_images", None),
        (["augmentation=none"], "augmentation", "none"),
        (['schedule="cosine"'], "schedule", "cosine"),
        (["training_images=100"], "training_images", 100),
        ([], "epochs", 10),
        (
            ['network=[["Dense", [10], {"activation": "softmax"}]]'],
            "network",
            (Layer("Dense", 10, activation="softmax"),),
        ),
        ({"network": [Layer("Flatten")]}, "network", (Layer("Flatten"),)),
    ],
)
def test_override(overrides: Any, field: str, expected: Any) -> None:
    recipe = get_recipe("classic", overrides)

    assert getattr(recipe, field) == expected
    assert recipe.name == "classic"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs", "has no '='"),
        ("epochs=", "epochs is ''"),
        ("epochs=0", "epochs is 0"),
        ("epochs=-1", "epochs is -1"),
        ("epochs=2.0", "epochs is 2.0"),
        ("epochs=many", "epochs is 'many'"),
        ("epochs=True", "epochs is True"),
        ("epochs=None", "epochs is None"),
        ("epochs={[]: 1}", "epochs is "),
        ("epochs=" + "(" * 2_000, "epochs is "),
        ("epochs=__import__('os').system('true')", 'epochs is "__import__'),
        ("batch_size=0", "batch_size is 0"),
        ("validation_images=None", "validation_images is None"),
        ("patience=0", "patience is 0; expected a whole number of at least 1, or none"),
        ("patience=never", "patience is 'never'; expected a whole number of at least 1, or none"),
        ("epochs=null", "epochs is None; expected a whole number of at least 1"),
        ("augmentation=null", "augmentation is None; expected one of none, affine, "),
        ("learning_rate=0", "learning_rate is 0"),
        ("learning_rate=-0.1", "learning_rate is -0.1"),
        ("learning_rate=10", "learning_rate is 10"),
        ("learning_rate=nan", "learning_rate is 'nan'"),
        ("learning_rate=1e999", "learning_rate is inf"),
        ("beta_1=1", "beta_1 is 1"),
        ("beta_2=[1]", "beta_2 is [1]"),
        ("schedule=linear", "schedule is 'linear'; expected one of constant, one-cycle, cosine"),
        ("schedule=[]", "schedule is []"),
        ("network=[]", "network is empty"),
        ("network=5", "network is '5'"),
        ("network=Dense", "network is 'Dense'"),
        ("network=[['Dense']]", "network is"),
        ("network=[['Dense', 10, {}]]", "network is"),
        ("name=mine", "unknown recipe field 'name'"),
        ("epoch=3", "unknown recipe field 'epoch': did you mean 'epochs'"),
        ("lerning-rate=1", "did you mean 'learning_rate'?"),
        ("xyzzy=1", "unknown recipe field 'xyzzy': expected one of summary, "),
        ("=3", "unknown recipe field '': expected one of summary, "),
    ],
)
def test_refused_override(override: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        get_recipe("classic", [override])

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clasic", "unknown recipe 'clasic': did you mean 'classic'"),
        ("drop-out", "unknown recipe 'drop-out': did you mean 'dropout'?"),
        ("xyzzy", f"expected one of {', '.join(RECIPES)}"),
        ("", f"expected one of {', '.join(RECIPES)}"),
    ],
)
def test_unknown_recipe(name: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        get_recipe(name)

    assert expected in str(caught.value)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_what_recipes_prints_is_accepted_as_an_override(name: str) -> None:
    printed = RECIPES[name].to_json()
    del printed["name"]

    overrides = [f"{field}={json.dumps(value)}" for field, value in printed.items()]

    assert get_recipe("classic", overrides).to_json() == {**printed, "name": "classic"}
