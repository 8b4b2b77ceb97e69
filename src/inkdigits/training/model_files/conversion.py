"""Writes models as files: Keras, HDF5, ONNX in float32 and in int8, SavedModel and LiteRT."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_mnist
from inkdigits.data.leakage import load_training_data
from inkdigits.errors import (
    InkdigitsError,
    ModelError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from inkdigits.files import find_free_name, write_whole
from inkdigits.recognition.card import TILE_SHAPE, Card, locate_card
from inkdigits.training.model_files.keras_opening import KERAS_SUFFIXES
from inkdigits.training.model_files.loading import load_keras_model
from inkdigits.training.model_files.rewriting import equalise_channels, fold_normalisation
from inkdigits.training.networks.frameworks import (
    hold_native_stderr,
    load_keras,
    load_tensorflow,
    silence_frameworks,
)
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import ADOPTED, WRITTEN_FOLDERS, Run
from inkdigits.training.samples.tile_epochs import draw_tiles

_logger = logging.getLogger(__name__)

# Name of a format, as `--format` takes it, to the suffix of its file or folder.
FORMATS = {
    "keras": ".keras",
    "h5": ".h5",
    "onnx": ".onnx",
    "onnx-int8": ".int8.onnx",
    "savedmodel": ".savedmodel",
    "litert": ".tflite",
}

# Number of training images on which the value ranges for int8 are measured.
CALIBRATION_IMAGES = 1_024
CALIBRATION_BATCH = 128


def export(
    source: Run | Path | str,
    format: str,
    *,
    output: Path | str | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes the model of a run in another format, with its card beside it.

    Args:
        source: A run, its folder, or a `.keras` or `.h5` file with its card.
        format: A key of `FORMATS`.
        output: The file or folder to write; None: beside the source, with the same stem, or the
            first of `model-2`, `model-3`, … that does not exist.
        overwrite: Whether to replace `output` and its card if they are an earlier export.

    Returns:
        The path of the written model, which `evaluate` and `predict` accept.

    Raises:
        UsageError: An unknown format, or an output with the wrong suffix.
        ModelError: The source is not a finished run or a readable model.
        OutputExistsError, OutputError: The output exists already, with `overwrite` as something
            else than an export, or cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}: expected one of {', '.join(FORMATS)}")
    model = _locate_keras_model(source)
    card = Card.load(locate_card(model))
    suffix = FORMATS[format]
    path = find_free_name(model.with_suffix(suffix), suffix) if output is None else Path(output)
    if not path.name.endswith(suffix):
        raise UsageError(
            f"invalid output {path} for the format {format}: the name should end in {suffix}"
        )
    if path.exists():
        _check_replaceable(path, format, overwrite=overwrite)
    if not (locate_card(path).exists() and Card.load(locate_card(path)) == card):
        card.save(locate_card(path), overwrite=overwrite)
    export_model(model, format, path)
    return path


def _check_replaceable(path: Path, format: str, *, overwrite: bool) -> None:
    """Raises OutputExistsError if an existing output must not be replaced."""
    if not overwrite:
        raise OutputExistsError(
            f"{path} exists already: choose another path with --output, or replace it with --force"
        )
    if path.is_dir():
        names = {inner.name for inner in path.iterdir()}
        if format != "savedmodel" or not names <= set(WRITTEN_FOLDERS["model.savedmodel"]):
            raise OutputExistsError(
                f"{path} exists already and is not a SavedModel alone: choose another path"
            )
    _logger.info("replacing %s", path)


def export_model(model: Path, format: str, path: Path) -> None:
    """Converts a `.keras` or `.h5` file to another format, and replaces `path`.

    `path` is never left incomplete. The converters need the TensorFlow backend, so on another
    backend a separate process loads the file with TensorFlow.

    Args:
        model: The `.keras` or `.h5` file, with its card beside it.
        format: A key of `FORMATS`.
        path: The file or folder to write.

    Raises:
        ModelError: The model is damaged or cannot be converted.
        OutputError: `path` cannot be written.
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
            [
                sys.executable,
                "-m",
                "inkdigits.training.model_files.conversion",
                str(model),
                format,
                str(path),
            ],
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
    """Converts a Keras network with any input shape to an `onnx.ModelProto`."""
    import onnx

    shape = [1, *(side or 32 for side in network.input_shape[1:])]
    network(np.zeros(shape, np.float32))  # Keras exports a network only after its first call
    with tempfile.TemporaryDirectory() as folder, silence_frameworks(), hold_native_stderr():
        path = Path(folder) / "network.onnx"
        network.export(path, format="onnx", verbose=False)
        return onnx.load(path)


