"""Models as other people have them: one small trained network in every format."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inkdigits.data import Mnist
from inkdigits.recognition.detection import Detector
from inkdigits.training.model_files.reader_graph import ReaderSettings, build_reader
from inkdigits.training.networks.frameworks import silence_frameworks
from tests.training.model_files.handmade_networks import Read

MEAN, SD = 0.1307, 0.3081


def list_keras_2_layers() -> list[dict[str, Any]]:
    """The architecture of `theirs`, as Keras 2.4 wrote it for a network without InputLayer."""
    plain = {"trainable": True, "dtype": "float32"}
    unused = dict.fromkeys(
        (
            *("kernel_regularizer", "bias_regularizer", "activity_regularizer"),
            *("kernel_constraint", "bias_constraint"),
        )
    )
    weighted = {
        **plain,
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        **unused,
    }
    return [
        {
            "class_name": "Conv2D",
            "config": {
                "name": "conv2d",
                "batch_input_shape": [None, 28, 28, 1],
                "filters": 8,
                "kernel_size": [3, 3],
                "strides": [2, 2],
                "padding": "valid",
                "data_format": "channels_last",
                "dilation_rate": [1, 1],
                "groups": 1,
                "activation": "relu",
                **weighted,
            },
        },
        {
            "class_name": "MaxPooling2D",
            "config": {
                "name": "max_pooling2d",
                "pool_size": [2, 2],
                "padding": "valid",
                "strides": [2, 2],
                "data_format": "channels_last",
                **plain,
            },
        },
        {"class_name": "Flatten", "config": {"name": "flatten", **plain}},
        {
            "class_name": "Dense",
            "config": {"name": "dense", "units": 32, "activation": "relu", **weighted},
        },
        {
            "class_name": "Dropout",
            "config": {"name": "dropout", "rate": 0.2, "noise_shape": None, "seed": None, **plain},
        },
        {
            "class_name": "Dense",
            "config": {"name": "dense_1", "units": 10, "activation": "softmax", **weighted},
        },
    ]


@pytest.fixture(scope="session")
def their_network(mnist: Mnist) -> Any:
    """A network trained for some seconds on pixels from 0 to 1, shape (n, 28, 28, 1)."""
    keras.utils.set_random_seed(0)
    with silence_frameworks():
        network = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv2d"),
                keras.layers.MaxPooling2D(name="max_pooling2d"),
                keras.layers.Flatten(name="flatten"),
                keras.layers.Dense(32, activation="relu", name="dense"),
                keras.layers.Dropout(0.2, name="dropout"),
                keras.layers.Dense(10, activation="softmax", name="dense_1"),
            ]
        )
        network.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=25)
        few = mnist.train.take(range(8_000))
        pixels = few.images[..., np.newaxis].astype(np.float32) / 255
        network.fit(pixels, few.labels, epochs=3, batch_size=64, verbose=0)
    return network


@pytest.fixture(scope="session")
def theirs(
    their_network: Any, mnist: Mnist, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """File name to file: the network in every format, and files that hold no network; read only."""
    folder = tmp_path_factory.mktemp("theirs")
    with silence_frameworks():
        their_network.save(folder / "mnist_model.keras")
        their_network.save(folder / "mnist_model.h5")
        their_network.save_weights(folder / "mnist.weights.h5")
        their_network.export(folder / "saved_model", format="tf_saved_model", verbose=False)
        their_network.export(folder / "mnist.tflite", format="litert", verbose=False)
    write_keras_2(folder / "mnist_model.h5", folder / "keras2.h5")
    onnx.save(build_pytorch_graph(their_network.get_weights()), folder / "mnist.onnx")
    (folder / "mnist.json").write_text(their_network.to_json())
    (folder / "mnist.pkl").write_bytes(b"\x80\x04cos\nsystem\n.")
    write_pytorch(folder / "mnist.pt")
    return {path.name: path for path in folder.iterdir()}


def write_keras_2(source: Path, path: Path) -> None:
    """Writes a file of Keras 3 anew, with the attributes that Keras 2 wrote."""
    shutil.copy(source, path)
    config = {"name": "sequential", "layers": list_keras_2_layers()}
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config})
        file.attrs["keras_version"] = "2.4.0"


def write_pytorch(path: Path) -> None:
    """Writes an archive as `torch.save` does: a pickle that would run code, and a storage."""
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mnist/data.pkl", b"\x80\x02cos\nsystem\n.")
        archive.writestr("mnist/data/0", bytes(8))


def build_pytorch_graph(weights: list[np.ndarray[Any, Any]]) -> onnx.ModelProto:
    """Builds the network as PyTorch exports it by default: channels first, batch of 1, logits.

    It takes pixels with MNIST's mean and standard deviation removed, as PyTorch's example does.
    """
    kernel, bias, dense, dense_bias, last, last_bias = weights
    # What a pixel p is on this scale, (p - MEAN) / SD, is undone in the first layer.
    tensors = {
        "conv.weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)) * np.float32(SD),
        "conv.bias": bias + kernel.sum(axis=(0, 1, 2)) * np.float32(MEAN),
        "fc1.weight": dense.reshape(6, 6, 8, 32).transpose(3, 2, 0, 1).reshape(32, 288),
        "fc1.bias": dense_bias,
        "fc2.weight": last.T,
        "fc2.bias": last_bias,
        "shape": np.asarray([1, 288], np.int64),  # x.view(x.size(0), -1), traced with one tile
    }
    nodes = [
        helper.make_node("Conv", ["input", "conv.weight", "conv.bias"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("Gemm", ["d", "fc1.weight", "fc1.bias"], ["e"], transB=1),
        helper.make_node("Relu", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "fc2.weight", "fc2.bias"], ["output"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 10])],
        [
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in tensors.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Read]:
    """Builds a reader from networks, and returns its detector."""

    def start_reader(
        detector: onnx.ModelProto,
        *judges: onnx.ModelProto,
        settings: ReaderSettings | None = None,
        context: onnx.ModelProto | None = None,
        picture_judge: onnx.ModelProto | None = None,
    ) -> Read:
        path = tmp_path / "reader.onnx"
        onnx.save(build_reader(detector, judges, settings, context, picture_judge), path)
        return Detector(path, n_threads=1)

    return start_reader
