"""The inside of a network for tiles: its layers, weights and intermediate results.

The layers are found in the ONNX file, so what is shown is what reads, whichever framework the
network was trained with. A bias and an activation count to the layer that they follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError, UsageError
from inkdigits.recognition.card import TILE_SHAPE, is_reader_card, locate_card
from inkdigits.recognition.network import BATCH
from inkdigits.recognition.network_layers import Layer, find_constants, find_layers
from inkdigits.recognition.onnx_graph import read_graph
from inkdigits.recognition.recognizer import DEFAULT_MODEL, DEFAULT_TILE_MODEL
from inkdigits.recognition.session import Session

_POOLINGS: Final = {"largest": "max", "mean": "average"}
_ACTIVATIONS: Final = {
    "Relu": "ReLU",
    "LeakyRelu": "leaky ReLU",
    "PRelu": "PReLU",
    "HardSigmoid": "hard sigmoid",
    "HardSwish": "hard swish",
    **{name: name.upper() for name in ("Elu", "Selu", "Celu", "Gelu")},
}
"""Names of ONNX to those in the report; the others are written in small letters."""


@dataclass(frozen=True)
class InnerLayer:
    """A layer of a network for tiles.

    Attributes:
        kind: What it computes, such as "convolution", "max pooling" or "dense".
        detail: Size of its kernel, such as "3 × 3"; "" if it has none.
        activation: The activation after it, such as "ReLU"; "" if there is none.
        shape: Shape of its output for one tile: (height, width, channels), or (n,).
        parameters: Number of weights and biases in the file.
        operations: Multiplications of its weights with inputs, for one tile.
        output: Name of its output in the graph.
    """

    kind: str
    detail: str = ""
    activation: str = ""
    shape: tuple[int, ...] = ()
    parameters: int = 0
    operations: int = 0
    output: str = ""

    @property
    def has_maps(self) -> bool:
        """Whether its output is a stack of feature maps."""
        return len(self.shape) == 3

    def describe(self) -> str:
        """Returns what it computes, such as "convolution 3 × 3, ReLU"."""
        name = f"{self.kind} {self.detail}" if self.detail else self.kind
        return f"{name}, {self.activation}" if self.activation else name

    def describe_shape(self) -> str:
        """Returns the shape of its output, such as "26 × 26 × 32"."""
        return " × ".join(f"{side:,}" for side in self.shape)


class InnerNetwork:
    """A network for tiles whose layers can be looked at.

    Attributes:
        layers: The layers in the order of computation, without the input.
    """

    def __init__(self, path: Path) -> None:
        """Loads an ONNX file.

        Raises:
            ModelError: The file is missing, damaged, or not a network for tiles.
        """
        graph = read_graph(path)
        self._found = find_layers(graph)
        if not self._found:
            raise ModelError(f"{path} has no layers: expected a network for tiles")
        constants = find_constants(graph)
        names = [name for layer in self._found for name in layer.constants if name in constants]
        names = list(dict.fromkeys(names))
        declared = [*dict.fromkeys(layer.value for layer in self._found), *names]
        added = [name for name in declared if name not in graph.outputs]
        self._session = Session(path, n_threads=2, added_outputs=added)
        self._input = self._session.inputs[0].name
        self._output = graph.outputs[0]
        blank = {self._input: np.zeros((1, *TILE_SHAPE), np.uint8)}
        weights = self._session.run(blank, names) if names else []
        self._weights: dict[str, NDArray[Any]] = dict(zip(names, weights, strict=True))
        ends_in_softmax = any(node.operation == "Softmax" for node in graph.nodes)
        outputs = self._session.run(blank, [layer.value for layer in self._found])
        self.layers = tuple(
            self._describe(layer, output, ends_in_softmax and layer is self._found[-1])
            for layer, output in zip(self._found, outputs, strict=True)
        )

    @property
    def parameters(self) -> int:
        """Number of weights and biases of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def operations(self) -> int:
        """Multiplications of weights with inputs for one tile, of all layers."""
        return sum(layer.operations for layer in self.layers)

    @property
    def last_hidden(self) -> int | None:
        """Index of the layer that the last layer with weights takes; None: it takes the pixels."""
        weighted = [layer for layer in self._found if layer.weights is not None]
        return weighted[-1].before if weighted else None

    def run(
        self, tiles: NDArray[np.uint8], numbers: Sequence[int] | range
    ) -> dict[int, NDArray[np.float32]]:
        """Computes the outputs of some layers.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink; n is at least 1.
            numbers: Indices of the layers.

        Returns:
            Index of each layer to its output: float32, shape (n, height, width, channels) or
            (n, m).

        Raises:
            ModelError: The network fails.
        """
        outputs = self._run_batches(tiles, [self.layers[number].output for number in numbers])
        found = {}
        for number, values in zip(numbers, outputs, strict=True):
            # ONNX has the channels before height and width.
            found[number] = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        return found

    def classify(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the outputs of the network, float32, shape (n, 10) or (n, 11).

        Args:
            tiles: As in `run`.

        Raises:
            ModelError: The network fails.
        """
        return self._run_batches(tiles, [self._output])[0]

    def embed(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns what the last hidden layer makes of tiles; pixels if there is no such layer.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, m).
        """
        if self.last_hidden is None:
            return np.asarray(tiles.reshape(len(tiles), -1) / 255, np.float32)
        return self.run(tiles, [self.last_hidden])[self.last_hidden].reshape(len(tiles), -1)

    def get_filters(self) -> NDArray[np.float32]:
        """Returns the weights of the first layer as pictures.

        Returns:
            float32, shape (n, height, width): the kernels of a convolution, or for a dense layer
            the weight of each pixel of the tile.

        Raises:
            ModelError: The first layer has no weights for pixels.
        """
        first = next((layer for layer in self._found if layer.weights in self._weights), None)
        if first is not None and first.weights is not None:
            kernel = np.asarray(self._weights[first.weights], np.float32)
            rows = kernel if first.is_transposed else kernel.T
            filters = None
            if kernel.ndim == 4:  # over the channels of the input: one, for tiles
                filters = kernel.mean(axis=1)
            elif rows.shape[-1] == math.prod(TILE_SHAPE):
                filters = rows.reshape(-1, *TILE_SHAPE)
            if filters is not None:
                turned = first.field is not None and first.field.is_transposed
                return np.asarray(filters.transpose(0, 2, 1) if turned else filters, np.float32)
        raise ModelError(
            f"the first layer of {self._session.path} has no weights for pixels: expected a "
            "convolution or a dense layer"
        )

    def _run_batches(
        self, tiles: NDArray[np.uint8], names: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """Returns values of the graph for all tiles."""
        parts: list[list[NDArray[np.float32]]] = [[] for _ in names]
        for start in range(0, len(tiles), BATCH):
            outputs = self._session.run({self._input: tiles[start : start + BATCH]}, list(names))
            for part, output in zip(parts, outputs, strict=True):
                part.append(np.asarray(output, np.float32))
        return [np.concatenate(part) for part in parts]

    def _describe(self, layer: Layer, output: NDArray[Any], ends_in_softmax: bool) -> InnerLayer:
        """Returns what the report shows of a layer, from its output for one tile."""
        shape = tuple(map(int, output.shape[1:]))
        if len(shape) == 3:
            shape = (shape[1], shape[2], shape[0])
        kernel = None if layer.weights is None else self._weights.get(layer.weights)
        places = shape[0] * shape[1] if len(shape) == 3 else 1
        activation = layer.activation or ""
        activation = _ACTIVATIONS.get(activation, activation.lower())
        return InnerLayer(
            kind=_name_kind(layer, kernel),
            detail=_describe_window(layer),
            activation="softmax" if ends_in_softmax else activation,
            shape=shape,
            parameters=sum(self._weights[name].size for name in layer.constants),
            operations=0 if kernel is None else kernel.size * places,
            output=layer.value,
        )


def _name_kind(layer: Layer, kernel: NDArray[Any] | None) -> str:
    if layer.pooled is not None:
        name = f"{_POOLINGS[layer.pooled]} pooling"
        return name if layer.window else f"global {name}"
    is_depthwise = layer.groups > 1 and kernel is not None and kernel.shape[1] == 1
    return "depthwise convolution" if is_depthwise else layer.kind


def _describe_window(layer: Layer) -> str:
    if layer.window is None:
        return ""
    detail = " × ".join(map(str, layer.window))
    stride = max(layer.strides or (1, 1))
    return f"{detail}, stride {stride}" if stride > 1 and layer.pooled is None else detail


def find_onnx(model: object) -> Path:
    """Returns the ONNX file of a network for tiles.

    Args:
        model: A run or its folder, or an `.onnx` file. The reader that comes with inkdigits stands
            for its network for tiles.

    Raises:
        ModelError: There is no ONNX file, or it is that of a reader.
        UsageError: Another type than a path.
    """
    try:
        path = Path(model)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(
            f"invalid model of type {type(model).__name__}: expected a run folder or an .onnx file"
        ) from error
    if path == DEFAULT_MODEL:
        return DEFAULT_TILE_MODEL
    found = path if path.suffix == ".onnx" else path / "model.onnx"
    if not found.is_file():
        hint = "expected a finished run or an .onnx file"
        if path.is_file():
            hint = f"convert it with 'inkdigits export {path} --format onnx' first"
        raise ModelError(f"no ONNX model at {path}: {hint}")
    if is_reader_card(locate_card(found)):
        raise ModelError(
            f"{path} reads whole pictures: expected a network for tiles, such as that of "
            "'inkdigits train quick'"
        )
    return found
