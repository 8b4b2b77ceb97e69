"""Hands of strokes: each form has the shape of its digit, and style stays with the hand."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from inkdigits.errors import UsageError
from inkdigits.results.alphabet import COMMA, DASH, OTHER, PLUS, POINT, SLASH
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Ink
from inkdigits.synthesis.stroke_forms import DIGIT_FORMS, FORMS
from inkdigits.synthesis.stroke_pens import Pen
from inkdigits.synthesis.strokes import LABELS, StrokeHand

ALL_FORMS = [(character, form.name) for character, forms in FORMS.items() for form in forms]
DIGIT_FORM_NAMES = [pair for pair in ALL_FORMS if pair[0] in DIGIT_FORMS]
# Forms without the strokes that a copybook's digit has: a 5 like a tick, an 8 like a theta.
UNUSUAL = {
    ("4", "long arm"),
    ("5", "tick"),
    ("5", "long s, arched"),
    ("5", "v, closed"),
    ("7", "f, looped"),
    ("7", "falling bar, long cross"),
    ("7", "looped serif, crossed"),
    ("7", "shoulder, cross at the foot"),
    ("7", "shoulder, low cross"),
    ("8", "slanted theta"),
    ("8", "twisted"),
}


def copybook_hand() -> StrokeHand:
    """Returns a hand that writes the forms as the table has them, with a thin ball pen."""
    hand = StrokeHand.draw(np.random.default_rng(0))
    return dataclasses.replace(
        hand,
        pen=Pen(3.0),
        slant=0.0,
        aspect=1.0,
        roundness=1.0,
        softness=0.0,
        bend=0.0,
        rise=0.0,
        taper=0.0,
        variation=0.0,
        tremor=0.0,
        entry=0.0,
        exit=0.0,
        overlap=0.0,
        mark_size=1.0,
        habits=np.zeros_like(hand.habits),
    )


def write_plainly(character: str, form: str) -> Ink:
    return copybook_hand().write(character, np.random.default_rng(1), form).ink


def find_holes(ink: Ink) -> list[tuple[float, int]]:
    """Returns, of each hole of more than 12 pixels, its middle's height from 0 to 1 and area."""
    paper = np.pad(np.asarray(ink < 100, np.uint8), 1, constant_values=1)
    _, areas, stats, centres = cv2.connectedComponentsWithStats(paper, connectivity=4)
    assert areas.shape == paper.shape
    return [
        (float(centres[index][1]) / len(ink), int(stats[index][cv2.CC_STAT_AREA]))
        for index in range(2, len(stats))
        if stats[index][cv2.CC_STAT_AREA] > 12
    ]


def columns_of(ink: Ink, first: float, last: float) -> tuple[float, float]:
    """Returns the leftmost and rightmost ink within a range of heights, as parts of the width."""
    rows = ink[int(first * len(ink)) : max(int(last * len(ink)), int(first * len(ink)) + 1)]
    columns = np.flatnonzero((rows > 100).any(axis=0)) / ink.shape[1]
    return float(columns.min()), float(columns.max())


def crossings(ink: Ink, height: float) -> int:
    """Returns how many separate runs of ink a horizontal line meets."""
    row = np.concatenate([[False], ink[int(height * (len(ink) - 1))] > 100])
    return int(np.count_nonzero(np.diff(row.astype(int)) == 1))


