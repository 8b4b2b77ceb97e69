"""Forms of digits that are rare in MNIST: European 1 and 7, hooked 6 and 9."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from inkdigits.recognition.framing import measure_stroke
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import as_bytes, draw_line, find_above
from inkdigits.synthesis.glyphs import Ink


def write_european_one(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds an upstroke to a plain 1, and to some a base. A wide 1 has them and stays unchanged."""
    _, row, width, height = cv2.boundingRect(find_above(ink, 127))
    if width >= 0.55 * height:
        return ink
    pen = measure_stroke(ink)
    near = max(round(pen), 2)
    top = np.array([_mean_column(ink[row : row + near]), row + pen / 2])
    bottom = np.array(
        [_mean_column(ink[row + height - near : row + height]), row + height - pen / 2]
    )
    stem = bottom - top
    angle = math.radians(random.uniform(25, 55))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    ink = ink.copy()
    draw_line(ink, [top, top + random.uniform(0.2, 0.65) * turn @ stem], pen)
    if random.random() < 0.35:
        reach = np.array([random.uniform(0.15, 0.3) * height, random.uniform(-2, 2)])
        draw_line(ink, [bottom - reach, bottom + reach], pen)
    return ink


def write_european_seven(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds a bar across the stem of a 7."""
    _, row, _, height = cv2.boundingRect(find_above(ink, 127))
    pen = measure_stroke(ink)
    level = row + round(height * random.uniform(0.42, 0.68))
    columns = np.flatnonzero(ink[level] > 127)
    if columns.size == 0 or np.ptp(columns) > 3 * pen:
        return ink  # more than a stem is in this row
    middle = np.array([columns.mean() + random.uniform(-3, 3), level])
    reach = np.array([random.uniform(0.17, 0.38) * height, random.uniform(-5, 4)])
    ink = ink.copy()
    draw_line(ink, [middle - reach, middle + reach], pen * random.uniform(0.7, 1.1))
    return ink


def write_hooked_six(ink: Ink, random: np.random.Generator) -> Ink:
    """Makes the stem of a 6 more upright and adds a hook to the right at its top."""
    column, row, width, height = cv2.boundingRect(find_above(ink, 127))
    if width < max(0.35 * height, 3):
        return ink
    near = 3
    lean = _mean_column(ink[row : row + near]) - (column + 0.25 * width)
    shear = random.uniform(0.3, 1) * max(lean, 0) / height
    upright = np.array([[1, shear, -shear * (row + height)], [0, 1, 0]])
    ink = as_bytes(cv2.warpAffine(ink, upright, ink.shape[::-1]))
    column, row, width, height = cv2.boundingRect(find_above(ink, 127))
    pen = measure_stroke(ink)
    top = np.array([_mean_column(ink[row : row + near]), row + pen / 2])
    reach = column + width * random.uniform(0.75, 1.1) - top[0]
    if reach < pen:
        return ink  # the stem leans over the whole digit
    rise, drop = random.uniform(0, 0.1) * height, random.uniform(0, 0.2) * height
    bulge = top + np.array([reach * random.uniform(0.4, 0.7), -rise])
    draw_line(ink, [top, bulge, top + np.array([reach, drop - rise])], pen)
    return ink


def write_hooked_nine(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds a hook to the left at the foot of a 9, which is a 6 turned by 180 degrees."""
    turned = as_bytes(cv2.rotate(ink, cv2.ROTATE_180))
    return as_bytes(cv2.rotate(write_hooked_six(turned, random), cv2.ROTATE_180))


OTHER_FORMS: Final[Mapping[int, Callable[[Ink, np.random.Generator], Ink]]] = {
    1: write_european_one,
    6: write_hooked_six,
    7: write_european_seven,
    9: write_hooked_nine,
}
"""Functions by digit, for the digits that have another form."""


def write_other_form(ink: Ink, label: int, random: np.random.Generator) -> Ink:
    """Changes a digit to its other form. A digit without another form stays unchanged.

    Args:
        ink: The digit on a canvas: uint8, shape (height, width), 0 background, 255 full ink.
        label: The digit, 0 to 9.
        random: Random number generator.
    """
    return OTHER_FORMS[label](ink, random) if label in OTHER_FORMS else ink


def _mean_column(rows: Ink) -> float:
    return float(np.nonzero(rows > 127)[1].mean())
