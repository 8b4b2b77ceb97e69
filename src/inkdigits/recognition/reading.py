"""What reading a picture gives: the digits and other marks found, where, and how sure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import CHARACTERS, CLASS_NAMES, DIGITS, MARK_KINDS

UNCERTAIN: Final = "?"
"""Stands in a text for a digit that is too uncertain to say which."""

NONE_NAME: Final = "none"
"""Names the probability that there is no mark, part of one, or several."""

SEPARATORS: Final = {CLASS_NAMES[kind]: character for kind, character in CHARACTERS.items()}
"""Kinds of marks that stand in a text with separators, and how each is written."""

SEPARATOR_REACH: Final = 1.0
"""Of the digit's height: a separator before the first or after the last digit of a line is no
further away. In `1.300,-` the dash follows closely; a speck at the edge of the page does not."""


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


def _no_marks() -> NDArray[np.float32]:
    return np.zeros(len(MARK_KINDS), np.float32)


@dataclass(frozen=True, eq=False)
class Digit:
    """One digit of a reading, or what was refused as none.

    Attributes:
        digit: 0 to 9, or None where it is too uncertain or was refused.
        confidence: Probability of the most likely digit, 0 to 1, other marks and none being
            possible too: what was refused as no digit has little.
        probabilities: float32, shape (10,), of the digits 0 to 9, given that it is one; sums to 1.
        box: Where the ink lies.
        tile: It alone, as tile networks see it: uint8, shape (28, 28), 0 background, 255 full ink.
        line: Number of the line it stands on, from 0 at the top.
        reason: Why it was not read; None for a digit that was.
        is_uncertain: Whether it is a digit, and only which one is uncertain.
        mark_probabilities: float32, shape (6,), 0 to 1, that it is another mark, in the order of
            `inkdigits.recognition.alphabet.MARK_KINDS`.
        none_probability: That it is no mark, part of one, or several; 0 to 1.
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
                raise ValueError(f"{name} have shape {found}, not {shape}")
        if self.tile.shape != (28, 28) or self.tile.dtype != np.uint8:
            raise ValueError(
                f"a tile is uint8 of shape (28, 28), not {self.tile.dtype} of {self.tile.shape}"
            )
        if (self.digit is None) == (self.reason is None):
            raise ValueError("a digit is either read or refused with a reason")
        if self.is_uncertain and self.digit is not None:
            raise ValueError(f"a digit that is read as {self.digit} is not uncertain")

    @property
    def character(self) -> str:
        """What stands for it in a text: "0" to "9", "?" where uncertain, "" where refused."""
        if self.digit is not None:
            return str(self.digit)
        return UNCERTAIN if self.is_uncertain else ""

    @property
    def digit_probability(self) -> float:
        """Probability that it is a digit, whichever; 0 to 1."""
        return max(1 - float(self.mark_probabilities.sum()) - self.none_probability, 0.0)

    @property
    def class_probabilities(self) -> dict[str, float]:
        """Probability of each digit, of each other kind of mark and of "none"; they sum to 1."""
        shares = self.digit_probability * self.probabilities
        digits = dict(zip(DIGITS, shares.tolist(), strict=True))
        marks = dict(zip(MARK_KINDS, self.mark_probabilities.tolist(), strict=True))
        return {**digits, **marks, NONE_NAME: self.none_probability}

    def to_json(self) -> dict[str, Any]:
        """The digit as plain numbers, strings and lists; the tile is left out."""
        return {
            "digit": self.digit,
            "character": self.character,
            "confidence": round(self.confidence, 6),
            "probabilities": [round(float(p), 6) for p in self.probabilities],
            "class_probabilities": {
                name: round(share, 6) for name, share in self.class_probabilities.items()
            },
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "line": self.line,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Mark:
    """A mark that is not a digit.

    Attributes:
        kind: One of `inkdigits.recognition.alphabet.MARK_KINDS`; "other" is any other sign.
        box: Where its ink lies.
        confidence: Probability of its kind, 0 to 1.
        line: Number of the line it stands on, from 0 at the top.
    """

    kind: str
    box: Box
    confidence: float
    line: int = 0

    def __post_init__(self) -> None:
        if self.kind not in MARK_KINDS:
            raise ValueError(f"a mark is one of {', '.join(MARK_KINDS)}, not {self.kind!r}")

    @property
    def character(self) -> str:
        """How it is written in a text with separators; "" for other signs."""
        return SEPARATORS.get(self.kind, "")

    def to_json(self) -> dict[str, Any]:
        """The mark as plain numbers, strings and lists."""
        return {
            "kind": self.kind,
            "confidence": round(self.confidence, 6),
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "line": self.line,
        }


Found = Digit | Mark


@dataclass(frozen=True, eq=False)
class Reading:
    """What was found in one picture, left to right and top to bottom.

    Attributes:
        found: Digits and other marks in reading order, refused digits included.
        notes: Remarks about the picture that a user should know of, such as "first of 12 frames".
        reason: Why nothing was read; None where at least one digit was.
        separators: Whether `text` has the points, commas, dashes, slashes and plus signs too.
    """

    found: tuple[Found, ...]
    notes: tuple[str, ...] = ()
    reason: str | None = None
    separators: bool = False

    def __post_init__(self) -> None:
        if bool(self.text) == (self.reason is not None):
            raise ValueError("a reading has either text or the reason why it has none")

    @property
    def digits(self) -> tuple[Digit, ...]:
        """The digits in reading order, uncertain and refused ones included."""
        return tuple(item for item in self.found if isinstance(item, Digit))

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks that are no digits, in reading order."""
        return tuple(item for item in self.found if isinstance(item, Mark))

    @property
    def text(self) -> str:
        """What was read, as `to_text` gives it with the reading's own `separators`."""
        return self.to_text(separators=self.separators)

    def to_text(self, *, separators: bool = False) -> str:
        """What was read: "?" for each uncertain digit; "" where no digit was read.

        Args:
            separators: Whether to write points, commas, dashes, slashes and plus signs as well,
                those between digits and those next to the first or last digit of a line.

        Returns:
            Lines that hold digits, separated by a newline.
        """
        if not any(digit.digit is not None for digit in self.digits):
            return ""
        texts = []
        for line in _split_lines(self.found):
            kept = _trim(line) if separators else [i for i in line if isinstance(i, Digit)]
            if any(isinstance(item, Digit) for item in kept):
                texts.append("".join(item.character for item in kept))
        return "\n".join(text for text in texts if text)

    @property
    def confidence(self) -> float:
        """Probability that all digits read are right: the product of their confidences."""
        read = [digit.confidence for digit in self.digits if digit.digit is not None]
        return math.prod(read) if read else 0.0

    def to_json(self) -> dict[str, Any]:
        """The reading as plain numbers, strings and lists."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "digits": [digit.to_json() for digit in self.digits],
            "marks": [mark.to_json() for mark in self.marks],
            "notes": list(self.notes),
            "reason": self.reason,
        }


def describe_left_out(found: Iterable[Found]) -> tuple[str, ...]:
    """Says which separators between two digits a text of digits alone leaves out.

    Args:
        found: Digits and marks in reading order.

    Returns:
        One note for all of them; none where there is none.
    """
    kinds: list[str] = []
    for line in _split_lines(found):
        places = [n for n, item in enumerate(line) if isinstance(item, Digit) and item.character]
        if places:
            between = line[places[0] : places[-1]]
            kinds += [item.kind for item in between if isinstance(item, Mark) and item.character]
    if not kinds:
        return ()
    if len(kinds) == 1:
        return (f"a {kinds[0]} between digits was left out: ask for separators",)
    names = " and ".join(sorted(set(kinds)))
    return (f"{len(kinds)} separators between digits were left out ({names}): ask for separators",)


def _split_lines(found: Iterable[Found]) -> list[list[Found]]:
    """What was found by line, lines from the top."""
    lines: dict[int, list[Found]] = {}
    for item in found:
        lines.setdefault(item.line, []).append(item)
    return [lines[number] for number in sorted(lines)]


def _trim(line: list[Found]) -> list[Found]:
    """The part of a line from its first to its last digit, with the separators next to it."""
    line = [item for item in line if item.character]
    places = [n for n, item in enumerate(line) if isinstance(item, Digit)]
    if not places:
        return []
    start, end = places[0], places[-1] + 1
    reach = SEPARATOR_REACH * max(max(line[n].box.width, line[n].box.height) for n in places)
    while start > 0 and _measure_gap(line[start - 1].box, line[start].box) <= reach:
        start -= 1
    while end < len(line) and _measure_gap(line[end - 1].box, line[end].box) <= reach:
        end += 1
    return line[start:end]


def _measure_gap(one: Box, other: Box) -> int:
    """Pixels between two boxes, in the direction in which they are further apart."""
    across = max(one.x, other.x) - min(one.x + one.width, other.x + other.width)
    down = max(one.y, other.y) - min(one.y + one.height, other.y + other.height)
    return max(across, down, 0)
