from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.data.folder import (
    cache_directory,
    compute_sha256,
    decompress,
    find_file,
    read_raw,
)
from inkdigits.errors import DataFormatError, DataUnavailableError

NAME = "train-labels-idx1-ubyte"


def test_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKDIGITS_CACHE", "/somewhere/else")
    assert cache_directory() == Path("/somewhere/else")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("USERPROFILE", "/home/someone")
    monkeypatch.setenv("INKDIGITS_CACHE", "~/kept")
    assert cache_directory() == Path("/home/someone/kept")
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("INKDIGITS_CACHE")
        else:
            monkeypatch.setenv("INKDIGITS_CACHE", unset)
        assert cache_directory().is_absolute()
        assert "inkdigits" in cache_directory().parts


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ([], None),
        ([f"{NAME}.zip"], None),
        ([NAME], NAME),
        (["train-labels.idx1-ubyte"], "train-labels.idx1-ubyte"),
        (["train-labels.idx1-ubyte.gz"], "train-labels.idx1-ubyte.gz"),
        ([f"{NAME}.gz", "train-labels.idx1-ubyte"], "train-labels.idx1-ubyte"),
        ([f"{NAME}.gz", "train-labels.idx1-ubyte", NAME], NAME),
    ],
)
def test_find_file_prefers_the_uncompressed_file(
    tmp_path: Path, present: list[str], expected: str | None
) -> None:
    for name in present:
        (tmp_path / name).touch()
    assert find_file(tmp_path, NAME) == (tmp_path / expected if expected else None)


def test_find_file_ignores_folders(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert find_file(tmp_path, NAME) is None


@pytest.mark.parametrize("compressed", [False, True])
def test_read_raw_detects_compression_by_the_content(tmp_path: Path, compressed: bool) -> None:
    raw = b"\0\0\x08\x01" + bytes(5000)
    for name in (NAME, f"{NAME}.gz"):  # servers and browsers compress and unpack as they like
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if compressed else raw)
        assert read_raw(path) == raw


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:12],
        lambda content: content[:2],
        lambda content: content[:-8] + b"\0\0\0\0" + content[-4:],
        lambda content: content[:10] + b"\xff" * 20 + content[30:],
    ],
    ids=["last byte gone", "nearly all gone", "magic only", "checksum", "stream"],
)
def test_damaged_gzip_files_are_rejected(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"{NAME}.gz"
    path.write_bytes(damage(gzip.compress(bytes(range(256)) * 20)))
    with pytest.raises(DataFormatError, match=f"{NAME}.gz is a damaged gzip file .*copy it again"):
        read_raw(path)


def test_decompress_stops_at_its_limit() -> None:
    bomb = gzip.compress(bytes(10**6))
    assert len(decompress(bomb, "f", 10**6)) == 10**6
    with pytest.raises(DataFormatError, match="f has more than 999,999 bytes"):
        decompress(bomb, "f", 10**6 - 1)


def test_read_raw_rejects_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"cannot be read \(No such file"):
        read_raw(tmp_path / NAME)


def test_sha256_matches_a_published_example() -> None:
    # The example "abc" of FIPS 180-2.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert compute_sha256(b"abc") == expected
