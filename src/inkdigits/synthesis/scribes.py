"""Writers of drawn pages: MNIST's writers, handwriting fonts, and stroke hands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.recognition.framing import measure_stroke
from inkdigits.recognition.opencv import cv2
from inkdigits.results.alphabet import CHARACTERS, DASH, DIGITS, OTHER
from inkdigits.synthesis.digit_forms import write_other_form
from inkdigits.synthesis.font_glyphs import FAINT, has_character, render
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph, Ink
from inkdigits.synthesis.letters import LETTERS, SYMBOLS, draw_strokes
from inkdigits.synthesis.pens import bend, break_stroke, change_pen, enlarge
from inkdigits.synthesis.strokes import LABELS as STROKE_LABELS
from inkdigits.synthesis.strokes import StrokeHand

LABELS: Final = {
    **{digit: label for label, digit in enumerate(DIGITS)},
    **{character: label for label, character in CHARACTERS.items()},
    "—": DASH,
}
"""Class of each character that has its own class; all others are `OTHER`."""

_OTHER_FORM_SHARE: Final = 0.35
"""Share of MNIST's digits that get another form. With a third, the European forms of 1, 6, 7 and 9
in `digit_forms` are about as frequent as the American ones."""
_NEW_PEN_SHARE: Final = 0.6
"""Share of MNIST's digits that are redrawn with another pen; the others keep MNIST's strokes."""
_BROKEN_SHARE: Final = 0.04
"""Share of MNIST's digits with a gap, like that of a skipping pen; it is rare, as on paper."""
_NEARBY: Final = 0.12
"""A writer uses this share of the digits, those with similar stroke widths."""
_FIELD_SHARE: Final = 0.035
"""Maximum distortion of a font's character, as a share of its longer side (standard deviation of a
random field on 4 × 4 points): 2 of 64 pixels, less than a stroke width."""


class Scribe(Protocol):
    """A writer: writes characters in one handwriting."""

    @property
    def is_slanted(self) -> bool:
        """Whether its glyphs are already slanted."""
        ...

    def write_run(self, text: str, random: np.random.Generator) -> list[tuple[Glyph, float]] | None:
        """Writes characters that are joined or touch.

        Returns:
            Each glyph and the position of its left edge in pixels, or None if this writer does
            not join its characters.
        """
        ...

    def write(self, character: str, random: np.random.Generator) -> Glyph:
        """Writes one character; each call varies it like handwriting."""
        ...


class DigitBank:
    """MNIST's digits as glyphs, some with other pens and in other forms, sorted by stroke width.

    Attributes:
        digits: The tiles that the glyphs were made from.
    """

    def __init__(self, digits: LabelledImages, n: int, random: np.random.Generator) -> None:
        """Prepares glyphs.

        Args:
            digits: Tiles of all ten digits.
            n: Number of glyphs to prepare.
            random: Random number generator for digits, forms and pens.

        Raises:
            UsageError: One of the ten digits is missing among the chosen tiles.
        """
        self.digits = digits
        chosen = random.permutation(len(digits))[:n]
        glyphs: list[list[tuple[float, Glyph]]] = [[] for _ in DIGITS]
        for index in chosen.tolist():
            label = int(digits.labels[index])
            ink = enlarge(digits.images[index])
            if random.random() < _OTHER_FORM_SHARE:
                ink = write_other_form(ink, label, random)
            ink = bend(ink, random)
            if random.random() < _NEW_PEN_SHARE:
                ink = change_pen(ink, random)
            if random.random() < _BROKEN_SHARE:
                ink = break_stroke(ink, random)
            if not (cropped := crop_ink(ink)).size:
                continue
            scale = GLYPH_HEIGHT / max(cropped.shape)
            glyph = Glyph(_scale(cropped, scale), 0.0, label)
            glyphs[label].append((measure_stroke(glyph.ink), glyph))
        if missing := [
            digit for digit, of_label in zip(DIGITS, glyphs, strict=True) if not of_label
        ]:
            raise UsageError(
                f"no {', '.join(missing)} among the {len(chosen)} digits to write with: expected "
                "all ten digits; choose more"
            )
        self._glyphs = [
            [glyph for _, glyph in sorted(of_label, key=lambda pair: pair[0])]
            for of_label in glyphs
        ]

    def draw(self, label: int, width: float, random: np.random.Generator) -> Glyph:
        """Draws a random digit of about a given stroke width.

        Args:
            label: The digit, 0 to 9.
            width: Rank of the stroke width, 0 for the thinnest to 1 for the thickest.
            random: Random number generator.
        """
        of_label = self._glyphs[label]
        place = width + random.uniform(-_NEARBY, _NEARBY) / 2
        return of_label[int(np.clip(place, 0, 1) * (len(of_label) - 1))]


