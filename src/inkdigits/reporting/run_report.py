"""`report`: one HTML file about a network for tiles, which needs no other file and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.evaluation.evaluation_result import Evaluation, TileResult
from inkdigits.evaluation.metrics import bin_confidences, score
from inkdigits.files import find_free_name, write_text_whole
from inkdigits.model_formats import is_run
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.attribution import compute_occlusion
from inkdigits.reporting.embedding import MIN_POINTS, embed_points
from inkdigits.reporting.inner_network import InnerNetwork, find_onnx
from inkdigits.reporting.report_page import PageContent, render_page
from inkdigits.reporting.shown_images import ShownImages, choose_images, load_batch
from inkdigits.training.run_views import list_history

MAP_DIGITS: Final = 10_000
_MAX_MISREAD: Final = 1_000
"""Misread images whose pictures are in the file, highest confidence first; all are counted."""
_RIGHT_OF_EACH: Final = 12
_WORST: Final = 12
_BATCH: Final = 40


@dataclass(frozen=True, eq=False)
class _Choice:
    """Which images a report draws.

    Attributes:
        shown: Indices of all images whose pictures are in the file.
        worst: Indices of the misread images with the highest confidence.
        mapped: Indices of the images on the map.
    """

    shown: NDArray[np.int64]
    worst: NDArray[np.int64]
    mapped: NDArray[np.int64]


def report(
    model: Any = DEFAULT_MODEL,
    *,
    output: Path | str | None = None,
    images: str = "validation",
    data: Path | str | None = None,
    map_digits: int = MAP_DIGITS,
) -> Path:
    """Writes a report on a network for tiles: one HTML file that opens anywhere, also offline.

        inkdigits.report("runs/quick")          # runs/quick/report.html
        inkdigits.report("runs/quick", output="quick.html", images="test")

    It shows the layers, the curves of training, the scores of each digit, the confusion matrix with
    the images behind each cell, calibration, the worst mistakes and what decided them, a map of the
    digits, filters, feature maps, images as they were trained on, settings, versions and hashes.

    Args:
        model: A run or its folder, or an `.onnx` file with its card. Default: the network for tiles
            that comes with inkdigits.
        output: The file. An existing file is replaced. None: `report.html` in the folder of the
            run, or else in this folder, with a number if that exists.
        images: The images to read: "validation" are those that the run held out, "test" are test
            images. Whoever changes a recipe after looking at test images has chosen with them.
        data: The images of the run, as in `train`, or test images, as in `evaluate`. None: MNIST.
        map_digits: Most images on the map, chosen at random; 0: no map.

    Returns:
        The path of the file.

    Raises:
        ModelError: The model is missing, damaged, or that of a reader.
        UsageError: The validation images of the model are unknown, or an invalid value.
        MissingExtraError: scikit-learn, for the map, is not installed.
        DataFormatError, DataUnavailableError: The images are missing or damaged.
        OutputError: The file cannot be written.
    """
    if map_digits != 0 and map_digits < MIN_POINTS:
        raise UsageError(f"map_digits is {map_digits}: expected 0, or at least {MIN_POINTS}")
    path = find_onnx(model)
    inner = InnerNetwork(path)
    recognizer = Recognizer.load(path)
    shown = choose_images(recognizer.card, images, data)
    folder = path.parent if is_run(path.parent) else None
    if output is None:
        output = find_free_name((folder or Path()) / "report.html", ".html")
    name = "the network that comes with inkdigits" if model == DEFAULT_MODEL else str(model)
    content = _measure(name, inner, recognizer, shown, map_digits)
    content = replace(
        content,
        history=[] if folder is None else list_history(folder),
        batch=load_batch(recognizer.card, _BATCH, recognizer.card.seed, data),
    )
    write_text_whole(output, render_page(content))
    return Path(output)


def _measure(
    name: str, inner: InnerNetwork, recognizer: Recognizer, shown: ShownImages, map_digits: int
) -> PageContent:
    """Reads the images, and returns the content of the page without training."""
    labelled = shown.labelled
    probabilities = recognizer.classify(labelled.images)
    evaluation = score(probabilities, labelled.labels)
    choice = _choose(evaluation, labelled.labels, map_digits)
    predictions = probabilities.argmax(axis=1)
    heats = [
        compute_occlusion(
            labelled.images[index],
            recognizer.classify,
            int(predictions[index]),
            n_classes=recognizer.card.n_classes,
        )
        for index in choice.worst
    ]
    features = inner.embed(labelled.images[choice.mapped]) if len(choice.mapped) else None
    right = np.flatnonzero(predictions == labelled.labels)
    typical = int(right[0]) if len(right) else 0
    return PageContent(
        name=name,
        card=recognizer.card,
        network=inner,
        measured_on=shown.description,
        evaluation=evaluation,
        bins=bin_confidences(probabilities, labelled.labels),
        examples=[
            TileResult(
                index=int(index),
                label=int(labelled.labels[index]),
                predicted=int(predictions[index]),
                confidence=float(probabilities[index].max()),
            )
            for index in choice.shown
        ],
        tiles=labelled.images[choice.shown],
        worst=_find_places(choice.shown, choice.worst),
        heats=np.stack(heats) if heats else np.zeros((0, 28, 28), np.float32),
        mapped=_find_places(choice.shown, choice.mapped),
        places=None if features is None else embed_points(features),
        typical=labelled.images[typical],
        history=[],
        batch=None,
    )


def _choose(evaluation: Evaluation, labels: NDArray[np.uint8], map_digits: int) -> _Choice:
    """Chooses the images to draw."""
    random = np.random.default_rng(0)
    ranked = sorted(evaluation.misread, key=lambda one: -one.confidence)
    misread = np.array([one.index for one in ranked[:_MAX_MISREAD]], np.int64)
    wrong = {one.index for one in evaluation.misread}
    order = random.permutation(len(labels))
    mapped = order[:map_digits]
    if len(mapped) < MIN_POINTS:  # there are so few images
        mapped = order[:0]
    right: list[int] = []
    for digit in range(len(evaluation.per_digit)):
        of_digit = [int(i) for i in order if labels[i] == digit and int(i) not in wrong]
        right += of_digit[:_RIGHT_OF_EACH]
    every = np.unique(np.concatenate([misread, mapped, np.array(right, np.int64)]))
    return _Choice(every, misread[:_WORST], np.sort(mapped))


def _find_places(shown: NDArray[np.int64], chosen: NDArray[np.int64]) -> Sequence[int]:
    """Returns the position of each chosen image among those that are shown."""
    return [int(place) for place in np.searchsorted(shown, chosen)]
