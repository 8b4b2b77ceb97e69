"""MNIST, and own data in its format, as arrays."""

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
    """Images of digits and which digit each one is.

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
                f"expected uint8 of shape (n, {SIDE}, {SIDE}): convert them"
            )
        if self.labels.dtype != np.uint8 or self.labels.ndim != 1:
            raise DataFormatError(
                f"labels are {self.labels.dtype} of shape {self.labels.shape}, "
                "expected uint8 of shape (n,): convert them"
            )
        if len(self.images) != len(self.labels):
            raise DataFormatError(
                f"there are {len(self.images)} images and {len(self.labels)} labels, "
                "expected one label for each image: bring the two that belong together"
            )
        if self.labels.size and self.labels.max() > 9:
            raise DataFormatError(
                f"the highest label is {self.labels.max()}, expected 0 to 9: "
                "leave out what is no digit"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.integer[Any]] | Sequence[int]) -> LabelledImages:
        """The images and labels at `indices`, in that order, copied.

        Raises:
            IndexError: An index is out of range.
        """
        chosen = indices if isinstance(indices, np.ndarray) else list(indices)
        return LabelledImages(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Mnist:
    """A training set and a test set.

    Attributes:
        train: MNIST's 60,000 images for training, or one's own.
        test: MNIST's 10,000 images for the last test, or one's own.
        sha256: For each of the four files, the SHA-256 of its raw IDX bytes.
    """

    train: LabelledImages
    test: LabelledImages
    sha256: dict[str, str]

    @property
    def is_mnist(self) -> bool:
        """Whether all four files are the published ones, byte for byte."""
        return self.sha256 == PUBLISHED_SHA256


@dataclass(frozen=True)
class FileStatus:
    """What is known of one of the four files.

    Attributes:
        name: The file's usual name.
        path: Where it lies; where it would lie, if it is missing.
        state: "whole" if its raw bytes are the published ones, else "missing" or "damaged".
            Own data in the same format counts as damaged: it is not MNIST.
        size_bytes: Its size on disk; 0 if it is missing.
        sha256: Of its raw bytes; None if it is missing or cannot be decompressed.
    """

    name: str
    path: Path
    state: Literal["whole", "missing", "damaged"]
    size_bytes: int
    sha256: str | None


def load_mnist(directory: Path | str | None = None) -> Mnist:
    """Load MNIST, or own data in its format, from files on this machine.

    Args:
        directory: A folder with the four IDX files under their usual names, raw or compressed
            with gzip; they may be other data than MNIST. None is our cache, which may not.

    Returns:
        Both sets.

    Raises:
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file is not whole, or the files do not belong together.
    """
    folder = data_folder(directory)
    paths = {name: find_file(folder, name) for name in PUBLISHED_SHA256}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise DataUnavailableError(
            f"{folder} lacks {', '.join(missing)}: fetch MNIST with `inkdigits data`, "
            "or name the folder that holds the four files with `--data DIR`"
        )
    raw_files = {name: read_raw(path) for name, path in paths.items() if path is not None}
    sha256 = {name: compute_sha256(raw) for name, raw in raw_files.items()}
    if directory is None and sha256 != PUBLISHED_SHA256:
        damaged = [name for name, digest in sha256.items() if digest != PUBLISHED_SHA256[name]]
        raise DataFormatError(
            f"{folder} holds another {', '.join(damaged)} than MNIST's: "
            "fetch it again with `inkdigits data`"
        )
    sets = []
    for images_name, labels_name in ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)):
        images = parse_idx_images(raw_files[images_name], str(paths[images_name]))
        labels = parse_idx_labels(raw_files[labels_name], str(paths[labels_name]))
        if len(images) != len(labels):
            raise DataFormatError(
                f"{paths[images_name]} holds {len(images)} images and {paths[labels_name]} "
                f"{len(labels)} labels, expected as many: bring the two that belong together"
            )
        sets.append(LabelledImages(images, labels))
    return Mnist(train=sets[0], test=sets[1], sha256=sha256)


def fetch_mnist(*, directory: Path | str | None = None, progress: bool = False) -> Mnist:
    """Load MNIST, and first fetch what is missing of it.

    Each file is taken only with its published SHA-256. Fetching is safe when several processes
    do it at once.

    Args:
        directory: The folder to keep the four files in. None is our cache, where a damaged file
            is fetched again.
        progress: Whether to show on stderr how a download gets on.

    Returns:
        Both sets of MNIST itself.

    Raises:
        DataUnavailableError: No way leads to MNIST, and the message lists each; or the folder
            cannot be written.
        DataFormatError: `directory` holds other data under these names, which is left alone.
    """
    folder = data_folder(directory)
    statuses = check_mnist(directory)
    damaged = [status for status in statuses if status.state == "damaged"]
    if damaged and directory is not None:
        raise DataFormatError(
            f"{damaged[0].path} is not MNIST's and is not overwritten: move it away to fetch "
            "MNIST, or load your own data with load_mnist"
        )
    missing = [status.name for status in statuses if status.state != "whole"]
    if missing:
        _fetch_files(folder, missing, list_sources(), progress)
    return load_mnist(directory)


def check_mnist(directory: Path | str | None = None) -> list[FileStatus]:
    """Compare the four files in a folder with the published ones.

    Args:
        directory: The folder; None is our cache.

    Returns:
        The state of each file: training images and labels, then test images and labels.

    Raises:
        DataUnavailableError: A file is there but cannot be read.
    """
    folder = data_folder(directory)
    return [_check_file(folder, name) for name in PUBLISHED_SHA256]


def split_validation(
    labelled: LabelledImages, n_validation: int, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Set images aside at random for validation.

    Args:
        labelled: What to split; it is left as it is.
        n_validation: How many to set aside, at least 1 and fewer than there are.
        seed: The same seed gives the same split; at least 0.

    Returns:
        What is left to train on, and what was set aside, both in their old order.

    Raises:
        UsageError: `n_validation` or `seed` is out of range.
    """
    if not 0 < n_validation < len(labelled):
        raise UsageError(
            f"{n_validation} of {len(labelled)} images for validation is out of range: "
            f"choose 1 to {len(labelled) - 1}"
        )
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative: choose 0 or more")
    order = np.random.default_rng(seed).permutation(len(labelled))
    set_aside, left = np.sort(order[:n_validation]), np.sort(order[n_validation:])
    return labelled.take(left), labelled.take(set_aside)


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
    """Write the named files into `folder`, from the first sources that have them."""
    missing = list(names)
    tried = []
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
                with closing(source.obtain(tuple(missing), progress)) as raw_files:
                    for name, raw in raw_files:
                        if compute_sha256(raw) != PUBLISHED_SHA256[name]:
                            rejected.append(name)
                        elif name in missing:
                            with write_whole(folder / name) as temporary:
                                temporary.write_bytes(raw)
                            missing.remove(name)
                reason = (
                    f"its {', '.join(rejected)} has another SHA-256 than the published file"
                    if rejected
                    else f"has no {', '.join(missing)}"
                )
            except SourceFailedError as error:
                reason = str(error)
            if not missing:
                return
            tried.append(f"  {source.name}: {reason}\n")
    raise DataUnavailableError(
        "MNIST is not here and cannot be fetched. What was tried:\n"
        + "".join(tried)
        + f"To bring it by hand, put {', '.join(PUBLISHED_SHA256)} (raw or .gz) into a folder DIR "
        "and name it with `--data DIR`."
    )
