from __future__ import annotations

import errno
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import InkdigitsError, ModelError, OutputError, OutputExistsError, RunError
from inkdigits.files import (
    find_free_name,
    read_limited,
    remove_leftovers,
    write_text_whole,
    write_whole,
)

FULL_DISK = """
import resource, sys
from pathlib import Path
from inkdigits.errors import OutputError
from inkdigits.files import write_text_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_text_whole(Path(sys.argv[1]), "new" * 10_000)
except OutputError as error:
    print(error)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "file.txt"
    path.write_text("old")
    return path


@given(text=st.text(st.characters(codec="utf-8")))
def test_text_is_written_unchanged(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "missing" / "folder" / "file.txt"

    write_text_whole(path, text)

    assert path.read_bytes().decode() == text
    assert list(path.parent.iterdir()) == [path]


def test_the_old_content_stays_until_the_block_has_ended(old: Path) -> None:
    with write_whole(old) as temporary:
        temporary.write_text("half")
        assert old.read_text() == "old"
        assert temporary.parent == old.parent
        assert temporary.suffix == old.suffix

    assert old.read_text() == "half"
    assert list(old.parent.iterdir()) == [old]


def test_written_files_are_readable_by_other_users(old: Path) -> None:
    write_text_whole(old, "new")

    assert old.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError),
        (ValueError("a converter's own"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ModelError("ours"), ModelError),
        (RunError("ours, and an OSError"), RunError),
    ],
)
def test_a_failed_block_leaves_the_file_unchanged(
    old: Path, raised: BaseException, expected: type[BaseException]
) -> None:
    def write_half() -> None:
        with write_whole(old) as temporary:
            temporary.write_text("half")
            raise raised

    with pytest.raises(expected):
        write_half()

    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_a_full_disk_leaves_the_file_unchanged(
    old: Path, python: Callable[..., CompletedProcess[str]]
) -> None:
    ended = python("-c", FULL_DISK, str(old))

    assert str(old) in ended.stdout, ended
    assert "cannot be written" in ended.stdout
    assert ended.stdout.count("\n") == 1
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(old: Path) -> None:
    with pytest.raises(OutputExistsError, match="exists already"):
        write_text_whole(old, "new", overwrite=False)

    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("name", ["below/file.txt", ""])
def test_a_path_that_cannot_be_written_is_reported(tmp_path: Path, name: str) -> None:
    """Below a regular file, and in place of a folder that is not empty."""
    (tmp_path / "below").write_text("a file")

    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_text_whole(tmp_path / name, "new")

    assert isinstance(caught.value, InkdigitsError)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["below"]


KILLED = """
import os, signal, sys
from pathlib import Path
from inkdigits.files import write_whole
with write_whole(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["checkpoint.npz", "model.int8.onnx", "plain", ".hidden"])
def test_temporary_files_of_a_killed_process_are_removed(
    tmp_path: Path, python: Callable[..., CompletedProcess[str]], name: str
) -> None:
    python("-c", KILLED, str(tmp_path / name))
    assert len(list(tmp_path.iterdir())) == 1

    assert remove_leftovers(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_only_temporary_files_of_write_whole_are_removed(tmp_path: Path) -> None:
    digits = "0123456789abcdef" * 2
    kept = [
        f"file.{digits}.npz",
        f".file.{digits[:-1]}.npz",
        f".file.{digits}0.npz",
        f".file.{digits.upper()}.npz",
        f".file.{digits}.npz.old",
        f"{digits}.png",
        ".lock",
        "checkpoint.npz",
    ]
    for name in kept:
        (tmp_path / name).write_text("kept")
    (tmp_path / f".folder.{digits}.npz").mkdir()
    (tmp_path / f".link.{digits}.npz").symlink_to(tmp_path / "checkpoint.npz")
    below = tmp_path / "below" / f".file.{digits}.npz"
    below.parent.mkdir()
    below.touch()
    before = sorted(tmp_path.rglob("*"))

    assert remove_leftovers(tmp_path) == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("n", [0, 1, 99, 100])
def test_a_file_within_the_limit_is_read(tmp_path: Path, n: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(n)))

    assert read_limited(path, 100) == bytes(range(n))


def test_larger_files_and_other_kinds_of_files_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    start = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="larger than 1,000 bytes"):
            read_limited(tmp_path / "sparse", 1_000)
        for name in ("pipe", "endless"):
            with pytest.raises(OSError, match="Not a regular file"):
                read_limited(tmp_path / name, 1_000)
        with pytest.raises(IsADirectoryError):
            read_limited(tmp_path, 1_000)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "the folder is read-only"),
        (errno.EACCES, "the folder is read-only"),
        (errno.ENOTDIR, "it is not a folder"),
        (errno.EIO, "input/output error"),
    ],
)
def test_the_reason_does_not_contain_a_path(old: Path, number: int, reason: str) -> None:
    with pytest.raises(OutputError) as caught, write_whole(old):
        raise OSError(number, os.strerror(number), str(old))

    assert caught.value.reason == reason
    assert OutputError("some error").reason is None


@pytest.mark.parametrize(
    ("wanted", "suffix", "taken", "expected"),
    [
        ("report", "", [], "report"),
        ("report", "", ["report"], "report-2"),
        ("report", "", ["report", "report-2", "report-4"], "report-3"),
        ("report", "", ["report-2"], "report"),
        ("net.int8.onnx", ".int8.onnx", ["net.int8.onnx"], "net-2.int8.onnx"),
    ],
)
def test_the_first_free_name_is_found(
    wanted: str, suffix: str, taken: list[str], expected: str, tmp_path: Path
) -> None:
    for name in taken:
        (tmp_path / name).touch()

    assert find_free_name(tmp_path / wanted, suffix) == tmp_path / expected


def test_the_name_of_a_broken_link_is_not_free(tmp_path: Path) -> None:
    (tmp_path / "report").symlink_to("nowhere")

    assert find_free_name(tmp_path / "report").name == "report-2"
