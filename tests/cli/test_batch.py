"""`inkdigits batch` as users call it: what it prints, and its exit statuses."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inkdigits.cli import batch as command
from inkdigits.cli import exit_status, main

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures and a broken one, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("7-canvas.png", "0-tiny.gif"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_the_last_line_says_what_was_written(
    scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "scans", "readings"]) == exit_status.OK
    printed = capsys.readouterr()
    assert printed.out.startswith("readings: 3 rows, 1 with an error, from 3 files in ")
    assert printed.err == ""

    assert main(["batch", "scans", "readings"]) == exit_status.OUTPUT
    assert "--resume, or replace it with --force" in capsys.readouterr().err

    assert main(["batch", "scans", "readings", "--resume", "--json"]) == exit_status.OK
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert (result["files"], result["files_before"], result["files_read"]) == (3, 3, 0)


def test_progress_is_a_line_where_there_is_no_terminal(
    scans: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LINE_S", 0.0)
    main(["batch", "scans", "readings"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("inkdigits: 1 of 3 files, ")
    assert lines[0].endswith(" left")

    main(["batch", "scans", "readings", "--force", "--quiet"])
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(
    scans: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")

    assert main(["batch", "scans", "readings"]) == exit_status.OK

    assert "3/3" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_sigterm_writes_what_was_read(scans: Path) -> None:
    content = (scans / "7-canvas.png").read_bytes()
    for number in range(2_000):
        (scans / f"{number}.png").write_bytes(content)
    process = subprocess.Popen(
        [sys.executable, "-m", "inkdigits", "batch", "scans", "readings"],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not Path("readings/batch.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(4)  # some of the files, and not all, take that long on any machine
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == exit_status.INTERRUPTED
    (line,) = errors.splitlines()
    assert "of 2,003 files: what readings contains is complete; add --resume to go on" in line
    assert list(Path("readings").glob("part-*.parquet")) != []


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        ((), "arguments are required: SOURCE", exit_status.USAGE),
        (("scans",), "OUTPUT is missing", exit_status.USAGE),
        (("scan", "readings"), "did you mean 'scans'?", exit_status.INPUT),
        (("scans", "readings", "--format", "xml"), "unknown format 'xml'", exit_status.USAGE),
        (("scans", "readings", "--workers", "0"), "invalid number '0'", exit_status.USAGE),
        (("--ray", "scans", "readings"), "put --ray last", exit_status.USAGE),
        (("scans", "readings", "--resume"), "no batch in", exit_status.USAGE),
    ],
)
def test_a_wrong_call_ends_in_one_line(
    arguments: tuple[str, ...],
    message: str,
    status: int,
    scans: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["batch", *arguments]) == status

    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not Path("readings").exists()
