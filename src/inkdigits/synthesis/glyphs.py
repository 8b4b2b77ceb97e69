"""A written character: its ink, and where it stands beside digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import N_CLASSES

Ink = NDArray[np.uint8]

GLYPH_HEIGHT = 64
"""Height in pixels in which hands write a digit."""


@dataclass(frozen=True, eq=False)
class Glyph:
    """One character as a hand writes it.

    Attributes:
        ink: uint8, shape (height, width), 0 bare paper, 255 full ink; cropped to the ink. A digit
            is about `GLYPH_HEIGHT` high, other characters as high as the same hand writes them.
        top: Distance of the ink's upper edge below the upper edge of digits, in heights of a digit:
            0 for a digit, about 0.9 for a point, negative for what rises above digits.
        label: Class of the reader (`inkdigits.recognition.alphabet`).
    """

    ink: Ink
    top: float
    label: int

    def __post_init__(self) -> None:
        if self.ink.ndim != 2 or self.ink.dtype != np.uint8 or not self.ink.size:
            raise ValueError(
                f"the ink of a glyph is uint8 of two dimensions, not {self.ink.dtype} of shape "
                f"{self.ink.shape}"
            )
        if not 0 <= self.label < N_CLASSES:
            raise ValueError(f"label {self.label} is not a class: expected 0 to {N_CLASSES - 1}")
