from __future__ import annotations

import pytest

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.added_layers import complete_layers
from inkdigits.training.recipes.layers import TILE, parse_layers

TEN = 'Dense(10, activation="softmax")'
INPUT, SCALING = "Input (28, 28) of uint8 tiles", "Rescaling by 1/255"


@pytest.mark.parametrize(
    ("layers", "kinds", "added"),
    [
        (["Conv2D(8, 3)", "Flatten", TEN], "Input Rescaling Reshape Conv2D Flatten Dense",
         (INPUT, SCALING, "Reshape to (28, 28, 1)")),
        (["Dense(30)", TEN], "Input Rescaling Reshape Dense Dense",
         (INPUT, SCALING, "Reshape to (784,)")),
        (["Flatten", "Dense(10)"], "Input Rescaling Flatten Dense Softmax",
         (INPUT, SCALING, "Softmax, for probabilities")),
        (["GRU(16)", TEN], "Input Rescaling GRU Dense", (INPUT, SCALING)),
        (["Rescaling(1/127.5, -1)", "Conv2D(8, 3)", "Flatten", TEN],
         "Input Reshape Rescaling Conv2D Flatten Dense", (INPUT, "Reshape to (28, 28, 1)")),
        (["Input([28, 28, 1])", "Conv2D(8, 3)", "Flatten", TEN],
         "Input Rescaling Reshape Conv2D Flatten Dense",
         (INPUT, SCALING, "Reshape to (28, 28, 1)")),
        (["Input(shape=(784,))", TEN], "Input Rescaling Reshape Dense",
         (INPUT, SCALING, "Reshape to (784,)")),
        (['Input([28, 28], dtype="uint8")', "Flatten", "Rescaling(1/255)", TEN],
         "Input Flatten Rescaling Dense", ()),
        ([*TILE, "Flatten", TEN], "Input Rescaling Reshape Flatten Dense", ()),
    ],
    ids=str,
)  # fmt: skip
def test_only_what_is_missing_is_added(
    layers: list[str], kinds: str, added: tuple[str, ...]
) -> None:
    network, said = complete_layers(parse_layers(layers), source="my.toml")

    assert " ".join(layer.kind for layer in network) == kinds
    assert said == added


def test_an_input_that_is_no_tile_is_refused() -> None:
    layers = parse_layers(["Input([32, 32, 3])", "Flatten", TEN])

    with pytest.raises(RecipeError, match=r"my.toml takes inputs of shape \(32, 32, 3\); expected"):
        complete_layers(layers, source="my.toml")
