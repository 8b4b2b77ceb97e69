"""From a batch to the review folder, and back into the data set and to training."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from inkdigits.bulk import apply_review, batch
from inkdigits.bulk.dataset import BatchFormat
from inkdigits.cli import main
from inkdigits.results.review_folder import ReviewFolder
from inkdigits.training.samples.own_pictures import load_tiles

SAMPLES = Path(__file__).parents[1] / "samples"
DOUBTFUL = 0.9999999
"""A threshold that no digit reaches."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures with digits, and a text file that is none."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("1984-on-ruled-paper.jpg", "7-canvas.png"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def read_rows(output: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for part in sorted(output.glob("part-*")):
        if part.suffix == ".parquet":
            rows += parquet.read_table(part).to_pylist()
        elif part.suffix == ".csv":
            with part.open(newline="") as file:
                rows += csv.DictReader(file)
        else:
            rows += map(json.loads, part.read_text().splitlines())
    return rows


@pytest.mark.parametrize("row_format", ["parquet", "csv", "jsonl"])
def test_what_people_type_comes_back(
    row_format: BatchFormat,
    sources: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output, review = tmp_path / "readings", tmp_path / "review"
    batch(sources, output, threshold=DOUBTFUL, format=row_format, review=review, workers=1)
    before = read_rows(output)
    folder = ReviewFolder(review)
    names, n_open, _ = folder.list_open(10)
    assert n_open == 2  # the broken file is no picture to review
    items = [folder.load_item(name) for name in names]
    assert {Path(item.address).name for item in items} == {
        "1984-on-ruled-paper.jpg",
        "7-canvas.png",
    }

    typed = {"1984-on-ruled-paper.jpg": "1984", "7-canvas.png": ""}
    for item in items:
        folder.save(item.id, typed[Path(item.address).name])
    assert main(["batch", str(output), "--apply-review", str(review)]) == 0
    assert capsys.readouterr().out == f"{output}: 2 rows changed\n"

    after = read_rows(output)
    assert len(after) == 3
    for old, row in zip(before, after, strict=True):
        name = Path(row["address"]).name
        kept = set(row) - {"text", "reason", "reviewed"}
        assert {key: row[key] for key in kept} == {key: old[key] for key in kept}
        assert str(row["reviewed"]) == str(name in typed)
        if name in typed:
            assert row["text"] == typed[name]
            assert (row["reason"] or None) == (None if typed[name] else "reviewed: no digit")
        else:
            assert row == old
    assert apply_review(review, output) == 0  # there is nothing new
    assert load_tiles(review).labels.tolist() == [1, 9, 8, 4]


def test_a_resumed_batch_keeps_what_was_reviewed(sources: Path, tmp_path: Path) -> None:
    output, review = tmp_path / "readings", tmp_path / "review"
    batch(sources, output, threshold=DOUBTFUL, review=review, workers=1)
    folder = ReviewFolder(review)
    folder.save(folder.list_open(1)[0][0], "12")
    apply_review(review, output)
    batch(sources, output, threshold=DOUBTFUL, review=review, workers=1, resume=True)

    assert [row["text"] for row in read_rows(output) if row["reviewed"]] == ["12"]
    assert folder.list_open(9)[1:] == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["scans"], 2, "OUTPUT is missing"),
        (["scans", "readings", "--apply-review", "x"], 2, "name only the data set"),
        (["readings", "--apply-review", "nowhere"], 3, "no pictures to review in nowhere"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["batch", *arguments]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
