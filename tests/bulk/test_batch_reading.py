"""Batches as users start them, in threads."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import inkdigits
from inkdigits.bulk import batch, dataset
from inkdigits.bulk.packed_model import PackedModel
from inkdigits.bulk.rows import COLUMNS, Row
from inkdigits.errors import (
    DataUnavailableError,
    MissingExtraError,
    ModelError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from inkdigits.recognition import DEFAULT_MODEL
from tests.bulk.conftest import N_FILES, N_ROWS, list_places, without_time


def read_rows(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for part in sorted(folder.glob("part-*.parquet")):
        rows += parquet.read_table(part).to_pylist()
    return rows


@pytest.fixture
def every_file_is_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "PART_SECONDS", (0.0, 0.0))


def test_a_folder_becomes_rows_that_agree_with_predict(scans: Path, tmp_path: Path) -> None:
    result = batch(scans, tmp_path / "readings")

    rows = read_rows(tmp_path / "readings")
    assert (result.n_files, result.n_read, result.n_rows) == (N_FILES, N_FILES, N_ROWS)
    assert [tuple(row) for row in rows] == [COLUMNS] * N_ROWS
    readings = inkdigits.predict(scans)
    assert list_places(rows) == [(Path(str(one.source)).name, one.page) for one in readings]
    for row, reading in zip(rows, readings, strict=True):
        if reading.error is not None:
            assert (row["text"], row["digits"]) == (None, [])
            continue
        assert row["text"] == reading.text
        assert row["confidence"] == pytest.approx(reading.confidence, abs=1e-4)
        assert [digit["box"] for digit in row["digits"]] == [
            [one.box.x, one.box.y, one.box.width, one.box.height] for one in reading.digits
        ]
        assert row["milliseconds"] > 0


def test_a_broken_picture_is_a_row_with_its_error(scans: Path, tmp_path: Path) -> None:
    result = batch(scans, tmp_path / "readings")

    (row,) = [row for row in read_rows(tmp_path / "readings") if row["error"] is not None]
    assert result.n_errors == 1
    assert row["address"] == str(scans / "broken.png")
    assert "broken.png: damaged PNG file" in row["error"]


def test_the_model_is_named_by_its_hash(scans: Path, tmp_path: Path) -> None:
    batch(scans / "0.png", tmp_path / "readings")

    (row,) = read_rows(tmp_path / "readings")
    hashed = subprocess.run(
        ["sha256sum", str(DEFAULT_MODEL)], capture_output=True, text=True, check=True
    )
    assert row["model"] == hashed.stdout.split()[0]


def test_the_pages_of_one_document_are_read_in_order(scans: Path, tmp_path: Path) -> None:
    result = batch(scans / "pages.pdf", tmp_path / "readings", workers=3)

    assert (result.n_files, result.n_read, result.n_rows) == (1, 1, 3)
    assert [row["page"] for row in read_rows(tmp_path / "readings")] == [1, 2, 3]


@pytest.mark.parametrize("row_format", ["csv", "jsonl"])
def test_csv_and_json_lines_hold_the_same_rows(
    row_format: Any, scans: Path, tmp_path: Path
) -> None:
    batch(scans, tmp_path / "parquet")
    batch(scans, tmp_path / "other", format=row_format)

    text = (tmp_path / "other" / f"part-000000.{row_format}").read_text(encoding="utf-8")
    if row_format == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        rows = list(csv.DictReader(text.splitlines(), quoting=csv.QUOTE_MINIMAL))
        for row in rows:
            row["digits"] = json.loads(row["digits"])
            row["page"] = int(row["page"]) if row["page"] else None
            row["confidence"] = float(row["confidence"]) if row["confidence"] else None
            is_read = not row["error"]
            row["text"] = row["text"] if is_read else None
            row["reviewed"] = row["reviewed"] == "True"
            row["reason"], row["error"] = row["reason"] or None, row["error"] or None
    assert without_time(rows) == without_time(read_rows(tmp_path / "parquet"))


@pytest.mark.parametrize(
    ("n_read", "seconds", "start_seconds", "expected"),
    [(24, 18.0, 10.0, 2.0), (8, 10.0, 9.9, 0.8)],  # 16 files in 8 s after the first 8; only these
)
def test_the_rate_leaves_out_the_start_and_the_files_that_came_with_it(
    n_read: int, seconds: float, start_seconds: float, expected: float
) -> None:
    state = inkdigits.bulk.BatchResult(
        "data", 48, 0, n_read, seconds=seconds, start_seconds=start_seconds, n_first=8
    )

    assert state.files_per_second == pytest.approx(expected)
    assert state.seconds_left == pytest.approx((48 - n_read) / expected)


def test_progress_begins_before_the_first_file(scans: Path, tmp_path: Path) -> None:
    """So a batch that is stopped there can be continued, and says so."""
    states: list[inkdigits.bulk.BatchResult] = []
    batch(scans, tmp_path / "readings", report_progress=states.append)

    assert [state.n_read for state in states] == list(range(N_FILES + 1))
    assert {state.n_files for state in states} == {N_FILES}


def test_it_resumes_with_what_is_missing(
    scans: Path, tmp_path: Path, every_file_is_a_part: None
) -> None:
    whole, output = tmp_path / "whole", tmp_path / "readings"
    batch(scans, whole)

    def stop(state: inkdigits.bulk.BatchResult) -> None:
        if state.n_read == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch(scans, output, report_progress=stop)
    kept = {part.name: part.read_bytes() for part in output.glob("part-*")}
    assert len(kept) == 4

    result = batch(scans, output, resume=True)

    assert (result.n_before, result.n_read) == (4, N_FILES - 4)
    assert {name: (output / name).read_bytes() for name in kept} == kept
    assert without_time(read_rows(output)) == without_time(read_rows(whole))
    assert batch(scans, output, resume=True).n_read == 0


def test_a_killed_batch_resumes_without_loss_or_repetition(scans: Path, tmp_path: Path) -> None:
    output = tmp_path / "readings"
    code = (
        "import time, inkdigits.bulk as bulk\n"
        "from inkdigits.bulk import dataset\n"
        "dataset.PART_SECONDS = (0.0, 0.0)\n"
        f"bulk.batch({str(scans)!r}, {str(output)!r}, report_progress=lambda s: time.sleep(0.1))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        deadline = time.monotonic() + 60
        while len(list(output.glob("part-*"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    (output / f".part-000009.{os.urandom(16).hex()}.parquet").write_bytes(b"half a part")
    before = len(read_rows(output))
    assert 3 <= before < N_ROWS

    batch(scans, output, resume=True)

    rows = read_rows(output)
    assert len(rows) == N_ROWS
    assert len({(row["address"], row["page"]) for row in rows}) == N_ROWS
    assert list(output.glob(".part-*")) == []


def test_an_existing_batch_is_kept_unless_asked(scans: Path, tmp_path: Path) -> None:
    output = tmp_path / "readings"
    batch(scans / "0.png", output)
    with pytest.raises(OutputExistsError, match="--resume, or replace it with --force"):
        batch(scans, output)
    with pytest.raises(UsageError, match=r"has source .* not "):
        batch(scans, output, resume=True)
    with pytest.raises(UsageError, match="choose one"):
        batch(scans, output, resume=True, overwrite=True)
    (output / "mine.txt").write_text("mine", encoding="utf-8")

    batch(scans, output, overwrite=True)

    assert len(read_rows(output)) == N_ROWS
    assert (output / "mine.txt").exists()


def test_what_inkdigits_did_not_write_is_left_alone(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError, match="not empty"):
            batch(scans, tmp_path, overwrite=overwrite)
    with pytest.raises(UsageError, match=r"no batch in .* to resume"):
        batch(scans, tmp_path, resume=True)
    with pytest.raises(OutputExistsError, match="is a file"):
        batch(scans, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == [
        "mine.txt"
    ]


def test_two_processes_do_not_write_one_data_set(scans: Path, tmp_path: Path) -> None:
    def start_another(state: inkdigits.bulk.BatchResult) -> None:
        with pytest.raises(OutputExistsError, match="another process writes to"):
            batch(scans, tmp_path / "readings", resume=True)

    batch(scans / "0.png", tmp_path / "readings", report_progress=start_another)


def test_invalid_calls_are_refused_before_anything_is_written(scans: Path, tmp_path: Path) -> None:
    for settings, expected, error in (
        ({"digits": "any"}, "invalid digits", UsageError),
        ({"threshold": 2.0}, "invalid threshold", UsageError),
        ({"format": "parqet"}, "did you mean 'parquet'", UsageError),
        ({"workers": 0}, "invalid number of", UsageError),
        ({"model": tmp_path / "none.onnx"}, "no model at", ModelError),
    ):
        with pytest.raises(error, match=expected):
            batch(scans, tmp_path / "readings", **settings)
    assert list(tmp_path.glob("readings/part-*")) == []


def test_a_folder_that_vanishes_ends_the_batch(
    tmp_path: Path, scans: Path, every_file_is_a_part: None
) -> None:
    source = tmp_path / "scans"
    source.mkdir()
    for number in range(40):
        (source / f"{number:02}.png").write_bytes((scans / "0.png").read_bytes())

    def remove(state: inkdigits.bulk.BatchResult) -> None:
        if state.n_read == 3:
            source.rename(tmp_path / "gone")

    with pytest.raises(DataUnavailableError, match="scans is gone"):
        batch(source, tmp_path / "readings", report_progress=remove, workers=1)

    rows = read_rows(tmp_path / "readings")
    assert 3 <= len(rows) < 40
    assert {row["error"] for row in rows} == {None}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_ends_in_one_line_and_keeps_what_was_written(
    scans: Path, tmp_path: Path, every_file_is_a_part: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "readings"
    code = (
        "import resource, signal, sys\n"
        "from inkdigits.bulk import dataset\n"
        "from inkdigits.cli import main\n"
        "dataset.PART_SECONDS = (0.0, 0.0)\n"
        "encode = dataset._ENCODERS['parquet']\n"
        "written = []\n"
        "def grow(rows):\n"
        "    written.append(rows)\n"
        "    return encode(rows) + b'x' * (200_000 if len(written) > 3 else 0)\n"
        "dataset._ENCODERS = {**dataset._ENCODERS, 'parquet': grow}\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"sys.exit(main(['batch', {str(scans)!r}, {str(output)!r}]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert ended.returncode == OutputError.exit_code
    (line,) = ended.stderr.splitlines()
    assert "part-000003.parquet cannot be written" in line
    assert "is complete: add --resume to go on" in line
    assert len(read_rows(output)) == 3
    assert len(list(output.glob("part-*"))) == 3
    batch(scans, output, resume=True)
    assert len(read_rows(output)) == N_ROWS


@pytest.mark.parametrize(
    ("package", "settings", "message"),
    [
        ("pyarrow", {}, "pyarrow is not installed, but Parquet in .* or choose --format csv"),
        ("filelock", {"format": "csv"}, "filelock is not installed"),
        ("ray", {"ray": "local"}, "Ray is not installed, but --ray needs it"),
        ("fsspec.core", {"source": "memory://bucket"}, "fsspec is not installed, but memory://"),
    ],
)
def test_a_missing_package_is_named_before_anything_is_written(
    package: str,
    settings: dict[str, Any],
    message: str,
    scans: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    source = settings.pop("source", scans / "0.png")

    with pytest.raises(MissingExtraError, match=message) as raised:
        batch(source, tmp_path / "readings", **settings)

    assert 'pip install "inkdigits[scale]"' in str(raised.value)
    assert not (tmp_path / "readings").exists()


def test_csv_needs_no_pyarrow(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert batch(scans / "0.png", tmp_path / "readings", format="csv").n_rows == 1
    assert batch(scans / "0.png", tmp_path / "readings", format="csv", resume=True).n_read == 0


def test_a_trained_network_reads_what_predict_reads(
    scans: Path, tmp_path: Path, smoke_run: inkdigits.Run
) -> None:
    batch(scans / "0.png", tmp_path / "readings", model=smoke_run.folder, digits="one")

    (row,) = read_rows(tmp_path / "readings")
    reading = inkdigits.predict(scans / "0.png", model=smoke_run.folder, digits="one")
    assert (row["text"], row["reason"]) == (reading.text, reading.reason)
    assert row["confidence"] == pytest.approx(reading.confidence, abs=1e-4)


def test_several_models_have_one_hash(
    scans: Path, tmp_path: Path, smoke_run: inkdigits.Run
) -> None:
    models = [smoke_run.folder, smoke_run.folder / "model.onnx"]
    batch(scans / "0.png", tmp_path / "readings", model=models)

    (row,) = read_rows(tmp_path / "readings")
    one = PackedModel.pack(smoke_run.folder).sha256
    assert row["model"] == hashlib.sha256(2 * one.encode()).hexdigest()
