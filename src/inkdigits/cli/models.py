"""Loading of the models that a command names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inkdigits.recognition import Recognizer


def load_recognizer(*models: Path, shifts: bool = False) -> Recognizer:
    """Loads a recognizer without a training framework, unless the model is a Keras file.

    Args:
        models: Run folders and model files. Several are combined into one recognizer that takes
            their mean; none at all loads the model that comes with inkdigits.
        shifts: Classify each tile at nine positions and take the mean.

    Raises:
        ModelError: A model cannot be read.
        MissingExtraError: A Keras file without `inkdigits[train]`.
    """
    from inkdigits.recognition import Recognizer, add_shifts, combine

    if shifts:
        return add_shifts(load_recognizer(*models))
    if not models:
        return Recognizer.load()
    if len(models) > 1:
        return combine([load_recognizer(model) for model in models])
    return Recognizer.load(models[0])
