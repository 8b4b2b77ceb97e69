"""Loads MNIST, or your own data in the same format, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from inkdigits.data.folder import (
    PUBLISHED_SHA256,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    compute_sha256,
    data_folder,
    find_file,
    read_raw,
)
from inkdigits.data.idx import SIDE, parse_idx_images, parse_idx_labels
from inkdigits.data.sources import Source, SourceFailedError, list_sources
from inkdigits.errors import DataFormatError, DataUnavailableError, UsageError
from inkdigits.files import write_whole


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of digits and their labels.

    Attributes:
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        labels: uint8, shape (n,), 0 to 9, where 0 is the digit zero.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.shape[1:] != (SIDE, SIDE):
            raise DataFormatError(
                f"images are {self.images.dtype} of shape {self.images.shape}, "
                f"expected uint8 of shape (n, {SIDE}, {SIDE}): convert the array"
            )
        if self.labels.dtype != np.uint8 or self.labels.ndim != 1:
            raise DataFormatError(
                f"labels are {self.labels.dtype} of shape {self.labels.shape}, "
                "expected uint8 of shape (n,): convert the array"
            )
        if len(self.images) != len(self.labels):
            raise DataFormatError(
                f"{len(self.images)} images and {len(self.labels)} labels, expected one label "
                "for each image: use arrays that belong together"
            )
        if self.labels.size and self.labels.max() > 9:
            raise DataFormatError(
                f"the highest label is {self.labels.max()}, expected 0 to 9: "
                "remove the images that are not digits"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.integer[Any]] | Sequence[int]) -> LabelledImages:
        """Returns a copy of the images and labels at `indices`, in that order.

        Raises:
            IndexError: An index is out of range.
        """
        chosen = indices if isinstance(indices, np.ndarray) else list(indices)
        return LabelledImages(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Mnist:
    """A training set and a test set.

    Attributes:
        train: MNIST's 60,000 training images, or your own.
        test: MNIST's 10,000 test images, or your own.
        sha256: File name to the SHA-256 of the uncompressed IDX bytes, for the four files.
    """

    train: LabelledImages
    test: LabelledImages
    sha256: dict[str, str]

    @property
    def is_mnist(self) -> bool:
        """Whether all four files are identical to the published ones."""
        return self.sha256 == PUBLISHED_SHA256


@dataclass(frozen=True)
class FileStatus:
    """State of one of the four files.

    Attributes:
        name: Usual name of the file.
        path: Path of the file; its expected path if it is missing.
        state: "whole" if its uncompressed bytes are the published ones, else "missing" or
            "damaged". Your own data in the same format counts as damaged, because it is not MNIST.
        size_bytes: Size on disk; 0 if the file is missing.
        sha256: SHA-256 of the uncompressed bytes; None if the file is missing or cannot be
            decompressed.
    """

    name: str
    path: Path
    state: Literal["whole", "missing", "damaged"]
    size_bytes: int
    sha256: str | None


def load_mnist(directory: Path | str | None = None) -> Mnist:
    """Loads MNIST, or your own data in its format, from local files.

    Args:
        directory: A folder with the four IDX files under their usual names, uncompressed or
            compressed with gzip. They may contain your own data. None: the download cache, which
            must contain MNIST.

    Returns:
        The training set and the test set.

    Raises:
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file is damaged, or the files do not belong together.
    """
    folder = data_folder(directory)
    paths = {name: find_file(folder, name) for name in PUBLISHED_SHA256}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise DataUnavailableError(
            f"{', '.join(missing)} missing in {folder}: download MNIST with `inkdigits data`, "
            "or give the folder of the four files with `--data DIR`"
        )
    raw_files = {name: read_raw(path) for name, path in paths.items() if path is not None}
    sha256 = {name: compute_sha256(raw) for name, raw in raw_files.items()}
    if directory is None and sha256 != PUBLISHED_SHA256:
        damaged = [name for name, digest in sha256.items() if digest != PUBLISHED_SHA256[name]]
        raise DataFormatError(
            f"{', '.join(damaged)} in {folder} does not match the published MNIST file: "
            "download it again with `inkdigits data`"
        )
    sets = []
    for images_name, labels_name in ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)):
        images = parse_idx_images(raw_files[images_name], str(paths[images_name]))
        labels = parse_idx_labels(raw_files[labels_name], str(paths[labels_name]))
        if len(images) != len(labels):
            raise DataFormatError(
                f"{paths[images_name]} contains {len(images)} images but {paths[labels_name]} "
                f"contains {len(labels)} labels: use two files that belong together"
            )
        sets.append(LabelledImages(images, labels))
    return Mnist(train=sets[0], test=sets[1], sha256=sha256)


def fetch_mnist(*, directory: Path | str | None = None, progress: bool = False) -> Mnist:
    """Loads MNIST; downloads missing files first.

    A downloaded file is accepted only if it has the published SHA-256. Several processes may call
    this at the same time.

    Args:
        directory: The folder to store the four files in. None: the download cache, where damaged
            files are replaced.
        progress: Whether to show progress bars on stderr.

    Returns:
        The training set and the test set.

    Raises:
        DataUnavailableError: All sources failed; the message lists each of them.
        DataFormatError: `directory` contains other data under these names, which is not
            overwritten.
        OutputError: The folder cannot be written.
    """
    folder = data_folder(directory)
    statuses = check_mnist(directory)
    damaged = [status for status in statuses if status.state == "damaged"]
    if damaged and directory is not None:
        raise DataFormatError(
            f"{damaged[0].path} does not match the published MNIST file and is not overwritten: "
            "move it away to download MNIST, or load your own data with load_mnist"
        )
    missing = [status.name for status in statuses if status.state != "whole"]
    if missing:
        _fetch_files(folder, missing, list_sources(), progress)
    return load_mnist(directory)


def check_mnist(directory: Path | str | None = None) -> list[FileStatus]:
    """Compares the four files in a folder with the published ones.

    Args:
        directory: The folder. None: the download cache.

    Returns:
        The state of each file: training images and labels, then test images and labels.

    Raises:
        DataUnavailableError: A file exists but cannot be read.
    """
    folder = data_folder(directory)
    return [_check_file(folder, name) for name in PUBLISHED_SHA256]


def split_validation(
    labelled: LabelledImages, n_validation: int, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Splits images randomly into a training part and a validation part.

    Args:
        labelled: The images to split. They are not modified.
        n_validation: Number of validation images, at least 1 and less than `len(labelled)`.
        seed: Seed of the random split, at least 0. The same seed gives the same split.

    Returns:
        The training part and the validation part, each in the original order.

    Raises:
        UsageError: `n_validation` or `seed` is out of range.
    """
    if not 0 < n_validation < len(labelled):
        raise UsageError(
            f"cannot use {n_validation} of {len(labelled)} images for validation: "
            f"choose 1 to {len(labelled) - 1}"
        )
    if seed < 0:
        raise UsageError(f"invalid seed {seed}: choose 0 or more")
    order = np.random.default_rng(seed).permutation(len(labelled))
    validation, training = np.sort(order[:n_validation]), np.sort(order[n_validation:])
    return labelled.take(training), labelled.take(validation)


