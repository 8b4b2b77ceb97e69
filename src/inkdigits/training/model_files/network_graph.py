"""Writes the reader's Keras networks as ONNX graphs, on any backend of Keras.

Keras' own export needs TensorFlow or fixes the size of the picture, depending on the backend. The
reader's networks have few kinds of layers, so they are written directly: batch normalisation
becomes part of the convolution before it, and the weights take 8 bits, with one scale per output
channel (Krishnamoorthi, 2018). ONNX Runtime converts them to 32 bits when it loads the file, and
computes in 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from inkdigits.errors import ModelError
from inkdigits.training.model_files.graph_writer import IR_VERSION, OPSET, GraphWriter, Value

Weights = NDArray[np.float32]

_LARGEST: Final = 127
"""The largest 8-bit number whose negative is one, too."""


def write_network(network: Any) -> onnx.ModelProto:
    """Writes a Keras network with one input and one output as an ONNX model.

    Args:
        network: A functional Keras model of the layers in `_WRITERS`, images in NHWC.

    Returns:
        A model with the same input and output, float32. Inside, images are NCHW, as ONNX has them.

    Raises:
        ModelError: The network has a layer of another kind.
    """
    writer = GraphWriter()
    values: dict[int, Value] = {}
    normalisations = _find_normalisations(network)
    absorbed = {id(layer) for layer in normalisations.values()}
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "InputLayer":
            picture = writer.op("Transpose", writer.value("input"), perm=[0, 3, 1, 2])
            values[id(layer.output)] = picture
            continue
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [values[id(tensor)] for tensor in tensors]
        if id(layer) in absorbed:
            values[id(layer.output)] = inputs[0]
        elif kind == "Conv2D":
            values[id(layer.output)] = _write_convolution(
                writer, layer, inputs[0], normalisations.get(id(layer.output))
            )
        elif kind in _WRITERS:
            values[id(layer.output)] = _WRITERS[kind](writer, layer, inputs)
        else:
            raise ModelError(
                f"layer {layer.name} is a {kind}, which a reader's graph cannot hold: expected "
                f"Conv2D, BatchNormalization, {', '.join(_WRITERS)}"
            )
    output = values[id(network.output)]
    if len(network.output_shape) == 4:
        output = writer.op("Transpose", output, perm=[0, 2, 3, 1])
    writer.name_output(output, "output")
    shapes = {"input": network.input_shape, "output": network.output_shape}
    inputs_, outputs = (
        {name: (TensorProto.FLOAT, [side or f"side_{axis}" for axis, side in enumerate(shape)])}
        for name, shape in shapes.items()
    )
    return helper.make_model(
        writer.to_graph(network.name, inputs_, outputs),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _find_normalisations(network: Any) -> dict[int, Any]:
    """Returns the batch normalisation that follows each convolution, by the id of its input."""
    return {
        id(layer.input): layer
        for layer in network.layers
        if type(layer).__name__ == "BatchNormalization"
    }


def _write_convolution(
    writer: GraphWriter, layer: Any, source: Value, normalisation: Any | None
) -> Value:
    kernel = _read(layer.kernel).transpose(3, 2, 0, 1)
    bias = _read(layer.bias) if layer.use_bias else np.zeros(len(kernel), np.float32)
    if normalisation is not None:
        scale = _read(normalisation.gamma) / np.sqrt(
            _read(normalisation.moving_variance) + normalisation.epsilon
        )
        kernel = kernel * scale[:, np.newaxis, np.newaxis, np.newaxis]
        bias = (bias - _read(normalisation.moving_mean)) * scale + _read(normalisation.beta)
    return writer.op(
        "Conv",
        source,
        _hold_kernel(writer, kernel, axis=0),
        _hold(writer, bias),
        strides=list(layer.strides),
        auto_pad="SAME_UPPER",  # "same" in Keras
    )


def _write_dense(writer: GraphWriter, layer: Any, inputs: list[Value]) -> Value:
    kernel = _hold_kernel(writer, _read(layer.kernel), axis=1)
    return writer.op("Gemm", inputs[0], kernel, _hold(writer, _read(layer.bias)))


def _write_flatten(writer: GraphWriter, _: Any, inputs: list[Value]) -> Value:
    return writer.op("Flatten", writer.op("Transpose", inputs[0], perm=[0, 2, 3, 1]))


def _write_upsampling(writer: GraphWriter, layer: Any, inputs: list[Value]) -> Value:
    scales = np.array([1, 1, *layer.size], np.float32)
    return writer.op("Resize", inputs[0], None, scales, mode="nearest")


_WRITERS: Final[dict[str, Callable[[GraphWriter, Any, list[Value]], Value]]] = {
    "Rescaling": lambda _, layer, inputs: inputs[0] * float(layer.scale) + float(layer.offset),
    "ReLU": lambda writer, _, inputs: writer.op("Relu", inputs[0]),
    "Add": lambda writer, _, inputs: writer.op("Add", *inputs),
    "Concatenate": lambda writer, _, inputs: writer.concat(*inputs, axis=1),
    "UpSampling2D": _write_upsampling,
    "Flatten": _write_flatten,
    "Dropout": lambda _, layer, inputs: inputs[0],
    "Dense": _write_dense,
}
"""Kind of layer to the function that writes it: takes the writer, the layer and its inputs."""


def _read(variable: Any) -> Weights:
    weights: Weights = np.asarray(variable.numpy(), np.float32)
    return weights


def _hold(writer: GraphWriter, weights: Weights) -> Value:
    """Adds weights in 16 bits, and their conversion to 32 bits."""
    return writer.constant(np.ascontiguousarray(weights, np.float16)).to_float()


def _hold_kernel(writer: GraphWriter, kernel: Weights, axis: int) -> Value:
    """Adds a kernel in 8 bits, and its conversion to 32 bits; `axis` is that of output channels."""
    others = tuple(other for other in range(kernel.ndim) if other != axis)
    scales = np.abs(kernel).max(axis=others, keepdims=True) / _LARGEST + np.float32(1e-12)
    steps = np.round(kernel / scales).astype(np.int8)
    return writer.constant(steps).to_float() * writer.constant(scales.astype(np.float32))
