"""Names and lengths of files: each file is easy to find, and short enough to read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import inkdigits
from tests.conftest import LONGEST

SOURCE = Path(inkdigits.__file__).parent
TESTS = Path(__file__).parents[1]
MAX_LINES = 500
CODE = {".py", ".js", ".css", ".html"}


def list_code() -> list[Path]:
    found = [path for folder in (SOURCE, TESTS) for path in folder.rglob("*")]
    return sorted(path for path in found if path.suffix in CODE)


def test_no_name_of_a_module_occurs_twice() -> None:
    names = Counter(path.name for path in SOURCE.rglob("*.py") if path.name != "__init__.py")

    assert len(names) > 100
    assert [name for name, n in names.items() if n > 1] == []


@pytest.mark.parametrize("path", list_code(), ids=lambda path: "/".join(path.parts[-3:]))
def test_no_file_is_long(path: Path) -> None:
    n_lines = len(path.read_text(encoding="utf-8").splitlines())

    assert n_lines <= MAX_LINES


def test_files_of_all_kinds_are_measured() -> None:
    assert {path.suffix for path in list_code()} == CODE


def test_files_that_several_processes_begin_with_are_there() -> None:
    assert len(set(LONGEST)) == len(LONGEST)
    assert [name for name in LONGEST if not (TESTS.parent / name).is_file()] == []