@pytest.mark.parametrize(
    ("digit", "form"), [pair for pair in DIGIT_FORM_NAMES if pair not in UNUSUAL]
)
def test_each_form_has_the_shape_of_its_digit(digit: str, form: str) -> None:
    ink = write_plainly(digit, form)
    holes = find_holes(ink)
    high = [area for middle, area in holes if middle < 0.5]
    low = [area for middle, area in holes if middle >= 0.5]
    if digit == "0":
        assert form == "open" or sum(area for _, area in holes) > 0.25 * ink.size
        assert crossings(ink, 0.5) == (3 if form == "slashed" else 2)
    elif digit == "1":
        assert bool(high) == form.startswith("looped head")
        assert ink.shape[1] < 0.8 * GLYPH_HEIGHT
        assert crossings(ink, 0.25) <= 2
    elif digit == "2":
        # The neck bends to the right, the foot runs from left to right.
        assert columns_of(ink, 0.15, 0.3)[1] > 0.5
        start, end = columns_of(ink, 0.85, 1)
        assert start < 0.2
        assert end > 0.75
        assert crossings(ink, 0.6) == 1
    elif digit == "3":
        # Two bows are open to the left and meet in the middle.
        assert not high or form in ("middle loop", "two loops")
        assert columns_of(ink, 0.04, 0.3)[1] > 0.65
        assert columns_of(ink, 0.6, 0.85)[1] > 0.9
        assert columns_of(ink, 0.5, 0.58)[0] > 0.2
    elif digit == "4":
        # A leg stands on the line by itself, under a cup or a bar.
        stem = form == "h, upright stem"  # which stands on the line as well
        assert crossings(ink, 0.85) == 1 + stem
        assert columns_of(ink, 0.9, 1)[0] > 0.3 or stem
        assert crossings(ink, 0.35) == (1 if form.startswith("h") and "foot" not in form else 2)
        assert bool(high) == (form == "closed")
    elif digit == "5":
        # The neck stands at the left, the bow bends to the right and ends at the left.
        assert not holes
        check = form.startswith(("v", "hook"))  # the neck ends in a hook to the left
        assert columns_of(ink, 0.2, 0.33)[0] < (0.55 if check else 0.35)
        assert crossings(ink, 0.7) == (2 if form in ("v", "v, round") else 1)
        if form not in ("r", "s", "check", "check in one") and not check:  # these have no bow
            assert columns_of(ink, 0.6, 0.8)[0] > 0.3
        if check:  # a bar to the right, at the top
            assert columns_of(ink, 0, 0.2)[1] > 0.9
            assert columns_of(ink, 0.4, 1)[1] < 0.6
        assert columns_of(ink, 0.88, 1)[0] < 0.15
    elif digit == "6":
        assert not high
        assert bool(low) == (form not in ("spiral", "open bowl"))
        assert crossings(ink, 0.25) == 1
        assert crossings(ink, 0.8) >= 2
    elif digit == "7":
        assert not holes
        if form not in ("dagger", "f"):  # which have no bar on top
            assert columns_of(ink, 0, 0.2)[0] < (0.3 if form.startswith("crossed t") else 0.2)
        bars = 1 if form in ("round shoulder", "f") or "cross" in form else 0
        if form == "serif, low hooked cross":  # it crosses the foot
            low_bar = columns_of(ink, 0.65, 0.82)
            assert low_bar[1] - low_bar[0] > 0.9
            bars = 0
        middle = columns_of(ink, 0.42, 0.65)
        assert (middle[1] - middle[0] > 0.6) == bool(bars)
        assert crossings(ink, 0.9 if "low" in form else 0.8) == 1
    elif digit == "8":
        assert low
        assert high or form == "open top"
        assert crossings(ink, 0.75) == 2
    else:
        assert high or form in ("open", "crook", "s leg, straight")
        assert bool(low) == (form == "looped below")
        assert crossings(ink, 0.7) <= 2


def test_no_form_is_drawn_like_one_of_another_digit() -> None:
    drawn = []
    for digit, form in DIGIT_FORM_NAMES:
        ink = write_plainly(digit, form)
        scale = 40 / max(ink.shape)
        height, width = (max(round(side * scale), 1) for side in ink.shape)
        small = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)
        page = np.zeros((48, 48), np.float32)
        top, left = (48 - height) // 2, (48 - width) // 2
        page[top : top + height, left : left + width] = small
        blurred = cv2.GaussianBlur(page, (0, 0), 2).ravel()
        drawn.append(blurred / np.linalg.norm(blurred))
    likeness = np.array(drawn) @ np.array(drawn).T
    digits = np.array([digit for digit, _ in DIGIT_FORM_NAMES])

    # The most alike are an 8 and a 3 with two loops: 0.9035.
    assert likeness[digits[:, np.newaxis] != digits].max() < 0.92


