"""The collection that measurements/bulk.py reads, and what it counts, on a small slice."""

from __future__ import annotations

import os
import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inkdigits.data import Mnist

MEASUREMENTS = Path(__file__).parents[1] / "measurements"
N_PICTURES = 100

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="they watch processes as on Linux")


@pytest.fixture(scope="module")
def scripts() -> dict[str, dict[str, Any]]:
    """What the scripts define."""
    sys.path.insert(0, str(MEASUREMENTS))
    try:
        return {
            name: runpy.run_path(str(MEASUREMENTS / f"{name}.py"))
            for name in ("bulk_pictures", "bulk")
        }
    finally:
        sys.path.remove(str(MEASUREMENTS))


@pytest.fixture(scope="module")
def collection(
    scripts: dict[str, dict[str, Any]], mnist: Mnist, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, int]]:
    """A drawn collection and its counts."""
    folder = tmp_path_factory.mktemp("collection")
    pictures = scripts["bulk_pictures"]
    pictures["draw_collection"].__globals__["MAX_DISTINCT"] = 50
    return folder, pictures["draw_collection"](folder, N_PICTURES)


def test_the_collection_has_the_kinds_that_it_names(
    collection: tuple[Path, dict[str, int]],
) -> None:
    folder, counts = collection

    files = Counter(path.suffix for path in folder.rglob("*.*"))
    assert files == {".png": 85, ".jpg": 10, ".pdf": 1}
    assert (counts["pictures"], counts["photographs"], counts["pages"]) == (N_PICTURES, 10, 5)
    assert counts["bytes"] == sum(path.stat().st_size for path in folder.rglob("*.*"))
    for path in folder.rglob("*.jpg"):
        with Image.open(path) as photograph:
            assert 1.9e6 <= photograph.width * photograph.height <= 12.1e6


def test_only_some_of_its_pictures_are_distinct(collection: tuple[Path, dict[str, int]]) -> None:
    folder, counts = collection

    contents = {path.read_bytes() for path in folder.rglob("*.*")}
    assert counts["distinct"] == len(contents) - 1 + 5  # the PDF file has five pages


def test_every_picture_and_page_is_expected(
    scripts: dict[str, dict[str, Any]], collection: tuple[Path, dict[str, int]]
) -> None:
    folder, _ = collection
    expected = scripts["bulk"]["count_expected"](folder)

    assert sum(expected.values()) == N_PICTURES
    assert sorted(page for _, page in expected if page is not None) == [1, 2, 3, 4, 5]


def test_rows_that_differ_are_counted(scripts: dict[str, dict[str, Any]]) -> None:
    count_different = scripts["bulk"]["count_different"]
    rows = [("a", None, "1"), ("b", 1, "2"), ("b", 2, "3")]

    assert count_different(rows, rows) == 0
    assert count_different(rows, [("a", None, "7"), *rows[1:]]) == 1
    assert count_different(rows, rows[:1]) == 2


def test_memory_that_grows_is_seen(scripts: dict[str, dict[str, Any]]) -> None:
    watch = scripts["bulk"]["ProcessWatch"](os.getpid())
    watch.stop()
    for growth in (0.0, 0.5):
        watch.memory_mb = [100 + growth * step for step in range(200)]
        seen = watch.summarise(0.1)["memory_growth"]
        assert (seen > 0.1) == bool(growth)
    watch.memory_mb = [100.0] * 5
    assert watch.summarise(0.1)["memory_growth"] is None
