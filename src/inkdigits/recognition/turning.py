"""Pictures that lie on their side or stand on their head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import DIGITS
from inkdigits.recognition.interpretation import Verdict, decide
from inkdigits.recognition.reading import Box, Found

if TYPE_CHECKING:
    from inkdigits.recognition.detection import Detections

Grey = NDArray[np.uint8]
Detect = Callable[[Grey], "Detections"]

LEAST_MARKS: Final = 3
"""Fewer marks do not say which way is up: a 1 lies as a dash, and 6 and 9 are one shape."""

POOR: Final = 0.7
"""Mean probability of the best digit below which marks may be digits that do not stand upright.
Those of upright numbers are read with 0.9 and more, and turned ones look like signs or nothing."""

CLEAR: Final = 1.5
"""How many times the digits of a turn weigh those of another before it is taken for upright."""

TRIAL_SIDE: Final = 1024
"""Turns are tried on pictures shrunk to this, in pixels of the longer side, so that a large page
of text takes not four times as long."""


def find_turn(pixels: Grey, detections: Detections, detect: Detect, threshold: float) -> int:
    """How many quarter turns to the left bring a picture upright; 0 unless that is clear.

    Args:
        pixels: uint8, shape (height, width), grey.
        detections: What was detected on it as it is.
        detect: What detects.
        threshold: As in `inkdigits.recognition.interpretation.decide`.
    """
    shares = detections.probabilities
    sizes = detections.boxes[:, 2:].max(axis=1) if len(shares) else np.zeros(0)
    # Points and commas of an upright number are no evidence.
    counted = sizes >= 0.5 * np.median(sizes) if len(shares) else np.zeros(0, np.bool_)
    if np.count_nonzero(counted) < LEAST_MARKS:
        return 0
    if float(shares[counted, : len(DIGITS)].max(axis=1).mean()) >= POOR:
        return 0
    small = _shrink(pixels)
    weights = [_weigh(detections, threshold)]
    for turns in range(1, 4):
        weights.append(_weigh(detect(np.ascontiguousarray(np.rot90(small, turns))), threshold))
    best = int(np.argmax(weights))
    rest = max(weight for turns, weight in enumerate(weights) if turns != best)
    is_clear = weights[best] >= CLEAR * rest and weights[best] >= LEAST_MARKS * threshold
    return best if is_clear else 0


def turn_back(found: Found, turns: int, shape: tuple[int, ...]) -> Found:
    """What was found on a turned picture, with its box on the picture as it was.

    Args:
        found: A digit or mark.
        turns: Quarter turns to the left that the picture was turned by.
        shape: Height and width in pixels of the picture as it was.
    """
    height, width = shape[:2]
    box = found.box
    if turns == 1:
        box = Box(width - box.y - box.height, box.x, box.height, box.width)
    elif turns == 2:
        box = Box(width - box.x - box.width, height - box.y - box.height, box.width, box.height)
    elif turns == 3:
        box = Box(box.y, height - box.x - box.width, box.height, box.width)
    return replace(found, box=box)


def _weigh(detections: Detections, threshold: float) -> float:
    """The digits that would be read, each by its probability."""
    return sum(
        float(row[: len(DIGITS)].max())
        for row in detections.probabilities
        if decide(row, threshold) is Verdict.READ
    )


def _shrink(pixels: Grey) -> Grey:
    scale = TRIAL_SIDE / max(pixels.shape)
    if scale >= 1:
        return pixels
    size = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
