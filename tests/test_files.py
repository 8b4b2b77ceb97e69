from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import InkdigitsError, ModelError, OutputError, OutputExistsError, RunError
from inkdigits.files import write_text_whole, write_whole

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
def test_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "missing" / "folder" / "file.txt"

    write_text_whole(path, text)

    assert path.read_bytes().decode() == text
    assert list(path.parent.iterdir()) == [path]


def test_old_content_stays_until_the_block_has_ended(old: Path) -> None:
    with write_whole(old) as temporary:
        temporary.write_text("half")
        assert old.read_text() == "old"
        assert temporary.parent == old.parent
        assert temporary.suffix == old.suffix

    assert old.read_text() == "half"
    assert list(old.parent.iterdir()) == [old]


def test_result_is_readable_by_colleagues(old: Path) -> None:
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
def test_a_block_that_fails_leaves_all_as_it_was(
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


def test_full_disk(old: Path, python: Callable[..., CompletedProcess[str]]) -> None:
    ended = python("-c", FULL_DISK, str(old))

    assert str(old) in ended.stdout, ended
    assert "cannot be written" in ended.stdout
    assert ended.stdout.count("\n") == 1
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_existing_file_is_refused_where_asked(old: Path) -> None:
    with pytest.raises(OutputExistsError, match="exists already"):
        write_text_whole(old, "new", overwrite=False)

    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("name", ["below/file.txt", ""])
def test_impossible_place(tmp_path: Path, name: str) -> None:
    """Below a regular file, and in place of a folder that is not empty."""
    (tmp_path / "below").write_text("a file")

    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_text_whole(tmp_path / name, "new")

    assert isinstance(caught.value, InkdigitsError)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["below"]
