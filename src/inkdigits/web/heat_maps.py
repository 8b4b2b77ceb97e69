"""Heat maps of the digits of a reading, within a limit of CPU time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.attribution import compute_occlusion
from inkdigits.results.reading import Reading

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

STEPS: Final = ((1, 1), (5, 2), (12, 3))
"""Number of digits of a picture up to which each has a heat map, and the step of these maps, as in
`compute_occlusion`. A map with step 1 calls the network for some 450 tiles, and one with step 3 for
some 50."""

MAX_OF_MANY: Final = 5
"""Number of heat maps of a picture with more digits, whose reading has taken a second already: the
first digits in reading order have one, with the largest step."""


def add_heat_maps(row: dict[str, Any], reading: Reading, classify: Classify) -> None:
    """Adds heat maps to the digits of a row, and a note if not all of them have one.

    Args:
        row: The reading as a JSON object, with `digits` and `notes`.
        reading: The reading.
        classify: Returns the probabilities of the classes of tiles, as `Recognizer.classify`.
    """
    n_maps, step = _plan(len(reading.digits))
    for digit, digit_row in zip(reading.digits[:n_maps], row["digits"], strict=False):
        best = int(digit.probabilities.argmax())
        digit_row["heat"] = compute_occlusion(digit.tile, classify, best, step=step).round(4)
    if n_maps < len(reading.digits):
        row["notes"] = [*row["notes"], f"only the first {n_maps} digits have a heat map"]


def _plan(n_digits: int) -> tuple[int, int]:
    """Returns the number of heat maps of a picture, and their step."""
    for most, step in STEPS:
        if n_digits <= most:
            return n_digits, step
    return MAX_OF_MANY, STEPS[-1][1]
