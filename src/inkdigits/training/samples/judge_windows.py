"""Windows that the judge is trained on: around marks, around detected boxes, and without a mark."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.detection import Detections
from inkdigits.recognition.windows import crop_windows, locate_windows
from inkdigits.results.alphabet import DIGITS, N_CLASSES, NO_MARK
from inkdigits.synthesis.pages import DrawnPage

_LEAST_PX: Final = 8
"""Smaller digits, and marks beside them, give no window, because they are illegible. The detector
finds digits down to 12 pixels, with an error in size."""
_WELL_TAKEN: Final = 0.7
"""Fraction of windows that are cut for their true class. The others are cut for another class,
because detectors also confuse classes, such as a digit with a point."""
_SAME: Final = 0.5
_OTHER: Final = 0.3
"""A detected box belongs to a true box if their intersection over union is at least `_SAME`, as in
Pascal VOC (Everingham et al., 2010). Below `_OTHER` it does not. Between the two, it counts as
wrong only if another detected box belongs to that true box, because one mark must not be read
twice."""
_JITTER: Final = (0.05, 0.1)
"""Standard deviations of the shift, as a fraction of the longer side, and of the logarithm of the
size, by which windows differ from the true box. Assumed, not measured; boxes of a real detector are
used too."""


def cut_windows(
    page: DrawnPage,
    random: np.random.Generator,
    found: Detections | None = None,
    n_none: float = 0.35,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cuts windows for the judge from a page, at boxes that are slightly off, like detected ones.

    Args:
        page: The page. Each legible mark whose class is certain gives one window.
        random: Moves the windows, and chooses the windows without a mark.
        found: Boxes that a detector found on the page. They give windows too, including the wrong
            ones.
        n_none: Mean number of windows without a single whole mark, per window with one: parts of
            marks, several marks, and random places. A page without marks gives two such windows.

    Returns:
        Standardised windows, float32, shape (n, 48, 48); and classes, int64, shape (n,), 0 to 15,
        or 16 for no mark.
    """
    boxes, labels = [], []
    for box, label, height_px, sure in zip(
        page.boxes, page.labels.tolist(), page.heights.tolist(), page.sure.tolist(), strict=True
    ):
        longer = max(box[2], box[3])
        if not sure or height_px < _LEAST_PX or (label < len(DIGITS) and longer < _LEAST_PX):
            continue
        boxes.append(_move(box, random))
        labels.append(label)
    for _ in range(random.poisson(n_none * len(boxes)) if len(page.boxes) else 2):
        wrong = _misplace(page, random)
        if wrong is not None:
            boxes.append(wrong)
            labels.append(NO_MARK)
    classes = np.array(labels, np.int64)
    # How a window is cut depends on the class that the detector gave it, which may be wrong.
    guessed = np.where(classes == NO_MARK, random.integers(0, N_CLASSES, len(classes)), classes)
    guessed = np.where(random.random(len(classes)) < _WELL_TAKEN, guessed, random.integers(0, 10))
    places = np.array(boxes, np.float32).reshape(-1, 4)
    if found is not None:
        truth, asked = label_found(page, found)
        places = np.concatenate([places, found.boxes[asked]])
        guessed = np.concatenate([guessed, found.classes[asked]])
        classes = np.concatenate([classes, truth[asked]])
    return crop_windows(page.picture, locate_windows(places, guessed)), classes


def label_found(page: DrawnPage, found: Detections) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns the true classes of the boxes that a detector found on a page.

    Returns:
        The true class of each box, int64, shape (n,), 16 for no mark; and whether the class is
        clear, bool, shape (n,). It is not clear if the box is slightly off, or lies on a mark whose
        class is uncertain.
    """
    classes = np.full(len(found), NO_MARK, np.int64)
    asked = np.ones(len(found), np.bool_)
    if not len(page.boxes) or not len(found):
        return classes, asked
    overlaps = compute_overlaps(found.boxes, page.boxes)
    best = overlaps.argmax(axis=1)
    most = overlaps[np.arange(len(found)), best]
    legible = page.sure & (page.heights >= _LEAST_PX)
    hit = most >= _SAME
    is_found = np.zeros(len(page.boxes), np.bool_)
    is_found[best[hit]] = True
    classes[hit] = page.labels[best[hit]]
    asked &= (hit & legible[best]) | (most < _OTHER) | (~hit & is_found[best])
    asked &= ~(overlaps[:, ~legible] > 0).any(axis=1) | hit
    return classes, asked


def compute_overlaps(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the intersection over union of boxes (x, y, width, height): float32, shape (n, m)."""
    first = np.maximum(one[:, np.newaxis, :2], other[np.newaxis, :, :2])
    last = np.minimum(
        (one[:, :2] + one[:, 2:])[:, np.newaxis], (other[:, :2] + other[:, 2:])[np.newaxis]
    )
    common = np.maximum(last - first, 0).prod(axis=2)
    areas = one[:, 2:].prod(axis=1)[:, np.newaxis] + other[:, 2:].prod(axis=1)[np.newaxis]
    overlaps: NDArray[np.float32] = (common / np.maximum(areas - common, 1e-6)).astype(np.float32)
    return overlaps


def _move(box: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    shift, zoom = _JITTER
    longer = max(float(box[2]), float(box[3]))
    size = box[2:] * np.exp(random.normal(0, zoom, 2))
    middle = box[:2] + box[2:] / 2 + random.normal(0, shift, 2) * longer
    moved: NDArray[np.float32] = np.concatenate([middle - size / 2, size]).astype(np.float32)
    return moved


def _misplace(page: DrawnPage, random: np.random.Generator) -> NDArray[np.float32] | None:
    """Returns a random box without a single whole mark, or None if the random box has one."""
    digits = np.flatnonzero(page.labels < len(DIGITS))
    kind = random.random()
    if digits.size and kind < 0.7:
        x, y, width, height = page.boxes[digits[random.integers(len(digits))]].tolist()
        longer = max(width, height)
        if kind < 0.3:  # part of a mark: a loop, the end of a stroke
            size = longer * random.uniform(0.25, 0.55)
            middle = (x + random.uniform(0, 1) * width, y + random.choice([0.2, 0.8]) * height)
        elif kind < 0.5:  # between two marks
            size = longer * random.uniform(0.5, 1.1)
            middle = (x + width * random.choice([-0.1, 1.1]), y + random.uniform(0.3, 0.7) * height)
        else:  # several marks
            size = longer * random.uniform(1.8, 3)
            middle = (x + width / 2 + random.uniform(-0.5, 0.5) * size, y + height / 2)
        box = np.array([middle[0] - size / 2, middle[1] - size / 2, size, size], np.float32)
    else:
        size = float(np.exp(random.uniform(np.log(10), np.log(120))))
        height, width = page.picture.shape
        corner = random.uniform(-size / 2, (width - size / 2, height - size / 2))
        box = np.array([*corner, size, size], np.float32)
        box[2] *= random.uniform(0.3, 1)
    return None if _holds_mark(box, page.boxes) else box


def _holds_mark(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> bool:
    """Returns True if a mark of similar size lies near the box, so that the box fits the mark."""
    if not len(boxes):
        return False
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    offsets = np.abs(middles - (box[:2] + box[2:] / 2)).max(axis=1)
    longer, sizes = float(max(box[2:])), boxes[:, 2:].max(axis=1)
    alike = (sizes > 0.6 * longer) & (sizes < 1.6 * longer)
    return bool((alike & (offsets < 0.35 * np.maximum(sizes, longer))).any())