def _check_file(folder: Path, name: str) -> FileStatus:
    path = find_file(folder, name)
    if path is None:
        return FileStatus(name, folder / name, "missing", 0, None)
    size_bytes = path.stat().st_size
    try:
        sha256 = compute_sha256(read_raw(path))
    except DataFormatError:
        return FileStatus(name, path, "damaged", size_bytes, None)
    state: Literal["whole", "damaged"] = "whole" if sha256 == PUBLISHED_SHA256[name] else "damaged"
    return FileStatus(name, path, state, size_bytes, sha256)


def _fetch_files(
    folder: Path, names: Sequence[str], sources: Sequence[Source], shown: bool
) -> None:
    """Writes the named files into `folder`, each from the first source that provides it."""
    missing = list(names)
    failures = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        for source in sources:
            rejected = []
            try:
                with closing(source.fetch(tuple(missing), progress)) as raw_files:
                    for name, raw in raw_files:
                        if compute_sha256(raw) != PUBLISHED_SHA256[name]:
                            rejected.append(name)
                        elif name in missing:
                            with write_whole(folder / name) as temporary:
                                temporary.write_bytes(raw)
                            missing.remove(name)
                reason = (
                    f"its {', '.join(rejected)} does not match the published SHA-256"
                    if rejected
                    else f"does not have {', '.join(missing)}"
                )
            except SourceFailedError as error:
                reason = str(error)
            if not missing:
                return
            failures.append(f"  {source.name}: {reason}\n")
    raise DataUnavailableError(
        "MNIST cannot be downloaded. All sources failed:\n"
        + "".join(failures)
        + f"To add it manually, put {', '.join(PUBLISHED_SHA256)} (uncompressed or .gz) into a "
        "folder DIR and use `--data DIR`."
    )
