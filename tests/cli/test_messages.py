"""File names and terminals in other encodings end no command with a traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
NAME, MISSING = os.fsdecode(b"sept-\xe9.png"), os.fsdecode(b"missing-\xe9.png")  # Latin-1


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a folder and environment of its own."""

    def run_command(
        *arguments: bytes | str, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "inkdigits", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            timeout=300,
            check=False,
        )

    return run_command


@pytest.fixture
def latin_1_name(pictures: dict[str, Path], tmp_path: Path) -> str:
    path = tmp_path / NAME
    try:
        shutil.copy(pictures["seven"], path)
    except OSError:
        pytest.skip("file names are UTF-8 here")
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_file_name_that_is_not_valid_utf_8_is_read_and_written_as_it_is(
    latin_1_name: str, run: Run, tmp_path: Path, encoding: str
) -> None:
    arguments = ["predict", latin_1_name, MISSING, "--csv", "rows.csv"]
    ended = run(*arguments, PYTHONIOENCODING=encoding)

    assert ended.stderr.startswith(b"inkdigits: missing-")
    assert ended.stderr.count(b"\n") == 1
    assert ended.returncode == 3
    assert b": 7  (" in ended.stdout
    content = (tmp_path / "rows.csv").read_bytes().decode(errors="surrogateescape")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["file"] for row in rows] == [latin_1_name, MISSING]
    assert rows[0]["text"] == "7"


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_an_error_about_a_name_that_is_not_valid_utf_8_is_one_line(run: Run) -> None:
    for arguments, status in (
        ([b"predict", b"a.png", b"--model", b"\xe9"], 3),
        ([b"\xe9"], 2),
        ([b"predict", b"\xe9"], 3),
    ):
        ended = run(*arguments, PYTHONIOENCODING="utf-8")
        assert ended.returncode == status
        assert ended.stderr.startswith(b"inkdigits: ")
        assert ended.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_json_holds_a_name_that_is_not_valid_utf_8(latin_1_name: str, run: Run) -> None:
    ended = run("predict", latin_1_name, "--json", PYTHONIOENCODING="utf-8")

    assert ended.returncode == 0
    (row,) = json.loads(ended.stdout)
    assert row["file"] == latin_1_name


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["PYTHONIOENCODING", "LC_ALL"],
)
def test_bars_are_escaped_on_a_terminal_that_is_limited_to_ascii(
    pictures: dict[str, Path], run: Run, environment: dict[str, str]
) -> None:
    ended = run("predict", str(pictures["seven"]), "--probabilities", **environment)

    assert ended.stderr == b""
    assert ended.returncode == 0
    assert ended.stdout.startswith(b"7  (")
    assert b"\\u2588" in ended.stdout  # a bar


@pytest.mark.parametrize("argument", ["--help", "recipes"])
def test_help_is_printed_on_a_terminal_that_is_limited_to_ascii(run: Run, argument: str) -> None:
    ended = run(argument, PYTHONIOENCODING="ascii")

    assert ended.stderr == b""
    assert ended.returncode == 0
