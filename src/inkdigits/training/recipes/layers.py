"""The layers of a recipe's network, written without a training framework.

A layer is written as in Keras, `Layer("Conv2D", 32, 3, activation="relu")`, so that recipes can be
read, listed and overridden without loading Keras.
"""

from __future__ import annotations

from typing import Any

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.call_texts import parse_call

MODEL = "Model"
"""Kind of a layer that stands for a whole Keras model, whose configuration is its argument."""


class Layer:
    """One layer: the name of a class in `keras.layers`, and its arguments."""

    def __init__(self, kind: str, *arguments: Any, **settings: Any) -> None:
        self.kind = kind
        self.arguments = arguments
        self.settings = settings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        words = [repr(self.kind), *map(repr, self.arguments)]
        words += [f"{name}={value!r}" for name, value in self.settings.items()]
        return f"Layer({', '.join(words)})"

    def to_json(self) -> list[Any]:
        """Returns `[kind, [arguments], {settings}]`."""
        return [self.kind, list(self.arguments), dict(self.settings)]


# The input of every network for tiles: uint8 (28, 28). Scaling to [0, 1] is part of the network.
TILE = (
    Layer("Input", [28, 28], dtype="uint8"),
    Layer("Rescaling", 1 / 255, dtype="float32"),
    Layer("Reshape", [28, 28, 1]),
)


def parse_layers(layers: Any) -> tuple[Layer, ...]:
    """Builds layers from `Layer` objects, from their JSON form, or from texts as in Python.

    A text is a call such as `Conv2D(32, 3, activation="relu")`, or the name of a layer without
    arguments.

    Raises:
        RecipeError: A value that is none of these.
    """
    try:
        if isinstance(layers, str):
            raise TypeError
        return tuple(_parse_layer(layer) for layer in layers)
    except (TypeError, IndexError, KeyError) as error:
        raise RecipeError(
            f"network is {str(layers)[:60]!r}; expected a list such as "
            '[["Conv2D", [32, 3], {"activation": "relu"}], …]'
        ) from error


def _parse_layer(layer: Any) -> Layer:
    if isinstance(layer, Layer):
        return layer
    if isinstance(layer, str):
        kind, arguments, settings = parse_call("layer of the network", layer)
        return Layer(kind, *arguments, **settings)
    return Layer(layer[0], *layer[1], **layer[2])
