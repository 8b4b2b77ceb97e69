"""The result of reading a picture: digits and other marks, with boxes and probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import PictureError
from inkdigits.recognition.alphabet import CHARACTERS, CLASS_NAMES, DIGITS, MARK_KINDS

UNCERTAIN: Final = "?"
"""Placeholder in a text for a digit that is uncertain."""

NONE_NAME: Final = "none"
"""Name of the probability that a box contains no mark, part of a mark, or several marks."""

SEPARATORS: Final = {CLASS_NAMES[kind]: character for kind, character in CHARACTERS.items()}
"""Kinds of marks that appear in a text with separators, and their characters."""

SEPARATOR_REACH: Final = 1.0
"""Maximum distance of a separator before the first or after the last digit of a line, as a multiple
of the digits' size. In `1.300,-` the dash is close; a speck at the edge of the page is not."""


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


def _no_marks() -> NDArray[np.float32]:
    return np.zeros(len(MARK_KINDS), np.float32)


@dataclass(frozen=True, eq=False)
class Digit:
    """A digit of a reading, or a mark that was rejected.

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
            order of `inkdigits.recognition.alphabet.MARK_KINDS`.
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
            "line": self.line,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Mark:
    """A mark that is not a digit.

    Attributes:
        kind: One of `inkdigits.recognition.alphabet.MARK_KINDS`; "other" is any other sign.
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
            "line": self.line,
        }


DigitOrMark = Digit | Mark


@dataclass(frozen=True, eq=False)
class Reading:
    """The digits and other marks of a picture.

    Attributes:
        found: Digits and other marks in reading order, including rejected digits.
        notes: Notes about the picture for the user, such as "only the first frame was read".
        reason: Why no digit was read; None if at least one was read.
        separators: Whether `text` includes points, commas, dashes, slashes and plus signs.
        source: Path or name of the picture's file; None if it is not a file.
        page: Number of the page in its document, from 1; None if it is not a page.
        error: Why the picture could not be read at all; None if it was. `reason` has its message.
            Only among the readings of several pictures; a single one raises it.
    """

    found: tuple[DigitOrMark, ...]
    notes: tuple[str, ...] = ()
    reason: str | None = None
    separators: bool = False
    source: str | None = None
    page: int | None = None
    error: PictureError | None = None

    def __post_init__(self) -> None:
        if bool(self.text) == (self.reason is not None):
            raise ValueError("a reading has either text or a reason why it has none")

    @property
    def digits(self) -> tuple[Digit, ...]:
        """The digits in reading order, including uncertain and rejected ones."""
        return tuple(item for item in self.found if isinstance(item, Digit))

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks that are not digits, in reading order."""
        return tuple(item for item in self.found if isinstance(item, Mark))

    @property
    def text(self) -> str:
        """The text, as returned by `to_text` with the `separators` of the reading."""
        return self.to_text(separators=self.separators)

    def to_text(self, *, separators: bool = False) -> str:
        """Returns the text of the reading, with "?" for each uncertain digit.

        Args:
            separators: Whether to include points, commas, dashes, slashes and plus signs between
                digits, and close to the first and last digit of a line.

        Returns:
            The lines that contain digits, separated by newlines; "" if no digit was read.
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
        """Probability that all digits were read correctly: the product of their confidences."""
        read = [digit.confidence for digit in self.digits if digit.digit is not None]
        return math.prod(read) if read else 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns the reading as plain numbers, strings and lists."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "digits": [digit.to_json() for digit in self.digits],
            "marks": [mark.to_json() for mark in self.marks],
            "notes": list(self.notes),
            "reason": self.reason,
        }


def describe_left_out(found: Iterable[DigitOrMark]) -> tuple[str, ...]:
    """Returns a note about separators between digits that a text without separators omits.

    Args:
        found: Digits and marks in reading order.

    Returns:
        A single note; empty if there are no such separators.
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


def _split_lines(found: Iterable[DigitOrMark]) -> list[list[DigitOrMark]]:
    """Groups digits and marks by line, from top to bottom."""
    lines: dict[int, list[DigitOrMark]] = {}
    for item in found:
        lines.setdefault(item.line, []).append(item)
    return [lines[number] for number in sorted(lines)]


def _trim(line: list[DigitOrMark]) -> list[DigitOrMark]:
    """Returns a line from its first to its last digit, with the separators close to them."""
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
    """Returns the horizontal or vertical gap between two boxes in pixels, whichever is larger."""
    across = max(one.x, other.x) - min(one.x + one.width, other.x + other.width)
    down = max(one.y, other.y) - min(one.y + one.height, other.y + other.height)
    return max(across, down, 0)
