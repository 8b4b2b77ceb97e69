"""A strict parser for MNIST's IDX format (LeCun et al., 1998).

A file has a big-endian header, followed by one unsigned byte per value:

    images   uint32 magic 2051, count, rows, columns; count × rows × columns bytes
    labels   uint32 magic 2049, count; count bytes

QMNIST (Yadav and Bottou, 2019) has labels with attributes, such as the writer:

    labels   uint32 magic 3074, count, columns; count × columns big-endian int32
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.datasets import DIGITS, Classes
from inkdigits.errors import DataFormatError

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049
QMNIST_LABELS_MAGIC = 3074
SIDE = 28  # width and height of an image in pixels

_CONTENT = {
    IMAGES_MAGIC: "images",
    LABELS_MAGIC: "labels",
    QMNIST_LABELS_MAGIC: "labels with attributes",
}


def parse_idx_images(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Parses an IDX file of images.

    Args:
        raw: The uncompressed content of the file.
        name: Name of the file in error messages.

    Returns:
        uint8, shape (n, 28, 28), n ≥ 1, 0 background, 255 full ink. A copy, not a view of `raw`.

    Raises:
        DataFormatError: `raw` is not exactly one IDX file of 28 × 28 images.
    """
    count, rows, columns = _parse_header(raw, name, IMAGES_MAGIC, ">IIII")
    if (rows, columns) != (SIDE, SIDE):
        raise DataFormatError(
            f"{name} contains images of {rows} × {columns} pixels, expected {SIDE} × {SIDE}: "
            "resize them before writing the file"
        )
    return _parse_body(raw, name, 16, count * SIDE * SIDE).reshape(count, SIDE, SIDE)


def parse_idx_labels(raw: bytes, name: str, classes: Classes = DIGITS) -> NDArray[np.uint8]:
    """Parses an IDX file of labels.

    Args:
        raw: The uncompressed content of the file.
        name: Name of the file in error messages.
        classes: What the labels stand for.

    Returns:
        uint8, shape (n,), n ≥ 1, counted from 0; of digits 0 to 9, where 0 is the digit zero. A
        copy, not a view of `raw`.

    Raises:
        DataFormatError: `raw` is not exactly one IDX file of such labels.
    """
    (count,) = _parse_header(raw, name, LABELS_MAGIC, ">II")
    return check_labels(_parse_body(raw, name, 8, count), name, classes)


def parse_qmnist_labels(raw: bytes, name: str, classes: Classes = DIGITS) -> NDArray[np.uint8]:
    """Parses an IDX file of QMNIST's labels. The first column is the digit.

    Args:
        raw: The uncompressed content of the file.
        name: Name of the file in error messages.
        classes: What the labels stand for.

    Returns:
        uint8, shape (n,), n ≥ 1, as in `parse_idx_labels`.

    Raises:
        DataFormatError: `raw` is not exactly one such file.
    """
    count, columns = _parse_header(raw, name, QMNIST_LABELS_MAGIC, ">III")
    if columns == 0:
        raise DataFormatError(f"{name} has no columns, expected QMNIST's 8: download it again")
    values = _parse_body(raw, name, 12, count * columns * 4).view(">i4")
    return check_labels(values.reshape(count, columns)[:, 0], name, classes)


def check_labels(
    labels: NDArray[np.integer[Any]], name: str, classes: Classes = DIGITS
) -> NDArray[np.uint8]:
    """Checks that each label stands for one of the classes.

    Args:
        labels: Integers of shape (n,), n ≥ 1, as files have them.
        name: Name of the file in error messages.
        classes: What the labels stand for.

    Returns:
        The labels counted from 0: uint8, shape (n,), 0 to 9 for digits.

    Raises:
        DataFormatError: A label stands for no class, such as 10 for digits.
    """
    low, high = classes.first_label, classes.last_label
    invalid = (labels < low) | (labels > high)
    if invalid.any():
        position = int(np.argmax(invalid))
        remedy = (
            "remove the images that are not digits, or say with dataset (--dataset) what they are"
            if classes.are_digits
            else "remove the images of other classes"
        )
        raise DataFormatError(
            f"{name} contains the label {labels[position]} at position {position}, expected "
            f"{low} to {high}: {remedy}"
        )
    return (labels - labels.dtype.type(low)).astype(np.uint8)


def build_idx_header(values: NDArray[np.uint8]) -> bytes:
    """Returns the IDX header of images, shape (n, rows, columns), or of labels, shape (n,)."""
    magic = IMAGES_MAGIC if values.ndim == 3 else LABELS_MAGIC
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape)


def compute_idx_sha256(values: NDArray[np.uint8]) -> str:
    """Returns the SHA-256 of the IDX file of these values, as 64 hexadecimal digits.

    Args:
        values: Images of shape (n, 28, 28), or labels of shape (n,).
    """
    digest = hashlib.sha256(build_idx_header(values))
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _parse_header(raw: bytes, name: str, magic: int, layout: str) -> tuple[int, ...]:
    """Returns the header fields after the magic number."""
    if not raw:
        raise DataFormatError(
            f"{name} is empty, expected an IDX file of {_CONTENT[magic]}: download it again"
        )
    found = int.from_bytes(raw[:4], "big")
    if found in _CONTENT and found != magic:
        raise DataFormatError(
            f"{name} contains {_CONTENT[found]}, expected {_CONTENT[magic]}: "
            "the files of images and labels are swapped, rename them"
        )
    if found != magic:
        raise DataFormatError(
            f"{name} is not an IDX file of {_CONTENT[magic]}: it starts with the magic number "
            f"{found}, expected {magic}"
        )
    size = struct.calcsize(layout)
    if len(raw) < size:
        raise DataFormatError(
            f"{name} has {len(raw)} bytes, expected a header of {size}: download it again"
        )
    _, count, *rest = struct.unpack_from(layout, raw)
    if count == 0:
        raise DataFormatError(
            f"{name} contains no {_CONTENT[magic]}, expected at least one: use another file"
        )
    return count, *rest


def _parse_body(raw: bytes, name: str, start: int, size: int) -> NDArray[np.uint8]:
    """Returns the values after the header. There must be exactly `size` of them."""
    if len(raw) - start < size:
        raise DataFormatError(
            f"{name} is truncated: it has {len(raw)} bytes, expected {start + size}: "
            "download it again"
        )
    if len(raw) - start > size:
        raise DataFormatError(
            f"{name} has {len(raw) - start - size} bytes too many, "
            f"expected {start + size} in total: download it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).copy()
