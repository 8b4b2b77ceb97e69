"""The inside of a network for tiles: its layers, weights and intermediate results.

The layers are found in the ONNX file, so what is shown is what reads, whichever framework the
network was trained with. Bias, activation and normalisation count to the layer that they follow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import MissingExtraError, ModelError, UsageError
from inkdigits.recognition.card import TILE_SHAPE, is_reader_card, locate_card
from inkdigits.recognition.network import BATCH
from inkdigits.recognition.recognizer import DEFAULT_MODEL, DEFAULT_TILE_MODEL
from inkdigits.recognition.session import Session

if TYPE_CHECKING:
    import onnx

_POOLS: Final = {
    "MaxPool": "max pooling",
    "AveragePool": "average pooling",
    "GlobalMaxPool": "global max pooling",
    "GlobalAveragePool": "global average pooling",
    "ReduceMean": "average",
    "ReduceMax": "maximum",
}
_ACTIVATIONS: Final = {
    "Relu": "ReLU",
    "LeakyRelu": "leaky ReLU",
    "PRelu": "PReLU",
    "Elu": "ELU",
    "Selu": "SELU",
    "Gelu": "GELU",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softmax": "softmax",
    "Clip": "clip",
}
_JOINS: Final = {"Add": "sum", "Mul": "product", "Concat": "concatenation"}
_SHAPING: Final = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Cast"}


@dataclass(frozen=True)
class InnerLayer:
    """A layer of a network for tiles.

    Attributes:
        kind: What it computes, such as "convolution", "max pooling", "dense" or "flatten".
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
    def is_weighted(self) -> bool:
        """Whether it is a convolution or a dense layer."""
        return self.kind in ("convolution", "depthwise convolution", "dense")

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


@dataclass
class _Trace:
    """The layers of a graph that have been found so far.

    Attributes:
        values: The constant arrays by name.
        layers: The layers.
        sources: Name of each value that depends on the input, to whether it follows a layer.
        kernels: Weights of each weighted layer, by the position of the layer.
    """

    values: dict[str, NDArray[Any]]
    layers: list[InnerLayer] = field(default_factory=list)
    sources: dict[str, bool] = field(default_factory=dict)
    kernels: dict[int, NDArray[Any]] = field(default_factory=dict)

    def add(self, layer: InnerLayer, kernel: NDArray[Any] | None = None) -> None:
        """Appends a layer, and keeps its weights."""
        if kernel is not None:
            self.kernels[len(self.layers)] = kernel
        self.layers.append(layer)

    def extend_last(self, output: str, *, activation: str = "", parameters: int = 0) -> None:
        """Counts a node to the last layer."""
        last = self.layers[-1]
        names = ", ".join(filter(None, [last.activation, activation]))
        self.layers[-1] = replace(
            last, activation=names, parameters=last.parameters + parameters, output=output
        )


