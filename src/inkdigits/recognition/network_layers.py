"""Finds the layers of a network for tiles in its ONNX graph, and what each of them sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from inkdigits.recognition.framing import TILE_SIDE
from inkdigits.recognition.onnx_graph import Graph, Node

Kind = Literal["convolution", "pooling", "normalisation", "activation", "sum", "dense"]

_CONVOLUTIONS: Final = {"Conv": 1, "QLinearConv": 3}
_DENSE: Final = {"MatMul": 1, "Gemm": 1, "QLinearMatMul": 3, "QGemm": 3}
"""Operation to the place of its weights among its inputs."""
_POOLINGS: Final = {
    "MaxPool": "largest",
    "AveragePool": "mean",
    "QLinearAveragePool": "mean",
    "GlobalMaxPool": "largest",
    "GlobalAveragePool": "mean",
    "QLinearGlobalAveragePool": "mean",
}
_OUTPUT_SCALES: Final = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7}
"""Quantised operation to the place of its output's scale; the zero point is the next input."""
_NORMALISATIONS: Final = ("BatchNormalization", "InstanceNormalization", "LayerNormalization")
_ACTIVATIONS: Final = (
    *("Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Clip", "Gelu"),
    *("Sigmoid", "HardSigmoid", "HardSwish", "Mish", "Softplus", "Softsign", "Swish", "Tanh"),
)
_SCALINGS: Final = ("Add", "Sub", "Mul", "Div")
_UNCHANGED: Final = ("Identity", "Dropout")
_KEEPS_FIELD: Final = (
    *("Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
    *("QuantizeLinear", "DequantizeLinear"),
)
_BIASES: Final = {"QLinearConv": 8, "QGemm": 6}
"""Quantised operation to the place of its bias, which not every file has."""


@dataclass(frozen=True)
class Field:
    """The part of the tile that one value of a layer depends on (its receptive field).

    Each pair is for rows and columns. The value in row r depends on the `size` rows from
    `start + r * step` on.

    Attributes:
        start: First row and column, in pixels; negative within the padding.
        size: Height and width in pixels.
        step: Distance between the fields of two neighbouring values, in pixels.
        sides: Height and width of the layer's maps.
        is_transposed: Whether the network takes tiles with rows and columns exchanged.
    """

    start: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (1, 1)
    step: tuple[int, int] = (1, 1)
    sides: tuple[int, int] = (TILE_SIDE, TILE_SIDE)
    is_transposed: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer of a network.

    Attributes:
        name: Its kind and number, such as "Convolution 2".
        kind: What it does.
        value: Name of its output in the graph, after its activation.
        activation: Its activation as ONNX names it, such as "Relu"; None without one.
        weights: Name of its weights in the graph; None without weights that can be shown.
        is_transposed: Whether the weights of a dense layer have one row for each output.
        takes_tile: Whether no other layer comes before it.
        window: Height and width of a convolution or pooling; None for other kinds.
        strides: Steps of a convolution or pooling; None for other kinds.
        groups: Number of groups of a convolution; its maps see those of one group.
        constants: Names of all its weights in the graph: biases and normalisation included.
        pooled: What a pooling keeps, "largest" or "mean"; None for other kinds.
        before: Index of the layer that it takes its values from; None for the tile.
        field: What each value depends on; None for the whole tile, or if that is unknown.
        scale: Names of the scale and zero point of 8-bit values; None for other values.
    """

    name: str
    kind: Kind
    value: str
    activation: str | None = None
    weights: str | None = None
    is_transposed: bool = False
    takes_tile: bool = False
    window: tuple[int, int] | None = None
    strides: tuple[int, int] | None = None
    groups: int = 1
    constants: tuple[str, ...] = ()
    pooled: str | None = None
    before: int | None = None
    field: Field | None = None
    scale: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Value:
    """A value of the graph: what it depends on, its scale, and the layers that it comes from.

    Attributes:
        field: As in `Layer`.
        scale: As in `Layer`.
        layer: Index of the layer whose output it is; None if it is not the output itself.
        before: Index of the last layer on the way to it.
    """

    field: Field | None = None
    scale: tuple[str, str] | None = None
    layer: int | None = None
    before: int | None = None


def find_layers(graph: Graph) -> list[Layer]:
    """Finds the layers of a network, in the order of its graph.

    Operations without weights, such as reshaping, are not layers. Neither are those inside a loop,
    and other operations than those of common networks.

    Args:
        graph: The graph of a network that takes tiles.

    Returns:
        The layers; an empty list for other models, such as a random forest.
    """
    finder = _Finder(graph)
    for node in graph.nodes:
        finder.visit(node)
    return finder.layers


def find_constants(graph: Graph) -> frozenset[str]:
    """Returns the names of the values that are the same for each tile: weights and what they make.

    Weights in 8 bits, for example, are scaled by operations without other inputs.
    """
    constants = set(graph.weights)
    for node in graph.nodes:
        if node.outputs and all(name in constants for name in node.inputs if name):
            constants.update(node.outputs)
    return frozenset(constants)


class _Finder:
    """Collects the layers, while it follows the graph from the tile on."""

    def __init__(self, graph: Graph) -> None:
        self.layers: list[Layer] = []
        self._weights = find_constants(graph)
        self._values = {name: _Value(Field()) for name in graph.inputs if name not in graph.weights}
        self._counts: Counter[str] = Counter()

    def visit(self, node: Node) -> None:
        """Follows one operation."""
        inputs = [self._values[name] for name in node.inputs if name in self._values]
        if not inputs or node.operation == "Shape" or not node.outputs:
            return
        self._values[node.outputs[0]] = self._follow(node, inputs)

    def _follow(self, node: Node, inputs: Sequence[_Value]) -> _Value:
        """Returns the first output of an operation; adds or completes a layer."""
        operation, given = node.operation, inputs[0]
        current = None if given.layer is None else self.layers[given.layer]
        if operation in _CONVOLUTIONS or operation in _DENSE:
            return self._add_weighted(node, given)
        if operation in _POOLINGS:
            window = _find_pair(node, "kernel_shape")
            layer = Layer("", "pooling", "", window=window, pooled=_POOLINGS[operation])
            return self._add(node, given, _widen(given.field, node, window), layer)
        if operation in _UNCHANGED:
            return given
        is_scaling = operation in _NORMALISATIONS or operation in _SCALINGS
        if operation == "Add" and len(inputs) > 1:
            merged = _Value(_merge([value.field for value in inputs]), None, None, given.before)
            return self._add(node, merged, merged.field, Layer("", "sum", ""))
        if operation in _ACTIVATIONS:
            if current and current.kind not in ("pooling", "activation") and not current.activation:
                return self._extend(node, given, activation=operation)
            if given.before is not None:
                layer = Layer("", "activation", "", activation=operation)
                return self._add(node, given, given.field, layer)
        elif is_scaling and len(inputs) == 1 and given.before is not None:
            is_bias = operation == "Add" and current and current.kind in ("convolution", "dense")
            is_continued = current and current.kind == "normalisation"
            if current and (is_bias or is_continued) and not current.activation:
                return self._extend(node, given)
            layer = Layer("", "normalisation", "", constants=self._list_constants(node))
            return self._add(node, given, given.field, layer)
        elif is_scaling and len(inputs) == 1:  # the scale of the pixels
            return given
        if operation not in _KEEPS_FIELD:
            return _Value(before=given.before)
        found = given.field
        if found and operation == "Transpose" and node.integers.get("perm") == (0, 2, 1):
            found = replace(found, is_transposed=not found.is_transposed)
        return replace(given, field=found, layer=None)

    def _add_weighted(self, node: Node, given: _Value) -> _Value:
        place = {**_CONVOLUTIONS, **_DENSE}[node.operation]
        weights = node.inputs[place] if len(node.inputs) > place else ""
        if weights not in self._weights:
            return _Value(before=given.before)
        if node.operation in _DENSE:
            layer = Layer(
                "",
                "dense",
                "",
                weights=weights,
                is_transposed=bool(_get_integer(node, "transB")),
                constants=self._list_constants(node, place),
            )
            return self._add(node, given, None, layer, tile_field=given.field)
        window = _find_pair(node, "kernel_shape")
        layer = Layer(
            "",
            "convolution",
            "",
            weights=weights,
            window=window,
            groups=max(1, _get_integer(node, "group")),
            constants=self._list_constants(node, place),
        )
        return self._add(node, given, _widen(given.field, node, window), layer)

    def _add(
        self,
        node: Node,
        given: _Value,
        field: Field | None,
        layer: Layer,
        tile_field: Field | None = None,
    ) -> _Value:
        """Adds a layer; a dense layer on the tile itself keeps the tile's field."""
        self._counts[layer.kind] += 1
        scale = given.scale
        if node.operation in _OUTPUT_SCALES:
            place = _OUTPUT_SCALES[node.operation]
            names = node.inputs[place : place + 2]
            scale = (names[0], names[1]) if len(names) == 2 else None
        is_first = given.before is None
        self.layers.append(
            replace(
                layer,
                name=f"{layer.kind.capitalize()} {self._counts[layer.kind]}",
                value=node.outputs[0],
                strides=_find_pair(node, "strides") or (layer.window and (1, 1)),
                takes_tile=is_first,
                before=given.before,
                field=tile_field if is_first and layer.kind == "dense" else field,
                scale=scale,
            )
        )
        number = len(self.layers) - 1
        return _Value(field, scale, number, number)

    def _extend(self, node: Node, given: _Value, activation: str | None = None) -> _Value:
        """Makes an operation the end of the layer before it."""
        number = given.layer
        if number is not None:
            layer = self.layers[number]
            more = () if node.operation == "Clip" else self._list_constants(node)  # its limits
            self.layers[number] = replace(
                layer,
                value=node.outputs[0],
                activation=activation,
                constants=(*layer.constants, *more),
            )
        return given

    def _list_constants(self, node: Node, place: int | None = None) -> tuple[str, ...]:
        """Returns the names of an operation's weights; those of a quantised one by their places."""
        if place is not None and node.operation in _OUTPUT_SCALES:
            places = [place, *filter(None, [_BIASES.get(node.operation)])]
            names = [node.inputs[number] for number in places if number < len(node.inputs)]
        else:
            names = list(node.inputs)
        return tuple(name for name in names if name in self._weights)


def _widen(field: Field | None, node: Node, window: tuple[int, int] | None) -> Field | None:
    """Returns the field after a convolution or pooling; None if it is unknown."""
    if field is None or window is None:
        return None
    strides = _find_pair(node, "strides") or (1, 1)
    dilations = _find_pair(node, "dilations") or (1, 1)
    reaches = tuple((w - 1) * d + 1 for w, d in zip(window, dilations, strict=True))
    pads = node.integers.get("pads", (0, 0, 0, 0))
    automatic = node.texts.get("auto_pad", "NOTSET")
    starts, sizes, steps, sides = [], [], [], []
    for axis in (0, 1):
        side, stride, reach = field.sides[axis], strides[axis], reaches[axis]
        before, after = (pads[axis], pads[axis + 2]) if len(pads) == 4 else (0, 0)
        if automatic.startswith("SAME"):
            total = max((-(-side // stride) - 1) * stride + reach - side, 0)
            before = total // 2 if automatic == "SAME_UPPER" else -(-total // 2)
            after = total - before
        starts.append(field.start[axis] - before * field.step[axis])
        sizes.append(field.size[axis] + (reach - 1) * field.step[axis])
        steps.append(field.step[axis] * stride)
        sides.append((side + before + after - reach) // stride + 1)
    return Field(
        (starts[0], starts[1]),
        (sizes[0], sizes[1]),
        (steps[0], steps[1]),
        (sides[0], sides[1]),
        field.is_transposed,
    )


def _merge(fields: Sequence[Field | None]) -> Field | None:
    """Returns the smallest field that contains several, which belong to maps of the same size."""
    found = [field for field in fields if field is not None]
    if len(found) < len(fields):
        return None
    starts = [min(field.start[axis] for field in found) for axis in (0, 1)]
    ends = [max(field.start[axis] + field.size[axis] for field in found) for axis in (0, 1)]
    return replace(
        found[0],
        start=(starts[0], starts[1]),
        size=(ends[0] - starts[0], ends[1] - starts[1]),
    )


def _find_pair(node: Node, name: str) -> tuple[int, int] | None:
    values = node.integers.get(name, ())
    return (values[0], values[1]) if len(values) == 2 else None


def _get_integer(node: Node, name: str) -> int:
    return node.integers.get(name, (0,))[0]
