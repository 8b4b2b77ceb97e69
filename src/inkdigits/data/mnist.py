"""Loads MNIST, or other images of digits in one of many forms, as arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from inkdigits.data.datasets import find_classes
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
from inkdigits.data.forms import PARTS, Form, Part, find_form
from inkdigits.data.idx import SIDE, compute_idx_sha256, parse_idx_images, parse_idx_labels
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.data.sources import Source, SourceFailedError, list_sources
from inkdigits.errors import DataFormatError, DataUnavailableError
from inkdigits.files import write_whole

_PART_FILES: dict[Part, tuple[str, str]] = {
    "train": (TRAIN_IMAGES, TRAIN_LABELS),
    "test": (TEST_IMAGES, TEST_LABELS),
}


@dataclass(frozen=True, eq=False)
class Mnist:
    """A training set and a test set.

    Attributes:
        train: MNIST's 60,000 training images, or your own; of length 0 if there are none.
        test: MNIST's 10,000 test images, or your own; of length 0 if there are none.
        sha256: Name of an IDX file to the SHA-256 of its uncompressed bytes, for the four files.
            For data in another form: of the IDX files that the same images and labels would have.
            Parts that are not there are left out.
        source: Where the data come from, for messages: "MNIST", or the path.
    """

    train: LabelledImages
    test: LabelledImages
    sha256: dict[str, str]
    source: str = "MNIST"

    @property
    def is_mnist(self) -> bool:
        """Whether all images and labels are MNIST's, in the published order."""
        return self.sha256 == PUBLISHED_SHA256

    @property
    def has_mnist_test(self) -> bool:
        """Whether the test images and labels are MNIST's, in the published order."""
        return all(
            self.sha256.get(name) == PUBLISHED_SHA256[name] for name in (TEST_IMAGES, TEST_LABELS)
        )

    def describe_test(self) -> str:
        """Returns what the test images are, such as "200 test images in digits.csv"."""
        if self.has_mnist_test:
            return "MNIST's test images"
        return f"{len(self.test):,} test images in {self.source}"


@dataclass(frozen=True)
class FileStatus:
    """State of one of the four files.

    Attributes:
        name: Usual name of the file.
        path: Path of the file; its expected path if it is missing.
        state: "whole" if its uncompressed bytes are the published ones; "other" if it is an IDX
            file of other images or labels, in a folder that you named; else "missing" or "damaged".
            In the download cache, which holds MNIST alone, other files count as damaged.
        size_bytes: Size on disk; 0 if the file is missing.
        sha256: SHA-256 of the uncompressed bytes; None if the file is missing or cannot be
            decompressed.
    """

    name: str
    path: Path
    state: Literal["whole", "missing", "other", "damaged"]
    size_bytes: int
    sha256: str | None


