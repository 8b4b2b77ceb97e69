from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import RecipeError
from inkdigits.training.networks import build_network
from inkdigits.training.recipes import RECIPES, Layer, Recipe, get_recipe


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
        ("patience=0", "patience is 0"),
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
        ("name=mine", "'name' is no field"),
        ("epoch=3", "did you mean epochs"),
        ("lerning-rate=1", "did you mean learning_rate"),
        ("xyzzy=1", "known: "),
        ("=3", "'' is no field of a recipe: known: "),
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
        ("clasic", "did you mean classic or classic-small-batch?"),
        ("drop-out", "did you mean dropout?"),
        ("xyzzy", f"known: {', '.join(RECIPES)}"),
        ("", f"known: {', '.join(RECIPES)}"),
    ],
)
def test_unknown_recipe(name: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        get_recipe(name)

    assert expected in str(caught.value)


def test_classic_is_the_network_of_the_tutorials() -> None:
    classic = RECIPES["classic"]

    assert classic.network == (
        Layer("Input", [28, 28], dtype="uint8"),
        Layer("Rescaling", 1 / 255, dtype="float32"),
        Layer("Reshape", [28, 28, 1]),
        Layer("Conv2D", 32, 3, activation="relu"),
        Layer("MaxPooling2D", 2),
        Layer("Conv2D", 64, 3, activation="relu"),
        Layer("MaxPooling2D", 2),
        Layer("Flatten"),
        Layer("Dense", 128, activation="relu"),
        Layer("Dense", 10, activation="softmax"),
    )
    assert (classic.epochs, classic.batch_size, classic.patience) == (10, 128, None)
    assert (classic.learning_rate, classic.beta_1, classic.beta_2) == (1e-3, 0.9, 0.999)
    assert replace(classic, name="", summary="") == replace(
        RECIPES["classic-small-batch"], name="", summary="", batch_size=128
    )
    assert RECIPES["classic-small-batch"].batch_size == 8


def test_dropout_is_what_it_says() -> None:
    dropout = RECIPES["dropout"]
    kinds = [layer.kind for layer in dropout.network]
    dense = [layer.arguments[0] for layer in dropout.network if layer.kind == "Dense"]
    shares = [layer.arguments[0] for layer in dropout.network if layer.kind == "Dropout"]

    assert dense == [256, 64, 10]
    assert shares == [0.3, 0.3]
    assert kinds.count("BatchNormalization") == 4
    assert all(
        kinds[place + 1] == "BatchNormalization"
        for place, layer in enumerate(dropout.network)
        if layer.settings.get("activation") == "relu"
    )
    assert dropout.validation_images == 60_000 / 10
    assert (dropout.epochs, dropout.batch_size, dropout.patience) == (10, 128, 3)


def count_parameters(network: Sequence[Layer]) -> Iterator[int]:
    """The parameters of each layer by the textbook's formulas, following the shapes."""
    shape: tuple[int, ...] = ()
    for layer in network:
        padded = layer.settings.get("padding") == "same"
        if layer.kind in ("Input", "Reshape"):
            shape = tuple(layer.arguments[0])
        elif layer.kind == "Conv2D":
            filters, side = layer.arguments
            stride = layer.settings.get("strides", 1)
            yield filters * (side * side * shape[2] + 1)
            lost = 0 if padded else side - 1
            shape = (
                math.ceil((shape[0] - lost) / stride),
                math.ceil((shape[1] - lost) / stride),
                filters,
            )
        elif layer.kind == "MaxPooling2D":
            (side,) = layer.arguments
            shape = (shape[0] // side, shape[1] // side, shape[2])
        elif layer.kind == "BatchNormalization":
            yield 4 * shape[-1]  # scale, shift, mean and variance
        elif layer.kind == "Flatten":
            shape = (math.prod(shape),)
        elif layer.kind == "Dense":
            yield layer.arguments[0] * (shape[0] + 1)
            shape = (layer.arguments[0],)
        elif layer.kind not in ("Activation", "Rescaling", "Dropout"):
            raise NotImplementedError(layer.kind)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_network_has_the_parameters_its_layers_call_for(recipe: Recipe) -> None:
    assert build_network(recipe).count_params() == sum(count_parameters(recipe.network))


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

    with pytest.raises(RecipeError, match="no recipe of this version"):
        Recipe.from_json(values)


def test_recipes_need_no_framework(python: Callable[..., CompletedProcess[str]]) -> None:
    ended = python(
        "-c",
        "import sys\n"
        "from inkdigits.training.recipes import get_recipe\n"
        "get_recipe('classic', ['epochs=3']).to_json()\n"
        "print({'keras', 'tensorflow', 'torch', 'jax', 'onnxruntime'} & set(sys.modules))",
    )

    assert ended.stdout == "set()\n", ended
