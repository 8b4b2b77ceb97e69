"""Handwritten digits, from MNIST to your own photo.

    import inkdigits
    inkdigits.predict_digit("seven.png")     # 7
    inkdigits.predict("date.jpg")            # a Reading: digits, other marks, boxes, probabilities
    inkdigits.predict("scans")               # Readings of a folder, a list, or a PDF file
    inkdigits.batch("scans", "readings")     # a BatchResult: a data set of everything in a folder
    inkdigits.train("quick", epochs=3)       # a Run: a folder with the model, curves and card
    inkdigits.train("reader")                # a Run of the network that reads whole pictures
    inkdigits.sweep(over=["batch_size=64,128"])  # a Sweep: trials with many values, best first
    inkdigits.evaluate("runs/quick")         # an Evaluation on the 10,000 test images
    inkdigits.report("runs/quick")           # one HTML file: layers, curves, mistakes, a map
    inkdigits.compare("runs/a", "runs/b")    # a Comparison: intervals, McNemar's test, curves

Names are imported on first use, so that reading a picture does not load a training framework.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inkdigits import benchmark as benchmark
    from inkdigits import data as data
    from inkdigits import errors as errors
    from inkdigits import evaluation as evaluation
    from inkdigits import recognition as recognition
    from inkdigits import synthesis as synthesis
    from inkdigits import training as training
    from inkdigits import web as web
    from inkdigits.bulk import BatchResult, batch
    from inkdigits.errors import InkdigitsError
    from inkdigits.evaluation import (
        Comparison,
        Evaluation,
        PictureEvaluation,
        SuiteResult,
        compare,
        evaluate,
    )
    from inkdigits.recognition import (
        Box,
        Digit,
        Mark,
        Reading,
        Readings,
        Recognizer,
        predict,
        predict_digit,
    )
    from inkdigits.reporting import (
        plot_activations,
        plot_batch,
        plot_embedding,
        plot_filters,
        report,
    )
    from inkdigits.sweeps import Sweep, resume_sweep, sweep
    from inkdigits.training import Run, cross_validate, export, find_learning_rate, resume, train
    from inkdigits.training.fit.digit_classifier import DigitClassifier

__version__ = "0.1.0"

# ONNX Runtime sends telemetry and keeps an identifier in the user's home folder unless this is set
# when it is imported. A value that the user has set takes precedence.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "BatchResult": "bulk",
    "DigitClassifier": "training.fit.digit_classifier",
    "Box": "recognition",
    "Comparison": "evaluation",
    "Digit": "recognition",
    "Evaluation": "evaluation",
    "InkdigitsError": "errors",
    "Mark": "recognition",
    "PictureEvaluation": "evaluation",
    "Reading": "recognition",
    "Readings": "recognition",
    "Recognizer": "recognition",
    "Run": "training",
    "SuiteResult": "evaluation",
    "Sweep": "sweeps",
    "batch": "bulk",
    "compare": "evaluation",
    "cross_validate": "training",
    "evaluate": "evaluation",
    "export": "training",
    "find_learning_rate": "training",
    "plot_activations": "reporting",
    "plot_batch": "reporting",
    "plot_embedding": "reporting",
    "plot_filters": "reporting",
    "predict": "recognition",
    "predict_digit": "recognition",
    "report": "reporting",
    "resume": "training",
    "resume_sweep": "sweeps",
    "sweep": "sweeps",
    "train": "training",
}

_MODULES = frozenset(
    ("benchmark", "data", "errors", "evaluation", "recognition", "synthesis", "training", "web")
)

__all__ = [
    "BatchResult",
    "Box",
    "Comparison",
    "Digit",
    "DigitClassifier",
    "Evaluation",
    "InkdigitsError",
    "Mark",
    "PictureEvaluation",
    "Reading",
    "Readings",
    "Recognizer",
    "Run",
    "SuiteResult",
    "Sweep",
    "batch",
    "compare",
    "cross_validate",
    "evaluate",
    "export",
    "find_learning_rate",
    "plot_activations",
    "plot_batch",
    "plot_embedding",
    "plot_filters",
    "predict",
    "predict_digit",
    "report",
    "resume",
    "resume_sweep",
    "sweep",
    "train",
]

if not TYPE_CHECKING:  # it would hide misspelt names from type checkers

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return importlib.import_module(f"inkdigits.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'inkdigits' has no attribute {name!r}")
        return getattr(importlib.import_module(f"inkdigits.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*special, *__all__, *_MODULES})
