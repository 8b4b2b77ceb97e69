"""Tiles, filters and maps as PNG files inside HTML: many tiles in one picture."""

from __future__ import annotations

import base64
import io
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SPRITE_COLUMNS: Final = 40
"""Tiles in a row of a sprite; the script and the style sheet of the report count on it."""
_POSITIVE, _NEGATIVE = (213, 94, 0), (0, 114, 178)  # Okabe and Ito (2008)


def encode_sprite(tiles: NDArray[np.uint8]) -> str:
    """Puts tiles into one picture of 16 levels of grey, `SPRITE_COLUMNS` in each row.

    With all 256 levels, a file of 10,000 tiles would be 70 % larger, which no eye sees.

    Args:
        tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink; n is at least 1.

    Returns:
        A data URI of a grey PNG.
    """
    return encode_png(_arrange(tiles // 16 * np.uint8(17), SPRITE_COLUMNS, gap=0))


def encode_maps(maps: NDArray[np.float32], columns: int) -> str:
    """Draws feature maps beside each other, each from 0 (transparent) to its layer's maximum.

    Args:
        maps: float32, shape (n, height, width).
        columns: Maps in each row.

    Returns:
        A data URI of a PNG whose opacity is the value.
    """
    highest = float(np.abs(maps).max()) or 1.0
    return encode_png(_colour(_arrange(maps / highest, columns, gap=1)))


def encode_signed(values: NDArray[np.float32], columns: int, *, gap: int = 1) -> str:
    """Draws arrays beside each other, each scaled by its largest absolute value.

    Args:
        values: float32, shape (n, height, width); positive is drawn orange, negative blue, 0
            transparent.
        columns: Arrays in each row.
        gap: Transparent pixels after each array.

    Returns:
        A data URI of a PNG.
    """
    highest = np.abs(values).max(axis=(1, 2), keepdims=True)
    scaled = values / np.where(highest > 0, highest, 1)
    return encode_png(_colour(_arrange(scaled, columns, gap=gap)))


def encode_png(pixels: NDArray[np.uint8]) -> str:
    """Returns a data URI of a PNG of these pixels, grey or RGBA."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _colour(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns RGBA of values from -1 to 1, shape (height, width, 4)."""
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = np.where(values[..., np.newaxis] >= 0, _POSITIVE, _NEGATIVE)
    pixels[..., 3] = np.round(255 * np.abs(values))
    return pixels


def _arrange(arrays: NDArray[Any], columns: int, *, gap: int) -> NDArray[Any]:
    """Puts arrays of one size into a grid with gaps of 0 between them."""
    n, height, width = arrays.shape
    rows = math.ceil(n / columns)
    grid = np.zeros((rows * (height + gap), columns * (width + gap)), arrays.dtype)
    for number, array in enumerate(arrays):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        grid[top : top + height, left : left + width] = array
    return grid
