"""Pictures that lie on their side or stand on their head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import DIGITS
from inkdigits.recognition.quantiles import quantile
from inkdigits.recognition.reading import Box, Found

if TYPE_CHECKING:
    from inkdigits.recognition.detection import Detections

Grey = NDArray[np.uint8]
Detect = Callable[[Grey], "Detections"]

LEAST_MARKS: Final = 3
"""Fewer marks do not say which way is up: a 1 lies as a dash, and 6 and 9 are one shape."""

SURE: Final = 0.75
"""Mean probability of the best digit of all marks from which on they are upright digits. On
pictures of several digits it was 0.8 to 1 upright, 0.6 upside down, 0.3 lying, and at most 0.5 on
pictures of anything else, however they were turned."""

CERTAIN: Final = 0.85
CLEAR: Final = 0.3
"""The mean that a turned picture must reach, and by how much it must be better than as the picture
stands. Of 200 amounts on cheques, none of them turned, 12 were turned with 0.75 and 0.15."""

TRIAL_SIDE: Final = 1024
"""Turns are tried on pictures shrunk to this, in pixels of the longer side."""

SAMPLE_MARKS: Final = 30
"""Of more marks, turns are tried on so many that stand together: they tell as well as all, and a
page full of marks would else take four times as long."""


def find_turn(pixels: Grey, detections: Detections, detect: Detect) -> int:
    """How many quarter turns to the left bring a picture upright; 0 unless that is clear.

    Args:
        pixels: uint8, shape (height, width), grey.
        detections: What was detected on it as it is.
        detect: What detects.
    """
    as_it_is = _measure_sureness(detections)
    if as_it_is is None or as_it_is >= SURE:
        return 0
    small = _sample(*_shrink(pixels), detections)
    turned = [
        _measure_sureness(detect(np.ascontiguousarray(np.rot90(small, turns)))) or 0.0
        for turns in range(1, 4)
    ]
    best = int(np.argmax(turned))
    return best + 1 if turned[best] >= max(CERTAIN, as_it_is + CLEAR) else 0


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


def _measure_sureness(detections: Detections) -> float | None:
    """Mean probability of the best digit of each mark; None of too few marks."""
    if len(detections) < LEAST_MARKS:
        return None
    sizes = detections.boxes[:, 2:].max(axis=1)
    # Points and commas say nothing; they are less than half as large as what they stand beside.
    counted = detections.probabilities[sizes >= 0.5 * quantile(sizes, 0.5)]
    if len(counted) < LEAST_MARKS:
        return None
    return float(counted[:, : len(DIGITS)].max(axis=1).mean())


def _sample(small: Grey, scale: float, detections: Detections) -> Grey:
    """The square around the marks in the middle of all, where there are many; or all.

    Args:
        small: The shrunk picture.
        scale: By which it was.
        detections: On the picture as it was.
    """
    if len(detections) <= SAMPLE_MARKS:
        return small
    sizes = detections.boxes[:, 2:].max(axis=1) * scale
    middles = (detections.boxes[:, :2] + detections.boxes[:, 2:] / 2) * scale
    middle = [quantile(middles[:, axis], 0.5) for axis in (0, 1)]
    # The mark that is nearest to it: between two columns there may be none.
    middle = middles[np.abs(middles - middle).max(axis=1).argmin()]
    distances = np.sort(np.abs(middles - middle).max(axis=1))
    reach = float(distances[SAMPLE_MARKS - 1]) + quantile(sizes, 0.5)
    left, top = np.maximum(middle - reach, 0).astype(int)
    right, bottom = np.ceil(middle + reach).astype(int)
    return small[top:bottom, left:right]


def _shrink(pixels: Grey) -> tuple[Grey, float]:
    """The picture that turns are tried on, and its scale."""
    scale = TRIAL_SIDE / max(pixels.shape)
    if scale >= 1:
        return pixels, 1.0
    size = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, scale
