"""IDX files under the names of MNIST, EMNIST (Cohen et al., 2017) and QMNIST.

They lie in a folder, or where torchvision puts them below its root: in MNIST/raw, EMNIST/raw or
QMNIST/raw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.datasets import DATASETS, DIGITS, Classes
from inkdigits.data.folder import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    find_file,
    read_raw,
)
from inkdigits.data.forms.form import PARTS, Form, Part
from inkdigits.data.idx import parse_idx_images, parse_idx_labels, parse_qmnist_labels
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError, DataUnavailableError


@dataclass(frozen=True)
class Family:
    """Names that belong together.

    Attributes:
        name: Name of the form.
        files: The files of images and of labels, for each part.
        parse_labels: The parser of the labels.
        is_transposed: Whether rows and columns of the images are exchanged.
        dataset: The data set, if it is one of `DATASETS`.
    """

    name: str
    files: Mapping[Part, tuple[str, str]]
    parse_labels: Callable[[bytes, str, Classes], NDArray[np.uint8]] = parse_idx_labels
    is_transposed: bool = False
    dataset: str = "mnist"


def _name_emnist(split: str) -> Family:
    return Family(
        f"IDX files of EMNIST's split {split}",
        {
            part: (
                f"emnist-{split}-{part}-images-idx3-ubyte",
                f"emnist-{split}-{part}-labels-idx1-ubyte",
            )
            for part in PARTS
        },
        is_transposed=True,
        dataset=f"emnist-{split}",
    )


_MNIST = Family(
    "IDX files", {"train": (TRAIN_IMAGES, TRAIN_LABELS), "test": (TEST_IMAGES, TEST_LABELS)}
)
_QMNIST = Family(
    "IDX files of QMNIST",
    {
        part: (f"qmnist-{part}-images-idx3-ubyte", f"qmnist-{part}-labels-idx2-int")
        for part in PARTS
    },
    parse_labels=parse_qmnist_labels,
)
# The folder that EMNIST is published as has all its splits: the first one found is taken, and those
# with the right classes come first. Others are found too, so that their labels are named instead of
# "nothing there".
_EMNIST = tuple(map(_name_emnist, ("digits", "mnist", "balanced", "bymerge", "byclass", "letters")))
_FAMILIES = (_MNIST, _QMNIST, *_EMNIST)
_TORCHVISION = ("MNIST", "QMNIST", "EMNIST")


def find_idx_files(path: Path, classes: Classes = DIGITS) -> list[Form]:
    """Finds IDX files in a folder, below torchvision's root, or beside one of the files.

    Raises:
        DataUnavailableError: The folder cannot be read, or has images without their labels, or
            labels without their images.
    """
    if path.is_file():
        plain = path.name.removesuffix(".gz").replace(".idx", "-idx")
        families = [f for f in _FAMILIES if any(plain in names for names in f.files.values())]
        return [_build_form(path.parent, family, classes) for family in families]
    return list(_search(path, classes))


def _search(path: Path, classes: Classes) -> Iterator[Form]:
    for folder in (path, *(path / name / "raw" for name in _TORCHVISION)):
        found = [family for family in _FAMILIES if _list_present(folder, family)]
        emnist = [family for family in found if family in _EMNIST]
        emnist.sort(key=lambda family: DATASETS.get(family.dataset) != classes.names)
        for family in found:
            if family not in emnist[1:]:
                yield _build_form(folder, family, classes)


def _list_present(folder: Path, family: Family) -> dict[str, Path]:
    """Returns those files of a family that are in the folder, by their usual names."""
    names = [name for pair in family.files.values() for name in pair]
    found = {name: find_file(folder, name) for name in names}
    return {name: path for name, path in found.items() if path is not None}


def _build_form(folder: Path, family: Family, classes: Classes) -> Form:
    present = _list_present(folder, family)
    parts = [part for part, pair in family.files.items() if any(name in present for name in pair)]
    missing = [name for part in parts for name in family.files[part] if name not in present]
    if missing:
        raise DataUnavailableError(
            f"{', '.join(missing)} missing in {folder}: add the files that belong to "
            f"{', '.join(path.name for path in present.values())}, or download MNIST with "
            "`inkdigits data --fetch`"
        )
    readers = {}
    for part in parts:
        images, labels = (present[name] for name in family.files[part])
        readers[part] = partial(_read, family, images, labels, classes)
    return Form(family.name, folder, readers)


def _read(family: Family, images_path: Path, labels_path: Path, classes: Classes) -> LabelledImages:
    images = parse_idx_images(read_raw(images_path), str(images_path))
    labels = family.parse_labels(read_raw(labels_path), str(labels_path), classes)
    if len(images) != len(labels):
        raise DataFormatError(
            f"{images_path} contains {len(images)} images but {labels_path} "
            f"contains {len(labels)} labels: use two files that belong together"
        )
    if family.is_transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return LabelledImages(images, labels, n_classes=len(classes.names))
