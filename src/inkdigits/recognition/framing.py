"""The framing: the ink of one digit becomes the tile that the network sees.

Training, prediction and evaluation all meet in `frame`. Its result looks like MNIST: ink scaled
into 20 × 20 pixels keeping its aspect, centre of mass in the middle of 28 × 28 (LeCun et al.,
1998), and strokes about as wide as MNIST's.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

FRAMING_VERSION: Final = 1
"""Changes whenever `frame` would give other tiles; a model's card names the one it was made for."""

TILE_SIDE: Final = 28
INK_SIDE: Final = 20
"""The longer side of a digit in a tile, in pixels."""

_CENTRE: Final = 14
"""Row and column at which MNIST puts the centre of mass, by whole-pixel shifts."""

_FINENESS: Final = 4
"""Canvas pixels for one tile pixel: strokes are measured and changed on the finer canvas."""

_FAINT: Final = 32
"""Ink below this is fringe: it does not count when the digit is cropped."""

_STROKE_RANGE: Final = (2.0, 4.2)
"""Mean stroke widths, in tile pixels, that are left as they are: about nine in ten of MNIST."""


def is_framed(tile: NDArray[np.uint8]) -> bool:
    """Whether this is a tile as MNIST frames them, which framing again could only blur.

    Every one of MNIST's 70,000 tiles has its longer side of ink at 19 or 20 pixels and its centre
    of mass within half a pixel (plus rounding) of row and column 14.

    Args:
        tile: uint8, any shape (height, width), 0 background, 255 full ink.
    """
    if tile.shape != (TILE_SIDE, TILE_SIDE):
        return False
    _, _, width, height = cv2.boundingRect(tile)
    if max(width, height) not in (INK_SIDE - 1, INK_SIDE):
        return False
    column, row = _centre_of_mass(tile)
    return max(abs(column - _CENTRE), abs(row - _CENTRE)) <= 0.53


def frame(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frame the ink of one digit as MNIST does.

    A tile that is framed already comes back as it is.

    Args:
        ink: uint8, shape (height, width), at least 1 × 1, 0 background, 255 full ink.

    Returns:
        uint8, shape (28, 28), 0 background, 255 full ink; all zeros where there is no ink.
    """
    if is_framed(ink):
        return ink.copy()
    tile = np.zeros((TILE_SIDE, TILE_SIDE), np.uint8)
    peak = int(ink.max())
    if peak == 0:
        return tile
    solid = cv2.threshold(ink, min(_FAINT, peak - 1), 255, cv2.THRESH_TOZERO)[1]
    column, row, width, height = cv2.boundingRect(solid)
    cropped = ink[row : row + height, column : column + width]

    canvas = _brighten(_resize(cropped, _FINENESS * INK_SIDE))
    small = _brighten(_resize(_mend_strokes(canvas), INK_SIDE))

    column_mass, row_mass = _centre_of_mass(small)
    left, top = round(_CENTRE - column_mass), round(_CENTRE - row_mass)
    height, width = small.shape
    rows = slice(max(top, 0), min(top + height, TILE_SIDE))
    columns = slice(max(left, 0), min(left + width, TILE_SIDE))
    tile[rows, columns] = small[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return tile


def measure_stroke(ink: NDArray[np.uint8]) -> float:
    """Mean width of the strokes in pixels, 0 without ink.

    Across a bar the distance to its edge averages a quarter of the bar's width.

    Args:
        ink: uint8, shape (height, width), 0 background, 255 full ink.
    """
    padded = cv2.copyMakeBorder(ink, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    mask = cv2.threshold(padded, 127, 255, cv2.THRESH_BINARY)[1]
    if not mask.any():
        return 0.0
    distances = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    # Distances are to the centre of the nearest empty pixel, half a pixel beyond the edge.
    return 4 * cv2.mean(distances, mask)[0] - 2


def _mend_strokes(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Widen or narrow strokes that are far from MNIST's, and crop to what is left."""
    width = measure_stroke(canvas)
    thinnest, thickest = (_FINENESS * bound for bound in _STROKE_RANGE)
    if thinnest <= width <= thickest:
        return canvas
    # Widening makes the digit larger, which the final scaling takes back, and so on both ways.
    change = round(abs(min(max(width, thinnest), thickest) - width))
    if change == 0:
        return canvas
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (change + 1, change + 1))
    padded = cv2.copyMakeBorder(
        canvas, change, change, change, change, cv2.BORDER_CONSTANT, value=0
    )
    mended = cv2.dilate(padded, pen) if width < thinnest else cv2.erode(padded, pen)
    if not mended.any():
        return canvas
    column, row, columns, rows = cv2.boundingRect(mended)
    return mended[row : row + rows, column : column + columns].astype(np.uint8, copy=False)


def _brighten(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale the values so that the fullest ink is 255: averaging makes thin strokes pale."""
    return cv2.convertScaleAbs(ink, alpha=255 / max(int(ink.max()), 1)).astype(np.uint8, copy=False)


def _resize(ink: NDArray[np.uint8], longer_side: int) -> NDArray[np.uint8]:
    """Scale so that the longer side is given; averages areas when shrinking."""
    height, width = ink.shape
    scale = longer_side / max(height, width)
    if scale == 1:
        return ink
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(
        ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    ).astype(np.uint8, copy=False)


def _centre_of_mass(ink: NDArray[np.uint8]) -> tuple[float, float]:
    """Column and row of the centre of mass, counted from the centre of the first pixel."""
    moments = cv2.moments(ink)
    mass = moments["m00"]
    if mass == 0:
        height, width = ink.shape
        return (width - 1) / 2, (height - 1) / 2
    return moments["m10"] / mass, moments["m01"] / mass
