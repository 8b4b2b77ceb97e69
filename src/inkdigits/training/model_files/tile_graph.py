"""ONNX graphs of other authors' networks, wrapped so that they take tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inkdigits.recognition.card import LABELS, TILE_SHAPE
from inkdigits.training.model_files.encodings import Encoding

N_PIXELS: Final = TILE_SHAPE[0] * TILE_SHAPE[1]
N_DIGITS: Final = len(LABELS)
TILE: Final = "inkdigits/tile"
PIXELS: Final = "inkdigits/pixels"
SCORES: Final = "inkdigits/scores"
# No name of the wrapper may be one of the wrapped network.
_TILES: Final = "inkdigits/tiles"
_PROBABILITIES: Final = "inkdigits/probabilities"
_MIN_IR_VERSION: Final = 8  # older versions list weights as inputs, too
_MIN_OPSET: Final = 13
_INTEGERS: Final = {
    TensorProto.UINT8,
    TensorProto.INT8,
    TensorProto.UINT16,
    TensorProto.INT16,
    TensorProto.UINT32,
    TensorProto.INT32,
    TensorProto.UINT64,
    TensorProto.INT64,
}
_FLOATS: Final = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
_LAYOUTS: Final = ((*TILE_SHAPE, 1), (1, *TILE_SHAPE), TILE_SHAPE, (N_PIXELS,))


def list_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Returns the inputs of a graph without weights, which old files list as inputs, too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def get_shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """Returns the shape of an input or output; None for a free length, or for no shape at all."""
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    return tuple(
        int(side.dim_value) if side.HasField("dim_value") and side.dim_value > 0 else None
        for side in tensor.shape.dim
    )


def get_type(value: onnx.ValueInfoProto) -> str | None:
    """Returns the type of an input or output as NumPy names it, or None for other types."""
    kind = value.type.tensor_type.elem_type
    if kind not in _INTEGERS | _FLOATS:
        return None
    return str(helper.tensor_dtype_to_np_dtype(kind))


def find_layout(shape: tuple[int | None, ...] | None) -> tuple[int | None, tuple[int, ...]] | None:
    """Finds out how a tile is given to an input of this shape.

    Args:
        shape: The shape of the input, with its batch; None for free lengths.

    Returns:
        The size of the batch, None if it is free, and the shape of one tile; or None if the input
        does not take 784 pixels.
    """
    if shape is None or len(shape) < 2:
        return None
    batch, sides = shape[0], shape[1:]
    if None not in sides and math.prod(side or 0 for side in sides) == N_PIXELS:
        return batch, tuple(int(side or 0) for side in sides)
    for layout in _LAYOUTS:
        if len(layout) == len(sides) and all(
            side in (None, expected) for side, expected in zip(sides, layout, strict=True)
        ):
            return batch, layout
    return None


def find_quantisation(model: onnx.ModelProto, name: str) -> list[str]:
    """Returns the names of the scale and zero point of a quantised input or output.

    Both are weights of the graph. The list is empty if the value is not quantised.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        is_end = (node.op_type == "DequantizeLinear" and node.input[0] == name) or (
            node.op_type == "QuantizeLinear" and node.output[0] == name
        )
        if is_end and len(node.input) == 3 and set(node.input[1:]) <= weights:
            return list(node.input[1:])
    return []


def remove_zip_maps(model: onnx.ModelProto) -> None:
    """Replaces the lists of dictionaries that scikit-learn's converter returns by their arrays."""
    graph = model.graph
    maps = {node.output[0]: node for node in graph.node if node.op_type == "ZipMap"}
    if not maps:
        return
    for output in list(graph.output):
        if output.name in maps:
            graph.output.remove(output)
            name = maps[output.name].input[0]
            graph.output.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, N_DIGITS])
            )
    for node in maps.values():
        graph.node.remove(node)


def list_earlier_values(model: onnx.ModelProto, output: str) -> list[str]:
    """Returns the names of the values that an output is computed from, the nearest first."""
    producers = {name: node for node in model.graph.node for name in node.output}
    found = [output]
    for name in found:  # which grows meanwhile
        inputs = producers[name].input if name in producers else ()
        found += dict.fromkeys(each for each in inputs if each in producers and each not in found)
    return found[1:]


