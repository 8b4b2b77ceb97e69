"""Layouts of drawn pages: numbers, rows, tables, sums, words, single digits, or blank.

A layout chooses the texts and their positions; `inkdigits.synthesis.pages` draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from inkdigits.results.alphabet import DIGITS
from inkdigits.synthesis.glyphs import Glyph
from inkdigits.synthesis.placing import (
    Random,
    Style,
    Writing,
    place,
    write_text,
    write_word,
)
from inkdigits.synthesis.scribes import Scribe, Scriptorium, write_sign
from inkdigits.synthesis.texts import LETTERS, SIGNS, WORDS, compose_number

_CROSSED_SHARE: Final = 0.08
"""Share of pages with a line across the writing, like a rule, a crease or a slipped pen."""
_TABLE_SHARE: Final = 0.35
"""Share of signs that come from the stroke tables of `inkdigits.synthesis.letters`."""
_SIGN_SHARE: Final = 0.12
"""Share of single digits that are replaced by a sign."""
_MAX_GLYPHS: Final = 120
"""Maximum number of glyphs in rows. More small writing costs time and teaches little."""


def draw_layout(
    side: int, scribes: Scriptorium, random: Random, name: str | None = None
) -> tuple[Writing, float]:
    """Writes the content of a page.

    Args:
        side: Side length of the square page in pixels.
        scribes: The writers.
        random: Random number generator for the layout and its content.
        name: Name of the layout in `LAYOUTS`; None: a random one.

    Returns:
        The writing, and the height of its digits in pixels.
    """
    if name is None:
        names = list(LAYOUTS)
        weights = np.array([LAYOUTS[name][0] for name in names])
        name = names[int(random.choice(len(names), p=weights / weights.sum()))]
    layout = LAYOUTS[name][1]
    height_px = float(np.exp(random.uniform(np.log(13), np.log(100))))
    writing = Writing()
    # Blur and pixelation of the camera depend on the height of the digits.
    height_px = layout(writing, side, height_px, scribes, random)
    if random.random() < _CROSSED_SHARE:
        _cross(writing, side, height_px, random)
    return writing, height_px


def _write_number(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes separate numbers by several writers, as cropped from forms."""
    top = random.uniform(-0.2, 0.6) * height_px
    if random.random() < 0.3:
        top = random.uniform(0.05, 0.75) * (side - height_px)
    least = height_px
    while top < side - 0.5 * height_px:
        least = min(least, height_px)
        scribe = scribes.hire(random)
        style = Style.draw(height_px, scribe, random, touching=random.random() < 0.4)
        rise = random.normal(0, 0.04)
        left = random.uniform(-0.3 * height_px, max(side - 4 * height_px, 1))
        number = compose_number(random)
        right = write_text(writing, number, left, top, style, scribe, random, rise=rise)
        _underline(writing, left, right, top + height_px, height_px, style, random)
        top += height_px * random.uniform(1.4, 2.2)
        if random.random() < 0.2:
            break
        height_px *= random.uniform(0.75, 1.3)
    return least


def _cross(writing: Writing, side: int, height_px: float, random: Random) -> None:
    """Draws a line across the writing: straight or zigzag, solid or dotted."""
    n = int(random.choice([2, 2, 5, 9]))
    points = np.stack([np.linspace(-0.1, 1.1, n), random.uniform(0, 1, n)], axis=1) * side
    if n > 2:
        points[:, 1] = points[0, 1] + random.normal(0, 0.3, n) * height_px
    if random.random() < 0.3:
        points = points[:, ::-1]
    thickness = max(height_px * random.uniform(0.02, 0.07), 1)
    if random.random() < 0.6:
        writing.lines.append((points, thickness, random.uniform(0.4, 1)))
        return
    steps = np.linspace(0, n - 1, 60)
    fine = np.stack([np.interp(steps, np.arange(n), points[:, axis]) for axis in (0, 1)], axis=1)
    for piece in fine.reshape(30, 2, 2):
        writing.lines.append((piece, thickness, random.uniform(0.4, 1)))


