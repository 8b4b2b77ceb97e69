"""Pages of the suite `pages`: numbers written with MNIST's digits on paper, with known labels.

Training does not use these pages. Each of MNIST's test images shows one digit in a frame, but users
read whole pages. A page is arranged, written with a pen, drawn on paper with other marks, and
photographed; every step is random. `KINDS` lists the properties of each kind of page. LeCun et al.
(1998) put MNIST's digits side by side and Sabour et al. (2017) on top of each other, both on black;
here the digits are on paper.

Lengths are in digit heights unless a name says pixels. Ink and other cover are float32 of shape
(height, width), 0 background to 1 full ink.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.results.marks import Box
from inkdigits.synthesis.suite_arrangements import Arrangement, arrange, draw_between, place
from inkdigits.synthesis.suite_pens import Cover, Pen, interrupt, make_grain, write_digit
from inkdigits.synthesis.suite_surroundings import (
    Condition,
    Mark,
    Paint,
    add_noise,
    blend,
    compress,
    paint_coloured,
    paint_dark,
    paint_grey,
    print_words,
    rule,
    shade,
    slant_light,
    sprinkle,
    square,
    to_bytes,
)

_HEIGHTS_PX: Final = (28, 100)
"""Heights of digits on a page."""

_MIXED_SHARE: Final = 0.25
"""Probability of each mark and each condition on a mixed page."""


@dataclass(frozen=True, eq=False)
class Page:
    """A drawn page and its label.

    Attributes:
        picture: The picture to read: uint8, shape (height, width) or (height, width, 3) for RGB.
        text: The digits, lines separated by a newline, in the format of `Reading.text`.
        boxes: Bounding box of each digit, in the order of the text. Boxes of touching digits
            overlap.
        ink: The digits alone: uint8, shape (height, width), 0 background, 255 full ink.
    """

    picture: NDArray[np.uint8]
    text: str
    boxes: tuple[Box, ...]
    ink: NDArray[np.uint8]


@dataclass(frozen=True)
class Kind:
    """A kind of page.

    Attributes:
        arrangement: Arrangement of the digits.
        pens: Pens to choose from.
        marks: Other marks on the paper.
        paint: Colours of paper and ink.
        conditions: Effects of light and camera, in the order of application.
    """

    arrangement: Arrangement
    pens: tuple[Pen, ...]
    marks: tuple[Mark, ...]
    paint: Paint
    conditions: tuple[Condition, ...]


def draw_page(kind: str, digits: LabelledImages, random: np.random.Generator) -> Page:
    """Draws a page of numbers.

    Args:
        kind: One of `KINDS`.
        digits: Digits to write with, at least one; all have the same probability.
        random: Random number generator; the same state gives the same page.

    Raises:
        UsageError: The kind is unknown, there are no digits, or a digit has no ink.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind of page {kind!r}: expected one of {', '.join(KINDS)}")
    if not len(digits) or not digits.images.any(axis=(1, 2)).all():
        raise UsageError(
            f"cannot write with these {len(digits)} digits: expected at least one digit, and ink "
            "in each"
        )
    recipe = KINDS[kind] or _mix(random)
    height = float(np.exp(random.uniform(*np.log(_HEIGHTS_PX))))
    pen = recipe.pens[random.integers(len(recipe.pens))]
    width = None if pen.widths is None else random.uniform(*pen.widths)
    strength = random.uniform(*pen.strengths)

    def write(number: int) -> Cover:
        glyph = write_digit(digits.images[number], height * random.uniform(0.9, 1.1), width)
        return interrupt(glyph, draw_between((1, pen.gaps), random), random) if pen.gaps else glyph

    glyphs, lines = arrange(recipe.arrangement, len(digits), height, write, random)
    ink, boxes = place(glyphs, height, random)
    cover = ink * strength
    if pen.grain:
        cover *= make_grain(ink.shape, random)
    marks = [mark(cover, height, random) for mark in recipe.marks]
    photo = blend(np.maximum.reduce([cover, *marks]), *recipe.paint(random))
    for condition in recipe.conditions:
        photo = condition(photo, height, random)
    return Page(
        picture=to_bytes(photo),
        text="\n".join("".join(str(digits.labels[number]) for number in line) for line in lines),
        boxes=boxes,
        ink=to_bytes(ink * 255),
    )


_ROW = Arrangement()
_OWN_STROKES = Pen()
_FINE_PEN = Pen(widths=(0.03, 0.06))
_BALLPOINT = Pen(widths=(0.06, 0.1))
_MARKER = Pen(widths=(0.14, 0.18))
_PENCIL = Pen(widths=(0.05, 0.09), strengths=(0.25, 0.45), grain=True)
_DRY_PENS = (Pen(gaps=2), Pen(widths=(0.06, 0.1), gaps=2))
_PENS = (_OWN_STROKES, _OWN_STROKES, _BALLPOINT, _FINE_PEN, _MARKER)


def _make_kind(
    arrangement: Arrangement = _ROW,
    pens: tuple[Pen, ...] = _PENS,
    *,
    marks: tuple[Mark, ...] = (),
    paint: Paint = paint_grey,
    conditions: tuple[Condition, ...] = (),
) -> Kind:
    return Kind(arrangement, pens, marks, paint, conditions)


KINDS: Final[Mapping[str, Kind | None]] = MappingProxyType(
    {
        "digit": _make_kind(Arrangement(digits=(1, 1))),
        "row": _make_kind(),
        "columns": _make_kind(Arrangement(lines=(2, 4), numbers=(2, 3), digits=(1, 4))),
        "lines": _make_kind(Arrangement(lines=(2, 5))),
        "touching": _make_kind(Arrangement(digits=(2, 4), depth=(0.0, 0.03))),
        "overlapping": _make_kind(Arrangement(digits=(2, 3), depth=(0.06, 0.14))),
        "broken": _make_kind(pens=_DRY_PENS),
        "thin": _make_kind(pens=(_FINE_PEN,)),
        "thick": _make_kind(pens=(_MARKER,)),
        "pencil": _make_kind(pens=(_PENCIL,)),
        "ruled": _make_kind(marks=(rule,)),
        "squared": _make_kind(marks=(square,)),
        "print": _make_kind(marks=(print_words,)),
        "specks": _make_kind(marks=(sprinkle,)),
        "dark": _make_kind(paint=paint_dark),
        "coloured": _make_kind(paint=paint_coloured),
        "gradient": _make_kind(conditions=(slant_light,)),
        "shadow": _make_kind(conditions=(shade,)),
        "noise": _make_kind(conditions=(add_noise,)),
        "jpeg": _make_kind(conditions=(compress,)),
        "mixed": None,
    }
)
"""Kinds of pages by name. The kind None combines properties of the others at random."""


def _mix(random: np.random.Generator) -> Kind:
    """Returns a kind that combines properties of the others at random."""
    others = [kind for kind in KINDS.values() if kind is not None]

    def pick() -> Kind:
        return others[random.integers(len(others))]

    marks = [mark for kind in others for mark in kind.marks]
    conditions = [condition for kind in others for condition in kind.conditions]
    return Kind(
        pick().arrangement,
        pick().pens,
        tuple(mark for mark in marks if random.random() < _MIXED_SHARE),
        pick().paint,
        tuple(condition for condition in conditions if random.random() < _MIXED_SHARE),
    )
