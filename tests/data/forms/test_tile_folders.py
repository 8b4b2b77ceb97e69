from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages, load_mnist
from inkdigits.data.forms.tile_pictures import decode_tile
from inkdigits.errors import DataFormatError

Writers = dict[str, Callable[[Path, dict[str, LabelledImages]], None]]


def encode(picture: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


TILE = Image.fromarray(np.arange(784, dtype=np.uint16).astype(np.uint8).reshape(28, 28))


@pytest.mark.parametrize(
    "content",
    [encode(TILE), encode(TILE.convert("RGB")), encode(TILE, "BMP"), encode(TILE.convert("P"))],
    ids=["grey", "RGB", "BMP", "palette"],
)
def test_tiles_are_decoded(content: bytes) -> None:
    np.testing.assert_array_equal(decode_tile(content, "tile"), np.asarray(TILE))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as PNG, JPEG or BMP .not a picture"),
        (b"seven", "cannot be read as PNG, JPEG or BMP .not a picture"),
        (encode(TILE)[:-200], "cannot be read as PNG, JPEG or BMP"),
        (encode(TILE, "GIF"), "not a picture"),
        (encode(TILE.resize((32, 20))), "is 32 × 20 pixels, expected 28 × 28: .* --pictures"),
        (encode(TILE.convert("RGBA")), "has the mode RGBA, expected grey or RGB"),
        (encode(TILE) + bytes(2**16), "bytes, expected at most 65,536 for a tile"),
        (encode(Image.new("1", (30_000, 30_000))), "expected"),
    ],
    ids=range(8),
)
def test_other_pictures_are_named(content: bytes, message: str) -> None:
    with pytest.raises(DataFormatError, match=message):
        decode_tile(content, "tile.png")


def test_names_that_are_no_positions_sort_by_digit(tmp_path: Path) -> None:
    for digit, name in (("1", "b"), ("0", "z"), ("1", "a")):
        (tmp_path / "train" / digit).mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / digit / f"{name}.png").write_bytes(encode(TILE))

    assert load_mnist(tmp_path).train.labels.tolist() == [0, 1, 1]


def test_other_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "testing" / "3").mkdir(parents=True)
    with pytest.raises(DataFormatError, match="testing contains no images"):
        load_mnist(tmp_path)

    (tmp_path / "testing" / "3" / "notes.txt").write_text("three")
    with pytest.raises(DataFormatError, match=r"notes\.txt is not a tile: expected files that end"):
        load_mnist(tmp_path)

    (tmp_path / "testing" / "3" / "notes.txt").rename(tmp_path / "testing" / "3" / "notes.png")
    with pytest.raises(DataFormatError, match=r"notes\.png cannot be read as PNG"):
        load_mnist(tmp_path)


def test_mnist_png_keeps_the_order_of_mnist(
    mnist: object, tmp_path: Path, writers: Writers
) -> None:
    first = load_mnist().test.take(range(120))
    writers["mnist_png"](tmp_path, {"train": first, "test": first})

    assert load_mnist(tmp_path).test.labels.tolist() == first.labels.tolist()
