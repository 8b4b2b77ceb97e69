"""Pens of the suite's pages: MNIST's digits are enlarged, redrawn and interrupted.

Ink is float32 of shape (height, width), 0 background to 1 full ink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import as_bytes

Cover: TypeAlias = NDArray[np.float32]

Span: TypeAlias = tuple[float, float]
"""Minimum and maximum."""

_FINE_PX: Final = 96
"""Digits are drawn at this height before they are scaled to their final height."""

_FAINT: Final = 48
"""Ink up to this level, of 255, is the fringe of strokes."""

_MIN_COMPONENT_SHARE: Final = 0.04
"""Connected components below this share of a tile's ink are specks."""


@dataclass(frozen=True)
class Pen:
    """The pen of a page. Each page draws its own values between the bounds.

    Attributes:
        widths: Width of a round pen that follows the centre line of MNIST's strokes, in digit
            heights; None keeps MNIST's own strokes.
        strengths: Strength of the ink, 0 to 1.
        grain: Whether the grain of the paper shows in the strokes, as with a pencil.
        gaps: Maximum number of gaps in the ink of a digit.
    """

    widths: Span | None = None
    strengths: Span = (0.6, 1.0)
    grain: bool = False
    gaps: int = 0


def write_digit(tile: NDArray[np.uint8], height_px: float, width: float | None) -> Cover:
    """Draws the digit of a tile, cropped to its ink, at a given height.

    Args:
        tile: uint8, shape (28, 28), 0 background, 255 full ink.
        height_px: Longer side of the digit's bounding box, in pixels.
        width: Width of the pen in digit heights; None keeps the strokes of the tile.

    Returns:
        Ink, float32, shape (height, width), 0 background to 1 full ink.
    """
    scale = _FINE_PX / max(cv2.boundingRect(tile)[2:])
    # A margin leaves room for wider strokes.
    fine = cv2.resize(np.pad(tile, 4), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(fine, (0, 0), 0.35 * scale)
    fine = _drop_specks(as_bytes(cv2.convertScaleAbs(fine, alpha=255 / fine.max())))
    if width is not None:
        fine = _retrace(fine, max(round(width * _FINE_PX), 3))
    left, top, columns, rows = cv2.boundingRect((fine > _FAINT).astype(np.uint8))
    fine = fine[top : top + rows, left : left + columns]
    scale = height_px / max(rows, columns)
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # Sharpens the outlines, because MNIST's grey edges are wide after enlargement.
    sharp = np.clip(fine.astype(np.float32) / 128 - 0.25, 0, 1)
    return cv2.resize(sharp, size, interpolation=smooth).astype(np.float32, copy=False)


def _drop_specks(fine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Removes the specks that MNIST's scans show beside one digit in fifty."""
    _, labels = cv2.connectedComponents((fine > _FAINT).astype(np.uint8), connectivity=8)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.where((areas > _MIN_COMPONENT_SHARE * areas.sum())[labels], fine, 0).astype(np.uint8)


def _retrace(fine: NDArray[np.uint8], width_px: int) -> NDArray[np.uint8]:
    """Redraws the centre line of the strokes with a round pen."""
    middle = _thin((fine > 110).astype(np.uint8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px, width_px))
    drawn = cv2.dilate(middle * np.uint8(255), disc)
    return as_bytes(cv2.GaussianBlur(drawn, (0, 0), 1))


def _thin(body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Thins strokes to a centre line of ones, one pixel wide (Guo & Hall, 1989)."""
    while True:
        left = body
        for removable in _REMOVABLE:
            neighbours = cv2.filter2D(left, cv2.CV_8U, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            left = left & ~as_bytes(cv2.LUT(neighbours, removable))
        if np.array_equal(left, body):
            return body
        body = left


def _list_removable(second_pass: bool) -> NDArray[np.uint8]:
    """Returns for each of the 256 neighbourhoods whether its pixel is removed (1) or kept (0)."""
    removable = np.zeros(256, np.uint8)
    for code in range(256):
        # Clockwise from the pixel above; the second pass removes pixels on the opposite side.
        ring = [bool(code >> place & 1) for place in range(8)]
        pairs = [ring[place] or ring[place + 1] for place in range(0, 8, 2)]
        other_pairs = [ring[place - 1] or ring[place] for place in range(0, 8, 2)]
        parts = sum(
            not ring[place] and (ring[place + 1] or ring[(place + 2) % 8])
            for place in range(0, 8, 2)
        )
        n, ne, e, se, s, sw, w, nw = ring
        held = (n or ne or not se) and e if second_pass else (s or sw or not nw) and w
        removable[code] = parts == 1 and 2 <= min(sum(pairs), sum(other_pairs)) <= 3 and not held
    return removable


_NEIGHBOURS: Final = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)

_REMOVABLE: Final = (_list_removable(False), _list_removable(True))


def interrupt(glyph: Cover, gaps: int, random: np.random.Generator) -> Cover:
    """Removes ink in narrow gaps across the strokes."""
    height = max(glyph.shape)
    solid = np.argwhere(glyph > 0.5).astype(np.float64)
    kept = np.ones(glyph.shape, np.float32)
    for _ in range(gaps):
        centre = solid[random.integers(len(solid))]
        around = solid[np.hypot(*(solid - centre).T) < 0.2 * height] - centre
        # Nearby strokes run along the axis of largest variance; the gap is perpendicular to it.
        down, across = np.linalg.eigh(around.T @ around)[1][:, 0] * 0.18 * height
        start, end = (
            (round(centre[1] + side * across), round(centre[0] + side * down)) for side in (-1, 1)
        )
        thickness = max(round(random.uniform(0.03, 0.08) * height), 2)
        cv2.line(kept, start, end, 0.0, thickness, cv2.LINE_8)
    rest = glyph * kept
    # A gap may have removed the end of a stroke, so the digit is cropped again.
    left, top, columns, rows = cv2.boundingRect((rest > 0).astype(np.uint8))
    return rest[top : top + rows, left : left + columns]


def make_grain(shape: tuple[int, ...], random: np.random.Generator) -> Cover:
    """Returns the share of a pencil's lead that the paper takes at each pixel, 0.3 to 1."""
    noise = cv2.GaussianBlur(random.normal(0, 1, shape).astype(np.float32), (0, 0), 0.8)
    grain: Cover = np.clip(0.85 + 0.6 * noise, 0.3, 1).astype(np.float32)
    return grain
