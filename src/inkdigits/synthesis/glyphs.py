"""A written character: its ink and its vertical position relative to digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkdigits.results.alphabet import N_CLASSES

Ink = NDArray[np.uint8]

GLYPH_HEIGHT = 64
"""Height in pixels at which a digit is drawn."""


@dataclass(frozen=True, eq=False)
class Glyph:
    """One written character.

    Attributes:
        ink: uint8, shape (height, width), 0 background, 255 full ink; cropped to the ink. A digit
            is about `GLYPH_HEIGHT` high. Other characters have the height at which the same
            writer writes them.
        top: Distance of the ink's upper edge below the upper edge of digits, in digit heights:
            0 for a digit, about 0.9 for a point, negative for a character that rises above digits.
        label: Class of the reader (`inkdigits.results.alphabet`).
    """

    ink: Ink
    top: float
    label: int

    def __post_init__(self) -> None:
        if self.ink.ndim != 2 or self.ink.dtype != np.uint8 or not self.ink.size:
            raise ValueError(
                f"the ink of a glyph is {self.ink.dtype} of shape {self.ink.shape}: expected "
                "uint8 of shape (height, width), not empty"
            )
        if not 0 <= self.label < N_CLASSES:
            raise ValueError(f"unknown class {self.label}: expected 0 to {N_CLASSES - 1}")
