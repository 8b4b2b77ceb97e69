from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages, load_mnist
from inkdigits.data.forms import csv_tables, load_table
from inkdigits.errors import DataFormatError, DataUnavailableError

Sets = dict[str, LabelledImages]
Writers = dict[str, Callable[[Path, Sets], None]]
PIXELS = ",".join(["9"] * 784)
HEADER = ",".join(f"pixel{i}" for i in range(784))


def test_tables_of_numpy_without_a_header_are_read(sets: Sets, tmp_path: Path) -> None:
    data = sets["train"]
    rows = np.column_stack([data.labels, data.images.reshape(-1, 784)])
    np.savetxt(tmp_path / "digits.csv", rows, "%d", delimiter=",")

    images, labels = load_table(tmp_path / "digits.csv")

    assert labels is not None
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(labels, data.labels)
    loaded = load_mnist(tmp_path / "digits.csv")  # neither train nor test: it serves as both
    assert len(loaded.train) == len(loaded.test) == 25


def test_the_header_can_name_the_label_at_another_place(tmp_path: Path) -> None:
    path = tmp_path / "mnist_784.csv"
    path.write_text(f"\ufeff{HEADER},class\r\n{PIXELS},7\r\n\r\n{PIXELS},3", encoding="utf-8")

    images, labels = load_table(path)

    assert labels is not None
    assert labels.tolist() == [7, 3]
    assert images.shape == (2, 28, 28)
    assert (images == 9).all()


def test_tables_of_emnist_are_transposed_back(sets: Sets, tmp_path: Path) -> None:
    data = sets["test"]
    rows = np.column_stack([data.labels, data.images.transpose(0, 2, 1).reshape(-1, 784)])
    np.savetxt(tmp_path / "emnist-digits-test.csv", rows, "%d", delimiter=",")

    np.testing.assert_array_equal(
        load_mnist(tmp_path / "emnist-digits-test.csv").test.images, data.images
    )


def test_kaggles_test_set_has_no_labels(tmp_path: Path, sets: Sets, writers: Writers) -> None:
    writers["kaggle"](tmp_path, sets)
    (tmp_path / "test.csv").write_text(f"{HEADER}\n{PIXELS}\n")

    data = load_mnist(tmp_path)

    assert (len(data.train), len(data.test)) == (25, 0)
    for path in (tmp_path, tmp_path / "test.csv"):
        with pytest.raises(
            DataUnavailableError,
            match=r"test\.csv has no labels, .* `inkdigits predict .*test\.csv --csv submission",
        ):
            load_mnist(path, required=["test"])
    with pytest.raises(DataUnavailableError, match=r"test\.csv has no labels"):
        load_mnist(tmp_path / "test.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected 784 pixels, or a label and 784 pixels"),
        (b"\n\n", "is empty"),
        (b"name,age\nAda,36\n", r"has 2 columns \(name,age\), expected 784 pixels, or a label"),
        (f",label,{HEADER}".encode(), r"has 786 columns \(,label,pixel0,…\)"),
        (f"digit,{HEADER}".encode(), "must name the label 'label'"),
        (f"label,{HEADER}".encode(), "contains no images"),
        (f"1,{PIXELS}\n2,{PIXELS[:400]}".encode(), "line 2 has 202 columns, expected 785: the fil"),
        (f"1,{PIXELS}\n2,{PIXELS[:-1]}256".encode(), "line 2 contains '256', expected whole num"),
        (f"1,{PIXELS}\n2,{PIXELS[:-1]}-1".encode(), "line 2 contains '-1', expected whole num"),
        (f"1,{PIXELS}\n2,{PIXELS[:-1]}0.5".encode(), "line 2 contains '0.5', expected whole num"),
        (f"1,{PIXELS}\n2,{PIXELS[:-1]}".encode(), "line 2 contains '', expected whole num"),
        (f"1,{PIXELS}\n10,{PIXELS}".encode(), "contains the label 10 at position 1"),
        (b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
        (b"0," * 40_000, "line 1 has more than 32,768 characters"),
        (f"1,{PIXELS}\n2,".encode() + b"9" * 31_000 + PIXELS[1:].encode(), "line 2 contains '999"),
    ],
    ids=range(15),
)
def test_other_tables_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(content)

    with pytest.raises(DataFormatError, match=message) as caught:
        load_mnist(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_number_of_rows_is_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(f"1,{PIXELS}\n" * 4)
    monkeypatch.setattr(csv_tables, "MAX_IMAGES", 3)

    with pytest.raises(DataFormatError, match="has more than 3 rows: split it"):
        load_mnist(tmp_path)


def test_two_tables_of_one_part_are_not_guessed(tmp_path: Path) -> None:
    for name in ("train.csv", "mnist_train.csv"):
        (tmp_path / name).write_text(f"1,{PIXELS}\n")

    with pytest.raises(DataFormatError, match=r"contains mnist_train\.csv and train\.csv, expecte"):
        load_mnist(tmp_path)
