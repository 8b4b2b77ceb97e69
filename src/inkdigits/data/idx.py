"""The IDX format of MNIST (LeCun et al., 1998), parsed strictly.

A file is a big-endian header and then one unsigned byte per value:

    images   uint32 magic 2051, count, rows, columns; count × rows × columns bytes
    labels   uint32 magic 2049, count; count bytes
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
SIDE = 28  # pixels, both ways

_CONTENT = {IMAGES_MAGIC: "images", LABELS_MAGIC: "labels"}


def parse_idx_images(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Parse the images of one IDX file.

    Args:
        raw: The whole file, not compressed.
        name: What messages call the file.

    Returns:
        uint8, shape (n, 28, 28), n ≥ 1, 0 background, 255 full ink; its own memory.

    Raises:
        DataFormatError: `raw` is not exactly one IDX file of 28 × 28 images.
    """
    count, rows, columns = _parse_header(raw, name, IMAGES_MAGIC, ">IIII")
    if (rows, columns) != (SIDE, SIDE):
        raise DataFormatError(
            f"{name} holds images of {rows} × {columns} pixels, expected {SIDE} × {SIDE}: "
            "scale them to that size before writing the file"
        )
    return _parse_body(raw, name, 16, count * SIDE * SIDE).reshape(count, SIDE, SIDE)


def parse_idx_labels(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Parse the labels of one IDX file.

    Args:
        raw: The whole file, not compressed.
        name: What messages call the file.

    Returns:
        uint8, shape (n,), n ≥ 1, 0 to 9, where 0 is the digit zero; its own memory.

    Raises:
        DataFormatError: `raw` is not exactly one IDX file of labels 0 to 9.
    """
    (count,) = _parse_header(raw, name, LABELS_MAGIC, ">II")
    labels = _parse_body(raw, name, 8, count)
    if labels.max() > 9:
        position = int(np.argmax(labels > 9))
        raise DataFormatError(
            f"{name} holds the label {labels[position]} at position {position}, expected 0 to 9: "
            "leave out what is no digit"
        )
    return labels


def _parse_header(raw: bytes, name: str, magic: int, layout: str) -> tuple[int, ...]:
    """The fields after the magic number."""
    if not raw:
        raise DataFormatError(
            f"{name} is empty, expected an IDX file of {_CONTENT[magic]}: copy it again"
        )
    found = int.from_bytes(raw[:4], "big")
    if found in _CONTENT and found != magic:
        raise DataFormatError(
            f"{name} holds {_CONTENT[found]}, expected {_CONTENT[magic]}: "
            "the files of images and labels are swapped, rename them"
        )
    if found != magic:
        raise DataFormatError(
            f"{name} starts with the magic number {found}, expected {magic}: "
            f"it is no IDX file of {_CONTENT[magic]}, bring the right one"
        )
    size = struct.calcsize(layout)
    if len(raw) < size:
        raise DataFormatError(
            f"{name} ends after {len(raw)} bytes, expected a header of {size}: copy it again"
        )
    _, count, *rest = struct.unpack_from(layout, raw)
    if count == 0:
        raise DataFormatError(
            f"{name} holds no {_CONTENT[magic]}, expected at least one: bring a file that does"
        )
    return count, *rest


def _parse_body(raw: bytes, name: str, start: int, size: int) -> NDArray[np.uint8]:
    """The values after the header, exactly `size` of them."""
    if len(raw) - start < size:
        raise DataFormatError(
            f"{name} is cut short: {len(raw)} bytes, its header promises {start + size}: "
            "copy it again"
        )
    if len(raw) - start > size:
        raise DataFormatError(
            f"{name} has {len(raw) - start - size} bytes after its end, "
            f"expected {start + size} in all: copy it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).copy()
