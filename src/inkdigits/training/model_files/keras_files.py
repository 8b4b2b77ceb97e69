"""Checks the size and content of Keras files before Keras reads them."""

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
"""Maximum size of the architecture: fifty times that of the largest recipe."""

MAX_CLASSES: Final = 10_000
"""Maximum number of classes that an architecture names; a layer names about six."""

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.weights.h5"
_MAX_MEMBER_BYTES: Final = {
    _CONFIG: MAX_CONFIG_BYTES,
    "metadata.json": MAX_CONFIG_BYTES,
    _WEIGHTS: MAX_MODEL_BYTES,
}
_IN_MEMORY_BYTES: Final = 2**26
"""Weights up to this size are checked in memory, because the disk may be full."""
_MAX_DIRECTORY_BYTES: Final = 4_096
"""Maximum size of the directory of a zip file; three members take 200 bytes."""

_MAX_EXPANSION: Final = 20
"""Maximum ratio of uncompressed to compressed size of the weights. Keras does not compress them. In
files that other tools compress, the state of an unused optimizer, two thirds of a file, is zeros.
"""

_SMALL_BYTES: Final = 1_000_000
"""Members up to this uncompressed size may have any ratio."""

_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_LOCATOR_OF_ZIP64: Final = b"PK\x06\x07"


def read_architecture(path: Path) -> Any:
    """Checks a whole `.keras` or `.h5` file, and reads its architecture.

    The check needs memory for `MAX_CONFIG_BYTES`, the names in the file, and weights up to
    `_IN_MEMORY_BYTES`; larger weights are checked on disk.

    Returns:
        The architecture as plain JSON. For a `.h5` file, a list with the architecture and the
        training configuration, as far as the file has them.

    Raises:
        ValueError: A file larger than any network for tiles, or content that Keras does not write,
            such as a link to another file, or a member that is far larger after decompression.
        OSError, KeyError, zipfile.BadZipFile: The file is damaged.
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
                raise ValueError(f"expected {', '.join(_MAX_MEMBER_BYTES)} and nothing else")
            for member in members:
                most = _MAX_MEMBER_BYTES[member.filename]
                if member.file_size > most:
                    raise ValueError(
                        f"{member.filename} has {member.file_size:,} bytes; expected at most "
                        f"{most:,}"
                    )
                fault = _find_expansion(member.filename, member.file_size, member.compress_size)
                if fault:
                    raise ValueError(fault)
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(
                        f"{member.filename} has an unsupported compression; expected none or "
                        "deflate"
                    )
            # zipfile reads no more bytes of a member than the directory says, so the sizes hold.
            config = json.loads(archive.read(_CONFIG))
            with archive.open(_WEIGHTS) as member_file:
                shutil.copyfileobj(member_file, weights)
            _check_hdf5(cast(BinaryIO, weights))
            return config


def _check_directory(file: BinaryIO) -> None:
    """Raises ValueError if the directory of a zip file is too large.

    `zipfile` reads the whole directory into memory, so this check comes first.
    """
    n_bytes = file.seek(0, io.SEEK_END)
    file.seek(-min(n_bytes, _END_BYTES + 2**16), io.SEEK_END)
    tail = file.read()
    start = len(tail) - _END_BYTES
    if not (tail[start:].startswith(_END) and tail.endswith(bytes(2))):
        start = tail.rfind(_END)  # a comment may follow; `zipfile` searches in the same way
    if start < 0 or len(tail) < start + _END_BYTES:
        raise zipfile.BadZipFile("File is not a zip file")
    n_directory_bytes = int.from_bytes(tail[start + 12 : start + 16], "little")
    is_zip64 = _LOCATOR_OF_ZIP64 in tail[max(0, start - 20) : start]
    if is_zip64 or n_directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ValueError(f"expected {', '.join(_MAX_MEMBER_BYTES)} and nothing else")
    file.seek(0)


def _check_hdf5(file: BinaryIO) -> list[Any]:
    """Checks an HDF5 file, and returns the configurations of model and training in it.

    Raises:
        ValueError: A link to another file or object, data that is not an array of numbers, or
            arrays that are too large or far larger after decompression.
        OSError: The file is damaged.
    """
    import h5py

    n_bytes = 0

    # These return faults instead of raising them, because h5py cannot pass on every exception. It
    # stops at the first result that is not None.
    def find_fault_of_link(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.HardLink):
            return None
        return f"{name[:100]!r} is a link; expected arrays of numbers"

    def find_fault_of_item(name: str, item: Any) -> str | None:
        nonlocal n_bytes
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual or item.dtype.hasobject:
            return f"{name[:100]!r} is not an array of numbers stored in this file"
        n_bytes += item.nbytes
        if n_bytes > MAX_MODEL_BYTES:
            return f"the arrays up to {name[:100]!r} have more than {MAX_MODEL_BYTES:,} bytes"
        return _find_expansion(name, item.nbytes, item.id.get_storage_size())

    with h5py.File(file) as content:
        fault = content.visititems_links(find_fault_of_link)
        fault = fault or content.visititems(find_fault_of_item)
        if fault:
            raise ValueError(fault)
        names = {"model_config", "training_config"} & set(content.attrs)
        configs = [content.attrs[name] for name in names]
    if any(len(config) > MAX_CONFIG_BYTES for config in configs):
        raise ValueError(f"the configuration is larger than {MAX_CONFIG_BYTES:,} bytes")
    return [json.loads(config) for config in configs]


def _find_expansion(name: str, n_bytes: int, n_stored_bytes: int) -> str | None:
    """Returns the fault of data that expands more than `_MAX_EXPANSION` times, or None."""
    if n_bytes <= max(_SMALL_BYTES, _MAX_EXPANSION * n_stored_bytes):
        return None
    return (
        f"{name[:100]!r} expands from {n_stored_bytes:,} to {n_bytes:,} bytes; expected at most "
        f"{_MAX_EXPANSION} times as many"
    )
