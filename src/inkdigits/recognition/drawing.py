"""Drawing of readings: bounding boxes on the picture, and the tiles of the digits."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.recognition.reading import Box, Digit, Reading

# Okabe and Ito (2008): distinguishable with any colour vision, on light and dark paper.
_READ: Final = (0, 114, 178)
_REJECTED: Final = (213, 94, 0)
_MARK: Final = (140, 140, 140)
_LONGEST_SIDE: Final = 1600
"""Larger pictures are shrunk to this, in pixels."""
_SHORTEST_SIDE: Final = 320
"""Smaller pictures are enlarged to this, so that the labels of the boxes are legible."""
_TILE_SCALE: Final = 5
_COLUMNS: Final = 10


def draw_boxes(pixels: NDArray[np.uint8], reading: Reading) -> Image.Image:
    """Draws a box with label and confidence around each digit of a picture.

    Args:
        pixels: uint8, shape (height, width), grey, as returned by `decode_picture`.
        reading: The reading of the picture.

    Returns:
        An RGB picture. Boxes are blue for digits that were read, orange for uncertain or rejected
        ones, and thin and grey for other marks.
    """
    height, width = pixels.shape
    longest = max(height, width)
    scale = min(max(1.0, _SHORTEST_SIDE / longest), _LONGEST_SIDE / longest)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(pixels).convert("RGB").resize(size)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(12, max(size) // 50))
    for mark in reading.marks:
        draw.rectangle(_find_corners(mark.box, scale), outline=_MARK, width=1)
    for digit in reading.digits:
        corners = _find_corners(digit.box, scale)
        colour = _REJECTED if digit.digit is None else _READ
        draw.rectangle(corners, outline=colour, width=max(2, max(size) // 500))
        text = _describe(digit)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        x = min(max(corners[0][0], 0), max(size[0] - right, 0))
        y = corners[0][1] - bottom - 2
        y = y if y >= 0 else min(corners[1][1] + 2, size[1] - bottom)
        draw.rectangle((x + left, y + top, x + right, y + bottom), fill="white")
        draw.text((x, y), text, fill=colour, font=font)
    return picture


def draw_tiles(reading: Reading) -> Image.Image:
    """Draws the tile of each digit, enlarged, with its label.

    Args:
        reading: A reading of any number of digits.

    Returns:
        An RGB picture with at most ten tiles in a row; a single white pixel if there are none.
    """
    n = len(reading.digits)
    if n == 0:
        return Image.new("RGB", (1, 1), "white")
    side, gap, text_height = 28 * _TILE_SCALE, 8, 20
    columns, rows = min(n, _COLUMNS), -(-n // _COLUMNS)
    cell = side + gap, side + gap + text_height
    sheet = Image.new("RGB", (columns * cell[0] + gap, rows * cell[1] + gap), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for number, digit in enumerate(reading.digits):
        x = gap + number % _COLUMNS * cell[0]
        y = gap + number // _COLUMNS * cell[1]
        tile = Image.fromarray(digit.tile).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(tile, (x, y))
        colour = _REJECTED if digit.digit is None else _READ
        draw.text((x, y + side + 2), _describe(digit), fill=colour, font=font)
    return sheet


def _find_corners(box: Box, scale: float) -> list[tuple[float, float]]:
    return [
        (box.x * scale - 1, box.y * scale - 1),
        ((box.x + box.width) * scale, (box.y + box.height) * scale),
    ]


def _describe(digit: Digit) -> str:
    """Returns the digit and its confidence; if it was not read, the most likely one in brackets."""
    if digit.digit is not None:
        return f"{digit.digit} {digit.confidence:.0%}"
    best = int(digit.probabilities.argmax())
    return f"{digit.character or '–'} ({best} {digit.confidence:.0%})"
