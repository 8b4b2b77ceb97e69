"""What the context network is trained on: the boxes that a reader finds on drawn pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.detection import Detections
from inkdigits.results.alphabet import NO_MARK
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.networks.context_network import (
    LEAST_PROBABILITY,
    N_BOX_COLUMNS,
    N_ROW_COLUMNS,
)
from inkdigits.training.samples.detector_targets import READABLE_PX
from inkdigits.training.samples.judge_windows import compute_overlaps

MAX_BOXES: Final = 48
"""Maximum number of boxes per page. A page with more gives those nearest to one of its boxes."""
NOT_COUNTED: Final = -1
"""Label of boxes whose class is uncertain, and of rows that fill up a page."""
_LEAST_OVERLAP: Final = 0.4
"""Minimum intersection over union of a found box and its true box, as for validation."""

_TEMPERATURES: Final = (0.6, 1.4)
_NONE_SHIFT: Final = 0.5
_LOGIT_NOISE: Final = 0.5
"""How much logits are varied: factor of a page, standard deviation of a page's shift of "no mark",
and of each logit. With little of it (0.8 to 1.2, 0.5 and 0.15) and 12 uses of each page instead of
5, an earlier network fitted drawn pages better (loss 0.286 instead of 0.313) and people's pictures
worse: of 1,640, 1,442 instead of 1,452 were exact."""
_BOX_NOISE: Final = (0.02, 0.03)
"""Standard deviations of the shift, as a fraction of the box's size, and of the logarithm of the
size."""
_STRETCH: Final = 0.15
"""Standard deviation of the logarithm by which the width of a whole page changes."""


def gather_rows(
    pages: list[DrawnPage],
    read: Callable[[NDArray[np.uint8]], Detections],
    random: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Reads pages and labels the boxes that are found.

    Args:
        pages: The pages.
        read: A reader without context network.
        random: Chooses among the boxes of crowded pages.

    Returns:
        Rows as `build_context` takes them, float32, shape (pages, 48, 21); and their classes,
        int64, shape (pages, 48), 0 to 15, 16 for no mark, or -1.
    """
    rows = np.zeros((len(pages), MAX_BOXES, N_ROW_COLUMNS), np.float32)
    labels = np.full((len(pages), MAX_BOXES), NOT_COUNTED, np.int64)
    for number, page in enumerate(pages):
        found = read(page.picture)
        candidates = found.list_candidates()
        boxes, probabilities = candidates.boxes, candidates.probabilities
        chosen = np.arange(len(boxes))
        if len(boxes) > MAX_BOXES:
            middles = boxes[:, :2] + boxes[:, 2:] / 2
            distances = np.abs(middles - middles[random.integers(len(boxes))]).max(axis=1)
            chosen = np.argsort(distances)[:MAX_BOXES]
        n = len(chosen)
        rows[number, :n, :N_BOX_COLUMNS] = boxes[chosen]
        rows[number, :n, N_BOX_COLUMNS:] = np.log(probabilities[chosen] + LEAST_PROBABILITY)
        labels[number, :n] = label_boxes(page, boxes, probabilities)[chosen]
    return rows, labels


def label_boxes(
    page: DrawnPage, boxes: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Returns the true classes of found boxes.

    Each mark belongs to one box, the one with the best sum of its overlap and its probability of
    the true class. Its other boxes have no mark, so that it is not read twice.

    Args:
        page: The page.
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        probabilities: float32, shape (n, 17).

    Returns:
        int64, shape (n,): 0 to 15, 16 for no mark, or -1 beside marks that are uncertain or too
        small to read.
    """
    labels = np.full(len(boxes), NO_MARK, np.int64)
    if not len(boxes) or not len(page.boxes):
        return labels
    overlaps = compute_overlaps(page.boxes, boxes)
    counted = page.sure & (page.heights >= READABLE_PX[0])
    labels[(overlaps[~counted] > 0).any(axis=0)] = NOT_COUNTED
    for index in np.flatnonzero(counted):
        label = int(page.labels[index])
        hit = np.flatnonzero(overlaps[index] >= _LEAST_OVERLAP)
        if hit.size:
            labels[hit[(overlaps[index, hit] + probabilities[hit, label]).argmax()]] = label
    return labels


def vary_rows(rows: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Returns rows with other boxes and probabilities, as another reader would find them.

    The network then does not rely on the probabilities being right to the last digit: those of
    people's pictures are less right than those of drawn pages.

    Args:
        rows: As `gather_rows` returns them.
        random: Random number generator.
    """
    varied = rows.copy()
    n, column = len(rows), (len(rows), 1, 1)
    logits = varied[..., N_BOX_COLUMNS:]
    logits *= random.uniform(*_TEMPERATURES, column)
    logits[..., NO_MARK] += random.normal(0, _NONE_SHIFT, (n, 1))
    logits += random.normal(0, _LOGIT_NOISE, logits.shape)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    np.maximum(logits, np.log(LEAST_PROBABILITY), out=logits)
    shift, zoom = _BOX_NOISE
    starts, sizes = varied[..., :2], varied[..., 2:N_BOX_COLUMNS]
    starts += random.normal(0, shift, starts.shape) * np.sqrt(sizes.prod(axis=-1, keepdims=True))
    sizes *= np.exp(random.normal(0, zoom, sizes.shape))
    varied[..., 0:3:2] *= np.exp(random.normal(0, _STRETCH, column))
    return varied
