"""Scribes: glyphs of the right class, whole characters of every font, one hand for a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.data.fonts import Font
from inkdigits.errors import UsageError
from inkdigits.recognition.framing import measure_stroke
from inkdigits.results.alphabet import DASH, DIGITS, OTHER, POINT
from inkdigits.synthesis.font_glyphs import has_character, list_starts, render
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT
from inkdigits.synthesis.scribes import DigitBank, FontScribe, Scribe, Scriptorium, StrokeScribe
from inkdigits.synthesis.texts import LETTERS, SIGNS


def find_font(fonts: tuple[Font, ...], name: str) -> Path:
    return next(font.path for font in fonts if font.name == name)


def test_bank_writes_digits_of_like_pens(mnist: Mnist) -> None:
    bank = DigitBank(mnist.train, 600, np.random.default_rng(3))
    random = np.random.default_rng(4)

    thin = [measure_stroke(bank.draw(8, 0.0, random).ink) for _ in range(10)]
    thick = [measure_stroke(bank.draw(8, 1.0, random).ink) for _ in range(10)]
    assert max(thin) < min(thick)
    for label in range(10):
        glyph = bank.draw(label, 0.5, random)
        assert glyph.label == label
        assert max(glyph.ink.shape) == GLYPH_HEIGHT


def test_bank_without_a_digit_says_so(mnist: Mnist) -> None:
    threes = mnist.train.take(np.flatnonzero(mnist.train.labels == 3)[:20])

    with pytest.raises(UsageError, match="no 0, 1, 2, 4, 5, 6, 7, 8, 9 among the 20 digits"):
        DigitBank(threes, 20, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "character", "expected"),
    [
        ("gaegu", "€", False),  # draws nothing for it
        ("gaegu", "7", True),
        ("covered-by-your-grace", "%", False),
        ("covered-by-your-grace", "&", True),
        ("caveat", "€", True),
        ("caveat", "\U0001f600", False),  # draws its box for missing characters
        ("caveat", " ", False),
    ],
)
def test_missing_characters_are_known(
    training_fonts: tuple[Font, ...], name: str, character: str, expected: bool
) -> None:
    assert has_character(find_font(training_fonts, name), character) is expected


def test_every_font_has_digits_and_letters(training_fonts: tuple[Font, ...]) -> None:
    for index, font in enumerate(training_fonts):
        for character in (*DIGITS, LETTERS[index % len(LETTERS)]):
            assert has_character(font.path, character), (font.name, character)


def test_every_sign_can_be_written(training_fonts: tuple[Font, ...]) -> None:
    random = np.random.default_rng(0)
    handwriting = [font.path for font in training_fonts if font.kind == "handwriting"]
    poor = ["gaegu", "handlee", "neucha", "poor-story", "covered-by-your-grace"]
    for font in (*handwriting[::20], *(find_font(training_fonts, name) for name in poor)):
        scribe = FontScribe(font, random, others=handwriting)
        for sign in SIGNS + "—°'$":
            glyph = scribe.write(sign, random)
            assert glyph.label == (DASH if sign == "—" else OTHER)
            assert max(glyph.ink.shape) > 4, (font.name, sign)


def test_other_font_writes_what_one_lacks(training_fonts: tuple[Font, ...]) -> None:
    random = np.random.default_rng(0)
    gaegu, caveat = find_font(training_fonts, "gaegu"), find_font(training_fonts, "caveat")

    glyph = FontScribe(gaegu, random, others=[gaegu, caveat], bending=0).write("€", random)
    np.testing.assert_array_equal(glyph.ink, render(caveat, "€")[0])
    with pytest.raises(UsageError, match="no font has '€'"):
        FontScribe(gaegu, random, others=[gaegu]).write("€", random)


@pytest.mark.parametrize("name", ["caveat", "indie-flower", "architects-daughter"])
def test_letters_begin_where_the_font_draws_them(
    training_fonts: tuple[Font, ...], name: str
) -> None:
    """The ink of a word, less that of its beginning, starts about where the next letter does."""
    path = find_font(training_fonts, name)
    for word in ("HLM", "Juni", "total"):
        whole, _ = render(path, word)
        starts = list_starts(path, word)
        assert starts[0] == 0
        assert starts == sorted(starts)
        last, _ = render(path, word[-1])
        # The last letter's ink ends where the word's does, so it begins its width before.
        assert abs(whole.shape[1] - last.shape[1] - starts[-1]) < 0.2 * GLYPH_HEIGHT


def test_render_does_not_share_what_callers_could_change(training_fonts: tuple[Font, ...]) -> None:
    ink, _ = render(find_font(training_fonts, "caveat"), "5")

    with pytest.raises(ValueError, match="read-only"):
        ink[0, 0] = 1


def test_points_stand_on_the_line(
    training_fonts: tuple[Font, ...], scriptorium: Scriptorium
) -> None:
    random = np.random.default_rng(5)
    scribes: list[Scribe] = [
        FontScribe(find_font(training_fonts, "caveat"), random),
        StrokeScribe(FontScribe(find_font(training_fonts, "caveat"), random), random),
        *(scriptorium.hire(random) for _ in range(10)),
    ]
    for scribe in scribes:
        point = scribe.write(".", random)
        assert point.label == POINT
        assert 0.6 < point.top < 1.1
        digit = scribe.write("6", random)
        assert digit.label == 6
        assert abs(digit.top) < 0.35


def test_same_state_hires_the_same_hand(scriptorium: Scriptorium) -> None:
    def write(seed: int) -> bytes:
        random = np.random.default_rng(seed)
        return scriptorium.hire(random).write("4", random).ink.tobytes()

    assert [write(seed) for seed in range(5)] == [write(seed) for seed in range(5)]
    assert len({write(seed) for seed in range(5)}) == 5
