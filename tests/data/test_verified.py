from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from inkdigits.data.verified import check_file, list_unfetched, require_whole
from inkdigits.errors import DataFormatError, DataUnavailableError

SHA256 = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b", "c")}


def write(folder: Path, **contents: str) -> Path:
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


def test_states_of_a_file(tmp_path: Path) -> None:
    write(tmp_path, a="a", b="a")
    states = {name: check_file(tmp_path / name, digest) for name, digest in SHA256.items()}
    assert states == {"a": "whole", "b": "damaged", "c": "missing"}
    with pytest.raises(DataUnavailableError, match=r"cannot be read: .*check the file"):
        check_file(tmp_path, SHA256["a"])


def test_what_is_to_be_fetched(tmp_path: Path) -> None:
    write(tmp_path, a="a")
    assert list_unfetched(tmp_path, SHA256, replace=False) == ["b", "c"]
    write(tmp_path, b="another")
    assert list_unfetched(tmp_path, SHA256, replace=True) == ["b", "c"]
    with pytest.raises(DataFormatError, match=r"b has another SHA-256 .*move it away"):
        list_unfetched(tmp_path, SHA256, replace=False)
    assert list_unfetched(write(tmp_path, b="b", c="c"), SHA256, replace=False) == []


def test_all_must_be_whole(tmp_path: Path) -> None:
    write(tmp_path, a="a", b="another")
    lacking = re.escape(f"{tmp_path} lacks 1 of 3 files, such as c: fetch them with fetch()")
    with pytest.raises(DataUnavailableError, match=f"^{lacking}$"):
        require_whole(tmp_path, SHA256, "fetch()")
    with pytest.raises(DataFormatError, match=r"b has another SHA-256 .*again with fetch\(\)"):
        require_whole(write(tmp_path, c="c"), SHA256, "fetch()")
    require_whole(write(tmp_path, b="b"), SHA256, "fetch()")
