from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from inkdigits.data.verified import check_complete, check_file, list_files_to_download
from inkdigits.errors import DataFormatError, DataUnavailableError

SHA256 = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b", "c")}


def write(folder: Path, **contents: str) -> Path:
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


def test_check_file_tells_whole_damaged_and_missing_files_apart(tmp_path: Path) -> None:
    write(tmp_path, a="a", b="a")
    states = {name: check_file(tmp_path / name, digest) for name, digest in SHA256.items()}
    assert states == {"a": "whole", "b": "damaged", "c": "missing"}
    with pytest.raises(DataUnavailableError, match=r"cannot be read \(.*check the file"):
        check_file(tmp_path, SHA256["a"])


def test_damaged_files_are_downloaded_again_only_if_they_may_be_replaced(tmp_path: Path) -> None:
    write(tmp_path, a="a")
    assert list_files_to_download(tmp_path, SHA256, replace=False) == ["b", "c"]
    write(tmp_path, b="another")
    assert list_files_to_download(tmp_path, SHA256, replace=True) == ["b", "c"]
    with pytest.raises(DataFormatError, match=r"b does not match .* SHA-256 .*move it away"):
        list_files_to_download(tmp_path, SHA256, replace=False)
    assert list_files_to_download(write(tmp_path, b="b", c="c"), SHA256, replace=False) == []


def test_check_complete_names_a_missing_or_damaged_file(tmp_path: Path) -> None:
    write(tmp_path, a="a", b="another")
    message = f"1 of 3 files are missing in {tmp_path}, such as c: download them with fetch()"
    with pytest.raises(DataUnavailableError, match=f"^{re.escape(message)}$"):
        check_complete(tmp_path, SHA256, "fetch()")
    with pytest.raises(DataFormatError, match=r"b does not match .* SHA-256.*again with fetch\(\)"):
        check_complete(write(tmp_path, c="c"), SHA256, "fetch()")
    check_complete(write(tmp_path, b="b"), SHA256, "fetch()")
