"""Handwritten digits, from MNIST to your own photo.

    import inkdigits
    inkdigits.predict_digit("seven.png")     # 7
    inkdigits.predict("date.jpg")            # a Reading: digits, other marks, boxes, probabilities
    inkdigits.predict("scans")               # Readings of a folder, a list, or a PDF file
    inkdigits.train("quick")                 # a Run: a folder with the model, curves and card
    inkdigits.train("reader")                # a Run of the network that reads whole pictures
    inkdigits.evaluate("runs/quick")         # an Evaluation on the 10,000 test images

Names are imported on first use, so that reading a picture does not load a training framework.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inkdigits import data as data
    from inkdigits import errors as errors
    from inkdigits import evaluation as evaluation
    from inkdigits import recognition as recognition
    from inkdigits import training as training
    from inkdigits.evaluation import evaluate
    from inkdigits.recognition import (
        Digit,
        Reading,
        Readings,
        Recognizer,
        predict,
        predict_digit,
    )
    from inkdigits.training import export, resume, train

__version__ = "0.1.0"

# ONNX Runtime sends telemetry and keeps an identifier in the user's home folder unless this is set
# when it is imported. A value that the user has set takes precedence.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Digit": "recognition",
    "Reading": "recognition",
    "Readings": "recognition",
    "Recognizer": "recognition",
    "predict": "recognition",
    "predict_digit": "recognition",
    "evaluate": "evaluation",
    "export": "training",
    "resume": "training",
    "train": "training",
}

_MODULES = frozenset(
    ("benchmark", "data", "errors", "evaluation", "recognition", "synthesis", "training", "web")
)

__all__ = [
    "Digit",
    "Reading",
    "Readings",
    "Recognizer",
    "evaluate",
    "export",
    "predict",
    "predict_digit",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"inkdigits.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'inkdigits' has no attribute {name!r}")
    return getattr(importlib.import_module(f"inkdigits.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
