"""The layers of a network as a table: shapes, parameters and operations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_WEIGHTLESS: Final = 0
_CONVOLUTIONS: Final = (
    *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D"),
    *("SeparableConv1D", "SeparableConv2D", "Dense", "EinsumDense"),
)
_TRANSPOSED: Final = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")


@dataclass(frozen=True)
class LayerRow:
    """One layer of a network.

    Attributes:
        name: Class of the layer, such as "Conv2D".
        shape: Shape of its output for one tile.
        n_parameters: Number of its weights, trained or not.
        n_operations: Number of multiplications with weights for one tile, each with its addition;
            None where these are not counted, as in recurrent layers.
    """

    name: str
    shape: tuple[int | None, ...]
    n_parameters: int
    n_operations: int | None


def list_layers(network: Any) -> Iterator[Any]:
    """Yields the layers of a network, also those of networks inside it."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from list_layers(layer)
        else:
            yield layer


def describe_layers(network: Any) -> list[LayerRow]:
    """Returns a row for each layer of a built Keras network, input first.

    Convolutions and dense layers are counted: they are nearly all of the work. Layers without
    weights, and batch normalisation, count as none.
    """
    rows = [LayerRow("Input", tuple(network.input_shape[1:]), 0, 0)]
    for layer in list_layers(network):
        kind = type(layer).__name__
        if kind == "InputLayer":
            continue
        shape = tuple(layer.output.shape[1:])
        rows.append(LayerRow(kind, shape, layer.count_params(), _count_operations(layer, kind)))
    return rows


def _count_operations(layer: Any, kind: str) -> int | None:
    if not layer.count_params() or kind.endswith("Normalization"):
        return _WEIGHTLESS
    # Each weight of a kernel is used once at each place of the output; at each place of the input
    # in transposed convolutions.
    sides = layer.output.shape if kind in _CONVOLUTIONS else layer.input.shape
    if kind not in (*_CONVOLUTIONS, *_TRANSPOSED) or None in sides[1:]:
        return None
    kernels = [math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1]
    return int(math.prod(sides[1:-1]) * sum(kernels))
