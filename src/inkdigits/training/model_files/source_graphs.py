"""Converts models of every format that can be adopted to ONNX graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import InkdigitsError, ModelError, UsageError
from inkdigits.training.model_files.conversion import convert_to_onnx
from inkdigits.training.model_files.keras_opening import KERAS_SUFFIXES, open_keras_model
from inkdigits.training.model_files.saved_models import SIGNATURE, check_size, load_saved_model
from inkdigits.training.model_files.unusable_files import FROM_PYTORCH, explain_unusable
from inkdigits.training.networks.frameworks import (
    hold_native_stderr,
    load_keras,
    load_tensorflow,
    silence_frameworks,
)

_OPSET: Final = 18


@dataclass(frozen=True)
class Source:
    """A model from elsewhere as an ONNX graph.

    Attributes:
        format: The format it came in, in words.
        graph: The same network as `onnx.ModelProto`.
        network: The network in Keras, or None if it did not come in a Keras file.
    """

    format: str
    graph: Any
    network: Any = None


def read_source(path: Path) -> Source:
    """Reads a model of any format.

    Nothing in the file but the operations of the network is executed.

    Args:
        path: A `.keras`, `.h5`, `.hdf5`, `.onnx` or `.tflite` file, or the folder of a SavedModel.

    Raises:
        ModelError: The file is missing, damaged, contains code or no network, or cannot be
            converted to ONNX.
        UsageError: A Keras file on another backend than TensorFlow, which converts it.
        MissingExtraError: Keras, TensorFlow or ONNX is not installed.
    """
    reason = explain_unusable(path)
    if reason is not None:
        raise ModelError(reason)
    if (path / "saved_model.pb").is_file():
        return Source("SavedModel", _convert_saved_model(path))
    if not path.is_file():
        raise ModelError(
            f"no model at {path}: expected a .keras, .h5, .hdf5, .onnx or .tflite file, or the "
            "folder of a SavedModel"
        )
    if path.suffix in KERAS_SUFFIXES:
        return _convert_keras(path)
    if path.suffix == ".tflite":
        check_size(path, [path])
        return Source("TFLite", _convert_tflite(path))
    if path.suffix == ".onnx":
        return Source("ONNX", _read_onnx(path))
    raise ModelError(
        f"{path} has no known format: expected a .keras, .h5, .hdf5, .onnx or .tflite file, or the "
        f"folder of a SavedModel. For a network of PyTorch, {FROM_PYTORCH}"
    )


def _convert_keras(path: Path) -> Source:
    network = open_keras_model(path)
    backend = load_keras().backend.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"Keras files are adopted on TensorFlow, but the backend is {backend}: leave "
            "KERAS_BACKEND out, or set KERAS_BACKEND=tensorflow"
        )
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ModelError(
            f"{path} has {len(network.inputs)} inputs and {len(network.outputs)} outputs; expected "
            "one of each"
        )
    try:
        return Source("Keras", convert_to_onnx(network), network)
    except Exception as error:  # Keras, TensorFlow and tf2onnx have no common error class
        raise _describe_failure(path, error) from error


def _convert_saved_model(path: Path) -> Any:
    load_saved_model(path)  # with its checks, before the converter loads it
    try:
        with silence_frameworks(), hold_native_stderr():
            from tf2onnx import tf_loader
            from tf2onnx.convert import from_graph_def

            graph, inputs, outputs = tf_loader.from_saved_model(
                str(path), None, None, signatures=[SIGNATURE]
            )
            converted, _ = from_graph_def(
                graph, input_names=inputs, output_names=outputs, opset=_OPSET
            )
    except Exception as error:  # TensorFlow and tf2onnx have no common error class
        raise _describe_failure(path, error) from error
    return converted


def _convert_tflite(path: Path) -> Any:
    load_tensorflow()
    try:
        with silence_frameworks(), hold_native_stderr():
            from tf2onnx.convert import from_tflite

            converted, _ = from_tflite(str(path), opset=_OPSET)
    except Exception as error:  # TensorFlow and tf2onnx have no common error class
        raise _describe_failure(path, error) from error
    return converted


def _read_onnx(path: Path) -> Any:
    """Reads an ONNX file with the weights that lie in files beside it."""
    import onnx
    from onnx.external_data_helper import (
        ExternalDataInfo,
        load_external_data_for_model,
        uses_external_data,
    )

    check_size(path, [path])
    try:
        model = onnx.load(path, load_external_data=False)
        places = {
            ExternalDataInfo(tensor).location
            for tensor in model.graph.initializer
            if uses_external_data(tensor)
        }
        check_size(path, [path, *(path.parent / place for place in places)])
        load_external_data_for_model(model, str(path.parent))  # opens no file outside this folder
        onnx.checker.check_model(model)
    except ModelError:
        raise
    except Exception as error:  # protobuf's and ONNX's errors have no common base class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{path} is not a readable ONNX model: {reason}") from error
    return model


def _describe_failure(path: Path, error: Exception) -> Exception:
    if isinstance(error, InkdigitsError):
        return error
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return ModelError(
        f"{path} cannot be converted to ONNX ({reason}): convert it where it was trained, and "
        "adopt the .onnx file"
    )
