from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages, load_mnist
from inkdigits.data.forms import form, parquet_files
from inkdigits.errors import DataFormatError, MissingExtraError

Sets = dict[str, LabelledImages]
Writers = dict[str, Callable[[Path, Sets], None]]


def encode(side: int = 28) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pixels": [1, 2]}, r"has the columns pixels \(int64\); expected image \(struct of bytes"),
        ({"image": [encode()], "label": [3]}, r"has the columns image \(binary\), label \(int64\)"),
        ({"image": [{"bytes": encode()}], "label": ["three"]}, "expected image"),
        ({"image": [{"bytes": encode(27)}], "label": [3]}, "row 0 of .* is 27 × 27 pixels"),
        ({"image": [{"bytes": b"seven"}], "label": [3]}, "row 0 of .* cannot be read as PNG"),
        ({"image": [{"bytes": encode()}], "label": [10]}, "contains the label 10 at position 0"),
        (
            {"image": [{"bytes": encode()}, {"bytes": None}], "label": [1, 2]},
            "row 1 of .* has no image or no label",
        ),
        ({"image": [{"bytes": encode()}, None], "label": [1, 2]}, "row 1 of .* has no image"),
    ],
    ids=range(8),
)
def test_other_tables_are_named(
    columns: dict[str, list[Any]], message: str, tmp_path: Path
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), tmp_path / "train.parquet")

    with pytest.raises(DataFormatError, match=message) as caught:
        load_mnist(tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_files_are_named(writers: Writers, sets: Sets, tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    writers["test.parquet"](path, sets)
    whole = path.read_bytes()

    for content in (b"", b"PAR1", whole[:-30], whole[:200] + whole[-700:], b"PAR1" + whole[600:]):
        path.write_bytes(content)
        with pytest.raises(
            DataFormatError, match=r"test\.parquet is a damaged Parquet file \("
        ) as caught:
            load_mnist(path)
        assert "\n" not in str(caught.value)


def test_sizes_are_limited_before_rows_are_read(
    writers: Writers, sets: Sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers["test.parquet"](tmp_path / "test.parquet", sets)

    monkeypatch.setattr(form, "MAX_IMAGES", 13)
    with pytest.raises(DataFormatError, match="contains 14 images, expected at most 13"):
        load_mnist(tmp_path)

    monkeypatch.setattr(parquet_files, "MAX_RAW_BYTES", 1_000)
    with pytest.raises(DataFormatError, match="has more than 1,000 bytes, the maximum"):
        load_mnist(tmp_path)


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r'pip install "inkdigits\[formats\]"'):
        load_mnist(tmp_path)
