"""Windows of whole pictures: which mark fills them, on handmade pages and drawn ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.data.fonts import Font
from inkdigits.results.alphabet import DASH, NO_MARK, OTHER, POINT
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.synthesis.scribes import DigitBank, Scriptorium
from inkdigits.training.samples.picture_windows import (
    cut_pictures,
    draw_pictures,
    draw_tiles,
    label_picture,
)

LARGE = ((80, 60, 90, 140), 7, 140, True)
SIDE = 256


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], NO_MARK),
        ([LARGE], 7),
        ([((80, 60, 90, 140), OTHER, 140, True)], OTHER),
        ([LARGE, ((190, 180, 12, 12), POINT, 140, True)], 7),
        ([LARGE, ((180, 120, 70, 12), DASH, 140, True)], 7),
        ([LARGE, ((190, 100, 20, 40), OTHER, 40, True)], 7),  # a small sign beside it
        ([LARGE, ((180, 70, 60, 130), 3, 140, True)], NO_MARK),
        ([LARGE, ((180, 70, 60, 130), OTHER, 140, True)], NO_MARK),
        ([LARGE, ((236, 70, 20, 130), 3, 140, False)], 7),  # cut by the edge
        ([LARGE, ((176, 70, 80, 130), 3, 140, False)], None),  # most of it is there
        ([LARGE, ((180, 70, 60, 130), 3, 140, False)], None),  # uncertain, but not cut
        ([((80, 60, 90, 140), 7, 140, False)], None),
        ([((80, 60, 20, 40), 7, 40, True)], NO_MARK),  # too small
        ([((20 * n, 100, 18, 40), n, 40, True) for n in range(10)], NO_MARK),
    ],
)
def test_label_of_a_picture(
    marks: Sequence[Any], expected: int | None, make_page: Callable[..., DrawnPage]
) -> None:
    assert label_picture(make_page(*marks)) == expected


def test_an_illegible_mark_has_no_label(make_page: Callable[..., DrawnPage]) -> None:
    page = make_page(((2, 1, 4, 7), 3, 7, True), picture=np.full((9, 9), 200, np.uint8))
    assert label_picture(page) is None


def test_crops_show_one_mark(blocks: DrawnPage) -> None:
    """Of four blocks, the first three are sure; the page itself shows several."""
    seen = np.zeros(NO_MARK + 1, int)
    for seed in range(30):
        windows, classes = cut_pictures(blocks, np.random.default_rng(seed))
        assert windows.shape == (len(classes), 48, 48)
        assert windows.dtype == np.float32
        assert np.abs(windows.mean(axis=(1, 2))).max() < 0.01
        np.add.at(seen, classes, 1)
    assert (seen[:3] > 5).all()
    assert seen[3:NO_MARK].sum() == 0
    assert seen[NO_MARK] >= 30


@pytest.fixture(scope="module")
def scribes(mnist: Mnist, training_fonts: tuple[Font, ...]) -> Scriptorium:
    paths = [font.path for font in training_fonts[:3]]
    bank = DigitBank(mnist.test, 300, np.random.default_rng(0))
    return Scriptorium(bank, paths, paths)


def test_tiles_show_digits_and_signs(scribes: Scriptorium) -> None:
    windows, classes = draw_tiles(scribes, 400, np.random.default_rng(0))

    counts = np.bincount(classes, minlength=NO_MARK + 1)
    assert windows.shape == (400, 48, 48)
    assert (counts[:10] > 15).all()
    assert 25 < counts[OTHER] < 75
    assert 15 < counts[NO_MARK] < 55
    assert counts[10:OTHER].sum() == 0
    # As many are light on dark as dark on light.
    middles = windows[:, 16:32, 16:32].mean(axis=(1, 2))
    assert 0.35 < (middles > 0).mean() < 0.65


def test_pictures_depend_on_the_random_numbers_alone(scribes: Scriptorium) -> None:
    windows, classes = draw_pictures(scribes, 40, np.random.default_rng(5))
    again, classes_again = draw_pictures(scribes, 40, np.random.default_rng(5))

    assert windows.shape == (40, 48, 48)
    assert (classes[20:] == NO_MARK).any()
    np.testing.assert_array_equal(windows, again)
    np.testing.assert_array_equal(classes, classes_again)
