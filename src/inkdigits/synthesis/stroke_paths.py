"""Pen paths: control points of strokes in a text format that a person can edit.

A path lists control points ``x,y`` in the order in which the pen passes them. Coordinates are in
hundredths of a digit height; y runs downwards from the top of digits (0) to the base line (100).
``!`` marks a corner, ``;`` lifts the pen.
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
        path: Control points, in the format of this module.
        modern: Frequency of the form among writers of today, relative to the other forms.
        old: Frequency of the form among writers of the 19th century.
        tied: Whether the pen path leads easily to the next character. Hands that join their
            characters prefer such forms.
    """

    name: str
    path: str
    modern: float
    old: float
    tied: bool = False

    @cached_property
    def strokes(self) -> Strokes:
        """The parsed control points of the form."""
        return Strokes.parse(self.path)


@dataclass(frozen=True, eq=False)
class Strokes:
    """Control points of all strokes of a form, one after the other.

    A chord leads from each point to the next. Chords between two strokes are not drawn.

    Attributes:
        points: complex128, shape (points,): x + iy in digit heights, y downwards.
        corners: float64, shape (points,): 1 at a corner of the path, else 0.
        chord_in: int64, shape (points,): index of the chord that ends at each point; at the first
            point of a stroke, the chord that begins there.
        chord_out: int64, shape (points,): index of the chord that begins at each point; at the
            last point of a stroke, the chord that ends there.
        spans: First and last index of the points of each stroke.
    """

    points: NDArray[np.complex128]
    corners: NDArray[np.float64]
    chord_in: NDArray[np.int64]
    chord_out: NDArray[np.int64]
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, path: str) -> Strokes:
        """Parses the path of a form. Each stroke must have at least two points."""
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
