"""Orientation of pictures that are rotated by 90°, 180° or 270°."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.resizing import shrink
from inkdigits.results.alphabet import DIGITS
from inkdigits.results.marks import Box, DigitOrMark

if TYPE_CHECKING:
    from inkdigits.recognition.detection import Detections

Grey = NDArray[np.uint8]
Detect = Callable[[Grey], "Detections"]

MIN_MARKS: Final = 3
"""Minimum number of marks. Fewer do not determine the orientation: a rotated 1 looks like a dash,
and 6 and 9 have the same shape."""

UPRIGHT_SCORE: Final = 0.75
"""Pictures with at least this score are upright. The score is the mean probability of the best
digit over all marks. On pictures of several digits it was 0.8 to 1 upright, 0.6 upside down and 0.3
on their side, and on other pictures at most 0.5 in any orientation."""

MIN_ROTATED_SCORE: Final = 0.85
MIN_IMPROVEMENT: Final = 0.3
"""Minimum score of a rotated picture, and its minimum improvement over the original. Of 200 amounts
on cheques, all of them upright, 12 were rotated with 0.75 and 0.15."""

MAX_TRIAL_MARKS: Final = 6
"""Rotations are tried on the region around this many marks. They are enough to decide, and every
mark in that region is classified three times."""

TRIAL_MARK_PX: Final = 16
TRIAL_SIDE: Final = 72
"""Rotations are tried on pictures shrunk until the marks have the first size, by the median of
their longer sides, and the square root of the pixels is at most the second. The detector enlarges
small pictures to twice their size, so a line of six digits is still large enough. Marks that lie
closer become too small: a tangle of strokes is not classified three times more. Of 70 cheques, 24
and 25 were noticed at 90° and 180°, as with 24 and 100, which take 1.4 times as long."""

CLOSER: Final = 0.8
LINE_SHARE: Final = 0.8
"""Lines run in a direction if the nearest mark in it is closer by the first factor than that in the
other one, for this fraction of the marks. Of 70 cheques, 24 and 26 are noticed at 90° and 180°, and
24 and 25 if all turns are always tried."""

_PAPER: Final = 0.25
"""Width of the paper around these marks, as a fraction of their median size."""


def find_rotation(pixels: Grey, detections: Detections, detect: Detect) -> int:
    """Returns the number of quarter turns to the left that make a picture upright.

    The result is 0 unless another orientation is clearly better.

    Args:
        pixels: uint8, shape (height, width), grey.
        detections: The detections in the picture as it is.
        detect: The detector.
    """
    original = _measure_score(detections)
    if original is None or original >= UPRIGHT_SCORE:
        return 0
    small = _cut_sample(pixels, detections)
    scores = {
        turns: _measure_score(detect(np.ascontiguousarray(np.rot90(small, turns)))) or 0.0
        for turns in _list_turns(detections)
    }
    best = max(scores, key=lambda turns: scores[turns])
    required = max(MIN_ROTATED_SCORE, original + MIN_IMPROVEMENT)
    return best if scores[best] >= required else 0


def _list_turns(detections: Detections) -> tuple[int, ...]:
    """Returns the turns that can make a picture upright, by the direction of its lines.

    The marks of a line are closer than the lines. Lines that run across can only be upside down,
    those that run down can only be on their side. In a table, all turns are possible.
    """
    middles = detections.boxes[:, :2] + detections.boxes[:, 2:] / 2
    apart = np.abs(middles[:, np.newaxis] - middles)
    distances = apart.max(axis=2)
    np.fill_diagonal(distances, np.inf)
    is_across = apart[..., 0] > apart[..., 1]
    across = np.where(is_across, distances, np.inf).min(axis=1)
    down = np.where(is_across, np.inf, distances).min(axis=1)
    if np.mean(across < CLOSER * down) >= LINE_SHARE:
        return (2,)
    return (1, 3) if np.mean(down < CLOSER * across) >= LINE_SHARE else (1, 2, 3)


def rotate_back(found: DigitOrMark, turns: int, shape: tuple[int, ...]) -> DigitOrMark:
    """Transforms the box of a mark in a rotated picture to the original picture.

    Args:
        found: A digit or mark in the rotated picture.
        turns: Number of quarter turns to the left by which the picture was rotated.
        shape: Height and width of the original picture in pixels.
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


def _measure_score(detections: Detections) -> float | None:
    """Returns the mean probability of the best digit of each mark; None if there are too few."""
    if len(detections) < MIN_MARKS:
        return None
    sizes = detections.boxes[:, 2:].max(axis=1)
    # Points and commas, which look alike in any orientation, are less than half as large as digits.
    counted = detections.probabilities[sizes >= 0.5 * float(np.quantile(sizes, 0.5))]
    if len(counted) < MIN_MARKS:
        return None
    return float(counted[:, : len(DIGITS)].max(axis=1).mean())


def _cut_sample(pixels: Grey, detections: Detections) -> Grey:
    """Cuts out a square around the marks in the middle, and shrinks it."""
    sizes = detections.boxes[:, 2:].max(axis=1)
    middles = detections.boxes[:, :2] + detections.boxes[:, 2:] / 2
    middle = np.quantile(middles, 0.5, axis=0)
    # The centre of the nearest mark: between two columns there may be no marks.
    middle = middles[np.abs(middles - middle).max(axis=1).argmin()]
    distances = np.abs(middles - middle).max(axis=1)
    nearest = np.argsort(distances, kind="stable")[:MAX_TRIAL_MARKS]
    size = float(np.quantile(sizes, 0.5))
    # These marks as a whole, and some paper around them, but not the rows beyond.
    reach = float((distances + sizes / 2)[nearest].max()) + _PAPER * size
    left, top = np.maximum(middle - reach, 0).astype(int)
    right, bottom = np.ceil(middle + reach).astype(int)
    sample = pixels[top:bottom, left:right]
    scale = min(TRIAL_MARK_PX / size, TRIAL_SIDE / float(np.sqrt(sample.size)))
    if scale >= 1:
        return sample
    height, width = (max(round(side * scale), 1) for side in sample.shape)
    return shrink(sample, width, height)
