"""Adds to the layers of a user's own network what every network for tiles needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.layers import TILE, Layer

SCALING: Final = ("Rescaling", "Normalization")
"""Layers that bring pixels to the scale of a network."""

_INPUT, _RESCALING, _RESHAPE = TILE
_SIDE: Final = int(_INPUT.arguments[0][0])
_N_PIXELS: Final = _SIDE**2
_FREE: Final = ("Dropout", "GaussianNoise", "SpatialDropout2D", "BatchNormalization", "Activation")
"""Layers that take any shape, and leave it as it is."""


def complete_layers(
    layers: Sequence[Layer], *, source: str
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Adds input, rescaling, reshape and softmax to layers, each where it is missing.

    Args:
        layers: The layers of a network, input first.
        source: Where they come from, for error messages.

    Returns:
        The whole network, and what was added, in words.

    Raises:
        RecipeError: An input that is not 28 × 28 = 784 values.
    """
    rest = list(layers)
    first = rest[0] if rest else None
    shape: list[int] | None = None
    if first is not None and first.kind in ("Input", "InputLayer"):
        shape = _find_shape(first)
        if shape == [_SIDE, _SIDE] and first.settings.get("dtype") == "uint8":
            return tuple(rest), ()  # whole: it takes tiles, and scales them as it likes
        rest.pop(0)
    scaled = any(layer.kind in SCALING for layer in rest)
    head, added = build_head(shape, scaled=scaled, source=source)
    if shape is None and not any(layer.kind == "Reshape" for layer in rest):
        reshape = _choose_shape(rest)
        if reshape is not None:
            head.append(Layer("Reshape", reshape))
            added.append(describe_reshape(reshape))
    last = rest[-1] if rest else None
    if last is not None and last.kind == "Dense" and not _has_activation(last):
        rest.append(Layer("Softmax"))
        added.append("Softmax, for probabilities")
    return (*head, *rest), tuple(added)


def build_head(
    shape: Sequence[int] | None, *, scaled: bool, source: str
) -> tuple[list[Layer], list[str]]:
    """Returns the layers before a network that takes `shape`, and what they add, in words.

    Args:
        shape: The shape that the network takes, without the batch; None: that of a tile.
        scaled: Whether the network scales pixels itself.
        source: Where the network comes from, for error messages.

    Raises:
        RecipeError: A shape that is not 28 × 28 = 784 values.
    """
    head, added = [_INPUT], [f"Input ({_SIDE}, {_SIDE}) of uint8 tiles"]
    if not scaled:
        head.append(_RESCALING)
        added.append("Rescaling by 1/255")
    if shape is None or list(shape) == [_SIDE, _SIDE]:
        return head, added
    if any(type(side) is not int for side in shape) or math.prod(shape) != _N_PIXELS:
        raise RecipeError(
            f"{source} takes inputs of shape {tuple(shape)}; expected the {_N_PIXELS} values of a "
            f"{_SIDE} × {_SIDE} tile, such as ({_SIDE}, {_SIDE}, 1)"
        )
    head.append(Layer("Reshape", list(shape)))
    return head, [*added, describe_reshape(shape)]


def describe_reshape(shape: Sequence[int]) -> str:
    """Returns a reshape in words."""
    return f"Reshape to {tuple(shape)}"


def _find_shape(layer: Layer) -> list[int]:
    given: Any = layer.settings.get("shape", layer.arguments[0] if layer.arguments else None)
    batch = layer.settings.get("batch_shape")
    if given is None and isinstance(batch, list):
        given = batch[1:]
    return list(given) if isinstance(given, list | tuple) else [_SIDE, _SIDE]


def _choose_shape(layers: Sequence[Layer]) -> list[int] | None:
    """Returns the shape that the first layers need, or None if they take a tile as it is."""
    kinds = [layer.kind for layer in layers if layer.kind not in (*SCALING, *_FREE)]
    if kinds and (kinds[0].endswith("2D") or kinds[0] == "Conv2DTranspose"):
        return [_SIDE, _SIDE, 1]
    return [_N_PIXELS] if kinds and kinds[0] == "Dense" else None


def _has_activation(dense: Layer) -> bool:
    given = dense.settings.get("activation", dense.arguments[1:2] or None)
    return given not in (None, "linear", ["linear"], [None])
