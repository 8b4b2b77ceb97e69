"""The path of a pen: control points of strokes, as texts that a person can edit.

A path lists control points ``x,y`` in hundredths of a digit's height, y downwards from the top of
digits (0) to the base line (100), in the order in which the pen passes them; ``!`` marks a corner,
``;`` lifts the pen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Form:
    """One way to write a character.

    Attributes:
        name: Name of the form, unique among those of its character.
        path: Control points, as the module describes them.
        modern: How common the form is among writers of today, relative to the other forms.
        old: The same among writers of the 19th century.
        tied: Whether its pen path invites a tie to the next character; a hand that joins its
            characters prefers such forms.
    """

    name: str
    path: str
    modern: float
    old: float
    tied: bool = False

    @cached_property
    def strokes(self) -> Strokes:
        """The control points of the form, ready for drawing."""
        return Strokes.parse(self.path)


@dataclass(frozen=True, eq=False)
class Strokes:
    """Control points of all strokes of a form, one after the other.

    A chord leads from each point to the following one; those between two strokes are not drawn.

    Attributes:
        points: complex128, shape (points,): x + iy in heights of a digit, y downwards.
        corners: float64, shape (points,): 1 where the path has a corner, else 0.
        chord_in: int64, shape (points,): index of the chord that arrives at each point; at the
            start of a stroke, of the one that leaves it.
        chord_out: int64, shape (points,): index of the chord that leaves each point; at the end of
            a stroke, of the one that arrives.
        spans: First and last index of the points of each stroke.
    """

    points: NDArray[np.complex128]
    corners: NDArray[np.float64]
    chord_in: NDArray[np.int64]
    chord_out: NDArray[np.int64]
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, path: str) -> Strokes:
        """Parses the text of a form; each stroke has at least two points."""
        points: list[complex] = []
        corners: list[float] = []
        spans: list[tuple[int, int]] = []
        for stroke in path.split(";"):
            words = stroke.split()
            spans.append((len(points), len(points) + len(words) - 1))
            for word in words:
                x, y = word.rstrip("!").split(",")
                points.append(complex(float(x), float(y)) / 100)
                corners.append(float(word.endswith("!")))
        chord_in = np.arange(len(points)) - 1
        chord_out = np.arange(len(points))
        for first, last in spans:
            chord_in[first] = first
            chord_out[last] = last - 1
        return cls(np.array(points), np.array(corners), chord_in, chord_out, tuple(spans))
