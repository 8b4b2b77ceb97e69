"""Evaluation on MNIST's 10,000 test images, and the reports that evaluations write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist
from inkdigits.evaluation.labelled_pictures import PictureEvaluation
from inkdigits.evaluation.metrics import Evaluation, score
from inkdigits.evaluation.mistakes import MISTAKE_KINDS
from inkdigits.evaluation.plots import (
    plot_confusion_matrix,
    plot_mistakes,
    plot_reliability,
    plot_sample_predictions,
    save_figure,
)
from inkdigits.evaluation.rejection import plot_rejection
from inkdigits.evaluation.reviewed import score_reviewed
from inkdigits.evaluation.sheets import plot_mistake_sheet
from inkdigits.files import write_text_whole
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.decoding import DecodingLimits


def evaluate(
    model: Recognizer | Path | str = DEFAULT_MODEL,
    *,
    data: Path | str | None = None,
    output: Path | str | None = None,
) -> Evaluation:
    """Measures a model on the test images, through the same recognizer that reads pictures.

    Args:
        model: A recognizer, a run folder, or an ONNX file; left out, the default model.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        output: A folder for the report, `evaluation.json` and four plots, which replaces one that
            is there; None writes nothing.

    Returns:
        Accuracy, on MNIST also that on reviewed labels; loss, calibration, each digit's share.

    Raises:
        ModelError: No usable model.
        DataFormatError, DataUnavailableError: No whole MNIST.
        OutputError: The report cannot be written.
        MissingExtraError: A report is asked for and matplotlib is not installed.
    """
    recognizer = model if isinstance(model, Recognizer) else Recognizer.load(model)
    mnist = fetch_mnist() if data is None else load_mnist(data)
    test = mnist.test
    probabilities = recognizer.classify(test.images)
    evaluation = score(probabilities, test.labels)
    if mnist.is_mnist:
        reviewed = score_reviewed(probabilities, test.labels)
        evaluation = replace(evaluation, reviewed_accuracy=reviewed)
    if output is not None:
        _write_report(Path(output), evaluation, test, probabilities)
    return evaluation


def write_picture_report(
    evaluation: PictureEvaluation,
    output: Path | str,
    *,
    limits: DecodingLimits | None = None,
) -> None:
    """Writes what was measured on labelled pictures, which replaces a report that is there.

    Args:
        evaluation: As `evaluate_pictures` gives it; its files must still be there.
        output: A folder for `pictures.json`, `rejection.png`, and a `mistakes-KIND.png` for each
            kind of mistake, also for those that were not made.
        limits: What the pictures may cost to decode; None: as for `Recognizer.load`.

    Raises:
        OutputError: The report cannot be written.
        MissingExtraError: matplotlib is not installed.
        PictureError: A file that was read before cannot be decoded any more.
    """
    folder = Path(output)
    save_figure(plot_rejection(evaluation.rejection), folder / "rejection.png")
    for kind in MISTAKE_KINDS:  # one after the other: a sheet may hold a hundred megabytes
        figure = plot_mistake_sheet(evaluation, kind, limits=limits)
        save_figure(figure, folder / f"mistakes-{kind}.png")
    write_text_whole(folder / "pictures.json", json.dumps(evaluation.to_json(), indent=2) + "\n")


def _write_report(
    folder: Path,
    evaluation: Evaluation,
    test: LabelledImages,
    probabilities: NDArray[np.float32],
) -> None:
    shown = test.images, test.labels, probabilities
    figures = {
        "confusion_matrix": plot_confusion_matrix(evaluation.confusion_matrix),
        "sample_predictions": plot_sample_predictions(*shown),
        "mistakes": plot_mistakes(*shown),
        "reliability": plot_reliability(probabilities, test.labels),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    write_text_whole(folder / "evaluation.json", json.dumps(evaluation.to_json(), indent=2) + "\n")
