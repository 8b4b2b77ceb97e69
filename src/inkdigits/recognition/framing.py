"""Framing: converts the ink of one digit into a tile, the input of a network for tiles.

Training, prediction and evaluation all use `frame`. Its tiles look like MNIST: the ink is scaled to
20 × 20 pixels with its aspect ratio kept, its centre of mass is in the middle of 28 × 28 pixels
(LeCun et al., 1998), and its strokes are about as wide as MNIST's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.resizing import enlarge, shrink
from inkdigits.recognition.shapes import (
    build_ellipse,
    dilate,
    erode,
    find_centre,
    find_extent,
    measure_distances,
    pad,
)

FRAMING_VERSION: Final = 1
"""Changes whenever `frame` returns other tiles. A model's card has the version it was trained
with."""

TILE_SIDE: Final = 28
INK_SIDE: Final = 20
"""Longer side of the ink in a tile, in pixels."""

_CENTRE: Final = 14
"""Row and column of the centre of mass, up to rounding to whole pixels, as in MNIST."""

_SUPERSAMPLING: Final = 4
"""Canvas pixels per tile pixel: stroke widths are measured and changed on a finer canvas."""

_FRINGE_THRESHOLD: Final = 32
"""Ink below this is the fringe of a stroke, which is ignored for the bounding box of the digit."""

_STROKE_RANGE: Final = (2.0, 4.2)
"""Mean stroke widths, in tile pixels, that are not changed: about nine in ten MNIST digits."""


def is_framed(tile: NDArray[np.uint8]) -> bool:
    """Whether a tile is already framed like MNIST, so that framing it again would only blur it.

    In all of MNIST's 70,000 tiles, the longer side of the ink has 19 or 20 pixels, and the centre
    of mass is within half a pixel (plus rounding) of row and column 14.

    Args:
        tile: uint8, any shape (height, width), 0 background, 255 full ink.
    """
    if tile.shape != (TILE_SIDE, TILE_SIDE):
        return False
    _, _, width, height = find_extent(tile)
    if max(width, height) not in (INK_SIDE - 1, INK_SIDE):
        return False
    column, row = find_centre(tile)
    return max(abs(column - _CENTRE), abs(row - _CENTRE)) <= 0.53


def frame(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames the ink of one digit like MNIST.

    A tile that is already framed is returned unchanged, as a copy.

    Args:
        ink: uint8, shape (height, width), at least 1 × 1, 0 background, 255 full ink.

    Returns:
        uint8, shape (28, 28), 0 background, 255 full ink; all zeros if there is no ink.
    """
    if is_framed(ink):
        return ink.copy()
    tile = np.zeros((TILE_SIDE, TILE_SIDE), np.uint8)
    peak = int(ink.max())
    if peak == 0:
        return tile
    solid = ink > min(_FRINGE_THRESHOLD, peak - 1)
    column, row, width, height = find_extent(solid.view(np.uint8))
    cropped = ink[row : row + height, column : column + width]

    canvas = _stretch_contrast(_resize(cropped, _SUPERSAMPLING * INK_SIDE))
    small = _stretch_contrast(_resize(_normalise_strokes(canvas), INK_SIDE))

    column_mass, row_mass = find_centre(small)
    left, top = round(_CENTRE - column_mass), round(_CENTRE - row_mass)
    height, width = small.shape
    rows = slice(max(top, 0), min(top + height, TILE_SIDE))
    columns = slice(max(left, 0), min(left + width, TILE_SIDE))
    tile[rows, columns] = small[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return tile


def measure_stroke(ink: NDArray[np.uint8]) -> float:
    """Measures the mean width of the strokes in pixels; 0 without ink.

    Across a bar, the mean distance to its edge is a quarter of its width.

    Args:
        ink: uint8, shape (height, width), 0 background, 255 full ink.
    """
    mask = pad(ink, 1) > 127
    if not mask.any():
        return 0.0
    distances = measure_distances(mask)
    # Distances go to the centre of the nearest background pixel, half a pixel beyond the edge.
    return 4 * float(distances[mask].mean(dtype=np.float64)) - 2


def _normalise_strokes(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Dilates or erodes strokes that are too thin or too thick for MNIST, and crops to the ink."""
    width = measure_stroke(canvas)
    thinnest, thickest = (_SUPERSAMPLING * bound for bound in _STROKE_RANGE)
    if thinnest <= width <= thickest:
        return canvas
    # Dilation also enlarges the digit, and erosion shrinks it; the final resizing undoes that.
    change = round(abs(min(max(width, thinnest), thickest) - width))
    if change == 0:
        return canvas
    kernel = build_ellipse(change + 1)
    padded = pad(canvas, change)
    changed = dilate(padded, kernel) if width < thinnest else erode(padded, kernel)
    if not changed.any():
        return canvas
    column, row, columns, rows = find_extent(changed)
    return changed[row : row + rows, column : column + columns]


def _stretch_contrast(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scales the values so that the maximum is 255: averaging makes thin strokes pale."""
    factor = np.float32(255 / max(int(ink.max()), 1))
    stretched: NDArray[np.uint8] = np.rint(ink * factor).astype(np.uint8)
    return stretched


def _resize(ink: NDArray[np.uint8], longer_side: int) -> NDArray[np.uint8]:
    """Resizes to the given longer side; averages areas when shrinking."""
    height, width = ink.shape
    scale = longer_side / max(height, width)
    if scale == 1:
        return ink
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return shrink(ink, *size) if scale < 1 else enlarge(ink, *size)
