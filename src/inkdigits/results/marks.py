"""The marks of a reading: digits and other signs, with boxes and probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.results.alphabet import CHARACTERS, CLASS_NAMES, DIGITS, MARK_KINDS

UNCERTAIN: Final = "?"
"""Placeholder in a text for a digit that is uncertain."""

NONE_NAME: Final = "none"
"""Name of the probability that a box contains no mark, part of a mark, or several marks."""

SEPARATORS: Final = {CLASS_NAMES[kind]: character for kind, character in CHARACTERS.items()}
"""Kinds of marks that appear in a text with separators, and their characters."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright picture; the origin is the top left corner."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"a box has {self.width} × {self.height} pixels; expected at least 1 × 1"
            )

    def to_json(self) -> dict[str, int]:
        """Returns the box with the names of its numbers."""
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height}


_ARRAYS: Final = ("probabilities", "tile", "mark_probabilities")


def _no_marks() -> NDArray[np.float32]:
    return np.zeros(len(MARK_KINDS), np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class Digit:
    """A digit of a reading, or a mark that was rejected.

    Digits are equal if all their attributes are.

    Attributes:
        digit: 0 to 9, or None if the digit is uncertain or was rejected.
        confidence: Probability of the most likely digit, 0 to 1. It takes into account that the
            mark may not be a digit, so it is low for rejected marks.
        probabilities: float32, shape (10,): probabilities of the digits 0 to 9, given that the mark
            is a digit; sums to 1.
        box: Bounding box of the ink.
        tile: The digit as input for networks for tiles: uint8, shape (28, 28), 0 background, 255
            full ink.
        line: Line number, counted from 0 at the top.
        reason: Why the digit was not read; None if it was read.
        is_uncertain: Whether the mark is a digit, but uncertain which one.
        mark_probabilities: float32, shape (6,), 0 to 1: probabilities of the other marks, in the
            order of `inkdigits.results.alphabet.MARK_KINDS`.
        none_probability: Probability that the box contains no mark, part of a mark, or several
            marks, 0 to 1.
    """

    digit: int | None
    confidence: float
    probabilities: NDArray[np.float32]
    box: Box
    tile: NDArray[np.uint8]
    line: int = 0
    reason: str | None = None
    is_uncertain: bool = False
    mark_probabilities: NDArray[np.float32] = field(default_factory=_no_marks)
    none_probability: float = 0.0

    def __post_init__(self) -> None:
        for name, shape in (("probabilities", (10,)), ("mark_probabilities", (len(MARK_KINDS),))):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} have shape {found}; expected {shape}")
        if self.tile.shape != (28, 28) or self.tile.dtype != np.uint8:
            raise ValueError(
                f"the tile is {self.tile.dtype} of shape {self.tile.shape}; "
                "expected uint8 of shape (28, 28)"
            )
        if (self.digit is None) == (self.reason is None):
            raise ValueError("a digit has either a value or a reason why it was not read")
        if self.is_uncertain and self.digit is not None:
            raise ValueError(f"a digit that was read as {self.digit} cannot be uncertain")

    def __repr__(self) -> str:
        box = self.box
        why = "" if self.reason is None else f", reason={self.reason!r}"
        return (
            f"Digit({self.digit}, confidence={round(self.confidence, 6)}, "
            f"box=({box.x}, {box.y}, {box.width}, {box.height}){why})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Digit):
            return NotImplemented
        return self._plain == other._plain and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _ARRAYS
        )

    def __hash__(self) -> int:
        return hash(self._plain)

    @property
    def _plain(self) -> tuple[Any, ...]:
        """All attributes but the arrays."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in _ARRAYS)

    @property
    def character(self) -> str:
        """The character in a text: "0" to "9", "?" if uncertain, "" if rejected."""
        if self.digit is not None:
            return str(self.digit)
        return UNCERTAIN if self.is_uncertain else ""

    @property
    def digit_probability(self) -> float:
        """Probability that the mark is any digit, 0 to 1."""
        return max(1 - float(self.mark_probabilities.sum()) - self.none_probability, 0.0)

    @property
    def class_probabilities(self) -> dict[str, float]:
        """Probability of each digit, each other kind of mark and "none"; they sum to 1."""
        shares = self.digit_probability * self.probabilities
        digits = dict(zip(DIGITS, shares.tolist(), strict=True))
        marks = dict(zip(MARK_KINDS, self.mark_probabilities.tolist(), strict=True))
        return {**digits, **marks, NONE_NAME: self.none_probability}

    def to_json(self) -> dict[str, Any]:
        """Returns the digit as plain numbers, strings and lists, without its tile."""
        return {
            "digit": self.digit,
            "character": self.character,
            "confidence": round(self.confidence, 6),
            "probabilities": [round(float(p), 6) for p in self.probabilities],
            "class_probabilities": {
                name: round(share, 6) for name, share in self.class_probabilities.items()
            },
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "bounds": self.box.to_json(),
            "line": self.line,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Mark:
    """A mark that is not a digit.

    Attributes:
        kind: One of `inkdigits.results.alphabet.MARK_KINDS`; "other" is any other sign.
        box: Bounding box of the ink.
        confidence: Probability of the kind, 0 to 1.
        line: Line number, counted from 0 at the top.
    """

    kind: str
    box: Box
    confidence: float
    line: int = 0

    def __post_init__(self) -> None:
        if self.kind not in MARK_KINDS:
            raise ValueError(f"unknown mark {self.kind!r}; expected {', '.join(MARK_KINDS)}")

    @property
    def character(self) -> str:
        """The character in a text with separators; "" for other signs."""
        return SEPARATORS.get(self.kind, "")

    def to_json(self) -> dict[str, Any]:
        """Returns the mark as plain numbers, strings and lists."""
        return {
            "kind": self.kind,
            "confidence": round(self.confidence, 6),
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "bounds": self.box.to_json(),
            "line": self.line,
        }


DigitOrMark = Digit | Mark