def _underline(
    writing: Writing,
    left: float,
    right: float,
    foot: float,
    height_px: float,
    style: Style,
    random: Random,
) -> None:
    """Draws lines below or beside some numbers, as people do."""
    if random.random() > 0.3:
        return
    for n in range(int(random.integers(1, 3))):
        y = foot + height_px * (random.uniform(0.08, 0.4) + 0.15 * n)
        ends = np.array([left, right]) + random.normal(0, 0.3, 2) * height_px
        points = np.array(
            [
                [ends[0], y],
                [ends.mean(), y + random.normal(0, 0.04) * height_px],
                [ends[1], y + random.normal(0, 0.12) * height_px],
            ]
        )
        thickness = max(height_px * random.uniform(0.03, 0.1), 1)
        writing.lines.append((points, thickness, style.strength))


def _write_rows(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes several lines of numbers, some with words."""
    height_px = min(height_px, 70)
    scribe = scribes.hire(random)
    touching = random.random() < 0.3
    pitch = height_px * random.uniform(1.25, 2.3)
    rise = random.normal(0, 0.04)
    top = random.uniform(-0.3, 0.8) * height_px
    words = random.random() < 0.25
    while top < side - 0.4 * height_px and len(writing.placed) < _MAX_GLYPHS:
        style = Style.draw(height_px * random.uniform(0.9, 1.1), scribe, random, touching=touching)
        x = random.uniform(-0.5, 2.5) * height_px
        for _ in range(int(random.integers(1, 4))):
            if words and random.random() < 0.5:
                word = WORDS[random.integers(len(WORDS))]
                x = write_word(writing, word, x, top + rise * x, style, scribes, random)
            else:
                number = compose_number(random)
                x = write_text(writing, number, x, top + rise * x, style, scribe, random, rise=rise)
            x += height_px * random.uniform(0.5, 2)
            if x > side:
                break
        top += pitch
    return height_px


def _write_labelled(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes numbers with words or letters close to them: dates, units, house numbers."""
    height_px = min(height_px, 80)
    scribe = scribes.hire(random)
    pitch = height_px * random.uniform(1.2, 2.2)
    top = random.uniform(-0.3, 1) * height_px
    while top < side - 0.4 * height_px and len(writing.placed) < _MAX_GLYPHS:
        style = Style.draw(height_px, scribe, random, touching=random.random() < 0.3)
        x = random.uniform(-0.5, 3) * height_px
        if random.random() < 0.3:
            x = _write_label(writing, x, top, style, scribes, random)
            x += height_px * random.uniform(0.02, 0.6)
        number = str(random.integers(1, 2100)) if random.random() < 0.6 else compose_number(random)
        x = write_text(writing, number, x, top, style, scribe, random)
        if random.random() < 0.7:
            x += height_px * random.uniform(0.02, 0.6)
            _write_label(writing, x, top, style, scribes, random)
        top += pitch
    return height_px


def _write_label(
    writing: Writing, left: float, top: float, style: Style, scribes: Scriptorium, random: Random
) -> float:
    """Writes a word or a letter, and returns its right edge in pixels."""
    word = WORDS[random.integers(len(WORDS))]
    if random.random() < 0.3:
        word = LETTERS[random.integers(len(LETTERS))]
    return write_word(writing, word, left, top, style, scribes, random)


def _write_single(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes single digits of any size: alone, with a mark, or between neighbouring digits.

    Small digits are in separate cells, each by another writer.
    """
    height_px = float(np.exp(random.uniform(np.log(12), np.log(170))))
    n = max(int(side / (2.6 * height_px)), 1) if random.random() < 0.6 else 1
    n = min(n, 3)
    cell = side / n
    for row in range(n):
        for column in range(n):
            scribe = scribes.hire(random)
            size = height_px * random.uniform(0.75, 1.15)
            style = Style.draw(size, scribe, random, touching=random.random() < 0.5)
            text = str(random.integers(10))
            reach = (0.1, 0.6) if n > 1 else (-0.2, 1)
            left = column * cell + random.uniform(*reach) * (cell - size)
            top = row * cell + random.uniform(-0.05, 1.05) * (cell - size)
            if random.random() < _SIGN_SHARE:
                font = scribes.hire_font(random)
                sign = _draw_sign(LETTERS + SIGNS, scribe, font, 0.3, random)
                place(writing, sign, left, top, style, random)
                continue
            neighbours = random.random()
            if neighbours < 0.15:
                text += str(random.choice([".", ",", ")", "-"]))
            elif neighbours < 0.35 and n < 3:
                text = str(random.integers(10)) + text + str(random.choice(["", ".", *DIGITS]))
            right = write_text(writing, text, left, top, style, scribe, random)
            if random.random() < 0.15:
                _underline(writing, left, right, top + size, size, style, random)
    return 0.75 * height_px


def _scatter(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes digits, letters and signs all over the page, separate from each other."""
    height_px = min(height_px, 80)
    scribe = scribes.hire(random)
    style = Style.draw(height_px, scribe, random)
    font = scribes.hire_font(random)
    digits = random.uniform(0.3, 1)
    cell = height_px * random.uniform(1.4, 2.5)
    for row in np.arange(random.uniform(-0.3, 0.3) * cell, side, cell):
        for column in np.arange(random.uniform(-0.3, 0.3) * cell, side, cell):
            if random.random() < 0.45:
                continue
            x, y = np.array([column, row]) + random.uniform(0, 0.25, 2) * cell
            if random.random() < digits:
                place(writing, scribe.write(str(random.integers(10)), random), x, y, style, random)
            else:
                sign = _draw_sign(LETTERS + SIGNS + "+-/+-÷", scribe, font, 0.3, random)
                place(writing, sign, x, y, style, random)
    return height_px


def _draw_sign(signs: str, hand: Scribe, font: Scribe, by_hand: float, random: Random) -> Glyph:
    """Writes a random sign: by a hand that has a form for it, with a font, or from the tables."""
    if random.random() < _TABLE_SHARE:
        return write_sign(random)
    sign = str(random.choice(list(signs)))
    writer = hand if random.random() < by_hand and sign in "+-/=×%:÷" else font
    return writer.write(sign, random)


def _write_table(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes a table with a digit or a short number in each cell, with or without lines."""
    height_px = min(height_px, 80)
    scribe = scribes.hire(random)
    style = Style.draw(height_px, scribe, random)
    longest = int(random.choice([1, 1, 1, 2, 3]))
    high = height_px * random.uniform(1.2, 2)
    wide = height_px * random.uniform(0.2, 0.6) + height_px * 0.8 * longest
    x0, y0 = random.uniform(-1, 0, 2) * (wide, high)
    columns, rows = int(side / wide) + 2, int(side / high) + 2
    filled = random.uniform(0.35, 1)
    for row in range(rows):
        for column in range(columns):
            if random.random() < filled:
                n = int(random.integers(1, longest + 1))
                text = "".join(str(d) for d in random.integers(0, 10, n))
                x = x0 + column * wide + random.uniform(0.1, 0.3) * wide
                y = y0 + row * high + (high - height_px) * random.uniform(0.25, 0.75)
                write_text(writing, text, x, y, style, scribe, random)
    if random.random() < 0.75:
        thickness = max(height_px * random.uniform(0.02, 0.09), 1)
        strength = random.uniform(0.3, 1)
        for row in range(rows + 1):
            y = y0 + row * high
            points = np.array([[x0, y], [x0 + columns * wide, y]])
            writing.lines.append((points, thickness, strength))
        for column in range(columns + 1):
            x = x0 + column * wide
            points = np.array([[x, y0], [x, y0 + rows * high]])
            writing.lines.append((points, thickness, strength))
    return height_px


def _write_words(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes words, letters and signs without digits."""
    height_px = min(height_px, 80)
    top = random.uniform(-0.2, 1.5) * height_px
    isolated = random.random() < 0.35
    while top < side:
        hand = scribes.hire(random)
        style = Style.draw(height_px * random.uniform(0.7, 1.3), hand, random)
        x = random.uniform(-1, 3) * height_px
        if isolated:
            font = scribes.hire_font(random)
            for _ in range(int(random.integers(1, 6))):
                sign = _draw_sign(LETTERS + SIGNS + "+-/+-=×%÷", hand, font, 0.5, random)
                x = place(writing, sign, x, top, style, random)
                x += height_px * random.uniform(0.1, 1.5)
        else:
            for _ in range(int(random.integers(1, 4))):
                word = WORDS[random.integers(len(WORDS))]
                word = word.upper() if random.random() < 0.15 else word
                x = write_word(writing, word, x, top, style, scribes, random)
                x += height_px * random.uniform(0.2, 0.8)
        top += height_px * random.uniform(1.5, 4)
        if random.random() < 0.4:
            break
    return height_px


def _draw_shapes(writing: Writing, side: int, random: Random) -> None:
    """Draws polygons, bars and blobs like those of icons and drawings."""
    for _ in range(int(random.integers(1, 7))):
        n = int(random.integers(2, 7))
        size = random.uniform(0.04, 0.35) * side
        if random.random() < 0.5:  # corners in order around a centre
            angles = np.sort(random.uniform(0, 2 * np.pi, n))
            points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size
            points = np.concatenate([points, points[:1]])
        else:
            points = random.uniform(-size, size, (n, 2))
        points = points + random.uniform(0, side, 2)
        thickness = max(side * float(np.exp(random.uniform(np.log(0.006), np.log(0.15)))), 1)
        writing.lines.append((points, thickness, random.uniform(0.5, 1)))


def _scribble(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Draws curves, signatures and shapes, some of them larger than the page."""
    if random.random() < 0.4:
        _draw_shapes(writing, side, random)
        return height_px
    for _ in range(int(random.integers(1, 4))):
        n = int(random.integers(4, 30))
        size = random.uniform(0.05, 0.5) * side
        steps = random.normal(0, size, (n, 2)) * (1, random.uniform(0.2, 1))
        smooth = np.cumsum(steps, axis=0)
        smooth = smooth - smooth.mean(axis=0)
        smooth *= random.uniform(0.1, 0.7) * side / max(float(np.abs(smooth).max()), 1)
        points = smooth + random.uniform(0, side, 2)
        fine = np.linspace(0, n - 1, n * 6)
        kernel = np.hanning(9) / np.hanning(9).sum()
        curve = np.stack(
            [
                np.convolve(np.interp(fine, np.arange(n), points[:, axis]), kernel, "valid")
                for axis in (0, 1)
            ],
            axis=1,
        )
        thickness = max(height_px * random.uniform(0.03, 0.18), 1)
        writing.lines.append((curve, thickness, random.uniform(0.6, 1)))
    return height_px


def _write_giant(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes digits much larger than the page, so that only strokes are visible."""
    scribe = scribes.hire(random)
    style = Style.draw(side * random.uniform(1, 4), scribe, random)
    left = random.uniform(-1, 0.5) * style.height_px
    top = random.uniform(-0.9, 0.1) * style.height_px
    text = "".join(str(digit) for digit in random.integers(0, 10, 2))
    write_text(writing, text, left, top, style, scribe, random)
    return height_px


def _write_tiny(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes digits that are too small to read at this scale."""
    return _write_rows(writing, side, random.uniform(3.5, 14), scribes, random)


def _leave_blank(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes nothing."""
    return height_px


Layout = Callable[[Writing, int, float, Scriptorium, Random], float]
"""Writes on a page of a given side with digits of about a given height, both in pixels. Returns the
height of the digits."""
LAYOUTS: Final[dict[str, tuple[float, Layout]]] = {
    "number": (0.23, _write_number),
    "rows": (0.09, _write_rows),
    "labelled": (0.07, _write_labelled),
    "single": (0.17, _write_single),
    "scatter": (0.09, _scatter),
    "table": (0.09, _write_table),
    "words": (0.10, _write_words),
    "scribble": (0.06, _scribble),
    "giant": (0.02, _write_giant),
    "tiny": (0.02, _write_tiny),
    "blank": (0.06, _leave_blank),
}
"""Relative frequency of each layout, and the function that writes it."""
