"""Models as files: Keras, HDF5, ONNX in float32 and in int8, SavedModel and LiteRT."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_mnist
from inkdigits.errors import (
    InkdigitsError,
    ModelError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from inkdigits.files import write_whole
from inkdigits.recognition.card import TILE_SHAPE, Card, locate_card
from inkdigits.training.epochs import draw_tiles
from inkdigits.training.frameworks import load_keras, load_tensorflow
from inkdigits.training.loading import load_keras_model
from inkdigits.training.recipes import Recipe
from inkdigits.training.rewriting import equalise_channels, fold_normalisation
from inkdigits.training.runs import Run

# What `--format` calls a form: the end of its file's or folder's name.
FORMATS = {
    "keras": ".keras",
    "h5": ".h5",
    "onnx": ".onnx",
    "onnx-int8": ".int8.onnx",
    "savedmodel": ".savedmodel",
    "litert": ".tflite",
}

# Training images from which the ranges of the int8 form are taken.
CALIBRATION_IMAGES = 1_024
CALIBRATION_BATCH = 128


def export(source: Run | Path | str, format: str, *, output: Path | str | None = None) -> Path:
    """Writes the model of a run in another form, with its card beside it.

    Args:
        source: A run, its folder, or a `.keras` or `.h5` file with its card.
        format: One of `FORMATS`.
        output: The file or folder to write; None: beside the source, under the same stem.

    Returns:
        What was written. `evaluate` and `predict` take it as it is.

    Raises:
        UsageError: An unknown format, or an output of another suffix.
        ModelError: A source that is not a finished run or readable model.
        OutputExistsError, OutputError: The output is there already or cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no format: expected one of {', '.join(FORMATS)}")
    model = _locate_keras_model(source)
    card = Card.load(locate_card(model))
    path = model.with_suffix(FORMATS[format]) if output is None else Path(output)
    if not path.name.endswith(FORMATS[format]):
        raise UsageError(f"{path} should end in {FORMATS[format]} for the format {format}")
    if path.exists():
        raise OutputExistsError(f"{path} exists already: name another one with --output")
    if not (locate_card(path).exists() and Card.load(locate_card(path)) == card):
        card.save(locate_card(path))
    export_model(model, format, path)
    return path


def export_model(model: Path, format: str, path: Path) -> None:
    """Converts a `.keras` or `.h5` file; replaces `path`, which is whole or not there at all.

    Converters exist for TensorFlow's graphs alone, so on another backend a process of its own
    loads the file on TensorFlow.
    """
    if format in ("keras", "h5"):
        save_keras(load_keras_model(model, compile=True), path)
    elif load_keras().backend.backend() == "tensorflow":
        network = fold_normalisation(load_keras_model(model))
        tiles = None
        if format == "onnx-int8":
            tiles = _draw_calibration(model)
            equalise_channels(network, tiles)
        _convert(network, format, path, tiles)
    else:
        ended = subprocess.run(
            [sys.executable, "-m", "inkdigits.training.export", str(model), format, str(path)],
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ended.returncode:
            reason = (ended.stderr.strip() or "no message").splitlines()[-1]
            raise ModelError(f"{model} could not be converted to {format}: {reason}")


def convert_to_onnx(network: Any) -> Any:
    """A Keras network of any input as an `onnx.ModelProto`."""
    import onnx

    shape = [1, *(side or 32 for side in network.input_shape[1:])]
    network(np.zeros(shape, np.float32))  # Keras exports only what has been called once
    with tempfile.TemporaryDirectory() as folder, _quietened():
        path = Path(folder) / "network.onnx"
        network.export(path, format="onnx", verbose=False)
        return onnx.load(path)


def save_keras(network: Any, path: Path) -> None:
    """Saves a compiled Keras network as `.keras` or `.h5`; replaces `path`."""
    with write_whole(path) as temporary, _quietened():
        if path.suffix == ".h5":
            # The HDF5 library crashes the process on a full disk, so the space is tried before:
            # four bytes each for a weight and its two moments, and the description.
            temporary.write_bytes(bytes(16 * network.count_params() + 100_000))
        network.save(temporary)


def _draw_calibration(model: Path) -> NDArray[np.uint8]:
    """Tiles such as the model was trained on, from which the ranges of its values are taken."""
    recipe = Recipe.from_json(Card.load(locate_card(model)).recipe)
    training = fetch_mnist(progress=False).train
    few = training.take(np.arange(min(CALIBRATION_IMAGES, len(training))))
    return draw_tiles(recipe, few.images, few.labels, np.random.default_rng(0))[0]


def _quantise(model: Path, path: Path, tiles: NDArray[np.uint8]) -> None:
    """Writes an ONNX model with int8 weights and uint8 values between its layers.

    Each channel has its own scale (Krishnamoorthi, 2018). The last layer and its softmax stay in
    float32: they cost nothing, and probabilities of eight bits could not be calibrated. On
    processors that multiply int8 natively (AVX-512 VNNI, AMX, ARM's dot product) this is the
    fastest form; on older ones sums may saturate, so that its accuracy is worth measuring there.

    Args:
        model: The `.onnx` file in float32.
        path: The file to write.
        tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = model.with_suffix(".prepared.onnx")
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    graph = onnx.load(str(prepared)).graph
    kept = [node.name for node in graph.node if node.op_type in ("Gemm", "MatMul", "Softmax")][-2:]

    class Tiles(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            places = range(CALIBRATION_BATCH, len(tiles), CALIBRATION_BATCH)
            self._parts = iter(np.split(tiles, places))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            part = next(self._parts, None)
            return None if part is None else {graph.input[0].name: part}

    quantization.quantize_static(
        str(prepared),
        str(path),
        Tiles(),
        quant_format=quantization.QuantFormat.QOperator,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=kept,
    )


def _convert(
    network: Any, format: str, path: Path, calibration: NDArray[np.uint8] | None = None
) -> None:
    network(np.zeros((1, *TILE_SHAPE), np.uint8))  # Keras exports only what has been called once
    try:
        with _quietened():
            if format == "savedmodel":
                with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
                    whole = Path(folder) / "model"
                    network.export(whole, format="tf_saved_model", verbose=False)
                    if path.exists():
                        shutil.rmtree(path)
                    whole.rename(path)
            elif calibration is not None:
                with write_whole(path) as temporary, tempfile.TemporaryDirectory() as folder:
                    whole = Path(folder) / "model.onnx"
                    network.export(whole, format="onnx", verbose=False)
                    _quantise(whole, temporary, calibration)
            else:
                with write_whole(path) as temporary:
                    network.export(temporary, format=format, verbose=False)
    except (load_tensorflow().errors.OpError, OSError) as error:
        if isinstance(error, InkdigitsError):
            raise
        raise OutputError(
            f"{path} cannot be written ({str(error).splitlines()[0][:200]}): free some space or "
            "choose another folder"
        ) from error


@contextmanager
def _quietened() -> Iterator[None]:
    """Keeps converters' remarks on their own insides from the user."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def _locate_keras_model(source: Run | Path | str) -> Path:
    if isinstance(source, Run) or Path(source).is_dir():
        run = source if isinstance(source, Run) else Run.open(source)
        if not run.is_finished:
            raise ModelError(
                f"{run.folder} is not finished: continue it with "
                f"'inkdigits train --resume {run.folder}'"
            )
        return run.keras_model
    path = Path(source)
    if path.suffix not in (".keras", ".h5"):
        raise ModelError(
            f"{path} cannot be converted: expected a run folder or a .keras or .h5 file"
        )
    return path


if __name__ == "__main__":
    export_model(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
