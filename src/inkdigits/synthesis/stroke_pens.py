"""Pens: how wide their lines are, and the ink that they leave.

Lines are complex128 arrays of shape (points,): x + iy, y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Ink

Line = NDArray[np.complex128]

_SUPERSAMPLING = 3
"""Canvas pixels per pixel of ink and axis: ten levels of grey at an edge, as a scanner shows."""

_MARKER_SHARE = 0.12
"""Of the hands of today, with a marker: up to a quarter of a digit's height wide, as on screens."""

_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws with: 1/16 of a canvas pixel."""


@dataclass(frozen=True)
class Pen:
    """What a hand writes with.

    Attributes:
        width: Greatest width of a line, in pixels at `GLYPH_HEIGHT`.
        nib: How much a broad nib narrows across its edge, from 0 (round point) to 1.
        nib_angle: Direction of the nib's edge in radians, 0 along the line of writing.
        pressure: How much lines other than downstrokes are thinner, from 0 (ball pen) to 1.
        taper: How much the ends of a stroke are thinner (positive) or thicker (negative, a pen
            that rests), as a fraction of the width.
    """

    width: float
    nib: float = 0.0
    nib_angle: float = 0.0
    pressure: float = 0.0
    taper: float = 0.0

    @classmethod
    def draw(cls, random: np.random.Generator, old: bool, widest: float = 9.0) -> Pen:
        """Draws a pen: a flexible or broad nib for old hands, mostly a ball pen for others.

        Args:
            random: Source of the choice.
            old: Whether the hand is of the 19th century.
            widest: Upper limit of the width, in pixels at `GLYPH_HEIGHT`.
        """
        # 2.6 to 9 of 64 pixels: line widths measured by eye on cheques (4 to 10 % of the digit's
        # height), church books (6 to 15 %) and thin ball pens on registers.
        width = float(np.exp(random.uniform(np.log(2.6), np.log(widest))))
        if not old and random.random() < _MARKER_SHARE:
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
        """Returns the width of each piece between neighbouring points of a line, in pixels."""
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
            # Ends take a fifth of a digit's height, whatever the length of the stroke.
            end = np.minimum(travelled, lengths.sum() - travelled) / (0.2 * GLYPH_HEIGHT)
            widths *= 1 - self.taper * np.maximum(0, 1 - end) ** 2
        return widths


def draw_ink(strokes: list[tuple[Line, NDArray[np.float64]]]) -> tuple[Ink, complex]:
    """Draws lines of varying width.

    Args:
        strokes: Each line in pixels of ink, and the widths of its pieces in the same unit.

    Returns:
        The ink, cropped to what is drawn, and the position of its upper left corner.
    """
    points = np.concatenate([line for line, _ in strokes])
    margin = max(float(widths.max()) for _, widths in strokes) / 2 + 1
    left, top = np.floor(points.real.min() - margin), np.floor(points.imag.min() - margin)
    width = int(np.ceil(points.real.max() + margin) - left)
    height = int(np.ceil(points.imag.max() + margin) - top)
    canvas = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)
    # OpenCV's coordinates are those of pixel centres.
    scale = _SUPERSAMPLING << _SHIFT
    centre = (_SUPERSAMPLING - 1) / 2 * (1 << _SHIFT) / scale
    for line, widths in strokes:
        shifted = (line - complex(left - centre, top - centre)) * scale
        vertices = np.rint(shifted.view(np.float64)).astype(np.int32).reshape(-1, 1, 2)
        # OpenCV's lines are about one pixel wider than asked for.
        thicknesses = np.maximum(np.rint(widths * _SUPERSAMPLING - 1), 2).astype(int)
        # One call draws all neighbouring pieces of the same width.
        changes = np.flatnonzero(np.diff(thicknesses)) + 1
        starts = [0, *changes.tolist(), len(thicknesses)]
        for first, last in pairwise(starts):
            piece = vertices[first : last + 1]
            cv2.polylines(canvas, [piece], False, 255, int(thicknesses[first]), cv2.LINE_8, _SHIFT)
    shrunk = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    x, y, box_width, box_height = cv2.boundingRect(shrunk)
    ink = np.ascontiguousarray(shrunk[y : y + box_height, x : x + box_width], np.uint8)
    return ink, complex(left + x, top + y)