@pytest.mark.parametrize(("character", "form"), ALL_FORMS)
def test_glyphs_keep_their_contract_in_any_hand(character: str, form: str) -> None:
    random = np.random.default_rng(5)
    for _ in range(4):
        glyph = StrokeHand.draw(random).write(character, random, form)
        assert glyph.label == LABELS[character]
        assert glyph.ink.flags.c_contiguous
        for edge in (glyph.ink[0], glyph.ink[-1], glyph.ink[:, 0], glyph.ink[:, -1]):
            assert edge.any()
        assert glyph.ink.max() == 255
        if character in DIGIT_FORMS:
            assert glyph.top == 0
            assert 0.85 * GLYPH_HEIGHT <= len(glyph.ink) <= 1.15 * GLYPH_HEIGHT


def test_marks_stand_where_they_belong() -> None:
    hand = copybook_hand()
    random = np.random.default_rng(2)

    def extent(character: str) -> tuple[float, float]:
        glyph = hand.write(character, random)
        return glyph.top, glyph.top + len(glyph.ink) / GLYPH_HEIGHT

    assert extent(".")[0] > 0.85
    assert extent(".")[1] < 1.05
    assert extent(",")[0] > 0.75
    assert extent(",")[1] > 1.05
    assert 0.3 < extent("=")[0] < extent("=")[1] < 0.75
    assert extent("$")[0] < 0
    assert extent("$")[1] > 1
    labels = [hand.write(character, random).label for character in ".,-/+=?"]
    assert labels == [POINT, COMMA, DASH, SLASH, PLUS, OTHER, OTHER]


def test_ink_is_grey_at_its_edges() -> None:
    ink = write_plainly("0", "round")
    assert len(np.unique(ink)) >= 9


def test_the_width_of_lines_is_the_pens() -> None:
    thin, thick = (
        dataclasses.replace(copybook_hand(), pen=Pen(width)).write(
            "1", np.random.default_rng(0), "bar"
        )
        for width in (3.0, 8.0)
    )
    # A straight line of length l and width w covers l * w.
    for glyph, width in ((thin, 3.0), (thick, 8.0)):
        covered = float(glyph.ink.sum()) / 255 / len(glyph.ink)
        assert covered == pytest.approx(width, rel=0.15)


def test_pressure_thins_upstrokes_and_a_nib_thins_lines_along_its_edge() -> None:
    down = np.array([0, 10j, 20j])
    up = down[::-1]
    pressing = Pen(6.0, pressure=0.5)
    np.testing.assert_allclose(pressing.widths(down), 6.0)
    np.testing.assert_allclose(pressing.widths(up), 3.0)
    nib = Pen(6.0, nib=0.5, nib_angle=0.0)
    np.testing.assert_allclose(nib.widths(down), 6.0)
    np.testing.assert_allclose(nib.widths(np.array([0j, 10, 20])), 3.0)


