"""What is written on a drawn page, and where: numbers, tables, sums, words, single digits.

A layout puts glyphs on a page by affine maps; `inkdigits.synthesis.pages` draws them. Lengths are
in heights of a digit unless a name says pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import DIGITS, OTHER
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph
from inkdigits.synthesis.scribes import FontScribe, Scribe, Scriptorium, list_advances, render

Random = np.random.Generator

SIGNS: Final = "=×÷:%#*~<>[]{}€£@&?!()"
LETTERS: Final = "ACEFHJKLMNPRTUVWXYacdefhkmnprtvwx"
"""Letters that nobody takes for a digit when they stand alone; O, l, S and others are left out."""
WORDS: Final = [
    "total",
    "name",
    "date",
    "amount",
    "number",
    "account",
    "street",
    "city",
    "score",
    "time",
    "meter",
    "phone",
    "zip",
    "code",
    "page",
    "class",
    "student",
    "teacher",
    "hello",
    "world",
    "test",
    "grade",
    "room",
    "order",
    "invoice",
    "price",
    "qty",
    "sum",
    "yes",
    "no",
    "from",
    "to",
    "and",
    "in",
    "Januar",
    "Februar",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "December",
    "marzo",
    "abril",
    "enero",
    "pesos",
    "euros",
    "dollars",
    "nombre",
    "fecha",
    "firma",
    "cuenta",
    "importe",
    "folio",
    "libro",
    "parish",
    "born",
    "died",
    "married",
    "Anna",
    "Maria",
    "Johan",
    "Peter",
    "Lars",
    "Karl",
    "Jens",
    "Niels",
    "Carlos",
    "Juan",
    "apples",
    "bananas",
    "milk",
    "bread",
    "box",
    "kg",
    "cm",
    "Rue",
    "de",
    "la",
    "Paix",
    "Strasse",
    "gate",
    "weight",
    "length",
    "solve",
    "find",
    "value",
    "equals",
    "plus",
    "minus",
    "over",
    "answer",
]

_CROSSED_SHARE: Final = 0.05
"""Pages over which a line runs, as a rule, a crease or a pen that slipped."""
_SLANTS: Final = (0.06, 0.18, 0.4)
"""Standard deviations of the slant (horizontal shift for each unit of height) of upright, common
and strongly slanted hands; English round hand and its kin slant by 35 to 40° (0.7 to 0.85)."""


@dataclass(frozen=True, eq=False)
class Part:
    """A mark within a placed glyph: its box in pixels of the glyph, and its class.

    Attributes:
        label: Class of the reader, or None for ink that is no mark of its own.
        box: Left, top, right and bottom; None: all ink of the glyph.
    """

    label: int | None
    box: tuple[float, float, float, float] | None = None
    sure: bool = True


@dataclass(frozen=True, eq=False)
class Placed:
    """A glyph on a page.

    Attributes:
        glyph: What is written.
        matrix: float64, shape (2, 3): from pixels of the glyph to pixels of the page.
        height_px: Height of the digits it belongs to.
        strength: 0 to 1, how much ink.
        parts: The marks that it shows.
    """

    glyph: Glyph
    matrix: NDArray[np.float64]
    height_px: float
    strength: float
    parts: tuple[Part, ...]


@dataclass(eq=False)
class Writing:
    """What a layout gives: glyphs, and lines as polygons of the page.

    Attributes:
        placed: Glyphs, in the order of writing.
        lines: Lines ruled or struck by hand: points in pixels, thickness in pixels, strength.
    """

    placed: list[Placed] = field(default_factory=list)
    lines: list[tuple[NDArray[np.float64], float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Style:
    """How one number is written: digits of a number share it."""

    height_px: float
    slant: float
    aspect: float
    gap: float
    jitter: float
    strength: float

    @classmethod
    def draw(
        cls, height_px: float, scribe: Scribe, random: Random, *, touching: bool = False
    ) -> Style:
        """Draws a style for digits of the height given, written by the scribe given."""
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
        )


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
    layout(writing, side, height_px, scribes, random)
    if random.random() < _CROSSED_SHARE:
        _cross(writing, side, height_px, random)
    return writing, height_px


def place(
    writing: Writing,
    glyph: Glyph,
    left: float,
    top: float,
    style: Style,
    random: Random,
    *,
    parts: Sequence[Part] | None = None,
) -> float:
    """Puts a glyph on the page.

    Args:
        writing: Where to.
        glyph: What.
        left: Of its ink in pixels, before slanting.
        top: Of the digits of its line in pixels.
        style: Of the number.
        random: Varies size and place a little.
        parts: As `Placed.parts`; None: the glyph is one mark.

    Returns:
        The right edge of its ink in pixels, before slanting.
    """
    varied = float(np.exp(random.normal(0, style.jitter)))
    scale_y = style.height_px / GLYPH_HEIGHT * varied
    scale_x = scale_y * style.aspect
    y = top + (glyph.top + random.normal(0, style.jitter)) * style.height_px
    foot = top + style.height_px  # slanting keeps the line that the digits stand on
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
    return left + glyph.ink.shape[1] * scale_x


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
    """Writes a line of characters; returns its right end in pixels.

    Args:
        writing: Where to.
        text: A space leaves room.
        left: Where it begins, in pixels.
        top: Of its digits at the beginning, in pixels.
        style: Of all its characters.
        scribe: Writes it.
        random: Varies it.
        rise: Pixels down for each pixel to the right.
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
    for character in text:
        if character == " ":
            x += style.height_px * random.uniform(0.3, 0.9)
            continue
        glyph = scribe.write(character, random)
        gap = style.gap if character in DIGITS else max(style.gap, 0.02)
        gap += random.normal(0, 0.3 * abs(style.gap) + 0.02)
        right = place(writing, glyph, x, top + rise * (x - left), style, random)
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
    """Writes a word in a handwriting font, or a printed one; its letters are other marks."""
    fonts = scribes.handwriting if random.random() < 0.7 else scribes.printed
    font = fonts[random.integers(len(fonts))]
    ink, offset = render(font, word)
    advances = [*list_advances(font, word), float(ink.shape[1])]
    parts = []
    for begin, end in itertools.pairwise(advances):
        columns = ink[:, int(max(begin, 0)) : math.ceil(end)]
        rows = np.flatnonzero((columns > 96).any(axis=1))
        if rows.size:
            parts.append(Part(OTHER, (begin, float(rows[0]), end, float(rows[-1] + 1)), sure=True))
    return place(writing, Glyph(ink, offset, OTHER), left, top, style, random, parts=parts)


