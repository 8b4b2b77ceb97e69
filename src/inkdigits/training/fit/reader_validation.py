"""Chooses the temperatures of a reader on drawn pages that it was not trained on.

The pages are written with MNIST's validation digits, with handwriting fonts that training does not
use, and with digits drawn stroke by stroke.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.detection import Detections, Detector
from inkdigits.results.alphabet import DIGITS, N_CLASSES
from inkdigits.synthesis.pages import DrawnPage, draw_page
from inkdigits.training.model_files.reader_graph import ReaderSettings
from inkdigits.training.samples.detector_targets import READABLE_PX
from inkdigits.training.samples.judge_windows import compute_overlaps
from inkdigits.training.samples.page_batches import Source
from inkdigits.training.samples.picture_windows import draw_pictures

THRESHOLD: Final = 0.5
"""Threshold in the card: a digit is read if it is more probable than everything else together. Of
500 pictures by people, 377, 375 and 365 were exact at 0.35, 0.5 and 0.71. For digits on 250 drawn
pages, the F1 score was highest, 88.6 %, at 0.68."""
DETECTOR_WEIGHT: Final = 1.8
"""Weight of the detector relative to the judges. Drawn pages alone would give less, but then more
digits are read where real pictures have none. With two judges, 964, 974 and 974 of 1,140 pictures
by people were exact with 1.2, 1.8 and 2.5."""
NONE_ODDS: Final = 1.35
"""People's pictures show more shapes that are no mark than drawn pages, so the odds of no mark are
raised (prior shift; Saerens et al., 2002). Of 1,140 pictures by people, 968 were exact with 1 and
979 with 1.35, with weights in 16 bits."""
WINDOW_ZOOMS: Final = (1.07, 0.93)
"""Sizes of the windows in which each mark is judged. Of 1,390 pictures by people, 1,111 were exact
with one window and 1,117 with two, at the same temperature, with one judge."""
PICTURE_ZOOMS: Final = (1.0, 1.2)
"""Sizes of the windows in which a whole picture is judged. With the second one, MNIST's validation
digits under MNIST-C's corruptions are read better, and as many pictures by people are exact."""
_PICTURE_BATCHES: Final = 16
"""Number of batches of pictures on which the picture judge's temperature is chosen."""
_LEAST_OVERLAP: Final = 0.4
"""Minimum intersection over union of a detected box and its true box. Boxes of one digit at two
scales overlap more, those of neighbouring digits less."""


@dataclass(frozen=True)
class Match:
    """Detected boxes compared with the marks that are on the pages.

    Attributes:
        probabilities: Probabilities of the detected boxes: float32, shape (n, 17).
        labels: True classes of the boxes: int64, shape (n,), 0 to 15, or 16 for no mark.
        missed: Number of digits without a detected box.
        n_digits: Number of all digits on the pages.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    missed: int
    n_digits: int

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of the true classes.

        A missed digit counts like a detected one with a probability of 1 in 1,000.
        """
        true = self.probabilities[np.arange(len(self.labels)), self.labels].astype(np.float64)
        total = -np.log(np.maximum(true, 1e-3)).sum() - self.missed * np.log(1e-3)
        return float(total / max(len(true) + self.missed, 1))


def draw_validation(source: Source, n_pages: int | None = None) -> list[DrawnPage]:
    """Draws the validation pages, which depend only on the seed.

    Args:
        source: The source of the training pages. Its validation digits are used.
        n_pages: Number of pages; None: as many as the recipe says.
    """
    random = np.random.default_rng([source.seed, 3])
    scribes = source.open_validation(random)
    return [draw_page(scribes, random) for _ in range(n_pages or source.recipe.validation_pages)]


