"""Pens of stroke hands: the width of their lines, and the ink that they draw.

Lines are complex128 arrays of shape (points,): x + iy, y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Ink

Line = NDArray[np.complex128]

_SUPERSAMPLING = 3
"""Canvas pixels per ink pixel and axis. It gives ten grey levels at an edge, as in a scan."""

_MARKER_SHARE = 0.12
"""Share of hands of today with a marker, up to a quarter of a digit height wide, as on screens."""

_HAIRLINE_SHARE = 0.1
"""Share of all hands with a pen of 1.5 to 4 % of a digit height, as in photographs of large
digits."""

_SHIFT = 4
"""Number of fractional bits in OpenCV's coordinates: 1/16 of a canvas pixel."""


@dataclass(frozen=True)
class Pen:
    """The pen of a hand.

    Attributes:
        width: Maximum width of a line, in pixels at `GLYPH_HEIGHT`.
        nib: How much narrower lines along the edge of a broad nib are, from 0 (round point) to 1.
        nib_angle: Direction of the nib's edge in radians, 0 along the line of writing.
        pressure: How much thinner lines other than downstrokes are, from 0 (ball pen) to 1.
        taper: How much thinner (positive) or thicker (negative, a resting pen) the ends of a
            stroke are, as a fraction of the width.
    """

    width: float
    nib: float = 0.0
    nib_angle: float = 0.0
    pressure: float = 0.0
    taper: float = 0.0

    @classmethod
    def draw(cls, random: np.random.Generator, old: bool, widest: float = 9.0) -> Pen:
        """Draws a random pen: mostly a flexible or broad nib for old hands, a ball pen for others.

        Args:
            random: Random number generator.
            old: Whether the hand is of the 19th century.
            widest: Upper limit of the width, in pixels at `GLYPH_HEIGHT`.
        """
        # 2.6 to 9 of 64 pixels. These line widths were estimated by eye on cheques (4 to 10 % of
        # the digit height), church books (6 to 15 %) and registers (thin ball pens).
        width = float(np.exp(random.uniform(np.log(2.6), np.log(widest))))
        rarer = random.random()
        if rarer < _HAIRLINE_SHARE:
            width = float(random.uniform(1.0, 2.6))
        elif not old and rarer < _HAIRLINE_SHARE + _MARKER_SHARE:
            width = float(random.uniform(widest, 1.7 * widest))
        kind = random.random()
        taper = float(random.uniform(-0.35, 0.5))
        if kind < (0.15 if old else 0.65):
            return cls(width, taper=taper * (random.random() < 0.4))
        if kind < (0.75 if old else 0.85):
            return cls(width * 1.1, pressure=float(random.uniform(0.3, 0.75)), taper=taper)
        angle = float(random.uniform(-1.1, -0.3))
        return cls(width * 1.1, float(random.uniform(0.3, 0.7)), angle, 0.0, taper / 2)

    def widths(self, line: Line) -> NDArray[np.float64]:
        """Returns the width of each piece between consecutive points of a line, in pixels."""
        pieces = np.diff(line)
        lengths = np.abs(pieces) + 1e-9
        widths = np.full(len(pieces), self.width)
        if self.pressure:
            widths *= 1 - self.pressure * (1 - pieces.imag / lengths) / 2
        if self.nib:
            across = np.abs((pieces * np.exp(-1j * self.nib_angle)).imag) / lengths
            widths *= 1 - self.nib * (1 - across)
        if self.taper:
            travelled = np.cumsum(lengths) - lengths / 2
            # An end is a fifth of a digit height long, independent of the stroke.
            end = np.minimum(travelled, lengths.sum() - travelled) / (0.2 * GLYPH_HEIGHT)
            widths *= 1 - self.taper * np.maximum(0, 1 - end) ** 2
        return widths


def draw_ink(strokes: list[tuple[Line, NDArray[np.float64]]]) -> tuple[Ink, complex]:
    """Draws lines of varying width.

    Args:
        strokes: For each stroke its line in ink pixels, and the width of each piece in pixels.

    Returns:
        The cropped ink, and the position of its upper left corner.
    """
    points = np.concatenate([line for line, _ in strokes])
    margin = max(float(widths.max()) for _, widths in strokes) / 2 + 1
    left, top = np.floor(points.real.min() - margin), np.floor(points.imag.min() - margin)
    width = int(np.ceil(points.real.max() + margin) - left)
    height = int(np.ceil(points.imag.max() + margin) - top)
    canvas = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)
    # OpenCV's coordinates refer to pixel centres.
    scale = _SUPERSAMPLING << _SHIFT
    centre = (_SUPERSAMPLING - 1) / 2 * (1 << _SHIFT) / scale
    for line, widths in strokes:
        shifted = (line - complex(left - centre, top - centre)) * scale
        vertices = np.rint(shifted.view(np.float64)).astype(np.int32).reshape(-1, 1, 2)
        # OpenCV draws lines about one pixel wider than requested.
        thicknesses = np.maximum(np.rint(widths * _SUPERSAMPLING - 1), 2).astype(int)
        # One call draws all consecutive pieces of the same width.
        changes = np.flatnonzero(np.diff(thicknesses)) + 1
        starts = [0, *changes.tolist(), len(thicknesses)]
        for first, last in pairwise(starts):
            piece = vertices[first : last + 1]
            cv2.polylines(canvas, [piece], False, 255, int(thicknesses[first]), cv2.LINE_8, _SHIFT)
    shrunk = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    x, y, box_width, box_height = cv2.boundingRect(shrunk)
    ink = np.ascontiguousarray(shrunk[y : y + box_height, x : x + box_width], np.uint8)
    return ink, complex(left + x, top + y)