def compose_number(random: Random) -> str:
    """A number as people write it: plain, an amount, a date, a reading of a meter, a sum."""

    def digits(low: int, high: int) -> str:
        n = int(random.integers(low, high + 1))
        text = "".join(str(d) for d in random.integers(0, 10, n))
        if random.random() < 0.25:  # round numbers: zeros in a row touch
            zeros = int(random.integers(1, n + 1))
            text = text[: n - zeros] + "0" * zeros
        return text

    kind = random.choice(6, p=(0.46, 0.22, 0.08, 0.08, 0.08, 0.08))
    if kind == 0:
        return digits(1, 8)
    if kind == 1:
        text = digits(3, 6)
        if len(text) > 3 and random.random() < 0.75:
            text = text[:-3] + str(random.choice([".", ".", ".", ",", " "])) + text[-3:]
        ends = ["", "", ".", ",", "-", "—", ".-", ",-", " -", "=", ".=", ",00", ".00", " .", ".--"]
        return str(random.choice(["", "", "", "$", "-", "="])) + text + str(random.choice(ends))
    if kind == 2:
        mark = str(random.choice([".", "-", "/"]))
        return mark.join((digits(1, 2), digits(1, 2), digits(2, 4)))
    if kind == 3:
        return digits(1, 4) + str(random.choice([".", ","])) + digits(1, 3)
    if kind == 4:
        return digits(1, 3) + str(random.choice([".", ".", ")", ":", "°", "'"]))
    operations = ["+", "-", "×", "÷", "/", "*", "x"]
    parts = [digits(1, 2)]
    for _ in range(int(random.integers(1, 4))):
        parts += [str(random.choice(operations)), digits(1, 2)]
    if random.random() < 0.6:
        parts += ["=", digits(1, 3)]
    return (" " if random.random() < 0.5 else "").join(parts)


def _write_number(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """One number that takes most of the page's width, as cut from a form."""
    scribe = scribes.hire(random)
    style = Style.draw(height_px, scribe, random, touching=random.random() < 0.4)
    top = random.uniform(0.05, 0.75) * (side - height_px)
    rise = random.normal(0, 0.04)
    left = random.uniform(-0.3 * height_px, max(side - 4 * height_px, 1))
    right = write_text(writing, compose_number(random), left, top, style, scribe, random, rise=rise)
    _underline(writing, left, right, top + height_px, height_px, style, random)


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
) -> None:
    """Several lines of numbers, with words here and there."""
    height_px = min(height_px, 70)
    scribe = scribes.hire(random)
    touching = random.random() < 0.3
    pitch = height_px * random.uniform(1.25, 2.3)
    rise = random.normal(0, 0.04)
    top = random.uniform(-0.3, 0.8) * height_px
    words = random.random() < 0.25
    while top < side - 0.4 * height_px:
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


