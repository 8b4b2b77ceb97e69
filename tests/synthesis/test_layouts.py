"""Layouts and what they write."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from inkdigits.results.alphabet import OTHER
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph
from inkdigits.synthesis.layouts import LAYOUTS, draw_layout
from inkdigits.synthesis.placing import Style, Writing, place, write_text, write_word
from inkdigits.synthesis.scribes import Scriptorium
from inkdigits.synthesis.texts import LETTERS, WORDS, compose_number

PLAIN = Style(height_px=32, slant=0, aspect=1, gap=0.2, jitter=0, strength=1)


def test_shares_sum_to_one() -> None:
    assert sum(share for share, _ in LAYOUTS.values()) == pytest.approx(1)


def test_numbers_are_of_all_kinds() -> None:
    random = np.random.default_rng(0)
    numbers = [compose_number(random) for _ in range(3_000)]

    assert all(re.search(r"\d", number) for number in numbers)
    for kind, least in (
        (r"\d{1,8}", 1_200),  # plain
        (r"\d{1,2}([.\-/])\d{1,2}\1\d{2,4}", 150),  # a date
        (r"\d+[.,]\d+", 150),  # a decimal
        (r"\d+( ?[-+×÷/*x] ?\d+)+( ?= ?\d+)?", 150),  # a sum
        (r"[$=-]?\d+[., ]\d{3}.*", 250),  # an amount
        (r".*000?", 50),  # round
    ):
        assert sum(bool(re.fullmatch(kind, number)) for number in numbers) > least, kind


def test_first_digits_are_often_small_and_neighbours_often_equal() -> None:
    random = np.random.default_rng(0)
    numbers = [compose_number(random) for _ in range(6_000)]
    plain = [number for number in numbers if re.fullmatch(r"[1-9]\d+", number)]
    first = [number[0] for number in plain]

    # Half of them by Benford's law, half drawn evenly, without the zeros.
    for digit, share in (("1", 0.5 * 0.301 + 0.5 / 9), ("9", 0.5 * 0.046 + 0.5 / 9)):
        assert first.count(digit) / len(first) == pytest.approx(share, abs=0.03)
    pairs = [pair for number in plain for pair in itertools.pairwise(number)]
    equal = sum(one == other != "0" for one, other in pairs) / len(pairs)
    assert equal > 0.12  # 0.09 if digits were independent


def test_letters_are_not_like_digits() -> None:
    assert not set(LETTERS) & set("0123456789OoIlSZzBbGgqQDiSs")
    assert all(word.isascii() and word.isalpha() for word in WORDS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_writes_in_the_height_it_returns(name: str, scriptorium: Scriptorium) -> None:
    _, layout = LAYOUTS[name]
    for seed in range(8):
        writing = Writing()
        height_px = layout(writing, 256, 90.0, scriptorium, np.random.default_rng(seed))
        if name == "giant":
            assert all(placed.height_px >= 256 for placed in writing.placed)
        elif name in ("blank", "scribble"):
            assert not writing.placed
            assert bool(writing.lines) == (name == "scribble")
        else:
            heights = [placed.height_px / height_px for placed in writing.placed]
            assert min(heights, default=1) >= 0.69
            # Numbers and single digits of one page are of several hands, and sizes.
            most = {"single": 1.54, "number": 1.31**8}.get(name, 1.31)
            assert max(heights, default=1) <= most
        assert all(0 < placed.strength <= 1 for placed in writing.placed)


def test_same_state_gives_the_same_layout(scriptorium: Scriptorium) -> None:
    def describe(seed: int) -> list[bytes]:
        writing, _ = draw_layout(256, scriptorium, np.random.default_rng(seed))
        return [placed.matrix.tobytes() + placed.glyph.ink.tobytes() for placed in writing.placed]

    assert describe(1) == describe(1)


def test_glyph_is_placed_where_it_is_told() -> None:
    glyph = Glyph(np.full((GLYPH_HEIGHT, 40), 255, np.uint8), 0.0, 3)
    writing = Writing()

    right = place(writing, glyph, 10, 50, PLAIN, np.random.default_rng(0))

    assert right == 10 + 40 * 32 / GLYPH_HEIGHT
    corners = writing.placed[0].matrix @ np.array([[0, 40], [0, GLYPH_HEIGHT], [1, 1]])
    np.testing.assert_allclose(corners.T, [(10, 50), (30, 82)])


def test_slant_keeps_the_foot() -> None:
    glyph = Glyph(np.full((GLYPH_HEIGHT, 40), 255, np.uint8), 0.0, 3)
    writing = Writing()
    slanted = Style(height_px=32, slant=0.5, aspect=1, gap=0.2, jitter=0, strength=1)

    place(writing, glyph, 10, 50, slanted, np.random.default_rng(0))

    top, foot = (writing.placed[0].matrix @ np.array([[0, 0], [0, GLYPH_HEIGHT], [1, 1]])).T
    np.testing.assert_allclose([top, foot], [(26, 50), (10, 82)])


@pytest.mark.parametrize(("sinking", "top"), [(0.0, 34), (0.5, 42), (1.0, 50)])
def test_a_larger_digit_sinks_below_the_line(sinking: float, top: float) -> None:
    glyph = Glyph(np.full((GLYPH_HEIGHT, 40), 255, np.uint8), 0.0, 1)
    writing = Writing()

    place(
        writing, glyph, 10, 50, replace(PLAIN, sinking=sinking), np.random.default_rng(0), size=1.5
    )

    (matrix,) = (placed.matrix for placed in writing.placed)
    rows = matrix @ np.array([[0, 0], [0, GLYPH_HEIGHT], [1, 1]])
    np.testing.assert_allclose(rows[1], [top, top + 48])


def test_digits_of_a_number_differ_in_size() -> None:
    random = np.random.default_rng(0)
    style = replace(PLAIN, first_size=1.5, unevenness=0.2)

    first = [style.draw_size("7", random, is_first=True) for _ in range(400)]
    later = [style.draw_size("7", random, is_first=False) for _ in range(400)]

    assert np.median(first) == pytest.approx(1.5, rel=0.05)
    assert np.median(later) == pytest.approx(1.0, rel=0.05)
    assert np.std(np.log(later)) == pytest.approx(0.2, rel=0.15)
    assert style.draw_size(",", random, is_first=True) == 1
    assert PLAIN.draw_size("7", random, is_first=True) == 1


def test_text_runs_to_the_right(scriptorium: Scriptorium) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        writing = Writing()
        scribe = scriptorium.hire(random)
        style = Style.draw(32, scribe, random, touching=seed % 2 == 0)
        right = write_text(writing, "1975", 20, 30, style, scribe, random)
        assert [placed.glyph.label for placed in writing.placed] == [1, 9, 7, 5]
        lefts = [float(placed.matrix[0] @ (0, GLYPH_HEIGHT, 1)) for placed in writing.placed]
        assert lefts == sorted(lefts)
        assert right > max(lefts)


def test_letters_of_a_word_are_other_marks(scriptorium: Scriptorium) -> None:
    writing = Writing()

    write_word(writing, "total", 0, 0, PLAIN, scriptorium, np.random.default_rng(0))

    (placed,) = writing.placed
    assert [part.label for part in placed.parts] == [OTHER] * 5
    height, width = placed.glyph.ink.shape
    for part in placed.parts:
        assert part.box is not None
        left, top, right, bottom = part.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_labels_stand_close_to_their_numbers(scriptorium: Scriptorium) -> None:
    _, layout = LAYOUTS["labelled"]
    distances = []
    for seed in range(20):
        writing = Writing()
        height_px = layout(writing, 256, 24.0, scriptorium, np.random.default_rng(seed))
        for one, other in itertools.pairwise(writing.placed):
            is_label = all(part.label == OTHER for part in other.parts)
            is_same_line = other.matrix[1, 2] < one.matrix[1, 2] + height_px / 2
            if is_label and is_same_line and one.glyph.label < OTHER:
                right = one.matrix[0, 2] + one.matrix[0, 0] * one.glyph.ink.shape[1]
                distances.append((other.matrix[0, 2] - right) / height_px)

    assert len(distances) > 20
    assert np.median(distances) < 0.7