def load_mnist(
    directory: Path | str | None = None,
    *,
    required: Collection[Part] = (),
    class_names: Sequence[str] = (),
) -> Mnist:
    """Loads MNIST, or other labelled images of its form, from local files.

    Args:
        directory: A file or folder in one of the forms that `inkdigits.data.forms` knows: IDX
            files under the names of MNIST, EMNIST or QMNIST, uncompressed or compressed with gzip;
            torchvision's root; Keras's mnist.npz; CSV tables as on Kaggle; Parquet files as on
            Hugging Face; folders 0 to 9 of tiles. None: the download cache, which must contain
            MNIST.
        required: The parts, "train" or "test", that must be there.
        class_names: Names of the classes in the order of their labels, such as those in
            `inkdigits.data.datasets.DATASETS`; empty for digits.

    Returns:
        The training set and the test set. One that is not there is of length 0.

    Raises:
        DataUnavailableError: A file or a required part is missing or cannot be read.
        DataFormatError: The form is unknown, a file is damaged, or the files do not belong
            together.
        MissingExtraError: A package that reads this form is not installed.
    """
    if directory is None:
        return _load_cache(data_folder(None))
    classes = find_classes(tuple(class_names))
    form = find_form(Path(directory).expanduser(), classes)
    for part in required or (() if form.readers else PARTS[1:]):
        _check_part(form, part)
    # In the order of the published files, as in the cards of earlier runs.
    sets = {part: form.readers[part]() for part in PARTS if part in form.readers}
    sha256 = {}
    for part, labelled in sets.items():
        images_name, labels_name = _PART_FILES[part]
        sha256[images_name] = compute_idx_sha256(labelled.images)
        sha256[labels_name] = compute_idx_sha256(labelled.labels + np.uint8(classes.first_label))
    empty = LabelledImages(np.zeros((0, SIDE, SIDE), np.uint8), np.zeros(0, np.uint8))
    source = "MNIST" if sha256 == PUBLISHED_SHA256 else f"{form.path} ({form.name})"
    return Mnist(sets.get("train", empty), sets.get("test", empty), sha256, source)


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
    if directory is None:
        with suppress(DataFormatError, DataUnavailableError):
            return _load_cache(folder)
    statuses = check_mnist(directory)
    damaged = [status for status in statuses if status.state in ("other", "damaged")]
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
    statuses = [_check_file(folder, name) for name in PUBLISHED_SHA256]
    if directory is not None:
        return statuses
    return [replace(s, state="damaged") if s.state == "other" else s for s in statuses]


def _load_cache(folder: Path) -> Mnist:
    """Loads the four published files."""
    paths = {name: find_file(folder, name) for name in PUBLISHED_SHA256}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise DataUnavailableError(
            f"{', '.join(missing)} missing in {folder}: download MNIST with "
            "`inkdigits data --fetch`, or name your own data with `--data PATH`"
        )
    raw_files = {name: read_raw(path) for name, path in paths.items() if path is not None}
    sha256 = {name: compute_sha256(raw) for name, raw in raw_files.items()}
    if sha256 != PUBLISHED_SHA256:
        damaged = [name for name, digest in sha256.items() if digest != PUBLISHED_SHA256[name]]
        raise DataFormatError(
            f"{', '.join(damaged)} in {folder} does not match the published MNIST file: "
            "download it again with `inkdigits data --fetch`"
        )
    train, test = (
        LabelledImages(
            parse_idx_images(raw_files[images_name], str(paths[images_name])),
            parse_idx_labels(raw_files[labels_name], str(paths[labels_name])),
        )
        for images_name, labels_name in _PART_FILES.values()
    )
    return Mnist(train, test, sha256)


def _check_part(form: Form, part: Part) -> None:
    """Raises DataUnavailableError if a part is not there, or has no labels."""
    if part in form.readers:
        return
    if unlabelled := next(iter(form.unlabelled.values()), None):
        raise DataUnavailableError(
            f"{unlabelled} has no labels, expected a column 'label': to classify its rows, use "
            f"`inkdigits predict {unlabelled} --csv submission.csv`"
        )
    name = {"train": "training", "test": "test"}
    there = " and ".join(name[other] for other in form.readers)
    raise DataUnavailableError(
        f"{form.path} ({form.name}) has no {name[part]} images, only {there} images: add them, or "
        "name another file or folder"
    )


def _check_file(folder: Path, name: str) -> FileStatus:
    path = find_file(folder, name)
    if path is None:
        return FileStatus(name, folder / name, "missing", 0, None)
    size_bytes = path.stat().st_size
    sha256 = None
    state: Literal["whole", "other", "damaged"] = "damaged"
    try:
        raw = read_raw(path)
        sha256 = compute_sha256(raw)
        if sha256 == PUBLISHED_SHA256[name]:
            state = "whole"
        else:
            parse = parse_idx_labels if name in (TRAIN_LABELS, TEST_LABELS) else parse_idx_images
            parse(raw, name)
            state = "other"
    except DataFormatError:
        pass
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
