"""Loads models of every format as recognizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import MissingExtraError, ModelError
from inkdigits.recognition import Recognizer
from inkdigits.recognition.card import N_OUTPUTS, TILE_SHAPE, Card, locate_card
from inkdigits.recognition.network import BATCH, Network
from inkdigits.recognition.session import MAX_MODEL_BYTES, check_probabilities
from inkdigits.training.model_files.keras_files import MAX_CLASSES, read_architecture
from inkdigits.training.networks.frameworks import load_keras, load_tensorflow

# Keras layers that contain or load code of the file's author.
CODE_LAYERS = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}


def load_recognizer(path: Path | str) -> Recognizer:
    """Loads a recognizer from a model file of any format, with the card beside it.

    Args:
        path: A `.onnx`, `.keras`, `.h5` or `.tflite` file, or the folder of a SavedModel.

    Raises:
        ModelError: The model or its card is missing or damaged, the model contains code, or its
            inputs and outputs are not tiles and ten or eleven probabilities.
        MissingExtraError: The framework that the model needs is not installed.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return Recognizer.load(path)
    return Recognizer(_load_network(path), Card.load(locate_card(path)))


def load_keras_model(path: Path, *, compile: bool = False) -> Any:
    """Loads a Keras model from a `.keras` or `.h5` file.

    No code from the file is executed. A file with a Lambda layer, with another layer that can run
    code, or with any class from outside Keras is rejected before Keras reads it. So is a file that
    is too large for a network for tiles, before or after decompression.

    Args:
        path: The file.
        compile: Whether to load the optimizer, too.

    Raises:
        ModelError: The file is missing, damaged or too large, contains code, or has wrong input or
            output shapes.
    """
    if not path.is_file():
        raise ModelError(f"no model at {path}: expected a .keras or .h5 file")
    keras = load_keras()
    try:
        classes = list(islice(_list_classes(read_architecture(path)), MAX_CLASSES + 1))
    except Exception as error:  # zipfile, JSON and HDF5 have no common error class
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{path} is not a readable Keras model ({reason})") from error
    if len(classes) > MAX_CLASSES:
        raise ModelError(
            f"{path} is rejected: it has more layers than any network for tiles; expected at most "
            f"{MAX_CLASSES:,} classes in its configuration"
        )
    for module, name in classes:
        if name in CODE_LAYERS or not (module == "keras" or module.startswith("keras.")):
            raise ModelError(
                f"{path} is rejected: it contains {module}.{name}, which can run code from the "
                "file; expected only layers of Keras, and no Lambda layer"
            )
    try:
        network = keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # Keras passes on the errors of its parts
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(f"{path} is not a readable Keras model: {reason}") from error
    _check_shapes(path, network.input_shape, network.output_shape)
    return network


def _load_network(path: Path) -> Network:
    if path.suffix in (".keras", ".h5"):
        network = load_keras_model(path)

        def run_keras(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
            if not len(tiles):  # Keras cannot predict an empty batch
                return np.zeros((0, network.output_shape[1]), np.float32)
            return np.asarray(network.predict(tiles, batch_size=BATCH, verbose=0), np.float32)

        return _check_each_run(path, run_keras, network.output_shape[1])
    if path.suffix == ".tflite" and path.is_file():
        _check_size(path, [path])
        return _load_litert(path)
    if (path / "saved_model.pb").is_file():
        _check_size(path, path.rglob("*"))
        return _load_saved_model(path)
    raise ModelError(
        f"no model at {path}: expected a run folder, a .onnx, .keras, .h5 or .tflite file, or the "
        "folder of a SavedModel"
    )


def _load_saved_model(path: Path) -> Network:
    try:
        module = load_tensorflow().saved_model.load(str(path))
        serve = module.signatures["serving_default"]
        ((_, inputs),) = serve.structured_input_signature[1].items()
        ((name, outputs),) = serve.structured_outputs.items()
    except Exception as error:  # TensorFlow's errors have no common base class
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(
            f"{path} is not a readable SavedModel of an inkdigits network: {reason}"
        ) from error
    _check_shapes(path, tuple(inputs.shape), tuple(outputs.shape))
    _check_bytes(path, inputs.dtype.as_numpy_dtype)

    def run_saved_model(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [
            # the signature does not keep the module alive, whose variables it needs
            module.signatures["serving_default"](load_tensorflow().constant(part))[name].numpy()
            for part in _batch(tiles)
        ]
        return np.concatenate(parts)

    return _check_each_run(path, run_saved_model, outputs.shape[1])


def _load_litert(path: Path) -> Network:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError(
            "ai-edge-litert is not installed, but LiteRT models need it: "
            'pip install "inkdigits[train]"'
        ) from error
    try:
        interpreter = Interpreter(str(path))
        (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(f"{path} is not a readable LiteRT model: {reason}") from error
    _check_shapes(path, tuple(inputs["shape_signature"]), tuple(outputs["shape_signature"]))
    _check_bytes(path, inputs["dtype"])

    def run_litert(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = []
        for part in _batch(tiles):
            interpreter.resize_tensor_input(inputs["index"], part.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(inputs["index"], part)
            interpreter.invoke()
            parts.append(interpreter.get_tensor(outputs["index"]).copy())
        return np.concatenate(parts)

    return _check_each_run(path, run_litert, int(outputs["shape_signature"][1]))


def _check_each_run(
    path: Path, run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], n_outputs: int
) -> Network:
    def run_checked(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        return check_probabilities(path, run(tiles), (len(tiles), n_outputs))

    return run_checked


def _check_size(path: Path, parts: Iterable[Path]) -> None:
    """Raises ModelError if the files of a model are too large, or a part of it is not a file."""
    n_bytes = 0
    for part in parts:
        if not (part.is_file() or part.is_dir()):
            raise ModelError(
                f"{path} contains {part.name!r}, which is not a file: expected a SavedModel"
            )
        n_bytes += part.stat().st_size
    if n_bytes > MAX_MODEL_BYTES:
        raise ModelError(
            f"{path} has {n_bytes:,} bytes; expected a model of at most {MAX_MODEL_BYTES:,} bytes"
        )


def _batch(tiles: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, max(1, len(tiles)), BATCH):
        yield tiles[start : start + BATCH]


def _check_shapes(path: Path, inputs: Any, outputs: Any) -> None:
    found = tuple(inputs or ())[1:], tuple(outputs or ())[1:]
    if found not in [(TILE_SHAPE, (n,)) for n in N_OUTPUTS]:
        raise ModelError(
            f"{path} maps inputs of shape {inputs} to outputs of shape {outputs}; expected tiles "
            f"{(None, *TILE_SHAPE)} to probabilities (None, 10) or (None, 11)"
        )


def _check_bytes(path: Path, dtype: Any) -> None:
    if dtype != np.uint8:
        raise ModelError(
            f"{path} takes {np.dtype(dtype)} inputs; expected uint8 tiles, 0 background, 255 full "
            "ink"
        )


def _list_classes(config: Any) -> Iterator[tuple[str, str]]:
    """Yields the module and name of every class in a Keras configuration."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield str(config.get("module") or "keras"), config["class_name"]
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _list_classes(value)
