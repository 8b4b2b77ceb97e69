"""Evaluation on MNIST's 10,000 test images or others, and the report files of evaluations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist
from inkdigits.errors import UsageError
from inkdigits.evaluation.evaluation_result import Evaluation
from inkdigits.evaluation.foreign_images import warn_of_foreign_images
from inkdigits.evaluation.labelled_pictures import PictureEvaluation
from inkdigits.evaluation.metrics import score
from inkdigits.evaluation.mistakes import MISTAKE_KINDS
from inkdigits.evaluation.plots import (
    plot_confusion_matrix,
    plot_mistakes,
    plot_reliability,
    plot_sample_predictions,
    save_figure,
)
from inkdigits.evaluation.rejection_curve import plot_rejection
from inkdigits.evaluation.reviewed import score_reviewed
from inkdigits.evaluation.sheets import plot_mistake_sheet
from inkdigits.files import write_text_whole
from inkdigits.pictures.decoding import DecodingLimits
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.model_sources import ModelSource


def evaluate_tiles(
    model: ModelSource = DEFAULT_MODEL,
    *,
    data: Path | str | None = None,
    output: Path | str | None = None,
) -> Evaluation:
    """Measures a model on test images as tiles.

    Args:
        model: As in `Recognizer.load`. Of the default model, its network for tiles is measured.
        data: A file or folder with test images, in a form that `load_mnist` knows. None takes
            MNIST from the cache and downloads it if it is missing.
        output: A folder for the report: `evaluation.json` and four plots. An existing report is
            replaced. None writes nothing.

    Returns:
        Accuracy, loss, calibration error and the scores of each digit; on MNIST also the
        accuracy on the reviewed labels.

    Raises:
        ModelError: The model cannot be loaded.
        UsageError: The model has other classes than digits, and `data` is None.
        DataFormatError, DataUnavailableError: The test images are missing or damaged.
        OutputError: The report cannot be written.
        MissingExtraError: `output` is given and matplotlib is not installed, or pyarrow is not
            installed and `data` is a Parquet file.
    """
    recognizer = Recognizer.load(model)
    names = recognizer.card.class_names
    if names and data is None:
        raise UsageError(
            f"the model tells {', '.join(names[:3])}, … apart, not digits: name its test images "
            "with data (--data)"
        )
    mnist = (
        fetch_mnist() if data is None else load_mnist(data, required=["test"], class_names=names)
    )
    if not (mnist.has_mnist_test or names):
        warn_of_foreign_images(mnist.test, mnist.source)
    test = mnist.test
    probabilities = recognizer.classify(test.images)
    evaluation = replace(
        score(probabilities, test.labels), measured_on=mnist.describe_test(), class_names=names
    )
    if mnist.has_mnist_test:
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
    """Writes the report of an evaluation on labelled pictures. An existing report is replaced.

    Args:
        evaluation: The result of `evaluate_pictures`. The picture files must still exist.
        output: A folder for `pictures.json`, `rejection.png`, and one `mistakes-KIND.png` for
            each kind of mistake, including kinds that do not occur.
        limits: Limits for decoding the pictures; None takes those of `Recognizer.load`.

    Raises:
        OutputError: The report cannot be written.
        MissingExtraError: matplotlib is not installed.
        PictureError: A file that was decoded before can no longer be decoded.
    """
    folder = Path(output)
    save_figure(plot_rejection(evaluation.rejection), folder / "rejection.png")
    for kind in MISTAKE_KINDS:  # one at a time: a sheet can take a hundred megabytes
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
    names = evaluation.class_names
    figures = {
        "confusion_matrix": plot_confusion_matrix(evaluation.confusion_matrix, names=names),
        "sample_predictions": plot_sample_predictions(*shown, names=names),
        "mistakes": plot_mistakes(*shown, names=names),
        "reliability": plot_reliability(probabilities, test.labels),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    write_text_whole(folder / "evaluation.json", json.dumps(evaluation.to_json(), indent=2) + "\n")
