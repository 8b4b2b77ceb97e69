"""What reading a picture gives: the digits found, where, and how sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright picture; the origin is the top left corner."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a box is at least 1 × 1 pixels, not {self.width} × {self.height}")


@dataclass(frozen=True, eq=False)
class Digit:
    """One digit of a reading.

    Attributes:
        digit: 0 to 9, or None where the ink was refused as no digit.
        confidence: Probability of the most likely digit, 0 to 1.
        probabilities: float32, shape (10,), of the digits 0 to 9; sums to 1.
        box: Where the ink lies.
        tile: What the network saw: uint8, shape (28, 28), 0 background, 255 full ink.
        line: Number of the line it stands on, from 0 at the top.
        reason: Why it was refused; None for a digit that was read.
    """

    digit: int | None
    confidence: float
    probabilities: NDArray[np.float32]
    box: Box
    tile: NDArray[np.uint8]
    line: int = 0
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.probabilities.shape != (10,):
            raise ValueError(f"probabilities have shape {self.probabilities.shape}, not (10,)")
        if self.tile.shape != (28, 28) or self.tile.dtype != np.uint8:
            raise ValueError(
                f"a tile is uint8 of shape (28, 28), not {self.tile.dtype} of {self.tile.shape}"
            )
        if (self.digit is None) == (self.reason is None):
            raise ValueError("a digit is either read or refused with a reason")

    def to_json(self) -> dict[str, Any]:
        """The digit as plain numbers, strings and lists; the tile is left out."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 6),
            "probabilities": [round(float(p), 6) for p in self.probabilities],
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "line": self.line,
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class Reading:
    """The digits found in one picture, left to right and top to bottom.

    Attributes:
        digits: What was found, refused digits included.
        notes: Remarks about the picture that a user should know of, such as "first of 12 frames".
        reason: Why nothing was read; None where at least one digit was.
    """

    digits: tuple[Digit, ...]
    notes: tuple[str, ...] = ()
    reason: str | None = None

    def __post_init__(self) -> None:
        if bool(self.text) == (self.reason is not None):
            raise ValueError("a reading has either text or the reason why it has none")

    @property
    def text(self) -> str:
        """The digits that were read; lines are separated by a newline; "" where none was."""
        lines: dict[int, str] = {}
        for digit in self.digits:
            if digit.digit is not None:
                lines[digit.line] = lines.get(digit.line, "") + str(digit.digit)
        return "\n".join(lines[number] for number in sorted(lines))

    @property
    def confidence(self) -> float:
        """Probability that the whole text is right: the product over the digits read."""
        read = [digit.confidence for digit in self.digits if digit.digit is not None]
        return math.prod(read) if read else 0.0

    def to_json(self) -> dict[str, Any]:
        """The reading as plain numbers, strings and lists."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "digits": [digit.to_json() for digit in self.digits],
            "notes": list(self.notes),
            "reason": self.reason,
        }
