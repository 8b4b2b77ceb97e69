"""Damage to finished tiles that leaves their digits legible."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import TILE_SIDE
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.glyphs import Ink

Values = NDArray[np.float32]


def disturb(tile: Ink, random: np.random.Generator) -> Ink:
    """Damages a finished tile in one of several ways. The digit stays legible.

    Args:
        tile: uint8, shape (28, 28), 0 background, 255 full ink.
        random: Random number generator.

    Returns:
        The damaged tile, uint8, shape (28, 28).
    """
    spoil = _DISTURBANCES[random.integers(len(_DISTURBANCES))]
    return np.clip(spoil(tile.astype(np.float32), random), 0, 255).astype(np.uint8)


def _add_noise(values: Values, random: np.random.Generator) -> Values:
    return values + random.uniform(5, 70) * random.standard_normal(values.shape, dtype=np.float32)


def _fail_pixels(values: Values, random: np.random.Generator) -> Values:
    chance = random.random(values.shape)
    share = random.uniform(0.02, 0.3)
    failed = np.where(chance < share / 2, 0, np.where(chance > 1 - share / 2, 255, values))
    return failed.astype(np.float32)


def _lower_contrast(values: Values, random: np.random.Generator) -> Values:
    return values * random.uniform(0.4, 1) + random.uniform(0, 150)


def _add_ramp(values: Values, random: np.random.Generator) -> Values:
    corners = random.uniform(0, 170, (3, 3)).astype(np.float32)
    haze = cv2.resize(corners, (TILE_SIDE, TILE_SIDE), interpolation=cv2.INTER_CUBIC)
    return (values + haze * (1 - values / 255)).astype(np.float32)


def _cross_out(values: Values, random: np.random.Generator) -> Values:
    """Draws a line of one to four straight segments from edge to edge, some lines dashed."""
    n_points = int(random.integers(2, 6))
    along = np.linspace(0, TILE_SIDE - 1, n_points)
    points = np.stack([along, random.uniform(2, TILE_SIDE - 2, n_points)], axis=1)
    line = np.zeros(values.shape, np.float32)
    shift = 4  # number of fractional bits in the coordinates for `polylines`
    places = np.rint(points * (1 << shift)).astype(np.int32)
    shade = random.uniform(80, 255)
    cv2.polylines(line, [places], False, shade, 1, cv2.LINE_AA, shift)
    if random.random() < 0.4:
        line *= (np.arange(TILE_SIDE) // random.integers(1, 3) % 2).astype(np.float32)
    if random.random() < 0.5:
        line = line.T
    return np.maximum(values, line)


def _spoil_band(values: Values, random: np.random.Generator) -> Values:
    """Inverts a band of the tile, or erases a narrow one."""
    wiped = random.random() < 0.3
    width = int(random.integers(1, 4 if wiped else 12))
    start = int(random.integers(2, TILE_SIDE - 2 - width))
    band = values[start : start + width]
    if random.random() < 0.5:
        band = values[:, start : start + width]
    band[:] = 0 if wiped else 255 - band
    return values


def _misplace(values: Values, random: np.random.Generator) -> Values:
    shifts = random.uniform(-5, 5, 2)
    matrix = np.array([[1, 0, shifts[0]], [0, 1, shifts[1]]])
    return cv2.warpAffine(values, matrix, (TILE_SIDE, TILE_SIDE)).astype(np.float32, copy=False)


def _smear(values: Values, random: np.random.Generator) -> Values:
    """Blurs along a line, or moves pixels to random neighbouring positions."""
    if random.random() < 0.5:
        kernel = np.zeros((7, 7), np.float32)
        angle, reach = random.uniform(0, np.pi), random.uniform(1, 3.4)
        offset = reach * np.array([math.cos(angle), math.sin(angle)])
        ends = [tuple(round(v) for v in (3 + sign * offset).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0, 1)
        return cv2.filter2D(values, -1, kernel / kernel.sum()).astype(np.float32, copy=False)
    rows, columns = np.indices(values.shape)
    reach = int(random.integers(1, 3))
    moved = [
        np.clip(place + random.integers(-reach, reach + 1, values.shape), 0, TILE_SIDE - 1)
        for place in (rows, columns)
    ]
    scattered: Values = values[moved[0], moved[1]]
    return cv2.GaussianBlur(scattered, (3, 3), 0).astype(np.float32, copy=False)


def _keep_edges(values: Values, random: np.random.Generator) -> Values:
    """Keeps only the edges of the ink, as thin lines or soft ones."""
    if random.random() < 0.6:
        low = random.uniform(40, 120)
        return cv2.Canny(values.astype(np.uint8), low, 2 * low).astype(np.float32)
    ring: Values = np.asarray(
        cv2.morphologyEx(values, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)), np.float32
    )
    return ring


_DISTURBANCES: Final[tuple[Callable[[Values, np.random.Generator], Values], ...]] = (
    _add_noise,
    _fail_pixels,
    _lower_contrast,
    _add_ramp,
    _cross_out,
    _spoil_band,
    _misplace,
    _smear,
    _keep_edges,
)
