"""Computes what happens inside a network for tiles: the feature maps of each layer.

It works for any network in an ONNX file whose layers `find_layers` knows, and needs nothing but
ONNX Runtime. The values between the layers are declared as outputs when the file is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError, UsageError
from inkdigits.recognition.card import MIN_OUTPUTS, TILE_SHAPE
from inkdigits.recognition.network import Network
from inkdigits.recognition.network_layers import Layer, find_constants, find_layers
from inkdigits.recognition.onnx_graph import read_graph
from inkdigits.recognition.session import Session, check_probabilities

MAX_VALUES: Final = 2_000_000
"""Largest number of values of all layers together: thirty times those of the largest recipe. Layers
beyond it are left out."""


@dataclass(frozen=True)
class Activation:
    """What a layer computed for a tile.

    Attributes:
        layer: The layer.
        maps: float32, shape (n, height, width): its feature maps; 1 × 1 for a dense layer.
        changes: float32, shape (n,), 0 or more: the largest difference of each map from that of an
            empty tile.
        peaks: int64, shape (n, 2): row and column of that difference.
        patches: int64, shape (n, 4): left, top, width and height of the pixels that the value at
            the peak depends on; None if that is the whole tile, or unknown.
    """

    layer: Layer
    maps: NDArray[np.float32]
    changes: NDArray[np.float32]
    peaks: NDArray[np.int64]
    patches: NDArray[np.int64] | None

    @property
    def strongest(self) -> int | None:
        """Index of the map that answered most; None if none differs from that of an empty tile."""
        best = int(self.changes.argmax())
        return best if self.changes[best] > 0 else None


class Inside:
    """A network for tiles that also returns the values between its layers. Thread-safe.

    Attributes:
        layers: The layers, in the order of the graph.
    """

    def __init__(self, path: Path) -> None:
        """Loads the file.

        Args:
            path: The `.onnx` file of a network for tiles.

        Raises:
            ModelError: The file cannot be read or run, or has no layers that are known.
        """
        graph = read_graph(path)
        layers = find_layers(graph)
        if not layers:
            raise ModelError(
                f"{path.name} has no layers that can be shown: expected a network of convolutions "
                "or dense layers; networks that run tile by tile hide theirs"
            )
        weights = {name for layer in layers for name in (layer.weights, *(layer.scale or ()))}
        constants = find_constants(graph)
        names = [name for name in weights if name in constants]
        declared = [*dict.fromkeys(layer.value for layer in layers), *names]
        added = [name for name in declared if name not in graph.outputs]
        self._session = Session(path, n_threads=1, added_outputs=added)
        self._output = graph.outputs[0]
        self._input = self._session.inputs[0].name
        blank = np.zeros((1, *TILE_SHAPE), np.uint8)
        self._session.check_first_run(lambda: self._session.run({self._input: blank}))
        found = self._session.run({self._input: blank}, names)
        self._weights: dict[str, NDArray[Any]] = dict(zip(names, found, strict=True))
        self.layers: list[Layer] = layers
        self._empty = self._limit(self._run(blank[0])[1])
        self.layers = layers[: len(self._empty)]

    def compute(self, tile: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[Activation]]:
        """Runs the network on a tile.

        Args:
            tile: uint8, shape (28, 28), 0 background, 255 full ink.

        Returns:
            The outputs, float32, shape (outputs,), as of `Network`; and what each layer
            computed.

        Raises:
            ModelError: The network fails, or its outputs are not finite.
        """
        probabilities, found = self._run(tile)
        return probabilities, [
            _compare(layer, maps, empty)
            for layer, maps, empty in zip(self.layers, found, self._empty, strict=True)
        ]

    def get_filter(self, layer: int, number: int) -> NDArray[np.float32] | None:
        """Returns the weights of a map.

        Args:
            layer: Index of the layer.
            number: Index of its map.

        Returns:
            float32, shape (n, height, width): one kernel for each map of the layer before. None for
            layers without weights that have a place in a map, such as a pooling, or a dense layer
            after convolutions.

        Raises:
            UsageError: There is no such layer or map.
        """
        if not 0 <= layer < len(self.layers):
            raise UsageError(f"no layer {layer}: expected 0 to {len(self.layers) - 1}")
        n_maps = len(self._empty[layer])
        if not 0 <= number < n_maps:
            raise UsageError(f"no map {number} in layer {layer}: expected 0 to {n_maps - 1}")
        one = self.layers[layer]
        weights = None if one.weights is None else self._weights.get(one.weights)
        if weights is None:
            return None
        if one.kind == "convolution" and weights.ndim == 4 and number < len(weights):
            return _turn(one, weights[number].astype(np.float32))
        if one.kind == "dense" and one.takes_tile and weights.ndim == 2:
            rows = weights if one.is_transposed else weights.T
            if rows.shape == (n_maps, TILE_SHAPE[0] * TILE_SHAPE[1]):
                return _turn(one, rows[number].reshape(1, *TILE_SHAPE).astype(np.float32))
        return None

    def _run(self, tile: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[NDArray[Any]]]:
        values = [layer.value for layer in self.layers]
        names = [self._output, *dict.fromkeys(values)]
        outputs = self._session.run({self._input: tile[np.newaxis]}, names)
        found = dict(zip(names, outputs, strict=True))
        first = outputs[0]
        n_outputs = first.shape[-1] if first.ndim == 2 else 0
        if n_outputs < MIN_OUTPUTS:
            raise ModelError(
                f"{self._session.path} returns shape {first.shape}: expected a probability for "
                "each class, such as (1, 10)"
            )
        row = check_probabilities(self._session.path, first, (1, n_outputs))[0]
        return row, [self._arrange(layer, found[layer.value]) for layer in self.layers]

    def _arrange(self, layer: Layer, values: NDArray[Any]) -> NDArray[np.float32]:
        """Returns values as maps; quantised ones in their real scale."""
        if layer.scale is not None:
            scale, zero = (self._weights.get(name) for name in layer.scale)
            if scale is not None and zero is not None:
                values = (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
        sides = values.shape[1:] if values.ndim > 1 else values.shape
        height = (
            int(np.prod(sides[1:-1])) if len(sides) > 2 else (sides[1] if len(sides) > 1 else 1)
        )
        width = sides[-1] if len(sides) > 2 else 1
        maps = values.reshape(sides[0], height, width).astype(np.float32)
        if not np.isfinite(maps).all():
            raise ModelError(f"{layer.name} of {self._session.path} has values that are not finite")
        return maps if layer.kind == "dense" else _turn(layer, maps)

    def _limit(self, found: list[NDArray[Any]]) -> list[NDArray[Any]]:
        sizes = np.cumsum([maps.size for maps in found])
        kept = [maps for maps, size in zip(found, sizes, strict=True) if size <= MAX_VALUES]
        if not kept:
            raise ModelError(
                f"{self.layers[0].name} of {self._session.path.name} has {sizes[0]:,} values; at "
                f"most {MAX_VALUES:,} can be shown"
            )
        return kept


def load_inside(network: Network) -> Inside:
    """Loads the ONNX file of a network once more, with the values between its layers.

    Args:
        network: The network of a recognizer.

    Raises:
        ModelError: The network does not come from one ONNX file, or as for `Inside`.
    """
    path = getattr(network, "path", None)
    if not isinstance(path, Path):
        raise ModelError(
            "the layers of this model cannot be shown, because it is not one ONNX file: write one "
            "with 'inkdigits export --format onnx' and start with it"
        )
    return Inside(path)


def _turn(layer: Layer, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Exchanges rows and columns of maps where the network takes tiles in this way."""
    if layer.field is None or not layer.field.is_transposed:
        return maps
    return np.ascontiguousarray(maps.transpose(0, 2, 1))


def _compare(layer: Layer, maps: NDArray[np.float32], empty: NDArray[np.float32]) -> Activation:
    """Finds where maps differ most from those of an empty tile."""
    width = maps.shape[2]
    differences = np.abs(maps - empty).reshape(len(maps), -1)
    places = differences.argmax(axis=1)
    changes = differences[np.arange(len(maps)), places]
    peaks = np.stack(np.divmod(places, width), axis=1)
    patches = None
    if layer.field is not None and layer.kind != "dense":
        turn = -1 if layer.field.is_transposed else 1
        start, size, step = (
            np.array(pair[::turn])
            for pair in (layer.field.start, layer.field.size, layer.field.step)
        )
        first = np.clip(start + peaks * step, 0, TILE_SHAPE)
        last = np.clip(start + peaks * step + size, 0, TILE_SHAPE)
        patches = np.concatenate([first[:, ::-1], (last - first)[:, ::-1]], axis=1)
    return Activation(layer, maps, changes, peaks, patches)
