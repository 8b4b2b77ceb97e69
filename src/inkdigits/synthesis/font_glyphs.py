"""Characters and words drawn with a font file, as glyphs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Ink

FAINT: Final = 48
"""Ink up to this level, of 255, is the fringe of strokes; bounding boxes exclude it."""
_MARGIN_PX: Final = 4
"""Margin around a text, for antialiasing outside the bounding box that FreeType reports."""
_NO_CHARACTER: Final = "\U000fffff"
"""A code point that no font has. A font draws its glyph for missing characters instead."""


@lru_cache(maxsize=512)
def _load_font(path: Path) -> tuple[ImageFont.FreeTypeFont, int, int]:
    """Loads a font with digits about `GLYPH_HEIGHT` high; also returns their top and bottom."""
    font = ImageFont.truetype(path, 100)
    _, top, _, bottom = font.getbbox("0123456789", anchor="ls")
    font = font.font_variant(size=max(round(100 * GLYPH_HEIGHT / max(bottom - top, 1)), 8))
    _, top, _, bottom = font.getbbox("0", anchor="ls")
    return font, int(top), int(bottom)


@lru_cache(maxsize=20_000)
def _draw(path: Path, text: str) -> tuple[Ink, float, float] | None:
    """Returns the ink of a text, its left edge in pixels from the pen's start, and its top."""
    font, top, bottom = _load_font(path)
    left, upper, right, lower = (int(value) for value in font.getbbox(text, anchor="ls"))
    size = (max(right - left, 1) + 2 * _MARGIN_PX, max(lower - upper, 1) + 2 * _MARGIN_PX)
    canvas = Image.new("L", size)
    start = (_MARGIN_PX - left, _MARGIN_PX - upper)
    ImageDraw.Draw(canvas).text(start, text, 255, font, anchor="ls")
    whole = np.asarray(canvas)
    x, y, width, height = cv2.boundingRect((whole > FAINT).astype(np.uint8))
    if not width:
        return None
    ink = whole[y : y + height, x : x + width].copy()
    ink.flags.writeable = False  # all callers share it
    return ink, float(x - start[0]), (y - start[1] - top) / max(bottom - top, 1)


def render(path: Path, text: str) -> tuple[Ink, float]:
    """Draws a text with a font.

    Args:
        path: The font file.
        text: One character, or a word.

    Returns:
        The ink in the form of `Glyph.ink`, read-only, and the distance of its upper edge below
        that of the digits, in digit heights. A text without ink gives one pixel of full ink.
    """
    drawn = _draw(path, text)
    if drawn is None:
        return np.full((1, 1), 255, np.uint8), 0.0
    ink, _, offset = drawn
    return ink, offset


def list_starts(path: Path, text: str) -> list[float]:
    """Returns the left edge of each character of a text, in pixels of `render`; the first is 0."""
    drawn = _draw(path, text)
    if drawn is None:
        return [0.0] * len(text)
    font, _, _ = _load_font(path)
    _, left, _ = drawn
    lengths = (float(font.getlength(text[:n])) for n in range(1, len(text)))
    return [0.0, *(length - left for length in lengths)]


@lru_cache(maxsize=20_000)
def has_character(path: Path, character: str) -> bool:
    """Returns whether a font has a character, and does not draw its box for missing ones."""
    drawn, missing = _draw(path, character), _draw(path, _NO_CHARACTER)
    if drawn is None or missing is None:
        return drawn is not None
    return not np.array_equal(drawn[0], missing[0])