def save_keras(network: Any, path: Path) -> None:
    """Saves a compiled Keras network as `.keras` or `.h5`, and replaces `path`.

    Raises:
        OutputError: `path` cannot be written.
    """
    with write_whole(path) as temporary, silence_frameworks():
        if path.suffix == ".h5":
            # The HDF5 library crashes the process if the disk is full, so this checks the space
            # first: four bytes each for a weight and its two moments, and the description.
            temporary.write_bytes(bytes(16 * network.count_params() + 100_000))
        network.save(temporary)


def _draw_calibration(model: Path) -> NDArray[np.uint8]:
    """Returns tiles like those of training, uint8 (n, 28, 28), to measure value ranges on."""
    card = Card.load(locate_card(model))
    values = card.recipe
    if card.class_names:  # of images that only the run knows
        data, names = Run.open(model.parent).load_settings().data, card.class_names
        training = load_training_data(data, class_names=names, report=False).train
    else:
        training = fetch_mnist(progress=False).train
    few = training.take(np.arange(min(CALIBRATION_IMAGES, len(training))))
    if values.get("name") == ADOPTED:
        return few.images
    recipe = Recipe.from_json(values)
    return draw_tiles(recipe, few.images, few.labels, np.random.default_rng(0))[0]


def _quantise(model: Path, path: Path, tiles: NDArray[np.uint8]) -> None:
    """Writes an ONNX model with int8 weights, and uint8 values between the layers.

    Each channel has its own scale (Krishnamoorthi, 2018). The last layer and its softmax stay in
    float32: they take almost no time, and 8-bit probabilities could not be calibrated. On
    processors with int8 instructions (AVX-512 VNNI, AMX, ARM's dot product) this is the fastest
    format. Weights have 7 of the 8 bits, so that sums of two products fit into 16 bits: without
    these instructions, as with AVX2 alone, larger ones would saturate.

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
        reduce_range=True,
        nodes_to_exclude=kept,
    )


def _convert(
    network: Any, format: str, path: Path, calibration: NDArray[np.uint8] | None = None
) -> None:
    network(np.zeros((1, *TILE_SHAPE), np.uint8))  # Keras exports a network only after a call
    try:
        with silence_frameworks(), hold_native_stderr():
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


def _locate_keras_model(source: Run | Path | str) -> Path:
    """Returns the `.keras` or `.h5` file of a run, its folder or a path."""
    if isinstance(source, Run) or Path(source).is_dir():
        run = source if isinstance(source, Run) else Run.open(source)
        if not run.is_finished:
            raise ModelError(
                f"{run.folder} is not finished: continue it with "
                f"'inkdigits train --resume {run.folder}'"
            )
        if not run.keras_model.is_file() and run.onnx_model.is_file():
            raise ModelError(
                f"{run.folder} has no Keras file to convert: an adopted network that did not come "
                f"in one stays ONNX; use {run.onnx_model} as it is"
            )
        return run.keras_model
    path = Path(source)
    if path.suffix not in KERAS_SUFFIXES:
        raise ModelError(
            f"{path} cannot be converted: expected a run folder, or a .keras or .h5 file"
        )
    return path


if __name__ == "__main__":
    export_model(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
