from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inkdigits.data import LabelledImages
from inkdigits.errors import RecipeError
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes import RECIPES, Layer, Recipe
from inkdigits.training.recipes.layers import TILE

TEN = Layer("Dense", 10, activation="softmax")


def make_recipe(*layers: Layer) -> Recipe:
    return replace(RECIPES["smoke"], name="own", network=layers)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_tiles_become_probabilities(recipe: Recipe, test_slice: LabelledImages) -> None:
    network = build_network(recipe)

    probabilities = np.asarray(network(test_slice.images[:5]))

    assert network.inputs[0].dtype == "uint8"
    assert probabilities.shape == (5, 11 if recipe.outliers else 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_pixels_are_scaled_inside_the_network() -> None:
    network = build_network(
        make_recipe(*TILE, Layer("Flatten"), Layer("Dense", 10, kernel_initializer="ones"))
    )

    (outputs,) = np.asarray(network(np.full((1, 28, 28), 255, np.uint8)))

    np.testing.assert_allclose(outputs, 28 * 28, rtol=1e-5)


def test_16_bits_compute_and_32_bits_keep(test_slice: LabelledImages) -> None:
    recipe = replace(RECIPES["smoke"], precision="bfloat16")
    coarse, fine = build_network(recipe), build_network(replace(recipe, precision="float32"))
    fine.set_weights(coarse.get_weights())

    rough, exact = (np.asarray(network(test_slice.images[:50])) for network in (coarse, fine))

    assert {layer.compute_dtype for layer in coarse.layers[3:-1]} == {"bfloat16"}
    assert {weight.dtype for weight in coarse.get_weights()} == {np.dtype("float32")}
    assert rough.dtype == exact.dtype == np.float32
    np.testing.assert_allclose(rough, exact, atol=0.02)
    assert np.any(rough != exact)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([*TILE, Layer("Flaten"), TEN], "Flaten"),
        ([*TILE, Layer("Conv2D", 8), TEN], "Conv2D"),
        ([*TILE, Layer("Dense", -1), TEN], "Dense"),
        ([*TILE, Layer("Dense", 10, activation="rellu")], "Dense"),
        ([*TILE, Layer("Dense", units=10, color="red")], "Dense"),
        ([*TILE, Layer("__name__")], "__name__"),
        ([*TILE, Layer("Conv2D", 8, 40), Layer("Flatten"), TEN], "do not fit"),
        ([Layer("Flatten"), TEN], "own"),
        ([*TILE, Layer("Flatten"), Layer("Dense", 11)], "(None, 11)"),
        ([*TILE, TEN], "(None, 28, 28, 10)"),
        ([Layer("Input", [32, 32], dtype="uint8"), Layer("Flatten"), TEN], "(None, 32, 32)"),
    ],
    ids=str,
)
def test_network_that_cannot_be(layers: list[Layer], expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        build_network(make_recipe(*layers))

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
