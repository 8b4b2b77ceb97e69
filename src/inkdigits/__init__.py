"""Handwritten digits, from MNIST to your own photo.

    import inkdigits
    inkdigits.predict_digit("seven.png")     # 7
    inkdigits.predict("date.jpg")            # a Reading: digits, other marks, boxes, probabilities
    inkdigits.train("quick")                 # a Run: its folder holds model, curves and card
    inkdigits.train("reader")                # another Run: the network that reads whole pictures
    inkdigits.evaluate("runs/quick")         # an Evaluation on the 10,000 test images

Each name is loaded when it is first used, so that reading a picture loads no training framework.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inkdigits.evaluation import evaluate
    from inkdigits.recognition import Digit, Reading, Recognizer, predict, predict_digit
    from inkdigits.training import export, resume, train

__version__ = "0.1.0"

# ONNX Runtime would tell its makers of every use, and keep an identifier in the user's home. It
# looks at this when it is loaded; a user who has set it is heeded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Digit": "recognition",
    "Reading": "recognition",
    "Recognizer": "recognition",
    "predict": "recognition",
    "predict_digit": "recognition",
    "evaluate": "evaluation",
    "export": "training",
    "resume": "training",
    "train": "training",
}

__all__ = [
    "Digit",
    "Reading",
    "Recognizer",
    "evaluate",
    "export",
    "predict",
    "predict_digit",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inkdigits' has no attribute {name!r}")
    return getattr(importlib.import_module(f"inkdigits.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