def modernise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts a model to an opset with every operation that the wrapper needs, if ONNX can."""
    opset = next((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), None)
    if opset is None:  # only operations of other domains, as in a random forest
        model.opset_import.append(helper.make_opsetid("", _MIN_OPSET))
    elif opset < _MIN_OPSET:
        model = onnx.version_converter.convert_version(model, _MIN_OPSET)
    return model


def build_core(
    model: onnx.ModelProto,
    output: str,
    batch: int | None,
    layout: Sequence[int],
    *,
    one_by_one: bool,
) -> onnx.ModelProto:
    """Wraps a network so that it takes float pixels of tiles and returns float scores.

    Args:
        model: The network; not modified.
        output: Name of the output with ten scores.
        batch: The fixed size of the network's batch, or None if it is free.
        layout: The shape of one tile in the network's input.
        one_by_one: Whether to run the network once per tile, for networks that contain the size of
            their batch. Otherwise it runs once on all tiles.

    Returns:
        A model from float32 (n, 28, 28) to float32 (n, 10), named `PIXELS` and `SCORES`.
    """
    source = onnx.ModelProto()
    source.CopyFrom(model)
    (entry,) = list_inputs(source)
    kind = entry.type.tensor_type.elem_type
    nodes: list[onnx.NodeProto] = []
    weights = list(source.graph.initializer)

    def add(operation: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operation, inputs, [f"inkdigits/{name}"], **attributes))
        return f"inkdigits/{name}"

    def add_constant(name: str, values: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(values), f"inkdigits/{name}"))
        return f"inkdigits/{name}"

    given = TILE if one_by_one else PIXELS
    if one_by_one and (batch or 1) > 1:
        flat = add(
            "Reshape", [given, add_constant("one", np.asarray([1, *layout], np.int64))], "row"
        )
        given = add("Concat", [flat] * (batch or 1), "rows", axis=0)
    shaped = add(
        "Reshape", [given, add_constant("layout", np.asarray([-1, *layout], np.int64))], "shaped"
    )
    quantised = find_quantisation(source, entry.name)
    if quantised:
        nodes.append(helper.make_node("QuantizeLinear", [shaped, *quantised], [entry.name]))
    else:
        if kind in _INTEGERS:
            shaped = add("Round", [shaped], "rounded")
        nodes.append(helper.make_node("Cast", [shaped], [entry.name], to=kind))
    nodes.extend(source.graph.node)
    dequantised = find_quantisation(source, output)
    if dequantised:
        output = add("DequantizeLinear", [output, *dequantised], "dequantised")
    number = add("Cast", [output], "number", to=TensorProto.FLOAT)
    rows = add(
        "Reshape", [number, add_constant("columns", np.asarray([-1, N_DIGITS], np.int64))], "found"
    )
    outer = [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["n", *TILE_SHAPE])]
    scores = [helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["n", N_DIGITS])]
    if one_by_one:
        row = add("Gather", [rows, add_constant("first", np.int64(0))], "score", axis=0)
        body = helper.make_graph(
            nodes,
            "tile",
            [helper.make_tensor_value_info(TILE, TensorProto.FLOAT, TILE_SHAPE)],
            [helper.make_tensor_value_info(row, TensorProto.FLOAT, [N_DIGITS])],
            weights,
        )
        nodes = [helper.make_node("Scan", [PIXELS], [SCORES], body=body, num_scan_inputs=1)]
        weights = []
    else:
        nodes.append(helper.make_node("Identity", [rows], [SCORES]))
    graph = helper.make_graph(nodes, "adopted", outer, scores, weights)
    return _build_model(graph, source)


def build_tile_model(core: onnx.ModelProto, encoding: Encoding, activation: str) -> onnx.ModelProto:
    """Adds the encoding of tiles before a core, and its last activation after it.

    Args:
        core: The result of `build_core`; not modified.
        encoding: How a tile becomes pixels.
        activation: "none" for scores that are probabilities, "softmax" for logits, "share" for ten
            values from 0 to 1 whose sum is not 1.

    Returns:
        A model from tiles, uint8 (n, 28, 28), to probabilities, float32 (n, 10).
    """
    before = [
        helper.make_node("Cast", [_TILES], ["inkdigits/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["inkdigits/float", "inkdigits/factor"], ["inkdigits/scaled"]),
        helper.make_node("Add", ["inkdigits/scaled", "inkdigits/offset"], ["inkdigits/shifted"]),
        helper.make_node("Transpose", ["inkdigits/shifted"], [PIXELS], perm=[0, 2, 1])
        if encoding.transposed
        else helper.make_node("Identity", ["inkdigits/shifted"], [PIXELS]),
    ]
    weights = [
        numpy_helper.from_array(np.asarray(encoding.factor, np.float32), "inkdigits/factor"),
        numpy_helper.from_array(np.asarray(encoding.offset, np.float32), "inkdigits/offset"),
        *core.graph.initializer,
    ]
    if activation == "softmax":
        after = [helper.make_node("Softmax", [SCORES], [_PROBABILITIES], axis=1)]
    elif activation == "share":
        ones = np.ones((N_DIGITS, 1), np.float32)
        tiny = np.asarray(np.finfo(np.float32).tiny)
        weights += [
            numpy_helper.from_array(ones, "inkdigits/ones"),
            numpy_helper.from_array(tiny, "inkdigits/tiny"),
        ]
        after = [  # if all ten are 0, they become equally likely
            helper.make_node("Add", [SCORES, "inkdigits/tiny"], ["inkdigits/positive"]),
            helper.make_node("MatMul", ["inkdigits/positive", "inkdigits/ones"], ["inkdigits/sum"]),
            helper.make_node("Div", ["inkdigits/positive", "inkdigits/sum"], [_PROBABILITIES]),
        ]
    else:
        after = [helper.make_node("Identity", [SCORES], [_PROBABILITIES])]
    graph = helper.make_graph(
        [*before, *core.graph.node, *after],
        "adopted",
        [helper.make_tensor_value_info(_TILES, TensorProto.UINT8, ["n", *TILE_SHAPE])],
        [helper.make_tensor_value_info(_PROBABILITIES, TensorProto.FLOAT, ["n", N_DIGITS])],
        weights,
    )
    return _build_model(graph, core)


def _build_model(graph: onnx.GraphProto, source: onnx.ModelProto) -> onnx.ModelProto:
    return helper.make_model(
        graph,
        producer_name="inkdigits",
        opset_imports=source.opset_import,
        ir_version=max(_MIN_IR_VERSION, source.ir_version),
        functions=source.functions,
    )
