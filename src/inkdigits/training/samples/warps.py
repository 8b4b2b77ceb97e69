"""Warped windows: rotated, slanted, stretched and bent at random, as other hands write.

Windows that are used for training several times show another form of the same mark each time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.results.alphabet import COMMA, DASH, POINT, SLASH

_WARPED_SHARE: Final = 0.65
_LEAST_STRENGTH: Final = 0.25
"""Smallest share of the largest changes below that a warped window gets."""
_ROTATION: Final = 0.17
"""Largest rotation in radians, 10 degrees. A 1 with a larger one is a slash."""
_SLANT: Final = 0.28
"""Largest slant: horizontal shift as a fraction of the height."""
_STRETCH: Final = 0.2
_ZOOM: Final = 0.08
"""Largest logarithms of the change of the ratio of width to height, half of it, and of the size."""
_BENT_SHARE: Final = 0.5
_BEND: Final = 0.028
"""Largest standard deviation of the random field on 5 × 5 points that bends a window, as a fraction
of its side. A stroke is about twice as wide. These limits were chosen by eye on warped windows; the
packaged reader was trained with them."""
_SIMPLE: Final = (POINT, COMMA, DASH, SLASH)
_SIMPLE_STRENGTH: Final = 0.3
"""Factor of all changes for marks of one short stroke, whose direction is their class."""


def warp_windows(
    windows: NDArray[np.float16], classes: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.float16]:
    """Returns windows that show the same marks in other forms.

    Random affine maps and smooth random fields move the pixels (Simard et al., 2003).

    Args:
        windows: Standardised windows, float16, shape (n, side, side).
        classes: int64, shape (n,), 0 to 15, or 16 for no mark.
        random: Random number generator.

    Returns:
        float16, shape (n, side, side). What comes from outside a window is 0, its mean.
    """
    warped = windows.copy()
    n, side = len(windows), windows.shape[1]
    strengths = random.uniform(_LEAST_STRENGTH, 1, n) * np.where(
        np.isin(classes, _SIMPLE), _SIMPLE_STRENGTH, 1
    )
    is_bent = random.random(n) < _BENT_SHARE
    for index in np.flatnonzero(random.random(n) < _WARPED_SHARE).tolist():
        places = _draw_places(side, float(strengths[index]), bool(is_bent[index]), random)
        pixels = windows[index].astype(np.float32)
        warped[index] = cv2.remap(
            pixels, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
    return warped


def _draw_places(
    side: int, strength: float, is_bent: bool, random: np.random.Generator
) -> NDArray[np.float32]:
    """Returns where each pixel comes from, x and y in pixels: float32, shape (2, side, side)."""
    limits = np.array([_ROTATION, _SLANT, _STRETCH, _ZOOM])
    angle, slant, stretch, zoom = random.uniform(-limits, limits) * strength
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sizes = np.exp(zoom + np.array([stretch, -stretch]))
    matrix = rotation @ np.array([[1, slant], [0, 1]]) * sizes[:, np.newaxis]
    offsets = np.arange(side) - (side - 1) / 2
    grid = np.stack(np.meshgrid(offsets, offsets))
    places: NDArray[np.float32] = np.einsum("ij,jyx->iyx", matrix, grid).astype(np.float32)
    if is_bent:
        field = random.normal(0, strength * random.uniform(0, _BEND) * side, (5, 5, 2))
        bends = cv2.resize(field.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        places += bends.transpose(2, 0, 1)
    places += np.float32((side - 1) / 2)
    return places
