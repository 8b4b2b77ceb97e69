"""Arrangements of digits on the suite's pages: numbers in columns and lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inkdigits.results.marks import Box
from inkdigits.synthesis.suite_pens import Cover, Span


@dataclass(frozen=True)
class Arrangement:
    """Arrangement of digits on a page. Values are drawn between two inclusive bounds.

    Attributes:
        lines: Number of lines on the page.
        numbers: Number of numbers on each line; they form columns.
        digits: Number of digits of each number.
        depth: How far neighbouring digits overlap, measured from the position where they just
            touch; None if they do not touch.
    """

    lines: tuple[int, int] = (1, 1)
    numbers: tuple[int, int] = (1, 1)
    digits: tuple[int, int] = (2, 8)
    depth: Span | None = None


@dataclass(frozen=True, eq=False)
class PlacedDigit:
    """A written digit and its position in pixels, relative to an arbitrary origin."""

    ink: Cover
    left: int
    top: int


def arrange(
    arrangement: Arrangement,
    n: int,
    height: float,
    write: Callable[[int], Cover],
    random: np.random.Generator,
) -> tuple[list[PlacedDigit], list[list[int]]]:
    """Places random digits on lines.

    Args:
        arrangement: The arrangement.
        n: Number of digits to choose from.
        height: Height of the digits in pixels.
        write: Draws the digit of a given index, 0 to n - 1.
        random: Random number generator.

    Returns:
        The placed digits, and the indices of the digits on each line.
    """
    skew = random.normal(0, 0.02)
    gap = random.uniform(0.12, 0.35) * height
    pitch = random.uniform(1.5, 2.0) * height
    columns = draw_between(arrangement.numbers, random)
    column_width = arrangement.digits[1] * height + random.uniform(0.5, 1.5) * height
    glyphs: list[PlacedDigit] = []
    lines: list[list[int]] = []
    for line in range(draw_between(arrangement.lines, random)):
        lines.append([])
        for column in range(columns):
            x = column * column_width + random.uniform(0, 0.3) * height
            before: PlacedDigit | None = None
            for _ in range(draw_between(arrangement.digits, random)):
                lines[-1].append(int(random.integers(n)))
                ink = write(lines[-1][-1])
                # The base line rises or falls, and digits deviate slightly from it.
                bottom = line * pitch + skew * x + random.normal(0, 0.04) * height
                glyph = PlacedDigit(ink, round(x), round(bottom) - ink.shape[0])
                if before is not None and arrangement.depth is not None:
                    depth = random.uniform(*arrangement.depth) * height
                    glyph = _push_into(glyph, before, depth)
                glyphs.append(glyph)
                before = glyph
                x = glyph.left + ink.shape[1] + gap * random.uniform(0.6, 1.4)
    return glyphs, lines


def _push_into(glyph: PlacedDigit, before: PlacedDigit, depth_px: float) -> PlacedDigit:
    """Moves a digit left until it overlaps the digit before it by a given depth."""
    top = max(glyph.top, before.top)
    bottom = min(glyph.top + glyph.ink.shape[0], before.top + before.ink.shape[0])
    here = glyph.ink[top - glyph.top : bottom - glyph.top] > 0.5
    there = before.ink[top - before.top : bottom - before.top] > 0.5
    both = here.any(axis=1) & there.any(axis=1)
    if not both.any():
        return glyph
    start = glyph.left + here[both].argmax(axis=1)
    end = before.left + there.shape[1] - there[both, ::-1].argmax(axis=1)
    shift = int((start - end).min()) + max(round(depth_px), 1)
    return PlacedDigit(glyph.ink, glyph.left - shift, glyph.top)


def place(
    glyphs: list[PlacedDigit], height: float, random: np.random.Generator
) -> tuple[Cover, tuple[Box, ...]]:
    """Draws digits on a page with empty margins and returns their bounding boxes.

    Args:
        glyphs: The placed digits.
        height: Height of the digits in pixels.
        random: Random number generator for the margins.

    Returns:
        Ink, float32, shape (height, width), 0 background to 1 full ink, and the box of each digit.
    """
    before_x, before_y, after_x, after_y = (
        round(margin * height) for margin in random.uniform(0.5, 1.2, 4)
    )
    left = min(glyph.left for glyph in glyphs) - before_x
    top = min(glyph.top for glyph in glyphs) - before_y
    right = max(glyph.left + glyph.ink.shape[1] for glyph in glyphs) + after_x
    bottom = max(glyph.top + glyph.ink.shape[0] for glyph in glyphs) + after_y
    ink = np.zeros((bottom - top, right - left), np.float32)
    boxes = []
    for glyph in glyphs:
        rows, columns = glyph.ink.shape
        box = Box(glyph.left - left, glyph.top - top, columns, rows)
        window = ink[box.y : box.y + rows, box.x : box.x + columns]
        np.maximum(window, glyph.ink, out=window)
        boxes.append(box)
    return ink, tuple(boxes)


def draw_between(bounds: tuple[int, int], random: np.random.Generator) -> int:
    """Returns a random integer between two inclusive bounds."""
    return int(random.integers(bounds[0], bounds[1] + 1))
