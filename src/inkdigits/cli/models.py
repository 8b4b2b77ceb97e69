"""Loading of the models that a command names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.cli.messages import is_verbose, timed

if TYPE_CHECKING:
    from inkdigits.recognition import Recognizer
    from inkdigits.recognition.devices import Device


def load_recognizer(*models: Path, shifts: bool = False, device: Device = "cpu") -> Recognizer:
    """Loads a recognizer without a training framework, unless the model is a Keras file.

    Args:
        models: Run folders and model files. Several are combined into one recognizer that takes
            their mean; none at all loads the model that comes with inkdigits.
        shifts: Classify each tile at nine positions and take the mean.
        device: Where ONNX models run, as in `Recognizer.load`.

    Raises:
        ModelError: A model cannot be read.
        UsageError: One of several models is a reader.
        MissingExtraError: A Keras file without `inkdigits[train]`.
    """
    from inkdigits.recognition import DEFAULT_MODEL, Recognizer

    with timed("loading the model"):
        recognizer = Recognizer.load(models or DEFAULT_MODEL, shifts=shifts, device=device)
        if is_verbose() and not recognizer.judges_tiles:
            _ = recognizer.reader  # is loaded with the first picture, unless its time is shown
    return recognizer
