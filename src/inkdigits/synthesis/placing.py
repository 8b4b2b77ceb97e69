"""Glyphs on a page. Each glyph has an affine map to the page and the marks that it shows.

Lengths are in digit heights unless a name says pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.results.alphabet import DIGITS, OTHER
from inkdigits.synthesis.font_glyphs import list_starts, render
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph
from inkdigits.synthesis.scribes import Scribe, Scriptorium

Random = np.random.Generator

_SLANTS: Final = (0.06, 0.18, 0.4)
"""Standard deviations of the slant (horizontal shift per unit of height) of upright, normal and
strongly slanted handwriting. English round hand and similar scripts slant by 35 to 40° (0.7 to
0.85)."""


@dataclass(frozen=True, eq=False)
class Part:
    """A mark within a placed glyph: its bounding box in glyph pixels, and its class.

    Attributes:
        label: Class of the reader, or None for ink that is not a separate mark.
        box: Left, top, right and bottom; None for all ink of the glyph.
    """

    label: int | None
    box: tuple[float, float, float, float] | None = None
    sure: bool = True


@dataclass(frozen=True, eq=False)
class Placed:
    """A glyph on a page.

    Attributes:
        glyph: The glyph.
        matrix: Affine map from glyph pixels to page pixels: float64, shape (2, 3).
        height_px: Height of the digits on its line.
        strength: Strength of the ink, 0 to 1.
        parts: The marks that the glyph shows.
    """

    glyph: Glyph
    matrix: NDArray[np.float64]
    height_px: float
    strength: float
    parts: tuple[Part, ...]


@dataclass(eq=False)
class Writing:
    """The result of a layout: placed glyphs, and drawn lines.

    Attributes:
        placed: Glyphs, in the order of writing.
        lines: Lines drawn by hand, such as rules and strike-throughs: points in pixels, thickness
            in pixels, strength.
    """

    placed: list[Placed] = field(default_factory=list)
    lines: list[tuple[NDArray[np.float64], float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Style:
    """The style that all digits of one number share.

    Attributes:
        height_px: Height of the digits.
        slant: Horizontal shift per unit of height.
        aspect: Factor of the width.
        gap: Gap between digits, in digit heights; negative if they touch.
        jitter: Standard deviation of the random size and position of each digit.
        strength: Strength of the ink, 0 to 1.
        zero_size: Relative size of zeros; many people write them smaller.
        first_size: Relative size of the first digit; some people write it larger.
        unevenness: Standard deviation of the logarithm of the size of digits.
        sinking: How much of the additional height of a larger digit is below the base line, as a
            fraction.
    """

    height_px: float
    slant: float
    aspect: float
    gap: float
    jitter: float
    strength: float
    zero_size: float = 1.0
    first_size: float = 1.0
    unevenness: float = 0.0
    sinking: float = 0.0

    @classmethod
    def draw(
        cls, height_px: float, scribe: Scribe, random: Random, *, touching: bool = False
    ) -> Style:
        """Draws a random style for digits of a given height, written by a given scribe.

        Args:
            height_px: Height of the digits.
            scribe: Writes the number. A font that is already slanted gets little slant.
            random: Random number generator.
            touching: Whether neighbouring digits may touch.
        """
        spread = _SLANTS[random.choice(3, p=(0.35, 0.4, 0.25))]
        slant = float(np.clip(random.normal(0.05, spread), -0.5, 0.9))
        if scribe.is_slanted:
            slant = random.normal(0, _SLANTS[0])
        gap = random.uniform(-0.16, 0.04) if touching else random.uniform(0.03, 0.45)
        return cls(
            height_px=height_px,
            slant=slant,
            aspect=float(np.exp(random.normal(0, 0.13))),
            gap=float(gap),
            jitter=float(random.uniform(0, 0.07)),
            strength=float(random.uniform(0.7, 1)),
            zero_size=float(random.uniform(0.5, 1)) if random.random() < 0.3 else 1.0,
            first_size=float(random.uniform(1.1, 1.9)) if random.random() < 0.15 else 1.0,
            unevenness=float(random.uniform(0.05, 0.25)) if random.random() < 0.3 else 0.0,
            sinking=float(random.random()),
        )

    def draw_size(self, character: str, random: Random, *, is_first: bool) -> float:
        """Draws the size of a character, relative to the digit height of the number."""
        if character not in DIGITS:
            return 1.0
        size = self.zero_size * random.uniform(0.93, 1) if character == "0" else 1.0
        if is_first:
            size *= self.first_size
        return float(size * np.exp(random.normal(0, self.unevenness)))


def place(
    writing: Writing,
    glyph: Glyph,
    left: float,
    top: float,
    style: Style,
    random: Random,
    *,
    parts: Sequence[Part] | None = None,
    size: float = 1.0,
) -> float:
    """Puts a glyph on the page.

    Args:
        writing: Collects the placed glyph.
        glyph: The glyph.
        left: Left edge of its ink in pixels, before slanting.
        top: Upper edge of the digits on its line, in pixels.
        style: Style of the number.
        random: Random number generator; varies size and position slightly.
        parts: See `Placed.parts`. None means that the whole glyph is one mark.
        size: Size relative to the other glyphs of its line. Smaller ones have the same base line,
            larger ones are partly below it.

    Returns:
        The right edge of its ink in pixels, before slanting.
    """
    varied = size * float(np.exp(random.normal(0, style.jitter)))
    scale_y = style.height_px / GLYPH_HEIGHT * varied
    scale_x = scale_y * style.aspect
    below = max(size - 1, 0) * style.sinking
    y = top + (glyph.top + 1 - size + below + random.normal(0, style.jitter)) * style.height_px
    foot = top + style.height_px  # slanting keeps the base line fixed
    turn = random.normal(0, style.jitter * 0.6)
    slant = style.slant + random.normal(0, style.jitter * 0.5)
    matrix = np.array(
        [
            [scale_x, -slant * scale_y, left + slant * (foot - y)],
            [turn * scale_x, scale_y, y - turn * scale_x * glyph.ink.shape[1] / 2],
        ]
    )
    marks = (Part(glyph.label),) if parts is None else tuple(parts)
    strength = style.strength * random.uniform(0.92, 1)
    writing.placed.append(Placed(glyph, matrix, style.height_px, strength, marks))
    return float(left + glyph.ink.shape[1] * scale_x)


def write_text(
    writing: Writing,
    text: str,
    left: float,
    top: float,
    style: Style,
    scribe: Scribe,
    random: Random,
    *,
    rise: float = 0.0,
) -> float:
    """Writes a line of characters.

    Args:
        writing: Collects the placed glyphs.
        text: Characters of the line; a space leaves a gap.
        left: Left end of the line in pixels.
        top: Upper edge of the digits at the left end, in pixels.
        style: Style of all characters.
        scribe: Writes the characters.
        random: Random number generator.
        rise: Slope of the line: pixels down for each pixel to the right.

    Returns:
        The right end of the line in pixels.
    """
    x = left
    if style.gap < 0:
        joined = scribe.write_run(text, random)
        if joined:
            scale = style.height_px / GLYPH_HEIGHT * style.aspect
            return max(
                place(
                    writing, glyph, x + offset * scale, top + rise * offset * scale, style, random
                )
                for glyph, offset in joined
            )
    for index, character in enumerate(text):
        if character == " ":
            x += style.height_px * random.uniform(0.3, 0.9)
            continue
        glyph = scribe.write(character, random)
        gap = style.gap if character in DIGITS else max(style.gap, 0.02)
        gap += random.normal(0, 0.3 * abs(style.gap) + 0.02)
        size = style.draw_size(character, random, is_first=index == 0)
        right = place(writing, glyph, x, top + rise * (x - left), style, random, size=size)
        x = right + gap * style.height_px
    return x - style.gap * style.height_px


def write_word(
    writing: Writing,
    word: str,
    left: float,
    top: float,
    style: Style,
    scribes: Scriptorium,
    random: Random,
) -> float:
    """Writes a word in a handwriting or printed font. Each letter is a mark of the class `OTHER`.

    Args:
        writing: Collects the placed glyph.
        word: The word.
        left: Left edge of its ink in pixels, before slanting.
        top: Upper edge of the digits on its line, in pixels.
        style: Style of the word.
        scribes: Provides the fonts.
        random: Random number generator.

    Returns:
        The right edge of its ink in pixels, before slanting.
    """
    fonts = scribes.handwriting if random.random() < 0.7 else scribes.printed
    font = fonts[int(random.integers(len(fonts)))]
    ink, offset = render(font, word)
    starts = [*list_starts(font, word), float(ink.shape[1])]
    parts = []
    for begin, end in itertools.pairwise(starts):
        columns = ink[:, int(max(begin, 0)) : math.ceil(end)]
        rows = np.flatnonzero((columns > 96).any(axis=1))
        if rows.size:
            parts.append(Part(OTHER, (begin, float(rows[0]), end, float(rows[-1] + 1)), sure=True))
    return place(writing, Glyph(ink, offset, OTHER), left, top, style, random, parts=parts)
