"""Which part of inkdigits loads which model: ONNX files reading itself, all others training.

This is the one place where reading pictures meets training, and only once a model is asked for that
ONNX Runtime cannot run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inkdigits.recognition import Recognizer


def is_run(path: Path) -> bool:
    """Returns whether a path is the folder of a run."""
    return (path / "settings.json").is_file()


def needs_training(path: Path) -> bool:
    """Returns whether a model can only be loaded with Keras, TensorFlow or LiteRT.

    Args:
        path: A model file or folder; it may be missing.
    """
    if path.suffix == ".onnx" or is_run(path) or (path / "model.onnx").is_file():
        return False
    return not path.is_dir() or (path / "saved_model.pb").is_file()


def load_with_training(path: Path) -> Recognizer:
    """Loads a model of any format; see `inkdigits.training.load_recognizer`.

    Raises:
        ModelError: The model or its card is missing, damaged or unsupported.
        MissingExtraError: `inkdigits[train]` is not installed.
    """
    from inkdigits.training import load_recognizer

    return load_recognizer(path)