class InnerNetwork:
    """A network for tiles whose layers can be looked at.

    Attributes:
        layers: The layers in the order of computation, without the input.
    """

    def __init__(self, path: Path) -> None:
        """Loads an ONNX file.

        Raises:
            MissingExtraError: `onnx` is not installed.
            ModelError: The file is missing, damaged, or not a network for tiles.
        """
        model = _load_graph(path)
        trace = _trace(model)
        self._input = model.graph.input[0].name
        own = {value.name for value in model.graph.output}
        between = dict.fromkeys(layer.output for layer in trace.layers)
        added = [name for name in between if name not in own]
        self._session = Session(path, n_threads=2, added_outputs=added)
        self.layers: tuple[InnerLayer, ...] = tuple(trace.layers)
        self._kernels = trace.kernels
        blank = self.run(np.zeros((1, *TILE_SHAPE), np.uint8), range(len(self.layers)))
        self.layers = tuple(
            _complete(layer, blank[number], trace.kernels.get(number))
            for number, layer in enumerate(self.layers)
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
        weighted = [number for number, layer in enumerate(self.layers) if layer.is_weighted]
        return weighted[-1] - 1 if weighted and weighted[-1] > 0 else None

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
        names = [self.layers[number].output for number in numbers]
        found: dict[int, list[NDArray[np.float32]]] = {number: [] for number in numbers}
        for start in range(0, len(tiles), BATCH):
            part = tiles[start : start + BATCH]
            outputs = self._session.run({self._input: part}, names)
            for number, output in zip(numbers, outputs, strict=True):
                values = np.asarray(output, np.float32).reshape(len(part), *output.shape[1:])
                # ONNX has the channels before height and width.
                found[number].append(values.transpose(0, 2, 3, 1) if values.ndim == 4 else values)
        return {number: np.concatenate(parts) for number, parts in found.items()}

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
        for number, layer in enumerate(self.layers):
            if not layer.is_weighted:
                continue
            kernel = np.asarray(self._kernels[number], np.float32)
            if kernel.ndim == 4:
                # Over the channels of the input: one, for tiles.
                return np.asarray(kernel.mean(axis=1), np.float32)
            if kernel.shape[0] == math.prod(TILE_SHAPE):
                return np.asarray(kernel.T.reshape(-1, *TILE_SHAPE), np.float32)
            break
        raise ModelError(
            f"the first layer of {self._session.path} has no weights for pixels: expected a "
            "convolution or a dense layer"
        )


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


def _load_graph(path: Path) -> onnx.ModelProto:
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(
            'the layers of a model need onnx, which is not installed; run: pip install "inkdigits'
            '[report]"'
        ) from error
    try:
        return onnx.load(path)
    except FileNotFoundError:
        raise ModelError(f"no model at {path}: expected an .onnx file") from None
    except Exception as error:  # protobuf's exceptions have no common base class
        reason = (str(error).splitlines() or [""])[0][:100]
        raise ModelError(f"{path} is not a readable ONNX file: {reason}") from error


def _trace(model: onnx.ModelProto) -> _Trace:
    """Finds the layers of a graph."""
    from onnx import numpy_helper

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    trace = _Trace(values)
    trace.sources = {value.name: False for value in model.graph.input if value.name not in values}
    for node in model.graph.node:
        _follow(node, trace)
    if not trace.layers:
        raise ModelError("the model has no layers: expected a network for tiles")
    return trace


def _follow(node: onnx.NodeProto, trace: _Trace) -> None:
    from onnx import helper

    settings = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    inputs = [name for name in node.input if name in trace.sources]
    constants = [trace.values[name] for name in node.input if name in trace.values]
    output = node.output[0]
    if not inputs:
        _fold(node, settings, constants, trace)
        return
    trace.sources[output] = any(trace.sources[name] for name in inputs)
    n_parameters = sum(one.size for one in constants if one.dtype.kind == "f")
    if node.op_type == "Shape":
        del trace.sources[output]  # a shape says nothing about ink
    elif node.op_type == "Conv" and constants:
        kernel = constants[0]
        kind = "convolution"
        if kernel.shape[1] == 1 and settings.get("group", 1) > 1:
            kind = "depthwise convolution"
        detail = " × ".join(map(str, kernel.shape[2:]))
        strides = set(settings.get("strides", [1])) - {1}
        if strides:
            detail += f", stride {max(strides)}"
        trace.add(InnerLayer(kind, detail, parameters=n_parameters, output=output), kernel)
        trace.sources[output] = True
    elif node.op_type in ("Gemm", "MatMul") and constants and constants[0].ndim == 2:
        kernel = constants[0].T if settings.get("transB") else constants[0]
        trace.add(InnerLayer("dense", parameters=n_parameters, output=output), kernel)
        trace.sources[output] = True
    elif not trace.sources[output] or node.op_type in ("Shape", "Size"):
        return  # scaling of the pixels comes before the first layer
    elif node.op_type in _POOLS:
        detail = " × ".join(map(str, settings.get("kernel_shape", ())))
        trace.add(InnerLayer(_POOLS[node.op_type], detail, output=output))
    elif node.op_type in _ACTIVATIONS:
        trace.extend_last(output, activation=_ACTIVATIONS[node.op_type], parameters=n_parameters)
    elif node.op_type in _JOINS and len(inputs) > 1:
        trace.add(InnerLayer(_JOINS[node.op_type], output=output))
    elif node.op_type == "BatchNormalization":
        trace.extend_last(output, activation="normalisation", parameters=n_parameters)
    elif node.op_type not in _SHAPING or n_parameters:
        trace.extend_last(output, parameters=n_parameters)
    elif node.op_type in ("Reshape", "Flatten"):
        trace.add(InnerLayer("flatten", output=output))


def _fold(
    node: onnx.NodeProto,
    settings: Mapping[str, Any],
    constants: Sequence[NDArray[Any]],
    trace: _Trace,
) -> None:
    """Computes nodes without variable input: constants and weights in 8 bits."""
    from onnx import numpy_helper

    output = node.output[0]
    if node.op_type == "Constant" and "value" in settings:
        trace.values[output] = numpy_helper.to_array(settings["value"])
    elif node.op_type in ("Identity", "Cast") and constants:
        trace.values[output] = constants[0]
    elif node.op_type == "DequantizeLinear" and len(constants) >= 2:
        weights, scale = constants[0].astype(np.float32), constants[1].astype(np.float32)
        zero = constants[2].astype(np.float32) if len(constants) > 2 else np.zeros_like(scale)
        sides = [1] * weights.ndim
        if scale.ndim == 1 and scale.size > 1:
            sides[settings.get("axis", 1)] = -1
        trace.values[output] = (weights - zero.reshape(sides)) * scale.reshape(sides)


def _complete(
    layer: InnerLayer, output: NDArray[np.float32], kernel: NDArray[Any] | None
) -> InnerLayer:
    """Returns a layer with its shape and operations."""
    shape = tuple(map(int, output.shape[1:]))
    operations = 0
    if kernel is not None:
        places = shape[0] * shape[1] if len(shape) == 3 else 1
        operations = kernel.size * places
    kind = "reshape" if layer.kind == "flatten" and len(shape) > 1 else layer.kind
    return replace(layer, kind=kind, shape=shape, operations=operations)
