from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from subprocess import CompletedProcess

import pytest

from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import Layer
from inkdigits.training.recipes.tile_recipe import Recipe


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
    """Yields the number of parameters of each layer, by textbook formulas."""
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


def test_recipes_need_no_framework(python: Callable[..., CompletedProcess[str]]) -> None:
    ended = python(
        "-c",
        "import sys\n"
        "from inkdigits.training.recipes import get_recipe\n"
        "get_recipe('classic', ['epochs=3']).to_json()\n"
        "print({'keras', 'tensorflow', 'torch', 'jax', 'onnxruntime'} & set(sys.modules))",
    )

    assert ended.stdout == "set()\n", ended
