"""The same few images in every form, written by other libraries."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages

Writer = Callable[[Path, dict[str, LabelledImages]], None]


@pytest.fixture(scope="session")
def sets() -> dict[str, LabelledImages]:
    """Images whose rows and columns differ, sorted by label, for train and test."""
    random = np.random.default_rng(0)
    return {
        part: LabelledImages(
            random.integers(0, 256, (n, 28, 28), np.uint8),
            np.sort(random.integers(0, 10, n)).astype(np.uint8),
        )
        for part, n in (("train", 25), ("test", 14))
    }


def encode_images(data: LabelledImages, *, transposed: bool = False) -> bytes:
    images = data.images.transpose(0, 2, 1) if transposed else data.images
    return struct.pack(">IIII", 2051, len(images), 28, 28) + images.tobytes()


def encode_labels(data: LabelledImages) -> bytes:
    return struct.pack(">II", 2049, len(data)) + data.labels.tobytes()


def write_idx(names: str, *, transposed: bool = False, test: str = "t10k") -> Writer:
    """Writes IDX files whose names follow a pattern of {part} and {content}."""

    def write(path: Path, sets: dict[str, LabelledImages]) -> None:
        path.mkdir(parents=True, exist_ok=True)
        for part, data in sets.items():
            for content, raw in (
                ("images-idx3", encode_images(data, transposed=transposed)),
                ("labels-idx1", encode_labels(data)),
            ):
                shown = "train" if part == "train" else test
                name = names.format(part=shown, content=content, dotted=content.replace("-", "."))
                file = path / name
                file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)

    return write


def write_qmnist(path: Path, sets: dict[str, LabelledImages]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for part, data in sets.items():
        table = np.zeros((len(data), 8), ">i4")
        table[:, 0] = data.labels
        table[:, 1:] = 1_000_000  # attributes such as the writer
        raw = struct.pack(">III", 3074, *table.shape) + table.tobytes()
        (path / f"qmnist-{part}-labels-idx2-int.gz").write_bytes(gzip.compress(raw))
        (path / f"qmnist-{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(encode_images(data))
        )


def write_keras(path: Path, sets: dict[str, LabelledImages]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        **{f"x_{part}": data.images for part, data in sets.items()},  # type: ignore[arg-type]
        **{f"y_{part}": data.labels for part, data in sets.items()},  # type: ignore[arg-type]
    )


def write_csv(part: str, *, labels: bool = True, transposed: bool = False) -> Writer:
    """Writes one table with pandas, as Kaggle's are."""

    def write(path: Path, sets: dict[str, LabelledImages]) -> None:
        pandas = pytest.importorskip("pandas")
        path.parent.mkdir(parents=True, exist_ok=True)
        images = sets[part].images.transpose(0, 2, 1) if transposed else sets[part].images
        table = pandas.DataFrame(images.reshape(-1, 784)).add_prefix("pixel")
        if labels:
            table.insert(0, "label", sets[part].labels)
        table.to_csv(path, index=False)

    return write


def write_kaggle(path: Path, sets: dict[str, LabelledImages]) -> None:
    write_csv("train")(path / "train.csv", sets)
    write_csv("test")(path / "test.csv", sets)
    (path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")


def encode_png(tile: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "PNG")
    return file.getvalue()


def write_parquet(part: str) -> Writer:
    """Writes one file with pandas, as Hugging Face's mnist has it."""

    def write(path: Path, sets: dict[str, LabelledImages]) -> None:
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        path.parent.mkdir(parents=True, exist_ok=True)
        images = [{"bytes": encode_png(tile), "path": None} for tile in sets[part].images]
        labels = sets[part].labels.astype(np.int64)
        pandas.DataFrame({"image": images, "label": labels}).to_parquet(path)

    return write


def write_hugging_face(path: Path, sets: dict[str, LabelledImages]) -> None:
    """Writes the repository of the data set, with the training set in two files."""
    train = sets["train"]
    for shard, rows in enumerate((range(10), range(10, len(train)))):
        name = f"train-0000{shard}-of-00002.parquet"
        write_parquet("train")(path / "mnist" / name, {"train": train.take(rows)})
    write_parquet("test")(path / "mnist" / "test-00000-of-00001.parquet", sets)


def write_folders(names: dict[str, str]) -> Writer:
    """Writes a PNG file for each image, numbered by its position."""

    def write(path: Path, sets: dict[str, LabelledImages]) -> None:
        for part, name in names.items():
            data = sets[part]
            for position, (tile, label) in enumerate(zip(data.images, data.labels, strict=True)):
                file = path / name / str(label) / f"{position}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(tile).save(file)
            (path / name / "0" / ".DS_Store").parent.mkdir(exist_ok=True)
            (path / name / "0" / ".DS_Store").write_bytes(b"\0")

    return write


@pytest.fixture(scope="session")
def writers() -> dict[str, Writer]:
    """What writes each form, by the path that the page "What you can bring" names it with."""
    return {
        "mnist": write_idx("{part}-{content}-ubyte"),
        "unpacked": write_idx("{part}-{dotted}-ubyte"),
        "root": lambda path, sets: write_idx("{part}-{content}-ubyte.gz")(
            path / "MNIST" / "raw", sets
        ),
        "emnist": write_idx(
            "emnist-digits-{part}-{content}-ubyte.gz", transposed=True, test="test"
        ),
        "qmnist": write_qmnist,
        "mnist.npz": write_keras,
        "datasets": lambda path, sets: write_keras(path / "mnist.npz", sets),
        "kaggle": write_kaggle,
        "train.csv": write_csv("train"),
        "huggingface": write_hugging_face,
        "test.parquet": write_parquet("test"),
        "mnist_png": write_folders({"train": "training", "test": "testing"}),
        "tiles": write_folders({"train": "."}),
    }
