"""Every form of docs/reference/what-you-can-bring.md loads to the same images and labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages, load_mnist
from inkdigits.data.folder import PUBLISHED_SHA256
from inkdigits.data.forms.form import find_part
from inkdigits.errors import DataFormatError, DataUnavailableError

Sets = dict[str, LabelledImages]
Writer = Callable[[Path, Sets], None]
DOCS = Path(__file__).parents[3] / "docs" / "reference" / "what-you-can-bring.md"


def list_documented_paths() -> list[str]:
    """The first column of the table in the section "Data"."""
    section = DOCS.read_text(encoding="utf-8").partition("\n## Data\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def expect_same(found: LabelledImages, expected: LabelledImages | None) -> None:
    assert len(found) == (0 if expected is None else len(expected))
    if expected is not None:
        np.testing.assert_array_equal(found.images, expected.images)
        np.testing.assert_array_equal(found.labels, expected.labels)


def test_each_form_is_documented(writers: dict[str, Writer]) -> None:
    documented = [path for path in list_documented_paths() if path != "--data"]

    assert documented == list(writers)


@pytest.mark.parametrize("name", [path for path in list_documented_paths() if path != "--data"])
def test_each_documented_form_loads_to_the_same_images(
    name: str, writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    writers[name](tmp_path / name, sets)

    data = load_mnist(tmp_path / name)

    if name == "tiles":  # neither train nor test: it serves as both
        expect_same(data.train, sets["train"])
        expect_same(data.test, sets["train"])
    else:
        expect_same(data.train, None if name.startswith("test") else sets["train"])
        expect_same(data.test, None if name.startswith("train") else sets["test"])
    assert not data.is_mnist
    assert not data.has_mnist_test
    assert str(tmp_path) in data.source
    assert data.train.images.flags.writeable


def test_hashes_do_not_depend_on_the_form(
    writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    hashes = []
    for name in ("mnist", "emnist", "qmnist", "mnist.npz", "mnist_png"):
        writers[name](tmp_path / name, sets)
        hashes.append(load_mnist(tmp_path / name).sha256)

    assert all(digests == hashes[0] for digests in hashes)
    assert list(hashes[0]) == list(PUBLISHED_SHA256)


def test_mnist_is_recognised_in_other_forms(
    mnist: object, writers: dict[str, Writer], tmp_path: Path
) -> None:
    data = load_mnist()
    writers["mnist.npz"](tmp_path / "mnist.npz", {"train": data.train, "test": data.test})
    writers["mnist"](tmp_path / "half", {"test": data.test})

    whole, half = load_mnist(tmp_path / "mnist.npz"), load_mnist(tmp_path / "half")

    assert whole.is_mnist
    assert whole.describe_test() == half.describe_test() == "MNIST's test images"
    assert not half.is_mnist


def test_data_are_named_by_their_path_and_count(
    writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    writers["emnist"](tmp_path / "emnist", sets)

    described = load_mnist(tmp_path / "emnist").describe_test()

    assert described == (
        f"14 test images in {tmp_path / 'emnist'} (IDX files of EMNIST's split digits)"
    )


@pytest.mark.parametrize("suffix", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_one_of_the_idx_files_names_its_folder(
    suffix: str, writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    writers["mnist"](tmp_path, sets)

    assert load_mnist(tmp_path / suffix).sha256 == load_mnist(tmp_path).sha256


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("mnist_train", "train"),
        ("training", "train"),
        ("emnist-digits-test", "test"),
        ("t10k", "test"),
        ("testing", "test"),
        ("test-00000-of-00001", "test"),
        ("Test", "test"),
        ("digits", None),
        ("latest", None),
        ("strain", None),
        ("sample_submission", None),
    ],
)
def test_names_say_which_part_a_file_is(name: str, part: str | None) -> None:
    assert find_part(name) == part


def test_a_missing_part_is_missed_only_where_it_is_needed(
    writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    writers["train.csv"](tmp_path / "train.csv", sets)

    assert len(load_mnist(tmp_path, required=["train"]).train) == 25
    with pytest.raises(DataUnavailableError, match="has no test images, only training images"):
        load_mnist(tmp_path, required=["test"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "found an empty folder; expected IDX files"),
        ({"notes.txt": b"seven", "b.bin": b""}, r"found b\.bin, notes\.txt; expected IDX files"),
        ({f"{n}.txt": b"" for n in range(7)}, r"4\.txt and 2 more; expected"),
        ({"a.npz": b"PK", "train.csv": b""}, r"a\.npz is a damaged \.npz file \("),
    ],
    ids=["empty", "two", "seven", "damaged"],
)
def test_unknown_data_are_named_with_what_is_expected(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DataFormatError, match=message) as caught:
        load_mnist(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unknown_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "digits.rar").write_bytes(b"Rar!")

    with pytest.raises(DataFormatError, match=r"digits\.rar: found a file of 4 bytes; expected"):
        load_mnist(tmp_path / "digits.rar")


def test_several_data_sets_in_one_folder_are_not_guessed(
    writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    writers["mnist.npz"](tmp_path / "mnist.npz", sets)
    writers["mnist_png"](tmp_path, sets)

    with pytest.raises(DataFormatError, match=r"several data sets: give one of .*mnist\.npz"):
        load_mnist(tmp_path)

    writers["mnist"](tmp_path, sets)  # these always loaded, so they come first
    assert load_mnist(tmp_path).source.endswith("(IDX files)")


def test_the_first_split_of_emnist_is_taken(
    writers: dict[str, Writer], sets: Sets, tmp_path: Path
) -> None:
    writers["emnist"](tmp_path, sets)
    for path in list(tmp_path.iterdir()):
        (tmp_path / path.name.replace("digits", "letters")).write_bytes(path.read_bytes())

    assert load_mnist(tmp_path).source.endswith("(IDX files of EMNIST's split digits)")