def match(pages: Sequence[DrawnPage], detect: Callable[[NDArray[np.uint8]], Detections]) -> Match:
    """Compares the boxes that are detected on pages with the true marks.

    Marks whose class is uncertain, or that are too small to read, are left out, as are boxes that
    were detected at their places.

    Args:
        pages: The pages.
        detect: Returns the detected boxes of a picture, uint8 (height, width).
    """
    rows: list[NDArray[np.float32]] = []
    labels: list[int] = []
    missed = n_digits = 0
    for page in pages:
        found = detect(page.picture)
        overlaps = compute_overlaps(page.boxes, found.boxes)
        asked = page.sure & (page.heights >= READABLE_PX[0])
        taken = np.zeros(len(found), np.bool_)
        for index in range(len(page.labels)):
            label = int(page.labels[index])
            best = int(overlaps[index].argmax()) if len(found) else -1
            hit = best >= 0 and overlaps[index, best] >= _LEAST_OVERLAP
            if hit:
                taken[overlaps[index] >= _LEAST_OVERLAP] = True
            if not asked[index]:
                continue
            if label < len(DIGITS):
                n_digits += 1
                missed += not hit
            if hit:
                rows.append(found.probabilities[best])
                labels.append(label)
        # A box that overlaps an uncertain or too small mark is not counted as wrong.
        near = overlaps[~asked].max(axis=0, initial=0) > 0 if len(found) else taken
        for index in np.flatnonzero(~taken & ~near).tolist():
            rows.append(found.probabilities[index])
            labels.append(N_CLASSES)
    return Match(
        np.array(rows, np.float32).reshape(-1, N_CLASSES + 1),
        np.array(labels, np.int64),
        missed,
        n_digits,
    )


def choose_settings(
    build: Callable[[ReaderSettings], Detector], pages: Sequence[DrawnPage]
) -> ReaderSettings:
    """Chooses the temperature of a reader without context network.

    Args:
        build: Returns the reader with given settings.
        pages: The validation pages.

    Returns:
        The settings with the temperature of the lowest loss.
    """
    settings = ReaderSettings(
        window_zooms=WINDOW_ZOOMS, detector_weight=DETECTOR_WEIGHT, picture_zooms=PICTURE_ZOOMS
    )
    best = match(pages, build(settings))
    temperature = _choose_temperature(
        lambda t: replace(best, probabilities=_temper(best.probabilities, t)).loss
    )
    return replace(settings, temperature=temperature, none_odds=NONE_ODDS)


def choose_picture_temperature(picture_judge: Any, source: Source) -> float:
    """Chooses the temperature of a picture judge on pictures that it was not trained on.

    Args:
        picture_judge: The Keras model.
        source: The source of the training pictures. Its validation digits are used.
    """
    random = np.random.default_rng([source.seed, 7])
    scribes = source.open_validation(random)
    batches = [
        draw_pictures(scribes, source.recipe.window_batch, random) for _ in range(_PICTURE_BATCHES)
    ]
    windows, classes = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    logits = picture_judge.predict_on_batch(windows[..., np.newaxis])
    probabilities = _temper(np.exp(logits - logits.max(axis=1, keepdims=True)), 1.0)
    return _choose_temperature(
        lambda t: Match(_temper(probabilities, t), classes, missed=0, n_digits=0).loss
    )


def _choose_temperature(measure_loss: Callable[[float], float]) -> float:
    """Returns the temperature of the lowest loss."""
    temperatures = np.exp(np.linspace(np.log(0.5), np.log(3), 41)).tolist()
    return float(min(temperatures, key=measure_loss))


def measure(reader: Detector, pages: Sequence[DrawnPage]) -> dict[str, float]:
    """Returns the figures of a reader on validation pages.

    These are the loss, and the numbers of digits that were missed, read correctly, read wrongly,
    and read where there is none, each divided by the number of true digits.
    """
    found = match(pages, reader)
    right, wrong, invented = _count(found, THRESHOLD)
    n_digits = max(found.n_digits, 1)
    return {
        "validation_loss": found.loss,
        "digits_missed": found.missed / n_digits,
        "digits_right": right / n_digits,
        "digits_wrong": wrong / n_digits,
        "digits_invented": invented / n_digits,
    }


def _count(matched: Match, threshold: float) -> tuple[int, int, int]:
    """Returns the number of digits read correctly, read wrongly, and read where there is none."""
    digits = matched.probabilities[:, : len(DIGITS)]
    read = digits.max(axis=1) >= threshold
    right = read & (digits.argmax(axis=1) == matched.labels)
    is_digit = matched.labels < len(DIGITS)
    return int(right.sum()), int((read & ~right & is_digit).sum()), int((read & ~is_digit).sum())


def _temper(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Divides the logarithms of probabilities by a temperature, and normalises each row."""
    powers = np.maximum(probabilities, 1e-12).astype(np.float64) ** (1 / temperature)
    tempered: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return tempered