class BankScribe:
    """Imitates one of MNIST's writers: digits of similar stroke widths, marks by a stroke hand."""

    is_slanted = False

    def __init__(self, bank: DigitBank, marks: Scribe, random: np.random.Generator) -> None:
        """Chooses a stroke width; `marks` writes all other characters."""
        self._bank = bank
        self._width = random.random()
        self._marks = marks

    def write_run(self, text: str, random: np.random.Generator) -> list[tuple[Glyph, float]] | None:
        """Returns None, because this writer does not join its characters."""
        return None

    def write(self, character: str, random: np.random.Generator) -> Glyph:
        """Writes one character."""
        if character in DIGITS:
            return self._bank.draw(LABELS[character], self._width, random)
        return self._marks.write(character, random)


class FontScribe:
    """Writes with a font and distorts each character slightly."""

    is_slanted = False

    def __init__(
        self,
        font: Path,
        random: np.random.Generator,
        *,
        others: Sequence[Path] = (),
        bending: float = 1.0,
    ) -> None:
        """Chooses the stroke thickness.

        Args:
            font: A font file that Pillow can open.
            random: Random number generator for the thickness.
            others: Fonts for the characters that this one lacks.
            bending: Strength of the distortion; 0 keeps the forms of the font.
        """
        self._font = font
        self._others = others
        self._bending = bending
        self._thicker = int(random.choice([-1, 0, 0, 0, 1, 2])) if bending else 0

    def write_run(self, text: str, random: np.random.Generator) -> list[tuple[Glyph, float]] | None:
        """Returns None, because this writer does not join its characters."""
        return None

    def write(self, character: str, random: np.random.Generator) -> Glyph:
        """Writes one character.

        Raises:
            UsageError: Neither the font nor one of the others has the character.
        """
        font = self._font
        if not has_character(font, character):
            available = [other for other in self._others if has_character(other, character)]
            if not available:
                raise UsageError(
                    f"no font has {character!r}: searched {font.name} and {len(self._others)} "
                    "others; give a font that has it"
                )
            font = available[int(random.integers(len(available)))]
        ink, top = render(font, character)
        if self._bending:
            ink = warp(ink, random, self._bending, self._thicker)
        return Glyph(ink, top, LABELS.get(character, OTHER))


class StrokeScribe:
    """Writes with a stroke hand, and with a font if the hand has no form of a character."""

    is_slanted = True

    def __init__(self, others: Scribe, random: np.random.Generator) -> None:
        """Draws the hand; `others` writes the characters without a stroke form."""
        self.hand = StrokeHand.draw(random)
        self._others = others

    def write_run(self, text: str, random: np.random.Generator) -> list[tuple[Glyph, float]] | None:
        """Writes joined characters; returns None if one has no stroke form."""
        if not all(character in STROKE_LABELS for character in text):
            return None
        return self.hand.write_joined(text, random)

    def write(self, character: str, random: np.random.Generator) -> Glyph:
        """Writes one character."""
        writer = self.hand if character in STROKE_LABELS else self._others
        return writer.write(character, random)


def write_sign(random: np.random.Generator) -> Glyph:
    """Writes a random letter, sign or small drawing of `inkdigits.synthesis.letters`."""
    tables = {**LETTERS, **SYMBOLS}
    name = list(tables)[int(random.integers(len(tables)))]
    ink = crop_ink(draw_strokes(tables[name], random))
    return Glyph(_scale(ink, GLYPH_HEIGHT / max(ink.shape)), 0.0, OTHER)


