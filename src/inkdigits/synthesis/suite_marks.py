"""Pictures of the suite `marks`: numbers with separators, and marks that are not numbers.

Training does not use these pictures. They show MNIST's test digits, held-out fonts, stroke hands
drawn for each picture, and letters and signs of `held_out_marks`, on this suite's own papers. Only
blank pages use the same papers, prints and camera as training, because these vary the most.

Cover is float32 of shape (height, width), 0 background to 1 full ink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.data.fonts import Font
from inkdigits.errors import UsageError
from inkdigits.recognition.opencv import cv2
from inkdigits.results.alphabet import OTHER
from inkdigits.synthesis.camera import take_picture
from inkdigits.synthesis.font_glyphs import has_character, render
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph
from inkdigits.synthesis.held_out_marks import HELD_OUT_KINDS
from inkdigits.synthesis.papers import draw_paper, log_uniform
from inkdigits.synthesis.placing import Style, Writing, place, write_text
from inkdigits.synthesis.prints import draw_print
from inkdigits.synthesis.scribes import LABELS, DigitBank, Scriptorium
from inkdigits.synthesis.suite_pens import Cover
from inkdigits.synthesis.suite_surroundings import (
    add_noise,
    blend,
    compress,
    paint_dark,
    paint_grey,
    shade,
    slant_light,
    to_bytes,
)

Random = np.random.Generator
Picture = NDArray[np.uint8]

_WORDS: Final = (
    "river mountain window kitchen garden letter morning evening friend summer winter village "
    "market orange paper music doctor bridge Montag Garten Wolke Brief Regen Fenster Nachbar "
    "maison jardin matin soleil livre chanson ventana camino noche verde trabajo mercato cielo "
    "strada finestra Emma Paul Sofia Hugo Clara"
)
WORDS: Final = tuple(_WORDS.split())
"""Words that do not occur on training pages (`inkdigits.synthesis.texts`)."""

_HAND_LETTERS: Final = "ACEFHKLMNPRUWXacdefhkmnprtwx"
"""Letters that were checked by eye in all eight held-out handwriting fonts. J, T, V, Y and v are
left out because they resemble 1, 7, 9 or 0 in some fonts, and so are the letters that
`held_out_marks` leaves out."""
_HAND_SIGNS: Final = "#%&@*=<?€§"
"""Signs without brackets and bars, which could be a 1."""
_OTHER_SOURCE_SHARE: Final = 0.5
"""Share of letters and signs from `held_out_marks`; the others use the handwriting fonts."""

_SCRIBE_SHARES: Final = (0.3, 0.4, 0.25, 0.05)
"""Shares of numbers by MNIST's writers, handwriting fonts, stroke hands and printed fonts. The
first three are frequent enough to be measured. Handwriting fonts have the largest share, because
they say most about unseen handwriting."""
_N_BANK_DIGITS: Final = 2_000
"""Number of test digits to write with: 200 of each digit, prepared within one or two seconds."""

_HEIGHTS_PX: Final = (24.0, 100.0)
"""Heights of digits. At 24 pixels a point is 2 to 3 pixels wide, which people can see. The suite
`pages` covers small writing."""
_MARGINS: Final = (0.4, 1.5)
"""Empty margin around the writing, in digit heights."""
_CANVAS_SHARE: Final = 0.3
"""Share of pictures as drawn on a screen: black and white, without paper, light or camera."""
_CONDITION_SHARE: Final = 0.25
"""Probability of each of light, shadow, noise and JPEG for a picture on paper, as on the mixed
pages of the suite `pages`."""

_BLANK_SIDES_PX: Final = (100.0, 800.0)
_BLANK_SCALES_PX: Final = (12.0, 200.0)
"""Heights of writing to which texture and print of a blank page are relative."""
_BLANK_PRINT_SHARE: Final = 0.3
"""Share of blank pages with a print."""


@dataclass(frozen=True, eq=False)
class MarkPicture:
    """A drawn picture and its label.

    Attributes:
        picture: The picture to read: uint8, shape (height, width).
        text: Digits and separators in the format of `Reading.to_text(separators=True)`; "" if
            there is nothing to read.
    """

    picture: Picture
    text: str = ""


def gather_scribes(
    digits: LabelledImages, fonts: Sequence[Font], random: Random, *, n_digits: int = _N_BANK_DIGITS
) -> Scriptorium:
    """Collects the writers of this suite: digits and fonts.

    Args:
        digits: MNIST's test digits; all ten digits must occur.
        fonts: Held-out fonts of both kinds, handwriting and printed.
        random: Random number generator for digits, forms and pens.
        n_digits: Number of digits to write with.

    Raises:
        UsageError: A font is one of training, a kind of font is missing, or a digit is missing.
    """
    if trained := [font.name for font in fonts if font.part != "held-out"]:
        raise UsageError(
            f"training pages use the fonts {', '.join(trained)}: expected fonts of the part "
            "'held-out'"
        )
    handwriting = [font.path for font in fonts if font.kind == "handwriting"]
    printed = [font.path for font in fonts if font.kind == "printed"]
    if not handwriting or not printed:
        raise UsageError(
            f"got {len(handwriting)} handwriting and {len(printed)} printed fonts: expected at "
            "least one of each"
        )
    bank = DigitBank(digits, n_digits, random)
    return Scriptorium(bank, handwriting, printed, shares=_SCRIBE_SHARES)


def compose_number(random: Random) -> str:
    """Returns a random number as people write it. Three of ten have no separators."""

    def draw_digits(low: int, high: int) -> str:
        n = int(random.integers(low, high + 1))
        return "".join(str(digit) for digit in random.integers(0, 10, n))

    def pick(marks: str) -> str:
        return marks[random.integers(len(marks))]

    kind = random.choice(7, p=(0.3, 0.12, 0.14, 0.14, 0.1, 0.1, 0.1))
    if kind == 0:
        return draw_digits(1, 8)
    if kind == 1:  # 1.300
        return draw_digits(1, 3) + pick("..,") + draw_digits(3, 3)
    if kind == 2:  # 3,50
        return draw_digits(1, 3) + pick(".,") + draw_digits(1, 2)
    if kind == 3:  # 12-05-2024
        mark = pick("-/.")
        return mark.join((draw_digits(1, 2), draw_digits(1, 2), draw_digits(2, 4)))
    if kind == 4:  # 7/8
        return draw_digits(1, 2) + "/" + draw_digits(1, 2)
    if kind == 5:  # 1+7
        parts = [draw_digits(1, 2) for _ in range(int(random.integers(2, 4)))]
        return pick("++-").join(parts)
    return draw_digits(2, 4) + pick(".,") + "-"  # 450,-


def draw_number(scribes: Scriptorium, random: Random) -> MarkPicture:
    """Draws one number by one writer."""
    text = compose_number(random)
    scribe = scribes.hire(random)
    writing = Writing()
    style = _draw_style(random, is_slanted=scribe.is_slanted)
    write_text(writing, text, 0, 0, style, scribe, random)
    return MarkPicture(_lay_down(writing, random), text)


def draw_letter(scribes: Scriptorium, random: Random) -> MarkPicture:
    """Draws one letter that does not resemble a digit."""
    if random.random() < _OTHER_SOURCE_SHARE:
        return MarkPicture(HELD_OUT_KINDS["letters of fonts"](random))
    return _draw_character(_HAND_LETTERS, scribes, random)


def draw_sign(scribes: Scriptorium, random: Random) -> MarkPicture:
    """Draws one sign that does not resemble a digit."""
    if random.random() < _OTHER_SOURCE_SHARE:
        return MarkPicture(HELD_OUT_KINDS["mathematical signs"](random))
    return _draw_character(_HAND_SIGNS, scribes, random)


def draw_words(scribes: Scriptorium, random: Random) -> MarkPicture:
    """Draws one to three words on a line, in one handwriting font."""
    font = scribes.handwriting[int(random.integers(len(scribes.handwriting)))]
    style = _draw_style(random)
    writing, left = Writing(), 0.0
    for word in random.choice(WORDS, int(random.integers(1, 4))).tolist():
        ink, top = render(font, word)
        right = place(writing, Glyph(ink, top, OTHER), left, 0, style, random)
        left = right + random.uniform(0.3, 0.6) * style.height_px
    return MarkPicture(_lay_down(writing, random))


def draw_blank_page(scribes: Scriptorium, random: Random) -> MarkPicture:
    """Draws paper of any grain and light without writing, sometimes with a print."""
    height, width = (round(log_uniform(random, *_BLANK_SIDES_PX)) for _ in range(2))
    scale = log_uniform(random, *_BLANK_SCALES_PX)
    paper = draw_paper((height, width), scale, random)
    if random.random() < _BLANK_PRINT_SHARE:
        paper = paper * (1 - draw_print((height, width), scale, random) * random.uniform(0.3, 1))
    picture, _ = take_picture(np.clip(paper, 0, 1).astype(np.float32), random, scale)
    return MarkPicture(picture)


def cut_photograph(scribes: Scriptorium, random: Random) -> MarkPicture:
    """Crops a patch of a photograph that training does not use."""
    return MarkPicture(HELD_OUT_KINDS["photographs"](random))


Draw = Callable[[Scriptorium, Random], MarkPicture]

KINDS: Final[Mapping[str, tuple[int, Draw]]] = MappingProxyType(
    {
        "separators": (1_000, draw_number),
        "letters": (500, draw_letter),
        "signs": (500, draw_sign),
        "words": (500, draw_words),
        "blank paper": (1_000, draw_blank_page),
        "photographs": (500, cut_photograph),
    }
)
"""Number of pictures of each kind, and the function that draws one. With 500 pictures the 95 %
interval of a share of 95 % is 2 points to either side, with 1,000 pictures 1.4 points."""


def _draw_character(characters: str, scribes: Scriptorium, random: Random) -> MarkPicture:
    """Draws one of the characters in a handwriting font that has it."""
    font = scribes.handwriting[int(random.integers(len(scribes.handwriting)))]
    available = [character for character in characters if has_character(font, character)]
    character = available[random.integers(len(available))]
    ink, top = render(font, character)
    writing = Writing()
    glyph = Glyph(ink, top, LABELS.get(character, OTHER))
    place(writing, glyph, 0, 0, _draw_style(random), random)
    return MarkPicture(_lay_down(writing, random))


def _draw_style(random: Random, *, is_slanted: bool = False) -> Style:
    """Draws a random style of unjoined writing, at the height of glyphs."""
    # Hands and fonts that are already slanted get no further slant, which would make them
    # illegible.
    slant = 0.0 if is_slanted else float(np.clip(random.normal(0.05, 0.12), -0.2, 0.35))
    return Style(
        height_px=GLYPH_HEIGHT,
        slant=slant,
        aspect=float(np.exp(random.normal(0, 0.1))),
        gap=float(random.uniform(0.06, 0.35)),
        jitter=float(random.uniform(0, 0.05)),
        strength=float(random.uniform(0.75, 1)),
    )


def _lay_down(writing: Writing, random: Random) -> Picture:
    """Draws the writing in a random size, on a plain canvas or as a photograph of paper."""
    height_px = log_uniform(random, *_HEIGHTS_PX)
    fine = _draw_cover(writing, random)
    factor = height_px / GLYPH_HEIGHT
    size = (max(round(fine.shape[1] * factor), 1), max(round(fine.shape[0] * factor), 1))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    cover = cv2.resize(fine, size, interpolation=way).astype(np.float32, copy=False)
    if random.random() < _CANVAS_SHARE:
        drawn = to_bytes(cover / max(float(cover.max()), 1e-6) * np.float32(255))
        return drawn if random.random() < 0.5 else 255 - drawn
    paint = paint_dark if random.random() < 0.25 else paint_grey
    photo = blend(cover, *paint(random))
    for condition in (slant_light, shade, add_noise, compress):
        if random.random() < _CONDITION_SHARE:
            photo = condition(photo, height_px, random)
    return to_bytes(photo)


def _draw_cover(writing: Writing, random: Random) -> Cover:
    """Draws all glyphs of the writing with empty margins."""
    corners = []
    for placed in writing.placed:
        height, width = placed.glyph.ink.shape
        outline = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
        corners.append(outline @ placed.matrix[:, :2].T + placed.matrix[:, 2])
    points = np.concatenate(corners)
    before, after = random.uniform(*_MARGINS, (2, 2)) * GLYPH_HEIGHT
    start = points.min(axis=0) - before
    columns, rows = np.ceil(points.max(axis=0) + after - start).astype(int).tolist()
    cover = np.zeros((rows, columns), np.float32)
    for placed in writing.placed:
        matrix = placed.matrix.copy()
        matrix[:, 2] -= start
        ink = cv2.warpAffine(placed.glyph.ink, matrix, (columns, rows))
        np.maximum(cover, ink * np.float32(placed.strength / 255), out=cover)
    return cover
