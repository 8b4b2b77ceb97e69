"""The suite of drawn pages."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages
from inkdigits.errors import DataUnavailableError, UsageError
from inkdigits.evaluation.suites import SUITES, evaluate_pages
from inkdigits.recognition import Recognizer
from inkdigits.synthesis.suite_pages import KINDS, draw_page


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def own_data(test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four IDX files of one's own."""
    folder = tmp_path_factory.mktemp("own")
    for part, n in (("train", 3), ("t10k", 80)):
        digits = test_slice.take(range(n))
        images = struct.pack(">4i", 2051, n, 28, 28) + digits.images.tobytes()
        labels = struct.pack(">2i", 2049, n) + digits.labels.tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


def test_suite_counts_exact_readings(
    recognizer: Recognizer, test_slice: LabelledImages, own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_pages(
        recognizer,
        data=own_data,
        pages_per_kind=2,
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
        assert row.right == sum(recognizer.read(page.picture).text == page.text for page in pages)
    assert reported == [(kind, done, 2) for kind in KINDS for done in (1, 2)]
    # Single digits and rows on clean paper are what the default model is made for.
    assert sum(row.right for row in result.rows[:2]) >= 3
    assert result.clean is None


def test_suite_is_the_same_every_time(recognizer: Recognizer, own_data: Path) -> None:
    first, second = (evaluate_pages(recognizer, data=own_data, pages_per_kind=1) for _ in range(2))
    assert first == second
    assert SUITES["pages"] is evaluate_pages


def test_suite_without_pages_or_data(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 pages of each kind: expected 1 or more"):
        evaluate_pages(recognizer, data=tmp_path, pages_per_kind=0)
    with pytest.raises(DataUnavailableError):
        evaluate_pages(recognizer, data=tmp_path)
