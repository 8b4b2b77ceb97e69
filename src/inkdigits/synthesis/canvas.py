"""The canvas on which digits and marks are drawn at high resolution before they become tiles."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import TILE_SIDE
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.glyphs import Ink

FINENESS: Final = 4
"""Number of canvas pixels per tile pixel. Pen widths are in canvas pixels."""

CANVAS_SIDE: Final = TILE_SIDE * FINENESS

LINE_SPREAD_PX: Final = 2.4
"""OpenCV draws antialiased lines of 3 pixels and more wider than requested by this, as measured."""


def make_canvas() -> Ink:
    """Returns an empty canvas: uint8, shape (`CANVAS_SIDE`, `CANVAS_SIDE`), all 0."""
    return np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)


def find_above(ink: Ink, level: int) -> Ink:
    """Returns a mask: 255 where the ink is above `level`, 0 elsewhere."""
    return as_bytes(cv2.threshold(ink, level, 255, cv2.THRESH_BINARY)[1])


def crop(ink: Ink) -> Ink:
    """Crops to the bounding box of all ink above 0; returns a view."""
    column, row, width, height = cv2.boundingRect(ink)
    return ink[row : row + height, column : column + width]


def fit_canvas(ink: Ink) -> Ink:
    """Scales ink of any size to that of a digit and centres it on a canvas."""
    cropped = crop(ink)
    scale = 80 / max(cropped.shape)
    size = [max(round(side * scale), 1) for side in cropped.shape[::-1]]
    small = cv2.resize(
        cropped, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    canvas = make_canvas()
    left, top = ((CANVAS_SIDE - side) // 2 for side in size)
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def draw_line(
    ink: Ink,
    points: NDArray[np.float64] | list[NDArray[np.float64]],
    width_px: float,
    value: int = 255,
) -> None:
    """Draws a line into an array.

    Args:
        ink: Array to draw into: uint8, shape (height, width).
        points: Points of the line, shape (n, 2), column and row of each.
        width_px: Width passed to OpenCV, rounded, at least 1; see `LINE_SPREAD_PX`.
        value: Strength of the ink, 1 to 255.
    """
    line = np.round(points).astype(np.int32)
    cv2.polylines(ink, [line], False, value, max(round(width_px), 1), cv2.LINE_AA)


def smooth_curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a smooth curve through the points (Catmull and Rom, 1974), eight points for each."""
    before, after = np.vstack([points[:1], points[:-1]]), np.vstack([points[1:], points[-1:]])
    beyond = np.vstack([after[1:], after[-1:]])
    share = np.linspace(0, 1, 8, endpoint=False)[:, np.newaxis, np.newaxis]
    curve = 0.5 * (
        2 * points
        + (after - before) * share
        + (2 * before - 5 * points + 4 * after - beyond) * share**2
        + (3 * points - before - 3 * after + beyond) * share**3
    )
    return np.vstack([curve.transpose(1, 0, 2)[:-1].reshape(-1, 2), points[-1:]])


@lru_cache
def list_places() -> NDArray[np.float32]:
    """Returns column and row of every canvas pixel: float32, shape (side, side, 2)."""
    rows, columns = np.indices((CANVAS_SIDE, CANVAS_SIDE), np.float32)
    return np.dstack([columns, rows])


def as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Returns the result of an OpenCV function as uint8, a type that type checkers know."""
    return pixels.astype(np.uint8, copy=False)
