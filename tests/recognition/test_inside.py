"""The values between the layers, beside Keras, NumPy and what a change of the ink does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inkdigits.errors import ModelError, UsageError
from inkdigits.recognition import Recognizer
from inkdigits.recognition.inside import Activation, Inside, load_inside
from inkdigits.recognition.network import OnnxNetwork
from inkdigits.recognition.onnx_graph import read_graph
from inkdigits.recognition.recognizer import DEFAULT_MODEL, DEFAULT_TILE_MODEL
from inkdigits.training.networks.frameworks import hold_native_stderr, silence_frameworks

BuildModel = Callable[..., Path]


@pytest.fixture(scope="module")
def tile() -> NDArray[np.uint8]:
    """A tile with a cross."""
    tile = np.zeros((28, 28), np.uint8)
    tile[5:23, 12:15] = 230
    tile[13:16, 6:22] = 180
    return tile


@pytest.fixture
def build_model(tmp_path: Path) -> BuildModel:
    """Writes a network of one layer and a dense layer, with random weights."""

    def build(
        operation: str,
        *,
        kernel: tuple[int, int] = (3, 3),
        perm: tuple[int, int, int] = (0, 1, 2),
        **attributes: Any,
    ) -> Path:
        generator = np.random.default_rng(0)
        weights = {"kernel": generator.normal(size=(4, 1, *kernel)).astype(np.float32)}
        inputs = ["image", "kernel"] if operation == "Conv" else ["image"]
        nodes = [
            helper.make_node("Cast", ["tiles"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["float"], ["turned"], perm=perm),
            helper.make_node("Reshape", ["turned", "shape"], ["image"]),
            helper.make_node(operation, inputs, ["maps"], kernel_shape=kernel, **attributes),
            helper.make_node("Flatten", ["maps"], ["flat"]),
            helper.make_node("ReduceMean", ["flat", "axis"], ["mean"], keepdims=1),
            helper.make_node("MatMul", ["mean", "dense"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ]
        weights["dense"] = (generator.normal(size=(1, 10)) / 1000).astype(np.float32)
        initialisers = [numpy_helper.from_array(values, name) for name, values in weights.items()]
        initialisers += [
            numpy_helper.from_array(np.array([-1, 1, 28, 28], np.int64), "shape"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ]
        graph = helper.make_graph(
            nodes,
            "one",
            [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["n", 28, 28])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
            initialisers,
        )
        opset = [helper.make_opsetid("", 18)]
        path = tmp_path / f"{operation}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path

    return build


def convolve(
    image: NDArray[np.float64], kernel: NDArray[np.float64], stride: int, pad: int
) -> NDArray[np.float64]:
    """A convolution, one value at a time."""
    padded = np.pad(image, pad)
    height, width = kernel.shape
    rows = range(0, padded.shape[0] - height + 1, stride)
    columns = range(0, padded.shape[1] - width + 1, stride)
    return np.array(
        [[np.sum(padded[r : r + height, c : c + width] * kernel) for c in columns] for r in rows]
    )


def test_layers_of_a_network_are_those_of_keras(tmp_path: Path, tile: NDArray[np.uint8]) -> None:
    layers = keras.layers
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((28, 28), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(5, 3, strides=2, padding="same"),
            layers.BatchNormalization(beta_initializer="random_normal"),
            layers.Activation("tanh"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(7, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    path = tmp_path / "network.onnx"
    network(tile[np.newaxis])
    with silence_frameworks(), hold_native_stderr():
        network.export(path, format="onnx", verbose=False)
    steps = [*(network.layers[n] for n in (2, 3, 4, 6, 7, 9))]
    truth = keras.Model(network.inputs[0], [step.output for step in steps])
    expected = [np.asarray(values)[0] for values in truth(tile[np.newaxis])]

    probabilities, found = Inside(path).compute(tile)

    names = [one.layer.name for one in found]
    shown = dict(zip(names, found, strict=True))
    first, mean = shown["Convolution 1"], shown["Pooling 1"]
    np.testing.assert_allclose(first.maps, expected[0].transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(mean.maps, expected[1].transpose(2, 0, 1), atol=1e-5)
    # Keras' exporter may join the convolution, its normalisation and the activation in one layer.
    last = next(one for one in reversed(found) if one.maps.shape == (5, 7, 7))
    np.testing.assert_allclose(last.maps, expected[3].transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(shown["Pooling 2"].maps, expected[4].transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(shown["Dense 1"].maps[:, 0, 0], expected[5], atol=1e-5)
    np.testing.assert_allclose(probabilities, np.asarray(network(tile[np.newaxis]))[0], atol=1e-5)
    assert first.layer.activation == "Relu"
    assert (mean.layer.pooled, mean.layer.window) == ("mean", (2, 2))
    assert names[-1] == "Dense 2"


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (1, 1), (2, 0), (2, 2)])
def test_maps_and_filters_are_those_of_a_convolution(
    build_model: BuildModel, tile: NDArray[np.uint8], stride: int, pad: int
) -> None:
    inside = Inside(build_model("Conv", strides=[stride] * 2, pads=[pad] * 4))

    _, (found, *_) = inside.compute(tile)

    for number, values in enumerate(found.maps):
        kernels = inside.get_filter(0, number)
        assert kernels is not None
        assert kernels.shape == (1, 3, 3)
        expected = convolve(tile.astype(float), kernels[0].astype(float), stride, pad)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("operation", "attributes"),
    [
        ("Conv", {}),
        ("Conv", {"strides": [2, 2], "pads": [1, 2, 1, 2], "kernel": (3, 5)}),
        ("Conv", {"dilations": [2, 3]}),
        ("Conv", {"auto_pad": "SAME_UPPER", "strides": [3, 3], "kernel": (4, 4)}),
        ("Conv", {"auto_pad": "SAME_LOWER", "strides": [3, 3], "kernel": (4, 4)}),
        ("Conv", {"perm": (0, 2, 1), "kernel": (2, 5), "strides": [1, 3]}),
        ("MaxPool", {"strides": [2, 2]}),
        ("AveragePool", {"strides": [3, 2], "kernel": (3, 2)}),
    ],
)
def test_values_depend_on_their_patch_alone(
    build_model: BuildModel, tile: NDArray[np.uint8], operation: str, attributes: dict[str, Any]
) -> None:
    inside = Inside(build_model(operation, **attributes))
    _, (found, *_) = inside.compute(tile)

    check_patches(inside, found, 0, tile)


def test_values_of_the_default_network_depend_on_their_patch_alone(
    tile: NDArray[np.uint8],
) -> None:
    inside = Inside(DEFAULT_TILE_MODEL)
    _, found = inside.compute(tile)

    for index, activation in enumerate(found):
        if activation.patches is not None:
            check_patches(inside, activation, index, tile, every=24)


def check_patches(
    inside: Inside, found: Activation, index: int, tile: NDArray[np.uint8], every: int = 1
) -> None:
    """Ink outside a patch does not change the value; neither would a smaller patch do."""
    assert found.patches is not None
    noise = np.random.default_rng(0).integers(0, 256, tile.shape).astype(np.uint8)
    for number in range(0, len(found.maps), every):
        left, top, width, height = found.patches[number]
        row, column = found.peaks[number]
        other = noise.copy()
        within = np.s_[top : top + height, left : left + width]
        other[within] = tile[within]
        _, changed = inside.compute(other)
        scale = np.abs(found.maps).max()
        value = found.maps[number, row, column]
        assert abs(changed[index].maps[number, row, column] - value) <= 1e-4 * scale
        assert width > 0
        assert height > 0


def test_strongest_map_differs_most_from_an_empty_tile(tile: NDArray[np.uint8]) -> None:
    inside = Inside(DEFAULT_TILE_MODEL)
    _, empty = inside.compute(np.zeros_like(tile))
    _, found = inside.compute(tile)

    for blank, activation in zip(empty, found, strict=True):
        differences = np.abs(activation.maps - blank.maps).max(axis=(1, 2))
        np.testing.assert_array_equal(activation.changes, differences)
        assert activation.strongest == differences.argmax()
        assert blank.strongest is None


def test_outputs_are_the_same_bits_as_without_looking_inside(tile: NDArray[np.uint8]) -> None:
    outputs, _ = load_inside(Recognizer.load().network).compute(tile)

    np.testing.assert_array_equal(outputs, OnnxNetwork(DEFAULT_TILE_MODEL)(tile[np.newaxis])[0])


def test_eight_bit_networks_show_about_the_same_maps(
    exported: dict[str, Path], tile: NDArray[np.uint8]
) -> None:
    _, found = Inside(exported["onnx"]).compute(tile)
    _, coarse = Inside(exported["onnx-int8"]).compute(tile)

    assert [one.layer.name for one in found] == [one.layer.name for one in coarse]
    for fine, rough in zip(found, coarse, strict=True):
        correlation = np.corrcoef(fine.maps.ravel(), rough.maps.ravel())[0, 1]
        assert correlation > 0.9, fine.layer.name


@pytest.mark.parametrize("path", [DEFAULT_MODEL, DEFAULT_TILE_MODEL])
def test_graph_is_what_onnx_reads(path: Path) -> None:
    expected = onnx.load(path).graph

    found = read_graph(path)

    assert list(found.inputs) == [value.name for value in expected.input]
    assert list(found.outputs) == [value.name for value in expected.output]
    assert found.weights == {tensor.name for tensor in expected.initializer}
    for node, truth in zip(found.nodes, expected.node, strict=True):
        assert node.operation == truth.op_type
        assert list(node.inputs) == list(truth.input)
        assert list(node.outputs) == list(truth.output)
        integers = {one.name: tuple(one.ints) for one in truth.attribute if one.ints}
        integers |= {one.name: (one.i,) for one in truth.attribute if one.type == one.INT and one.i}
        assert {name: values for name, values in node.integers.items() if any(values)} == {
            name: values for name, values in integers.items() if any(values)
        }


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_damaged_file_is_refused(tmp_path: Path, share: float) -> None:
    content = DEFAULT_TILE_MODEL.read_bytes()
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(ModelError):
        Inside(path)


def test_network_without_known_layers_is_refused(build_model: BuildModel) -> None:
    path = build_model("LpPool", strides=[2, 2])
    model = onnx.load(path)
    kept = [node for node in model.graph.node if node.op_type != "MatMul"]
    kept.insert(-1, helper.make_node("Expand", ["mean", "ten"], ["scores"]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 10], np.int64), "ten"))
    onnx.save(model, path)

    with pytest.raises(ModelError, match="no layers that can be shown"):
        Inside(path)


def test_ensemble_is_not_one_file() -> None:
    recognizer = Recognizer.load([DEFAULT_TILE_MODEL, DEFAULT_TILE_MODEL])

    with pytest.raises(ModelError, match="inkdigits export --format onnx"):
        load_inside(recognizer.network)


def test_filter_of_an_unknown_map_is_refused() -> None:
    inside = Inside(DEFAULT_TILE_MODEL)

    with pytest.raises(UsageError, match="no layer 8: expected 0 to 7"):
        inside.get_filter(8, 0)
    with pytest.raises(UsageError, match="no map 32 in layer 0: expected 0 to 31"):
        inside.get_filter(0, 32)
    assert inside.get_filter(2, 0) is None
