from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.data import parse_idx_images, parse_idx_labels
from inkdigits.errors import DataFormatError

TILE = bytes(range(256)) * 3 + bytes(16)  # 784 bytes


def images_file(*, magic: int = 2051, count: int = 1, rows: int = 28, columns: int = 28) -> bytes:
    return struct.pack(">IIII", magic, count, rows, columns)


def labels_file(*, magic: int = 2049, count: int) -> bytes:
    return struct.pack(">II", magic, count)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "f is empty, expected an IDX file of images"),
        (images_file()[:15], "f has 15 bytes, expected a header of 16"),
        (images_file(magic=2049) + TILE, "f contains labels, expected images: .* swapped"),
        (b"<!DOCTYPE html><html></html>", "magic number 1008813135, expected 2051"),
        (images_file(magic=0x0D080000) + TILE, "magic number 218628096, expected 2051"),
        (images_file(count=0), "f contains no images"),
        (images_file(rows=32, columns=28) + TILE, "32 × 28 pixels, expected 28 × 28: resize"),
        (images_file(rows=28, columns=0), "28 × 0 pixels"),
        (images_file() + TILE[:-1], "truncated: it has 799 bytes, expected 800"),
        (images_file(count=2**32 - 1) + TILE, "truncated: it has 800 bytes"),
        (images_file() + TILE + b"\0\0", "2 bytes too many, expected 800 in total"),
    ],
)
def test_invalid_image_files_are_rejected(raw: bytes, message: str) -> None:
    with pytest.raises(DataFormatError, match=message) as caught:
        parse_idx_images(raw, "f")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "f is empty, expected an IDX file of labels"),
        (labels_file(count=1)[:7], "f has 7 bytes, expected a header of 8"),
        (images_file() + TILE, "f contains images, expected labels: .* swapped"),
        (labels_file(magic=2050, count=1) + b"\1", "magic number 2050, expected 2049"),
        (labels_file(count=0), "f contains no labels"),
        (labels_file(count=3) + b"\1\2", "truncated: it has 10 bytes, expected 11"),
        (labels_file(count=1) + b"\1\2", "1 bytes too many, expected 9 in total"),
        (labels_file(count=4) + b"\0\x09\x0a\xff", "label 10 at position 2, expected 0 to 9"),
    ],
)
def test_invalid_label_files_are_rejected(raw: bytes, message: str) -> None:
    with pytest.raises(DataFormatError, match=message) as caught:
        parse_idx_labels(raw, "f")
    assert "\n" not in str(caught.value)


@given(st.lists(st.binary(min_size=784, max_size=784), min_size=1, max_size=3))
def test_images_come_back_as_written(tiles: list[bytes]) -> None:
    images = parse_idx_images(images_file(count=len(tiles)) + b"".join(tiles), "f")
    assert images.dtype == np.uint8
    assert images.shape == (len(tiles), 28, 28)
    for image, tile in zip(images, tiles, strict=True):
        assert [list(tile[start : start + 28]) for start in range(0, 784, 28)] == image.tolist()


@given(st.lists(st.integers(0, 9), min_size=1))
def test_labels_come_back_as_written(labels: list[int]) -> None:
    parsed = parse_idx_labels(labels_file(count=len(labels)) + bytes(labels), "f")
    assert parsed.dtype == np.uint8
    assert parsed.tolist() == labels


@given(st.binary(max_size=40), st.integers(0, 20), st.sampled_from([b"", images_file(), b"\0\0"]))
def test_any_other_bytes_are_rejected(noise: bytes, kept: int, start: bytes) -> None:
    raw = start[:kept] + noise
    with pytest.raises(DataFormatError):
        parse_idx_images(raw, "f")


def test_arrays_own_their_memory() -> None:
    labels = parse_idx_labels(labels_file(count=2) + b"\1\2", "f")
    labels[0] = 9
    assert labels.tolist() == [9, 2]
