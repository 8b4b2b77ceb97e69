"""Archives of NumPy arrays, named as in Keras's mnist.npz."""

from __future__ import annotations

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.datasets import DIGITS, Classes
from inkdigits.data.folder import MAX_RAW_BYTES, read_content
from inkdigits.data.forms.form import Form, Part, build_labelled
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError, InkdigitsError

KERAS_FILE = "mnist.npz"
_ARRAYS: dict[Part, tuple[str, str]] = {
    "train": ("x_train", "y_train"),
    "test": ("x_test", "y_test"),
}
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def find_npz_files(path: Path, classes: Classes = DIGITS) -> list[Form]:
    """Finds an .npz file: the path itself, mnist.npz in a folder, or else the folder's .npz files.

    Raises:
        DataFormatError: An archive is damaged, or has other arrays than Keras's.
        DataUnavailableError: An archive cannot be read.
    """
    if path.is_file():
        files = [path] if path.suffix.lower() == ".npz" else []
    elif (path / KERAS_FILE).is_file():
        files = [path / KERAS_FILE]
    else:
        files = sorted(path.glob("*.npz"))
    return [_build_form(file, classes) for file in files]


def _build_form(path: Path, classes: Classes) -> Form:
    with _open(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    parts = [part for part, arrays in _ARRAYS.items() if any(name in names for name in arrays)]
    missing = [name for part in parts for name in _ARRAYS[part] if name not in names]
    if missing or not parts:
        shown = ", ".join(names[:8]) + ", …" * (len(names) > 8) or "no arrays"
        raise DataFormatError(
            f"{path} contains {shown}; expected x_train and y_train, x_test and y_test, or one of "
            "these pairs, as in Keras's mnist.npz"
        )
    readers = {part: partial(_read, path, part, classes) for part in parts}
    return Form(f"NumPy archive {path.name}", path, readers)


def _read(path: Path, part: Part, classes: Classes) -> LabelledImages:
    with _open(path) as archive:
        images, labels = (_read_array(archive, path, name) for name in _ARRAYS[part])
    names = [f"{name} in {path}" for name in _ARRAYS[part]]
    return build_labelled(images, labels, names[0], names[1], classes)


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens an archive; converts the errors of damaged ones."""
    content = io.BytesIO(read_content(path))
    try:
        with zipfile.ZipFile(content) as archive:
            yield archive
    except InkdigitsError:
        raise
    # A zip file can ask for passwords or unknown methods (RuntimeError); bz2 raises OSError.
    except (
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
        *(KeyError, OSError, OverflowError, RuntimeError, SyntaxError, ValueError),
    ) as error:
        reason = str(error).partition("\n")[0]
        raise DataFormatError(
            f"{path} is a damaged .npz file ({reason}): download or write it again"
        ) from error


def _read_array(archive: zipfile.ZipFile, path: Path, name: str) -> NDArray[Any]:
    """Reads one array. Its size is checked before memory is taken; objects are not unpickled."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADER_READERS:
            raise ValueError(f"{name} is of version {version}")
        shape, is_fortran, dtype = _HEADER_READERS[version](file)
        if dtype.hasobject:
            raise DataFormatError(
                f"{name} in {path} contains Python objects, expected numbers: they are not loaded, "
                "because unpickling runs code"
            )
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes > MAX_RAW_BYTES:
            raise DataFormatError(
                f"{name} in {path} has {n_bytes:,} bytes, expected at most {MAX_RAW_BYTES:,}: "
                "split it"
            )
        content = file.read(n_bytes + 1)
    if len(content) != n_bytes:
        raise DataFormatError(
            f"{name} in {path} is truncated or too long: expected {n_bytes:,} bytes of values; "
            "write it again"
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
