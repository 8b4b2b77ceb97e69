"""Opens Keras files of Keras 2 and 3, without executing code that they contain."""

from __future__ import annotations

import json
import shutil
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import ModelError
from inkdigits.training.model_files.keras_files import MAX_CLASSES, read_architecture
from inkdigits.training.model_files.unusable_files import explain_unusable
from inkdigits.training.networks.frameworks import load_keras, silence_frameworks
from inkdigits.training.networks.keras_classes import list_classes, runs_code

KERAS_SUFFIXES: Final = (".keras", ".h5", ".hdf5")


def open_keras_model(path: Path, *, compile: bool = False) -> Any:
    """Loads a network with inputs and outputs of any shape from a Keras file.

    No code from the file is executed. A file with a Lambda layer, with another layer that can run
    code, or with any class from outside Keras is rejected before Keras reads it. So is a file that
    is too large for a network for tiles, before or after decompression.

    Args:
        path: A `.keras`, `.h5` or `.hdf5` file.
        compile: Whether to load the optimizer, too.

    Raises:
        ModelError: The file is missing, damaged or too large, contains code or weights only.
        MissingExtraError, UsageError: Keras is not installed, or its backend.
    """
    if not path.is_file():
        raise ModelError(f"no model at {path}: expected a .keras or .h5 file")
    keras = load_keras()
    reason = explain_unusable(path)
    if reason is not None:
        raise ModelError(reason)
    try:
        architecture = read_architecture(path)
        classes = list(islice(list_classes(architecture), MAX_CLASSES + 1))
    except Exception as error:  # zipfile, JSON and HDF5 have no common error class
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{path} is not a readable Keras model ({reason})") from error
    if len(classes) > MAX_CLASSES:
        raise ModelError(
            f"{path} is rejected: it has more layers than any network for tiles; expected at most "
            f"{MAX_CLASSES:,} classes in its configuration"
        )
    for module, name in classes:
        if runs_code(module, name):
            raise ModelError(
                f"{path} is rejected: it contains {module}.{name}, which can run code from the "
                "file; expected only layers of Keras, and no Lambda layer"
            )
    try:
        with silence_frameworks():
            return _load(keras, path, architecture, compile)
    except Exception as error:  # Keras passes on the errors of its parts
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{path} is not a readable Keras model: {reason}") from error


def _load(keras: Any, path: Path, architecture: Any, compile: bool) -> Any:
    """Loads a checked file, of Keras 2 with its architecture as Keras 3 writes it."""
    configs = architecture if isinstance(architecture, list) else []
    updated = next((found for found in map(_update_keras_2, configs) if found is not None), None)
    if updated is None:
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.h5"
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as content:
            content.attrs["model_config"] = json.dumps(updated)
        return keras.saving.load_model(copy, compile=compile, safe_mode=True)


def _update_keras_2(config: Any) -> Any:
    """Gives a sequential network of Keras 2 the input layer that Keras 3 expects.

    Keras 2 wrote the shape of the input into the first layer, and its early versions wrote the
    layers as a plain list.

    Returns:
        The new architecture, or None if nothing has to change.
    """
    if not isinstance(config, dict) or config.get("class_name") != "Sequential":
        return None
    inner = config.get("config")
    inner = {"name": "sequential", "layers": inner} if isinstance(inner, list) else inner
    if not isinstance(inner, dict):
        return None
    layers = inner.get("layers")
    if not isinstance(layers, list) or not layers or not isinstance(layers[0], dict):
        return None
    first, settings = layers[0], layers[0].get("config")
    if first.get("class_name") == "InputLayer" or not isinstance(settings, dict):
        return None if inner is config.get("config") else {**config, "config": inner}
    if "batch_input_shape" not in settings:
        return None if inner is config.get("config") else {**config, "config": inner}
    settings = dict(settings)
    shape = settings.pop("batch_input_shape")
    dtype = settings.get("dtype")
    entry = {
        "class_name": "InputLayer",
        "config": {
            "batch_shape": shape,
            "dtype": dtype if isinstance(dtype, str) else "float32",
            "name": f"{settings.get('name', 'layer')}_input",
        },
    }
    return {
        **config,
        "config": {**inner, "layers": [entry, {**first, "config": settings}, *layers[1:]]},
    }