def test_equal_random_states_write_equal_glyphs() -> None:
    def write() -> list[Ink]:
        random = np.random.default_rng(11)
        hand = StrokeHand.draw(random)
        alone = [hand.write(character, random).ink for character in FORMS]
        return alone + [glyph.ink for glyph, _ in hand.write_joined("12.000-", random)]

    for first, second in zip(write(), write(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_hand_varies_but_keeps_its_style() -> None:
    def distance(first: Ink, second: Ink) -> float:
        tiles = [
            cv2.GaussianBlur(cv2.resize(ink, (32, 32)), (5, 5), 0).astype(float)
            for ink in (first, second)
        ]
        return float(np.abs(tiles[0] - tiles[1]).mean())

    random = np.random.default_rng(3)
    hands = [StrokeHand.draw(random) for _ in range(12)]
    within, between = [], []
    for digit in DIGIT_FORMS:
        inks = [[hand.write(digit, random).ink for _ in range(2)] for hand in hands]
        within += [distance(*pair) for pair in inks]
        between += [distance(a[0], b[0]) for a, b in zip(inks, inks[1:] + inks[:1], strict=True)]
    assert min(within) > 0
    assert np.mean(within) < 0.6 * np.mean(between)


def test_hands_write_every_form_but_those_for_ties() -> None:
    random = np.random.default_rng(4)
    written = set()
    for _ in range(1200):
        written |= {(c, FORMS[c][i].name) for c, i in StrokeHand.draw(random).forms.items()}
    assert written == {(c, f.name) for c, forms in FORMS.items() for f in forms if f.modern + f.old}


def test_joined_zeros_hang_together() -> None:
    hand = dataclasses.replace(
        copybook_hand(), forms=dict.fromkeys(FORMS, 0) | {"0": 9}, constancy=1.0, gap=0.1
    )
    assert FORMS["0"][9].tied
    written = hand.write_joined("000", np.random.default_rng(6))
    width = int(max(x + glyph.ink.shape[1] for glyph, x in written))
    page = np.zeros((2 * GLYPH_HEIGHT, width + 1), np.uint8)
    for glyph, x in written:
        y = GLYPH_HEIGHT // 2 + round(glyph.top * GLYPH_HEIGHT)
        window = page[y : y + len(glyph.ink), int(x) : int(x) + glyph.ink.shape[1]]
        np.maximum(window, glyph.ink, out=window)
    parts, _ = cv2.connectedComponents((page > 60).astype(np.uint8))
    assert parts == 2  # paper, and one piece of ink
    assert len([area for _, area in find_holes(page) if area > 100]) == 3


def test_some_hands_overlap_their_zeros() -> None:
    hand = dataclasses.replace(copybook_hand(), gap=0.1, overlap=1.0)
    common = []
    for seed in range(20):
        written = hand.write_joined("70007", np.random.default_rng(seed))
        starts = np.array([x for _, x in written])
        ends = starts + [glyph.ink.shape[1] for glyph, _ in written]
        common.append((ends[:-1] - starts[1:]) / GLYPH_HEIGHT)

    between_zeros = np.array(common)[:, [1, 2]]
    assert between_zeros.min() > 0.03
    assert between_zeros.max() > 0.2
    assert np.array(common)[:, [0, 3]].mean() < 0.05  # a 7 touches its neighbour at most
    hands = [StrokeHand.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert 20 < sum(hand.overlap > 0 for hand in hands) < 60


def test_joined_characters_follow_each_other_in_reading_order() -> None:
    random = np.random.default_rng(7)
    text = "35.700-"
    for _ in range(20):
        written = StrokeHand.draw(random).write_joined(text, random)
        assert [glyph.label for glyph, _ in written] == [LABELS[character] for character in text]
        assert min(x for _, x in written) == 0
        middles = [x + glyph.ink.shape[1] / 2 for glyph, x in written]
        digits = [middle for middle, c in zip(middles, text, strict=True) if c in DIGIT_FORMS]
        assert digits == sorted(digits)


def test_nothing_joined_is_nothing() -> None:
    assert (
        StrokeHand.draw(np.random.default_rng(0)).write_joined("", np.random.default_rng(0)) == []
    )


@pytest.mark.parametrize(
    ("character", "form", "message"),
    [("A", None, "no stroke form for 'A'"), ("7", "bent", "unknown form 'bent' of '7'")],
)
def test_unknown_characters_and_forms_are_refused(
    character: str, form: str | None, message: str
) -> None:
    random = np.random.default_rng(0)
    with pytest.raises(UsageError, match=message):
        StrokeHand.draw(random).write(character, random, form)
