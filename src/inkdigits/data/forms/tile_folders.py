"""Folders of tiles, one subfolder per class, as in mnist_png.

training/0/1.png    testing/0/3.png
training/1/3.png    testing/1/2.png
…
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from inkdigits.data.datasets import DIGITS, MAX_CLASSES, Classes
from inkdigits.data.folder import read_content
from inkdigits.data.forms.form import PARTS, Form, Part, assign_parts, check_count
from inkdigits.data.forms.tile_pictures import MAX_TILE_BYTES, TILE_SUFFIXES, decode_tile
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError, DataUnavailableError

_NAMES: dict[Part, tuple[str, ...]] = {"train": ("training", "train"), "test": ("testing", "test")}
_PART_NAMES = {name for names in _NAMES.values() for name in names}


def list_class_folders(path: Path) -> tuple[str, ...]:
    """Returns the names of the classes that the subfolders of a folder stand for.

    Args:
        path: A folder with a subfolder for each class, or with subfolders training and testing that
            have them.

    Returns:
        The names, sorted; numbers by their value.

    Raises:
        DataFormatError: There are less than two subfolders, or more than 256.
        DataUnavailableError: The folder cannot be read.
    """
    try:
        names = _list_folders(path)
        if names and set(names) <= _PART_NAMES:
            part = next((name for name in _NAMES["train"] if name in names), names[0])
            path = path / part
            names = _list_folders(path)
    except OSError as error:
        raise DataUnavailableError(
            f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    if not 2 <= len(names) <= MAX_CLASSES:
        raise DataFormatError(
            f"{path} has {len(names)} subfolders, expected one for each of 2 to {MAX_CLASSES} "
            "classes, named after it"
        )
    if all(name.isascii() and name.isdecimal() for name in names):
        names.sort(key=int)
    return tuple(names)


def find_tile_folders(path: Path, classes: Classes = DIGITS) -> list[Form]:
    """Finds a subfolder for each class in a folder, or in its subfolders training and testing.

    Args:
        path: The folder.
        classes: The classes. Folders are named after them, or after their labels.

    Raises:
        DataUnavailableError: A folder cannot be read.
    """
    if not path.is_dir():
        return []
    described = "folders 0 to 9 of tiles" if classes.are_digits else "folders of tiles by class"
    if _match_folders(path, classes):
        readers = {part: partial(_read, path, classes) for part in assign_parts(path)}
        return [Form(described, path, readers)]
    found: dict[Part, Path] = {}
    for part in PARTS:
        for name in _NAMES[part]:
            if part not in found and _match_folders(path / name, classes):
                found[part] = path / name
    if not found:
        return []
    readers = {part: partial(_read, folder, classes) for part, folder in found.items()}
    names = " and ".join(folder.name for folder in found.values())
    return [Form(f"{described} in {names}", path, readers)]


def _list_folders(folder: Path) -> list[str]:
    """Returns the names of the visible subfolders of a folder, sorted."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )


def _match_folders(folder: Path, classes: Classes) -> Mapping[str, int]:
    """Returns names of subfolders to labels, counted from 0; none if no subfolder has such a name.

    The names of classes go first: the classes "3" and "7" have the labels 0 and 1.
    """
    named = {name: label for label, name in enumerate(classes.names)}
    numbered = {str(label + classes.first_label): label for label in named.values()}
    for labels in (named, numbered):
        if any("/" not in name and (folder / name).is_dir() for name in labels):
            return labels
    return {}


def _read(folder: Path, classes: Classes) -> LabelledImages:
    labels = _match_folders(folder, classes)
    try:
        names = [name for name in _list_folders(folder) if name in labels]
        others = [name for name in _list_folders(folder) if name not in labels]
        names.sort(key=labels.__getitem__)
        tiles = [
            (path, labels[name])
            for name in names
            for path in sorted((folder / name).iterdir())
            if not path.name.startswith(".")
        ]
    except OSError as error:
        raise DataUnavailableError(
            f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    if others and not classes.are_digits:
        expected = ", ".join(classes.names[:5]) + (", …" if len(classes.names) > 5 else "")
        raise DataFormatError(
            f"{folder / others[0]} is a folder of another class, expected {expected}: remove it"
        )
    check_count(len(tiles), str(folder))
    if strange := [path for path, _ in tiles if path.suffix.lower() not in TILE_SUFFIXES]:
        raise DataFormatError(
            f"{strange[0]} is not a tile: expected files that end in {', '.join(TILE_SUFFIXES)}"
        )
    # The files of mnist_png are named by their position in MNIST, so this restores its order.
    stems = {path.stem for path, _ in tiles if path.stem.isdecimal()}
    if len(stems) == len(tiles):
        tiles.sort(key=lambda tile: int(tile[0].stem))
    images = [decode_tile(read_content(path, MAX_TILE_BYTES), str(path)) for path, _ in tiles]
    return LabelledImages(
        np.stack(images),
        np.array([label for _, label in tiles], np.uint8),
        tuple(path for path, _ in tiles),
        len(classes.names),
    )