def _write_single(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """One digit of any size, alone, with a point, or between neighbours that the edge cuts."""
    height_px = float(np.exp(random.uniform(np.log(12), np.log(170))))
    scribe = scribes.hire(random)
    style = Style.draw(height_px, scribe, random, touching=random.random() < 0.5)
    text = str(random.integers(10))
    neighbours = random.random()
    if neighbours < 0.15:
        text += str(random.choice([".", ",", ")", "-"]))
    elif neighbours < 0.35:
        text = str(random.integers(10)) + text + str(random.choice(["", ".", *DIGITS]))
    left = random.uniform(-0.2, 1) * (side - height_px)
    top = random.uniform(-0.05, 1.05) * (side - height_px)
    right = write_text(writing, text, left, top, style, scribe, random)
    if random.random() < 0.15:
        _underline(writing, left, right, top + height_px, height_px, style, random)


def _scatter(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """Digits, letters and signs all over the page, apart from each other."""
    height_px = min(height_px, 80)
    scribe = scribes.hire(random)
    style = Style.draw(height_px, scribe, random)
    font = FontScribe(scribes.choose_font(random), random)
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
                sign = str(random.choice(list(LETTERS + SIGNS + "+-/+-")))
                writer = scribe if random.random() < 0.3 and sign in "+-/=×%:" else font
                place(writing, writer.write(sign, random), x, y, style, random)


def _write_table(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
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


def _write_words(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """Words, letters and signs, hardly a digit."""
    height_px = min(height_px, 80)
    top = random.uniform(-0.2, 1.5) * height_px
    isolated = random.random() < 0.35
    while top < side:
        hand = scribes.hire(random)
        style = Style.draw(height_px * random.uniform(0.7, 1.3), hand, random)
        x = random.uniform(-1, 3) * height_px
        if isolated:
            font = FontScribe(scribes.choose_font(random), random)
            n = int(random.integers(1, 6))
            for sign in random.choice(list(LETTERS + SIGNS + "+-/+-=×%"), n).tolist():
                writer = hand if random.random() < 0.5 and sign in "+-/=×%:" else font
                x = place(writing, writer.write(sign, random), x, top, style, random)
                x += height_px * random.uniform(0.1, 1.5)
        else:
            for _ in range(int(random.integers(1, 4))):
                word = WORDS[random.integers(len(WORDS))]
                word = word.upper() if random.random() < 0.15 else word
                x = write_word(writing, word, x, top, style, scribes, random)
                x += height_px * random.uniform(0.2, 0.8)
        top += height_px * random.uniform(1.5, 4)
        if random.random() < 0.4:
            return


def _scribble(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """Curves, signatures, crossings-out and strokes of something too large for the page."""
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


def _write_giant(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """Digits far larger than the page, of which only strokes are seen."""
    scribe = scribes.hire(random)
    style = Style.draw(side * random.uniform(1, 4), scribe, random)
    left = random.uniform(-1, 0.5) * style.height_px
    top = random.uniform(-0.9, 0.1) * style.height_px
    write_text(
        writing,
        "".join(str(d) for d in random.integers(0, 10, 2)),
        left,
        top,
        style,
        scribe,
        random,
    )


def _write_tiny(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """Digits too small to be read at this scale."""
    _write_rows(writing, side, random.uniform(3.5, 14), scribes, random)


def _leave_blank(
    writing: Writing, side: int, height_px: float, scribes: Scriptorium, random: Random
) -> None:
    """Nothing."""


Layout = Callable[[Writing, int, float, Scriptorium, Random], None]
LAYOUTS: Final[dict[str, tuple[float, Layout]]] = {
    "number": (0.24, _write_number),
    "rows": (0.14, _write_rows),
    "single": (0.18, _write_single),
    "scatter": (0.09, _scatter),
    "table": (0.09, _write_table),
    "words": (0.10, _write_words),
    "scribble": (0.03, _scribble),
    "giant": (0.03, _write_giant),
    "tiny": (0.04, _write_tiny),
    "blank": (0.06, _leave_blank),
}
"""How often each layout comes, and the function that writes it."""
