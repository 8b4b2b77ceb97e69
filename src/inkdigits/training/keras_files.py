"""Keras files, whose sizes and contents are checked before Keras reads them."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from inkdigits.recognition.session import MAX_MODEL_BYTES

MAX_CONFIG_BYTES: Final = 1_000_000
"""Of the architecture: fifty times that of the largest recipe."""

MAX_CLASSES: Final = 10_000
"""Named in an architecture, about six for a layer."""

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.weights.h5"
_MAX_MEMBER_BYTES: Final = {
    _CONFIG: MAX_CONFIG_BYTES,
    "metadata.json": MAX_CONFIG_BYTES,
    _WEIGHTS: MAX_MODEL_BYTES,
}
_IN_MEMORY_BYTES: Final = 2**26
"""Weights of up to so many bytes are looked at without a disk, which may be full."""
_MAX_DIRECTORY_BYTES: Final = 4_096
"""Of a zip's directory; three members take 200."""

_MAX_EXPANSION: Final = 20
"""Of weights that are compressed. Keras compresses none; an optimizer that has not begun is zeros,
two thirds of a file."""

_SMALL_BYTES: Final = 1_000_000
"""What may expand without limit."""

_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_LOCATOR_OF_ZIP64: Final = b"PK\x06\x07"


def read_architecture(path: Path) -> Any:
    """Reads the architecture in a `.keras` or `.h5` file, after checking the whole file.

    The check takes no more memory than `MAX_CONFIG_BYTES` and the names in the file do.

    Returns:
        It as plain JSON; of a `.h5` file, in a list with the configuration of its training.

    Raises:
        ValueError: More than a network for tiles needs, or something else than Keras writes: a
            member or data set that expands enormously, a link to another file.
        OSError, KeyError, zipfile.BadZipFile: A damaged file.
    """
    n_bytes = path.stat().st_size
    if n_bytes > MAX_MODEL_BYTES:
        raise ValueError(f"{n_bytes:,} bytes; expected at most {MAX_MODEL_BYTES:,}")
    if path.suffix == ".keras":
        return _read_archive(path)
    with path.open("rb") as file:
        return _check_hdf5(file)


def _read_archive(path: Path) -> Any:
    with path.open("rb") as file:
        _check_directory(file)
        with (
            zipfile.ZipFile(file) as archive,
            tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as weights,
        ):
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(set(names)) < len(names) or set(names) - set(_MAX_MEMBER_BYTES):
                raise ValueError(f"expected {', '.join(_MAX_MEMBER_BYTES)} in it and nothing else")
            for member in members:
                most = _MAX_MEMBER_BYTES[member.filename]
                if member.file_size > most:
                    raise ValueError(
                        f"{member.filename} in it has {member.file_size:,} bytes; expected at "
                        f"most {most:,}"
                    )
                fault = _find_expansion(member.filename, member.file_size, member.compress_size)
                if fault:
                    raise ValueError(fault)
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(
                        f"{member.filename} in it is compressed otherwise than zlib does"
                    )
            # A member gives no more bytes than the directory says, whatever is compressed in it.
            config = json.loads(archive.read(_CONFIG))
            with archive.open(_WEIGHTS) as member_file:
                shutil.copyfileobj(member_file, weights)
            _check_hdf5(cast(BinaryIO, weights))
            return config


def _check_directory(file: BinaryIO) -> None:
    """Raises ValueError where the directory of a zip, which `zipfile` reads whole, is too large."""
    n_bytes = file.seek(0, io.SEEK_END)
    file.seek(-min(n_bytes, _END_BYTES + 2**16), io.SEEK_END)
    tail = file.read()
    start = len(tail) - _END_BYTES
    if not (tail[start:].startswith(_END) and tail.endswith(bytes(2))):
        start = tail.rfind(_END)  # before a comment, as `zipfile` looks for it
    if start < 0 or len(tail) < start + _END_BYTES:
        raise zipfile.BadZipFile("File is not a zip file")
    n_directory_bytes = int.from_bytes(tail[start + 12 : start + 16], "little")
    is_zip64 = _LOCATOR_OF_ZIP64 in tail[max(0, start - 20) : start]
    if is_zip64 or n_directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ValueError(f"expected {', '.join(_MAX_MEMBER_BYTES)} in it and nothing else")
    file.seek(0)


def _check_hdf5(file: BinaryIO) -> list[Any]:
    """The configurations in an HDF5 file, of which no part is elsewhere or expands enormously."""
    import h5py

    n_bytes = 0

    # h5py stops at the first answer that is not None, and cannot pass on every error.
    def find_fault_of_link(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.HardLink):
            return None
        return f"{name[:100]!r} in it is a link to something else"

    def find_fault_of_item(name: str, item: Any) -> str | None:
        nonlocal n_bytes
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual or item.dtype.hasobject:
            return f"{name[:100]!r} in it is something else than an array of numbers"
        n_bytes += item.nbytes
        if n_bytes > MAX_MODEL_BYTES:
            return f"its arrays up to {name[:100]!r} in it have more than {MAX_MODEL_BYTES:,} bytes"
        return _find_expansion(name, item.nbytes, item.id.get_storage_size())

    with h5py.File(file) as content:
        fault = content.visititems_links(find_fault_of_link)
        fault = fault or content.visititems(find_fault_of_item)
        if fault:
            raise ValueError(fault)
        names = {"model_config", "training_config"} & set(content.attrs)
        configs = [content.attrs[name] for name in names]
    if any(len(config) > MAX_CONFIG_BYTES for config in configs):
        raise ValueError(f"its configuration is larger than {MAX_CONFIG_BYTES:,} bytes")
    return [json.loads(config) for config in configs]


def _find_expansion(name: str, n_bytes: int, n_stored_bytes: int) -> str | None:
    """What is wrong with something that expands more than `_MAX_EXPANSION` times."""
    if n_bytes <= max(_SMALL_BYTES, _MAX_EXPANSION * n_stored_bytes):
        return None
    return (
        f"{name[:100]!r} in it expands from {n_stored_bytes:,} to {n_bytes:,} bytes; expected at "
        f"most {_MAX_EXPANSION} times as many"
    )
