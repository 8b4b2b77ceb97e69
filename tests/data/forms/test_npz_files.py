from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.data import load_mnist
from inkdigits.data.forms import npz_files
from inkdigits.errors import DataFormatError

TILES = np.zeros((3, 28, 28), np.uint8)
LABELS = np.array([1, 2, 3])


@pytest.mark.parametrize(
    "images",
    [
        TILES + 7,
        TILES[..., np.newaxis] + 7,
        TILES[:, np.newaxis] + 7,
        TILES.reshape(3, 784) + 7,
        TILES.astype(np.int64) + 7,
        np.asfortranarray(TILES + 7),
        (TILES + 7).astype(">u2"),
    ],
    ids=lambda images: f"{images.dtype}-{images.shape}",
)
def test_arrays_of_usual_shapes_and_integer_types_are_taken(images: Any, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "own.npz", x_train=images, y_train=LABELS[:, np.newaxis])

    data = load_mnist(tmp_path / "own.npz")

    assert data.train.images.tolist() == (TILES + 7).tolist()
    assert data.train.labels.tolist() == [1, 2, 3]
    assert len(data.test) == 0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": TILES, "labels": LABELS}, "contains images, labels; expected x_train and y_"),
        ({"x_train": TILES}, "contains x_train; expected x_train and y_train"),
        ({"x_test": TILES / 255, "y_test": LABELS}, "x_test in .* is float64 of other values than"),
        ({"x_test": TILES - 1 + 0 * 7, "y_test": LABELS.astype(float)}, "y_test in .* is float64"),
        ({"x_test": TILES.astype(int) - 1, "y_test": LABELS}, "x_test in .* is int64 of other"),
        ({"x_test": TILES[:, 1:], "y_test": LABELS}, r"the shape \(3, 27, 28\), expected \(n, 28"),
        ({"x_test": TILES[:0], "y_test": LABELS[:0]}, "contains no images"),
        ({"x_test": TILES, "y_test": LABELS[:2]}, "contains 3 images but y_test .* 2 labels"),
        ({"x_test": TILES, "y_test": LABELS + 7}, "contains the label 10 at position 2"),
        ({"x_test": TILES, "y_test": LABELS - 2}, "contains the label -1 at position 0"),
        ({"x_test": TILES, "y_test": np.eye(3)}, r"float64 of shape \(3, 3\), expected integers"),
        ({"x_test": TILES, "y_test": np.array([1, "a", None], object)}, "contains Python objects"),
    ],
)
def test_other_arrays_are_named(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays)

    with pytest.raises(DataFormatError, match=message) as caught:
        load_mnist(tmp_path / "own.npz")
    assert "\n" not in str(caught.value)


def test_every_truncated_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x_train=TILES, y_train=LABELS)
    whole = path.read_bytes()

    for length in range(0, len(whole), 29):
        path.write_bytes(whole[:length])
        with pytest.raises(DataFormatError, match=r"own\.npz is a damaged \.npz file"):
            load_mnist(path)


def test_flipped_bytes_give_one_line_or_the_same_images(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x_train=TILES, y_train=LABELS)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    outcomes = set()

    for position in random.choice(len(whole), 150, replace=False):
        changed = bytearray(whole)
        changed[position] ^= int(random.integers(1, 256))
        path.write_bytes(changed)
        try:
            outcomes.add(str(load_mnist(path).train.labels.tolist()))
        except DataFormatError as error:
            outcomes.add(str(error))

    assert len(outcomes) > 5
    assert not any("\n" in outcome for outcome in outcomes)
    assert {outcome for outcome in outcomes if "own.npz" not in outcome} == {"[1, 2, 3]"}


def write_header(path: Path, header: bytes) -> None:
    """Writes an archive whose array has a header and no values."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x_train", "y_train"):
            content = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
            archive.writestr(f"{name}.npy", content)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(1000000000000, 28, 28)", "784,000,000,000,000 bytes, expected at most 1,073,741,824"),
        ("(5, 28, 28)", "is truncated or too long: expected 3,920 bytes"),
        ("(-5, 28, 28)", "is truncated or too long|damaged"),
    ],
)
def test_a_size_that_is_only_claimed_takes_no_memory(
    shape: str, message: str, tmp_path: Path
) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"
    write_header(tmp_path / "own.npz", header.encode())

    with pytest.raises(DataFormatError, match=message):
        load_mnist(tmp_path / "own.npz")


def test_an_archive_that_unpacks_to_more_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    np.savez_compressed(tmp_path / "own.npz", x_train=np.zeros((90, 28, 28), "u1"), y_train=LABELS)
    monkeypatch.setattr(npz_files, "MAX_RAW_BYTES", 10_000)

    with pytest.raises(DataFormatError, match="70,560 bytes, expected at most 10,000"):
        load_mnist(tmp_path / "own.npz")
