"""Networks of a reader that are made by hand: their outputs follow from simple formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inkdigits.recognition.detection import Detections
from inkdigits.results.alphabet import N_CLASSES

SQUARE = 7  # The class of bright squares in the handmade detector; next, the side of its boxes.
BOX_SIDE = 23.0
SLOPE, LEAST_ANSWER = 200.0, 0.38

Grey = NDArray[np.uint8]
Read = Callable[[Grey], Detections]


def make_model(
    nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]], shapes: list[list[Any]]
) -> onnx.ModelProto:
    """Builds a network with the input `x` and the output `y`, both float32."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes[1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def make_detector(
    kernel: NDArray[np.float32], mixture: NDArray[np.float32], bias: NDArray[np.float32]
) -> onnx.ModelProto:
    """Convolves around each cell, kernel (k, 1, side, side), and mixes k values to 21 outputs."""
    before = kernel.shape[-1] // 2 - 2
    nodes = [
        helper.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernel"], ["parts"], strides=[4, 4], pads=[before] * 4),
        helper.make_node("Conv", ["parts", "mixture", "bias"], ["out"]),
        helper.make_node("Transpose", ["out"], ["y"], perm=[0, 2, 3, 1]),
    ]
    weights = {"kernel": kernel, "mixture": mixture[:, :, np.newaxis, np.newaxis], "bias": bias}
    return make_model(nodes, weights, [["n", "h", "w", 1], ["n", "h4", "w4", 21]])


def make_blob_kernel(deviation: float) -> NDArray[np.float32]:
    """Difference of two Gaussians; its response is highest to a square of about 3.2 deviations."""
    distances = np.abs(np.arange(64) - 31.5) / deviation
    near, far = np.exp(-(distances**2) / 2), np.exp(-(distances**2) / 8)
    near, far = np.outer(near, near), np.outer(far, far)
    return np.asarray(near / near.sum() - far / far.sum(), np.float32)


def measure_blob(side: int, deviation: float = 7.0) -> float:
    """Returns the blob kernel's response to a centred square with an even side, 0 to 1."""
    half = side // 2
    return float(make_blob_kernel(deviation)[32 - half : 32 + half, 32 - half : 32 + half].sum())


def make_square_detector(
    *,
    class_: int = SQUARE,
    offset: tuple[float, float] = (0, 0),
    size: tuple[float, float] = (BOX_SIDE, BOX_SIDE),
) -> onnx.ModelProto:
    """Fires on bright squares of 16 to 33 pixels: logit 200 (response of the blob kernel - 0.38).

    "Too small" fires on squares of 5 to 11 pixels in the same way.
    """
    kernel = np.stack([make_blob_kernel(7), make_blob_kernel(7 / 3)])[:, np.newaxis]
    mixture = np.zeros((21, 2), np.float32)
    mixture[class_, 0] = mixture[N_CLASSES, 1] = SLOPE / 255
    bias = np.full(21, -20, np.float32)
    bias[[class_, N_CLASSES]] = -SLOPE * LEAST_ANSWER
    bias[17:] = (*offset, *np.log(size))
    return make_detector(kernel, mixture, bias)


def make_judge(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> onnx.ModelProto:
    """Builds a network of one dense layer with weights (2304, 17)."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["y"]),
    ]
    return make_model(nodes, {"weights": weights, "bias": bias}, [["n", 48, 48, 1], ["n", 17]])


def make_sure_judge() -> onnx.ModelProto:
    """Classifies every window as a square."""
    bias = np.zeros(17, np.float32)
    bias[SQUARE] = 5
    return make_judge(np.zeros((2304, 17), np.float32), bias)


def make_context() -> onnx.ModelProto:
    """Adds the number of boxes around, times 3, to the logit of class 3."""
    kernel = np.zeros((21, 17), np.float32)
    kernel[4:] = np.eye(17)
    nodes = [
        helper.make_node("MatMul", ["x", "kernel"], ["logits"]),
        helper.make_node("Slice", ["x", "two", "three", "one"], ["widths"]),
        helper.make_node("Sign", ["widths"], ["are_there"]),
        helper.make_node("ReduceSum", ["are_there"], ["count"], keepdims=1),
        helper.make_node("Mul", ["count", "step"], ["change"]),
        helper.make_node("Add", ["logits", "change"], ["y"]),
    ]
    step = np.zeros((1, 17), np.float32)
    step[0, 3] = 3
    numbers = {name: np.array([n]) for n, name in enumerate(("one", "two", "three"), start=1)}
    return make_model(nodes, {"kernel": kernel, "step": step, **numbers}, [["n", 21], ["n", 17]])


def make_picture_judge(class_: int, odds: float) -> onnx.ModelProto:
    """Classifies every picture as one filled by a mark of a class, with logits that are given."""
    bias = np.zeros(17, np.float32)
    bias[class_] = odds
    return make_judge(np.zeros((2304, 17), np.float32), bias)


def draw_squares(
    height: int, width: int, squares: Sequence[tuple[float, float, float]], grey: int = 255
) -> Grey:
    """Draws bright squares (x, y, side) on black."""
    picture = np.zeros((height, width), np.uint8)
    for x, y, side in squares:
        picture[round(y) : round(y + side), round(x) : round(x + side)] = grey
    return picture
