"""Blemishes of a digit on a canvas: gaps, part of a neighbouring stroke, a ruled line, specks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from inkdigits.recognition.framing import measure_stroke
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import as_bytes, draw_line
from inkdigits.synthesis.glyphs import Ink
from inkdigits.synthesis.pens import break_stroke


def add_neighbour(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds a short piece of a neighbouring digit's stroke on one side."""
    column, row, width, height = cv2.boundingRect(ink)
    pen = measure_stroke(ink)
    gap = pen / 2 + random.uniform(2, 10)
    edge = column - gap if random.random() < 0.5 else column + width + gap
    length = height * random.uniform(0.08, 0.22)
    start = np.array([edge, row + random.uniform(0, height - length)])
    end = start + np.array([random.uniform(-3, 3), length])
    bulge = (start + end) / 2 + np.array([random.uniform(-4, 4), 0])
    ink = ink.copy()
    draw_line(ink, [start, bulge, end], pen)
    return ink


def add_rule(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds a ruled line, thinner and fainter than any stroke."""
    column, row, width, height = cv2.boundingRect(ink)
    pen = max(0.4 * measure_stroke(ink), 1)
    level = row + height * random.uniform(0, 1.1)
    slope = random.uniform(-4, 4)
    line = np.zeros_like(ink)
    ends = [
        (column - random.uniform(0, 9), level),
        (column + width + random.uniform(0, 9), level + slope),
    ]
    draw_line(
        line, [np.array(end) for end in ends], random.uniform(1, pen), int(random.integers(60, 150))
    )
    if random.random() < 0.3:
        line = as_bytes(cv2.rotate(line, cv2.ROTATE_90_CLOCKWISE))
    return as_bytes(cv2.max(ink, line))


def add_specks(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds a few small dots on and around the ink."""
    column, row, width, height = cv2.boundingRect(ink)
    ink = ink.copy()
    for _ in range(int(random.integers(1, 7))):
        place = (
            round(random.uniform(column - 5, column + width + 5)),
            round(random.uniform(row - 5, row + height + 5)),
        )
        radius = int(random.integers(0, 4))
        cv2.circle(ink, place, radius, int(random.integers(90, 256)), cv2.FILLED, cv2.LINE_AA)
    return ink


BLEMISHES: Final[tuple[tuple[float, Callable[[Ink, np.random.Generator], Ink]], ...]] = (
    (0.08, break_stroke),
    (0.05, add_neighbour),
    (0.06, add_rule),
    (0.08, add_specks),
)
"""Share of the augmented digits that get each blemish, and the function that adds it."""