def warp(ink: Ink, random: np.random.Generator, strength: float, thicker: int) -> Ink:
    """Distorts a glyph by a smooth random field (Simard et al., 2003) and changes its thickness.

    Args:
        ink: uint8, shape (height, width), 0 background, 255 full ink.
        random: Random number generator.
        strength: Factor of the distortion.
        thicker: Number of pixels by which each edge grows; -1 makes thick strokes thinner.

    Returns:
        The distorted ink, uint8, cropped.
    """
    height, width = ink.shape
    margin = max(height, width) // 6 + 2
    framed = cv2.copyMakeBorder(ink, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    rows, columns = framed.shape
    reach = strength * random.uniform(0, _FIELD_SHARE) * max(height, width)
    field = (reach * random.standard_normal((4, 4, 2))).astype(np.float32)
    field = cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)
    places_x, places_y = _grid(rows, columns)
    places_x, places_y = places_x + field[..., 0], places_y + field[..., 1]
    bent = cv2.remap(framed, places_x, places_y, cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    if thicker > 0:
        bent = cv2.dilate(bent, np.ones((3, 3), np.uint8), iterations=thicker).astype(np.uint8)
    elif thicker < 0 and measure_stroke(bent) > 5:  # thinner pens would leave gaps
        bent = cv2.erode(bent, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)
    cropped = crop_ink(bent)
    return cropped if cropped.size else ink


@lru_cache(maxsize=4096)
def _grid(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    places_y, places_x = np.indices((rows, columns), np.float32)
    return places_x, places_y


def crop_ink(ink: Ink) -> Ink:
    """Crops a canvas to its ink; the result is empty if there is no ink."""
    x, y, width, height = cv2.boundingRect((ink > FAINT).astype(np.uint8))
    return np.ascontiguousarray(ink[y : y + height, x : x + width])


def _scale(ink: Ink, scale: float) -> Ink:
    size = (max(round(ink.shape[1] * scale), 1), max(round(ink.shape[0] * scale), 1))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(ink, size, interpolation=interpolation).astype(np.uint8, copy=False)


class Scriptorium:
    """The sources of writing from which each page draws one or more scribes.

    Attributes:
        bank: MNIST's digits.
        handwriting: Handwriting font files.
        printed: Printed font files.
        photographs: Photographs: float32, shape (height, width), 0 black to 1 white.
    """

    def __init__(
        self,
        bank: DigitBank,
        handwriting: Sequence[Path],
        printed: Sequence[Path],
        photographs: Sequence[Path] = (),
        *,
        shares: tuple[float, float, float, float] = (0.36, 0.24, 0.37, 0.03),
    ) -> None:
        """Loads the photographs.

        Args:
            bank: MNIST's digits.
            handwriting: Handwriting font files, at least one.
            printed: Printed font files, at least one.
            photographs: Picture files without writing, used as backgrounds instead of paper.
            shares: Probabilities that the writer is one of MNIST's, a handwriting font, a stroke
                hand, or a printed font; they sum to 1.
        """
        self.bank = bank
        self.handwriting = handwriting
        self.printed = printed
        self.photographs = [_load_grey(path) for path in photographs]
        self._shares = shares

    def hire(self, random: np.random.Generator) -> Scribe:
        """Draws a random writer."""
        kind = random.choice(4, p=self._shares)
        font = self.hire_font(random)
        if kind == 0:
            return BankScribe(self.bank, StrokeScribe(font, random), random)
        if kind == 1:
            return font
        if kind == 2:
            return StrokeScribe(font, random)
        printed = self.printed[int(random.integers(len(self.printed)))]
        others = [*self.printed, *self.handwriting]
        return FontScribe(printed, random, others=others, bending=0.0)

    def hire_font(self, random: np.random.Generator) -> FontScribe:
        """Draws a random handwriting font, with the others for the characters that it lacks."""
        font = self.handwriting[int(random.integers(len(self.handwriting)))]
        return FontScribe(font, random, others=self.handwriting)


def _load_grey(path: Path) -> NDArray[np.float32]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), np.float32) / np.float32(255)
