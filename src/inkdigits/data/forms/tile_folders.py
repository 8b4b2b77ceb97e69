"""Folders of tiles, one subfolder per digit, as in mnist_png.

training/0/1.png    testing/0/3.png
training/1/3.png    testing/1/2.png
…
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from inkdigits.data.folder import read_content
from inkdigits.data.forms.form import PARTS, Form, Part, assign_parts, check_count
from inkdigits.data.forms.tile_pictures import MAX_TILE_BYTES, TILE_SUFFIXES, decode_tile
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError, DataUnavailableError

_NAMES: dict[Part, tuple[str, ...]] = {"train": ("training", "train"), "test": ("testing", "test")}
_DIGITS = tuple(map(str, range(10)))


def find_tile_folders(path: Path) -> list[Form]:
    """Finds subfolders 0 to 9 in a folder, or in its subfolders training and testing.

    Raises:
        DataUnavailableError: A folder cannot be read.
    """
    if not path.is_dir():
        return []
    if _has_digits(path):
        readers = {part: partial(_read, path) for part in assign_parts(path)}
        return [Form("folders 0 to 9 of tiles", path, readers)]
    found: dict[Part, Path] = {}
    for part in PARTS:
        for name in _NAMES[part]:
            if part not in found and _has_digits(path / name):
                found[part] = path / name
    if not found:
        return []
    readers = {part: partial(_read, folder) for part, folder in found.items()}
    names = " and ".join(folder.name for folder in found.values())
    return [Form(f"folders 0 to 9 of tiles in {names}", path, readers)]


def _has_digits(folder: Path) -> bool:
    return any((folder / digit).is_dir() for digit in _DIGITS)


def _read(folder: Path) -> LabelledImages:
    try:
        tiles = [
            (path, int(digit))
            for digit in _DIGITS
            if (folder / digit).is_dir()
            for path in sorted((folder / digit).iterdir())
            if not path.name.startswith(".")
        ]
    except OSError as error:
        raise DataUnavailableError(
            f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
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
    labels = np.array([digit for _, digit in tiles], np.uint8)
    return LabelledImages(np.stack(images), labels, tuple(path for path, _ in tiles))
