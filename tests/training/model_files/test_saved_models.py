from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow

from inkdigits.errors import ModelError
from inkdigits.training import adopt
from inkdigits.training.model_files.saved_models import load_saved_model
from inkdigits.training.networks.frameworks import silence_frameworks

SHAPE = tensorflow.TensorSpec([None, 28, 28], tensorflow.float32)


def save_module(path: Path, add: Callable[[Any], Any]) -> Path:
    """Saves a linear network whose function first calls `add` on its pixels."""
    module = tensorflow.Module()
    module.weights = tensorflow.Variable(np.zeros((784, 10), np.float32))

    def classify(pixels: Any) -> Any:
        pixels = add(pixels)
        return tensorflow.nn.softmax(tensorflow.reshape(pixels, [-1, 784]) @ module.weights)

    module.classify = tensorflow.function(classify, input_signature=[SHAPE])
    with silence_frameworks():
        tensorflow.saved_model.save(module, str(path), signatures=module.classify)
    return path


def write_file(pixels: Any) -> Any:
    with tensorflow.control_dependencies([tensorflow.io.write_file("marker", "written")]):
        return tensorflow.identity(pixels)


def read_file(pixels: Any) -> Any:
    length = tensorflow.strings.length(tensorflow.io.read_file("/etc/hostname"))
    return pixels + tensorflow.cast(length, tensorflow.float32)


def call_python(pixels: Any) -> Any:
    found = tensorflow.numpy_function(lambda values: values, [pixels], tensorflow.float32)
    return tensorflow.ensure_shape(found, [None, 28, 28])


def print_values(pixels: Any) -> Any:
    tensorflow.print(pixels, output_stream=sys.stderr)
    return pixels


@pytest.mark.parametrize(
    ("add", "operation"),
    [
        (write_file, "WriteFile"),
        (read_file, "ReadFile"),
        (call_python, "PyFunc"),
        (print_values, "PrintV2"),
    ],
)
def test_operations_that_do_more_than_compute_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, add: Callable[[Any], Any], operation: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = save_module(tmp_path / "saved", add)

    with pytest.raises(ModelError, match=rf"rejected: it contains the operation '{operation}'"):
        load_saved_model(path)
    with pytest.raises(ModelError, match="rejected"):
        adopt(path, output=tmp_path / "adopted")
    assert not (tmp_path / "marker").exists()


def test_a_function_that_restores_may_not_be_called(tmp_path: Path) -> None:
    """Each SavedModel has functions that read and write files, but nothing in it calls them."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = save_module(tmp_path / "saved", lambda pixels: pixels)
    assert load_saved_model(path) is not None
    saved = saved_model_pb2.SavedModel()
    file = path / "saved_model.pb"
    saved.ParseFromString(file.read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    (saver,) = (f for f in functions if any(node.op == "SaveV2" for node in f.node_def))
    wrapper = next(f for f in functions if "classify" in f.signature.name)
    call = wrapper.node_def.add(name="call", op="StatefulPartitionedCall")
    call.attr["f"].func.name = saver.signature.name
    file.write_bytes(saved.SerializeToString())

    with pytest.raises(ModelError, match="contains the operation 'MergeV2Checkpoints'"):
        load_saved_model(path)


def test_a_saved_model_of_tensorflow_1(tmp_path: Path) -> None:
    path = tmp_path / "saved"
    v1 = tensorflow.compat.v1
    with silence_frameworks(), v1.Graph().as_default(), v1.Session() as session:
        pixels = v1.placeholder(tensorflow.float32, [None, 784])
        weights = v1.get_variable("weights", initializer=tensorflow.zeros([784, 10]))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(path), {"x": pixels}, {"y": pixels @ weights})

    with pytest.raises(ModelError, match="is a SavedModel of TensorFlow 1"):
        load_saved_model(path)


def test_a_saved_model_without_signature(tmp_path: Path) -> None:
    path = tmp_path / "saved"
    with silence_frameworks():
        tensorflow.saved_model.save(tensorflow.Module(), str(path))

    with pytest.raises(ModelError, match="has no signature 'serving_default'"):
        load_saved_model(path)
