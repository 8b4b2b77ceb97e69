"""The layouts of drawn pages: numbers, rows, tables, sums, words, single digits, nothing.

A layout chooses what is written where; `inkdigits.synthesis.pages` draws it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from inkdigits.recognition.alphabet import DIGITS
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
"""Pages over which a line runs, as a rule, a crease or a pen that slipped."""
_TABLE_SHARE: Final = 0.35
"""Signs that are written from the tables of strokes of `inkdigits.synthesis.letters`."""
_SIGN_SHARE: Final = 0.12
"""Of the digits that stand by themselves, replaced by a sign."""
_MOST_GLYPHS: Final = 120
"""Rows of small writing end there: more would take longer to draw than they teach."""


def draw_layout(side: int, scribes: Scriptorium, random: Random) -> tuple[Writing, float]:
    """Writes a page.

    Args:
        side: Of the square page, in pixels.
        scribes: Who writes.
        random: Chooses the layout and all in it.

    Returns:
        The writing, and the height of its digits in pixels.
    """
    names = list(LAYOUTS)
    weights = np.array([LAYOUTS[name][0] for name in names])
    layout = LAYOUTS[names[int(random.choice(len(names), p=weights / weights.sum()))]][1]
    height_px = float(np.exp(random.uniform(np.log(13), np.log(100))))
    writing = Writing()
    # Blur and coarse pixels of the camera follow the height that was written.
    height_px = layout(writing, side, height_px, scribes, random)
    if random.random() < _CROSSED_SHARE:
        _cross(writing, side, height_px, random)
    return writing, height_px


def _write_number(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Numbers by several hands, each by itself, as cut from forms."""
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
    """A line, straight or zigzag, whole or dotted, that crosses what is written."""
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
    """Lines that people draw below a number, or beside it, by chance."""
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
    """Several lines of numbers, with words here and there."""
    height_px = min(height_px, 70)
    scribe = scribes.hire(random)
    touching = random.random() < 0.3
    pitch = height_px * random.uniform(1.25, 2.3)
    rise = random.normal(0, 0.04)
    top = random.uniform(-0.3, 0.8) * height_px
    words = random.random() < 0.25
    while top < side - 0.4 * height_px and len(writing.placed) < _MOST_GLYPHS:
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


def _write_single(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Single digits of any size: alone, with a point, or between neighbours that an edge cuts.

    Small ones stand in cells of their own, each by another hand.
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
    """Digits, letters and signs all over the page, apart from each other."""
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
    """One of the signs by a hand, where it knows it, or a font; or one of the tables of strokes."""
    if random.random() < _TABLE_SHARE:
        return write_sign(random)
    sign = str(random.choice(list(signs)))
    writer = hand if random.random() < by_hand and sign in "+-/=×%:÷" else font
    return writer.write(sign, random)


def _write_table(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Cells with a digit or a short number each, their lines drawn or not."""
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
    """Words, letters and signs, hardly a digit."""
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
    """Polygons, bars and blobs, as icons and drawings have them."""
    for _ in range(int(random.integers(1, 7))):
        n = int(random.integers(2, 7))
        size = random.uniform(0.04, 0.35) * side
        if random.random() < 0.5:  # corners in turn around a middle
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
    """Curves, signatures, shapes, and strokes of something too large for the page."""
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
    """Digits far larger than the page, of which only strokes are seen."""
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
    """Digits too small to be read at this scale."""
    return _write_rows(writing, side, random.uniform(3.5, 14), scribes, random)


def _leave_blank(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> float:
    """Writes nothing."""
    return height_px


Layout = Callable[[Writing, int, float, Scriptorium, Random], float]
"""Writes on a page of a side in pixels, in about a height in pixels, and returns the height that it
kept to."""
LAYOUTS: Final[dict[str, tuple[float, Layout]]] = {
    "number": (0.26, _write_number),
    "rows": (0.11, _write_rows),
    "single": (0.17, _write_single),
    "scatter": (0.09, _scatter),
    "table": (0.09, _write_table),
    "words": (0.12, _write_words),
    "scribble": (0.06, _scribble),
    "giant": (0.02, _write_giant),
    "tiny": (0.02, _write_tiny),
    "blank": (0.06, _leave_blank),
}
"""How often each layout comes, and the function that writes it."""
