"""Writes the reader's context network into its graph, on any backend of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.model_files.graph_writer import IR_VERSION, OPSET, GraphWriter, Value
from inkdigits.training.networks.context_network import (
    FARTHEST,
    LARGEST_RATIO,
    N_BOX_COLUMNS,
    N_ROW_COLUMNS,
    ROUNDS,
)


def write_context(network: Any) -> onnx.ModelProto:
    """Writes a network that `build_context` built as an ONNX model.

    Returns:
        A model of one page: float32 (n, 21), at least one row, to float32 (n, 17), columns as in
        `build_context`.
    """
    writer = GraphWriter()

    def dense(name: str, x: Value) -> Value:
        layer = network.get_layer(name)
        x = writer.op("MatMul", x, np.asarray(layer.kernel.numpy(), np.float32))
        return x + np.asarray(layer.bias.numpy(), np.float32) if layer.use_bias else x

    def relu(x: Value) -> Value:
        return writer.op("Relu", x)

    def one(x: Value) -> Value:
        return writer.op("Unsqueeze", x, [1])

    def other(x: Value) -> Value:
        return writer.op("Unsqueeze", x, [0])

    rows = writer.value("rows")
    boxes = rows.slice(0, N_BOX_COLUMNS, axis=1)
    logits = rows.slice(N_BOX_COLUMNS, N_ROW_COLUMNS, axis=1)

    start, size = boxes.slice(0, 2, axis=1), boxes.slice(2, 4, axis=1)
    is_there = other((size.slice(0, 1, axis=1) > 0.0).to_float())
    size = writer.op("Max", size, 1.0)
    end, middle = start + size, start + size / 2.0
    longer = size.reduce("Max", 1, keep=True)
    side = one(longer)
    apart = ((other(middle) - one(middle)) / side).clip(-FARTHEST, FARTHEST) / 2.0
    ratios = writer.op("Log", other(size) / side).clip(-LARGEST_RATIO, LARGEST_RATIO)
    inner = writer.op("Max", other(start), one(start))
    outer = writer.op("Min", other(end), one(end))
    common = writer.op("Max", outer - inner, 0.0).reduce("Prod", 2, keep=True)
    areas = size.reduce("Prod", 1, keep=True)
    union = one(areas) + other(areas) - common
    pairs = writer.concat(
        apart, ratios, common / union, common / one(areas), common / other(areas), axis=2
    )
    ratios = writer.op("Log", size / longer).clip(-LARGEST_RATIO, LARGEST_RATIO)
    same = longer * 0.0 + 1.0
    own = writer.concat(size * 0.0, ratios, same, same, same, axis=1)

    def listen(pairs: Value, *, alone: bool) -> Value:
        x = relu(dense("start", logits))
        for number in range(ROUNDS):
            sent, heard = dense(f"sent_{number}", x), dense(f"heard_{number}", x)
            if not alone:
                sent, heard = other(sent), one(heard)
            messages = relu(dense(f"geometry_{number}", pairs) + sent + heard)
            messages = relu(dense(f"message_{number}", messages))
            if not alone:
                messages = (messages * is_there).reduce("Max", 1)
            both = writer.concat(x, messages, axis=1)
            x = x + dense(f"update_{number}", relu(dense(f"joined_{number}", both)))
        return x

    change = dense("change", listen(pairs, alone=False) - listen(own, alone=True))
    writer.name_output(logits + change, "output")
    shapes = {"rows": ["n", N_ROW_COLUMNS], "output": ["n", N_CLASSES + 1]}
    types = {name: (TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    return helper.make_model(
        writer.to_graph(network.name, {"rows": types["rows"]}, {"output": types["output"]}),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
