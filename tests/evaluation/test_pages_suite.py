"""The suite of drawn pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages
from inkdigits.errors import DataFormatError
from inkdigits.evaluation.drawn_suites import evaluate_pages
from inkdigits.evaluation.suites import SUITES
from inkdigits.recognition import Recognizer
from inkdigits.synthesis.suite_pages import KINDS, draw_page


def test_suite_counts_exact_readings(
    ink_recognizer: Recognizer, test_slice: LabelledImages, own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_pages(
        ink_recognizer,
        data=own_data,
        limit=2,
        report_progress=lambda *report: reported.append(report),
    )

    digits = test_slice.take(range(80))
    assert [row.name for row in result.rows] == list(KINDS)
    for number, row in enumerate(result.rows):
        pages = [
            draw_page(row.name, digits, np.random.default_rng((0, number, page)))
            for page in range(2)
        ]
        assert row.n == 2
        assert row.right == sum(
            ink_recognizer.read(page.picture).text == page.text for page in pages
        )
    assert reported == [(kind, done, 2) for kind in KINDS for done in (1, 2)]
    # One digit on clean paper is what that reader of clean ink is for.
    assert result.rows[0].right == 2
    assert (result.clean, result.second) == (None, None)


def test_suite_is_the_same_every_time(ink_recognizer: Recognizer, own_data: Path) -> None:
    first, second = (evaluate_pages(ink_recognizer, data=own_data, limit=1) for _ in range(2))
    assert first == second
    assert SUITES["pages"] is evaluate_pages


def test_suite_without_data(read_always: Callable[..., Recognizer], tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match="found an empty folder"):
        evaluate_pages(read_always(1), data=tmp_path)
