from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.data.fonts import Font
from inkdigits.errors import UsageError
from inkdigits.synthesis import texts
from inkdigits.synthesis.scribes import Scriptorium
from inkdigits.synthesis.suite_marks import KINDS, WORDS, compose_number, gather_scribes


@pytest.fixture(scope="module")
def scribes(mnist: Mnist, held_out_fonts: tuple[Font, ...]) -> Scriptorium:
    return gather_scribes(mnist.test, held_out_fonts, np.random.default_rng(0), n_digits=120)


def test_numbers_are_as_people_write_them() -> None:
    random = np.random.default_rng(3)
    numbers = [compose_number(random) for _ in range(3_000)]
    assert all(re.fullmatch(r"\d+([.,/+-]\d+)*([.,]-)?", number) for number in numbers)
    plain = [number for number in numbers if number.isdigit()]
    assert len(plain) / len(numbers) == pytest.approx(0.3, abs=0.03)
    for mark in ".,-/+":
        assert sum(mark in number for number in numbers) > 150
    for example in (r"\d\.\d{3}", r"\d,\d{2}", r"\d\d-\d\d-\d{4}", r"\d/\d", r"\d\+\d", r"\d{3},-"):
        assert any(re.fullmatch(example, number) for number in numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_state_gives_the_same_picture(kind: str, scribes: Scriptorium) -> None:
    _, draw = KINDS[kind]
    first, second, other = (draw(scribes, np.random.default_rng((5, n))) for n in (1, 1, 2))
    np.testing.assert_array_equal(first.picture, second.picture)
    assert first.text == second.text
    assert first.picture.dtype == np.uint8
    assert first.picture.ndim == 2
    assert not np.array_equal(first.picture, other.picture)
    assert bool(first.text) == (kind == "separators")


@pytest.mark.parametrize("kind", ["separators", "letters", "signs", "words"])
def test_ink_keeps_away_from_the_edge_of_a_canvas(kind: str, scribes: Scriptorium) -> None:
    """Pictures without paper show it: their edge is black or white, and ink is within."""
    _, draw = KINDS[kind]
    pictures = [draw(scribes, np.random.default_rng((6, n))).picture for n in range(40)]
    canvases = 0
    for picture in pictures:
        edge = np.concatenate([picture[:4].ravel(), picture[-4:].ravel()])
        edge = np.concatenate([edge, picture[:, :4].ravel(), picture[:, -4:].ravel()])
        if set(edge.tolist()) not in ({0}, {255}):
            continue
        canvases += 1
        assert np.ptp(picture) > 60
    assert canvases >= 2


def test_sizes(scribes: Scriptorium) -> None:
    pages = [KINDS["blank paper"][1](scribes, np.random.default_rng((7, n))) for n in range(40)]
    sides = [side for page in pages for side in page.picture.shape]
    assert 100 <= min(sides) < 150
    assert 500 < max(sides) <= 800
    numbers = [KINDS["separators"][1](scribes, np.random.default_rng((7, n))) for n in range(40)]
    # A digit with the least or the most room above and below.
    heights = [number.picture.shape[0] for number in numbers]
    assert min(heights) > 24 * 1.5
    assert max(heights) < 100 * 5


def test_words_are_not_those_of_training() -> None:
    assert not {word.casefold() for word in WORDS} & {word.casefold() for word in texts.WORDS}


def make_font(**changes: Any) -> Font:
    values: dict[str, Any] = {"kind": "handwriting", "part": "held-out", "licence": "OFL-1.1"}
    return Font(name="a hand", path=Path("a.woff"), **{**values, **changes})


@pytest.mark.parametrize(
    ("fonts", "message"),
    [
        ([make_font(), make_font(kind="printed", part="training")], "use the fonts a hand"),
        ([make_font()], "1 handwriting and 0 printed fonts"),
        ([make_font(kind="printed")], "0 handwriting and 1 printed fonts"),
    ],
)
def test_fonts_that_do_not_do(fonts: list[Font], message: str, mnist: Mnist) -> None:
    with pytest.raises(UsageError, match=message):
        gather_scribes(mnist.test, fonts, np.random.default_rng(0))
