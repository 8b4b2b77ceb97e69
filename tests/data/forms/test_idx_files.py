from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.data import LabelledImages, load_mnist
from inkdigits.data.idx import parse_qmnist_labels
from inkdigits.errors import DataFormatError, DataUnavailableError

Writers = dict[str, Callable[[Path, dict[str, LabelledImages]], None]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (struct.pack(">III", 3074, 2, 0), "no columns, expected QMNIST's 8"),
        (struct.pack(">III", 3074, 0, 8), "contains no labels with attributes"),
        (struct.pack(">III", 3074, 2**32 - 1, 2**32 - 1), "is truncated"),
        (struct.pack(">III8i", 3074, 1, 8, 11, *range(7)), "the label 11 at position 0"),
        (struct.pack(">III8i", 3074, 1, 8, -1, *range(7)), "the label -1 at position 0"),
        (struct.pack(">III8i", 3074, 1, 8, *range(8)) + b"0", "1 bytes too many"),
        (struct.pack(">II", 2049, 1) + b"\1", "contains labels, expected labels with attributes"),
    ],
)
def test_wrong_labels_of_qmnist_are_named(raw: bytes, message: str) -> None:
    with pytest.raises(DataFormatError, match=message):
        parse_qmnist_labels(raw, "labels")


def test_the_split_letters_of_emnist_is_refused_for_its_labels(
    writers: Writers, sets: dict[str, LabelledImages], tmp_path: Path
) -> None:
    writers["mnist"](tmp_path, {"train": sets["train"]})
    for content in ("images-idx3", "labels-idx1"):
        path = tmp_path / f"train-{content}-ubyte"
        path.rename(tmp_path / f"emnist-letters-{path.name}")
    labels = tmp_path / "emnist-letters-train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + bytes([26]))

    with pytest.raises(DataFormatError, match=r"letters.*contains the label 26 at position 24"):
        load_mnist(tmp_path)


def test_images_without_labels_are_named(
    writers: Writers, sets: dict[str, LabelledImages], tmp_path: Path
) -> None:
    writers["qmnist"](tmp_path, sets)
    (tmp_path / "qmnist-test-labels-idx2-int.gz").unlink()

    with pytest.raises(DataUnavailableError, match=r"^qmnist-test-labels-idx2-int missing in"):
        load_mnist(tmp_path)
