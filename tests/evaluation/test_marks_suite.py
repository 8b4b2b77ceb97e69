"""The suite of marks: numbers with separators, and pictures without digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import load_mnist
from inkdigits.data.fonts import Font
from inkdigits.evaluation.drawn_suites import evaluate_marks, find_separators
from inkdigits.evaluation.suite_result import SuiteResult
from inkdigits.recognition import Recognizer
from inkdigits.results.alphabet import OTHER, POINT
from inkdigits.synthesis.suite_marks import KINDS, draw_number, gather_scribes

N = 12


@pytest.fixture(scope="module")
def texts(own_data: Path, held_out_fonts: tuple[Font, ...]) -> list[str]:
    """What the suite's first numbers say."""
    digits = load_mnist(own_data).test
    scribes = gather_scribes(digits, held_out_fonts, np.random.default_rng(0))
    return [draw_number(scribes, np.random.default_rng((0, 0, n))).text for n in range(N)]


def count_right(result: SuiteResult) -> list[int]:
    return [row.right for row in result.rows]


@pytest.mark.usefixtures("held_out_fonts")
def test_where_nothing_is_read_nothing_is_wrong_but_numbers(
    read_always: Callable[..., Recognizer], own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_marks(
        read_always(),
        data=own_data,
        limit=N,
        report_progress=lambda *report: reported.append(report),
    )
    assert [row.name for row in result.rows] == list(KINDS)
    assert count_right(result) == [0, N, N, N, N, N]
    assert [row.second_right for row in result.rows] == [0, *[None] * 5]
    assert result.second == "digits"
    assert reported == [(kind, done, N) for kind in KINDS for done in range(1, N + 1)]


@pytest.mark.parametrize(
    ("classes", "separators", "n_elsewhere"),
    [
        ((7,), r"[0-9]", 0),
        ((1, POINT, 7), r"[0-9]\.[0-9]", 0),
        ((3, 4), r"[0-9]{2}", 0),
        ((OTHER,), r"no number has none", 3),
    ],
)
def test_separators_count_by_their_places(
    read_always: Callable[..., Recognizer],
    own_data: Path,
    texts: list[str],
    classes: tuple[int, ...],
    separators: str,
    n_elsewhere: int,
) -> None:
    result = evaluate_marks(read_always(*classes), data=own_data, limit=3)
    numbers, *others = count_right(result)
    assert numbers == sum(re.fullmatch(separators, text) is not None for text in texts[:3])
    assert others == [n_elsewhere] * 5
    read = "".join(str(c) for c in classes if c < 10)
    digits = [re.sub(r"\D", "", text) for text in texts[:3]]
    assert result.rows[0].second_right == digits.count(read)


@pytest.mark.parametrize(
    ("written", "read", "same"),
    [
        ("1.300", "7.888", True),
        ("1.300", "1.3?0", True),
        ("1.300", "1300", False),
        ("1.300", "1,300", False),
        ("1.300", "13.00", False),
        ("1.300", "1.30", False),
        ("1.300", "1.\n300", False),
        ("450,-", "450,-", True),
        ("450,-", "450,", False),
        ("12", "1-2", False),
        ("", "", True),
        ("", "1", False),
    ],
)
def test_readings_are_compared_by_separators(written: str, read: str, same: bool) -> None:
    assert (find_separators(written) == find_separators(read)) is same
