"""Loads models of every format as recognizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import MissingExtraError, ModelError
from inkdigits.recognition import Recognizer
from inkdigits.recognition.card import MAX_CLASSES, MIN_OUTPUTS, TILE_SHAPE, Card, locate_card
from inkdigits.recognition.network import BATCH, Network
from inkdigits.recognition.session import check_probabilities
from inkdigits.training.model_files.keras_opening import KERAS_SUFFIXES, open_keras_model
from inkdigits.training.model_files.saved_models import SIGNATURE, check_size, load_saved_model
from inkdigits.training.model_files.unusable_files import explain_unusable
from inkdigits.training.networks.frameworks import (
    hold_native_stderr,
    load_tensorflow,
    silence_frameworks,
)


def load_recognizer(path: Path | str) -> Recognizer:
    """Loads a recognizer from a model file of any format, with the card beside it.

    Args:
        path: A `.onnx`, `.keras`, `.h5`, `.hdf5` or `.tflite` file, the folder of a SavedModel, or
            a run folder.

    Raises:
        ModelError: The model or its card is missing or damaged, the model contains code, or its
            inputs and outputs are not tiles and probabilities.
        MissingExtraError: The framework that the model needs is not installed.
    """
    path = Path(path)
    if path.suffix == ".onnx" or (path / "model.onnx").is_file():
        return Recognizer.load(path)
    network, n_outputs = _load_network(path)
    card = Card.load(locate_card(path))
    card.check_outputs(path, n_outputs)
    return Recognizer(network, card)


def load_keras_model(path: Path, *, compile: bool = False) -> Any:
    """Loads a Keras network for tiles from a `.keras` or `.h5` file.

    The file is checked before Keras reads it, see `open_keras_model`.

    Args:
        path: The file.
        compile: Whether to load the optimizer, too.

    Raises:
        ModelError: The file is missing, damaged or too large, contains code or weights only, or
            does not map uint8 tiles to probabilities.
    """
    network = open_keras_model(path, compile=compile)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ModelError(
            f"{path} has {len(network.inputs)} inputs and {len(network.outputs)} outputs; expected "
            "one of each"
        )
    _check_shapes(path, network.input_shape, network.output_shape)
    _check_bytes(path, network.inputs[0].dtype)
    return network


def _load_network(path: Path) -> tuple[Network, int]:
    reason = explain_unusable(path)
    if reason is not None:
        raise ModelError(reason)
    if path.suffix in KERAS_SUFFIXES:
        network = load_keras_model(path)

        def run_keras(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
            if not len(tiles):  # Keras cannot predict an empty batch
                return np.zeros((0, network.output_shape[1]), np.float32)
            with silence_frameworks():
                found = network.predict(tiles, batch_size=BATCH, verbose=0)
            return np.asarray(found, np.float32)

        return _check_each_run(path, run_keras, network.output_shape[1])
    if path.suffix == ".tflite" and path.is_file():
        check_size(path, [path])
        return _load_litert(path)
    if (path / "saved_model.pb").is_file():
        return _load_saved_model(path)
    raise ModelError(
        f"no model at {path}: expected a run folder, a .onnx, .keras, .h5 or .tflite file, or the "
        "folder of a SavedModel"
    )


def _load_saved_model(path: Path) -> tuple[Network, int]:
    module = load_saved_model(path)
    try:
        serve = module.signatures[SIGNATURE]
        ((_, inputs),) = serve.structured_input_signature[1].items()
        ((name, outputs),) = serve.structured_outputs.items()
    except Exception as error:  # TensorFlow's errors have no common base class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"{path} is not a readable SavedModel of an inkdigits network: {reason}"
        ) from error
    _check_shapes(path, tuple(inputs.shape), tuple(outputs.shape))
    _check_bytes(path, inputs.dtype.name)

    def run_saved_model(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [
            # the signature does not keep the module alive, whose variables it needs
            module.signatures[SIGNATURE](load_tensorflow().constant(part))[name].numpy()
            for part in _batch(tiles)
        ]
        return np.concatenate(parts)

    return _check_each_run(path, run_saved_model, outputs.shape[1])


def _load_litert(path: Path) -> tuple[Network, int]:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError(
            "ai-edge-litert is not installed, but LiteRT models need it: "
            'pip install "inkdigits[train]"'
        ) from error
    try:
        with hold_native_stderr():  # a line about the delegate
            interpreter = Interpreter(str(path))
            interpreter.allocate_tensors()
        (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(f"{path} is not a readable LiteRT model: {reason}") from error
    _check_shapes(path, tuple(inputs["shape_signature"]), tuple(outputs["shape_signature"]))
    _check_bytes(path, np.dtype(inputs["dtype"]).name)

    n_outputs = int(outputs["shape_signature"][1])

    def run_litert(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [np.empty((0, n_outputs), np.float32)]
        for part in _batch(tiles) if len(tiles) else ():  # not all processors' kernels take none
            interpreter.resize_tensor_input(inputs["index"], part.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(inputs["index"], part)
            interpreter.invoke()
            parts.append(interpreter.get_tensor(outputs["index"]).copy())
        return np.concatenate(parts)

    return _check_each_run(path, run_litert, n_outputs)


def _check_each_run(
    path: Path, run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], n_outputs: int
) -> tuple[Network, int]:
    """Returns the network, whose outputs are checked in each run, and their number."""

    def run_checked(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        return check_probabilities(path, run(tiles), (len(tiles), n_outputs))

    return run_checked, n_outputs


def _batch(tiles: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, max(1, len(tiles)), BATCH):
        yield tiles[start : start + BATCH]


def _check_shapes(path: Path, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Raises ModelError unless shapes, with the batch first, are those of tiles and labels."""
    n_outputs = outputs[1] if len(outputs) == 2 else None
    is_row = n_outputs is not None and MIN_OUTPUTS <= n_outputs <= MAX_CLASSES
    if tuple(inputs[1:]) != TILE_SHAPE or not is_row:
        raise ModelError(
            f"{path} maps inputs of shape {_describe(inputs)} to outputs of shape "
            f"{_describe(outputs)}; expected tiles {(None, *TILE_SHAPE)} to probabilities "
            "(None, 10) or (None, 11), or of other classes than digits: 'inkdigits adopt "
            f"{path}' wraps a model from elsewhere"
        )


def _check_bytes(path: Path, dtype: str) -> None:
    if dtype != "uint8":
        raise ModelError(
            f"{path} takes {dtype} inputs; expected uint8 tiles, 0 background, 255 full ink: "
            f"'inkdigits adopt {path}' finds out its scale"
        )


def _describe(shape: Sequence[Any]) -> tuple[int | None, ...]:
    """Returns a shape with plain integers; None for free lengths, -1 for LiteRT."""
    return tuple(None if side is None or side < 0 else int(side) for side in shape)
