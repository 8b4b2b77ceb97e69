"""Files and folders of this machine and behind fsspec addresses such as s3://bucket/scans."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

from inkdigits.errors import (
    DataUnavailableError,
    MissingExtraError,
    OutputError,
    PictureFormatError,
    UsageError,
)
from inkdigits.files import remove_leftovers, write_whole
from inkdigits.pictures.picture_sources import check_bytes

RETRY_PAUSES_S: Final = (0.5, 2.0, 8.0)
"""Pauses before each further try of a request to a storage. Its client tries again on its own,
too."""

_PROTOCOL: Final = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_GLOB: Final = re.compile(r"[*?\[]")

_Returned = TypeVar("_Returned")


def is_remote(address: str) -> bool:
    """Returns whether an address is one of fsspec, such as s3://bucket/7.png, and not a path."""
    return _PROTOCOL.match(address) is not None


def has_wildcards(address: str) -> bool:
    """Returns whether an address is a glob, such as scans/*.png, rather than one existing file."""
    if _GLOB.search(address) is None:
        return False
    return is_remote(address) or not Path(address).exists()


def make_absolute(address: str) -> str:
    """Returns a path as an absolute path without links resolved; file:// becomes a path."""
    if address.lower().startswith("file://"):
        address = address[len("file://") :]
    return address if is_remote(address) else str(Path(address).absolute())


def connect(address: str) -> tuple[Any, str]:
    """Returns the file system of an address of fsspec, and the path in it.

    Raises:
        MissingExtraError: fsspec, or the package for this protocol, is not installed.
        UsageError: The protocol is unknown.
        DataUnavailableError: The storage cannot be reached.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(
            f'fsspec is not installed, but {address} needs it: pip install "inkdigits[scale]"'
        ) from error
    try:
        system, path = url_to_fs(address)
    except ImportError as error:  # its message names the package, such as s3fs
        raise MissingExtraError(f"{address} cannot be read: {_describe(error)}") from error
    except ValueError as error:
        raise UsageError(f"invalid address {address}: {_describe(error)}") from error
    except Exception as error:  # clients of storages raise exceptions of many kinds
        raise DataUnavailableError(
            f"{address} cannot be reached ({_describe(error)}): check address and credentials"
        ) from error
    return system, cast(str, path)


def is_folder(address: str) -> bool:
    """Returns whether there is a folder at an address. Raises the errors of `connect`."""
    if not is_remote(address):
        return Path(address).is_dir()
    system, path = connect(address)
    return bool(_try(address, lambda: system.isdir(path)))


def is_file(address: str) -> bool:
    """Returns whether there is a file at an address. Raises the errors of `connect`."""
    if not is_remote(address):
        return Path(address).is_file()
    system, path = connect(address)
    return bool(_try(address, lambda: system.isfile(path)))


def list_files(address: str) -> list[str]:
    """Returns the addresses of all files of a remote folder and its subfolders, sorted."""
    system, path = connect(address)
    found = _try(address, lambda: system.find(path))
    return sorted(system.unstrip_protocol(name) for name in found)


def match_files(pattern: str) -> list[str]:
    """Returns the addresses of the files that match a glob, sorted; ** stands for subfolders."""
    if not is_remote(pattern):
        matches = glob.iglob(pattern, recursive=True)  # noqa: PTH207 - takes absolute patterns
        return sorted(name for name in matches if Path(name).is_file())
    system, path = connect(pattern)
    found = _try(pattern, lambda: system.glob(path, detail=True))
    return sorted(
        system.unstrip_protocol(name) for name, entry in found.items() if entry["type"] == "file"
    )


def open_file(address: str) -> IO[bytes]:
    """Opens a file to read it at any position.

    Raises:
        DataUnavailableError: It is missing or cannot be read.
    """
    if is_remote(address):
        system, path = connect(address)
        return cast(IO[bytes], _try(address, lambda: system.open(path, "rb")))
    try:
        return Path(address).open("rb")
    except OSError as error:
        raise DataUnavailableError(f"{address} cannot be read ({error.strerror})") from error


def fetch_content(address: str, max_bytes: int) -> bytes:
    """Returns the bytes of a picture behind an address of fsspec.

    Raises:
        PictureFormatError: There is no such file, or it may not be read.
        PictureTooLargeError: It has more bytes than `max_bytes`.
        DataUnavailableError: The storage cannot be reached, or the bucket is gone.
    """
    system, path = connect(address)

    def fetch() -> bytes:
        try:
            return bytes(system.cat_file(path, start=0, end=max_bytes + 1))
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:
            if system.size(path) == 0:  # there is no range in an empty file
                return b""
            raise

    try:
        content = _try(address, fetch, passed=(FileNotFoundError, PermissionError))
    except FileNotFoundError as error:
        _check_bucket(address, system, path)
        raise PictureFormatError(f"{address}: no such file") from error
    except PermissionError as error:
        raise PictureFormatError(f"{address}: cannot be read ({_describe(error)})") from error
    check_bytes(address, len(content), max_bytes)
    return content


def _check_bucket(address: str, system: Any, path: str) -> None:
    """Raises DataUnavailableError if not only a file is missing, but all of its bucket."""
    bucket = "/" * path.startswith("/") + path.lstrip("/").partition("/")[0]
    system.invalidate_cache()
    if not _try(address, lambda: system.exists(bucket)):
        raise DataUnavailableError(
            f"{address} cannot be read: {system.unstrip_protocol(bucket)} is gone"
        )


class OutputFolder:
    """A folder on this machine or in a storage, whose files are written completely or not at all.

    Attributes:
        address: Path or address of the folder.
    """

    def __init__(self, address: str) -> None:
        """Connects to the storage. Raises the errors of `connect`."""
        self.address = make_absolute(address) if is_remote(address) else address
        self.is_local = not is_remote(self.address)
        self._system: Any = None
        self._path = ""
        if not self.is_local:
            self._system, self._path = connect(self.address)

    def list_names(self) -> list[str]:
        """Returns the names of the files in the folder, sorted; empty if it does not exist.

        Raises:
            OutputExistsError: There is a file at the address.
            DataUnavailableError: The storage cannot be reached.
        """
        if self.is_local:
            folder = Path(self.address)
            return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

        def list_remote() -> list[str]:
            self._system.invalidate_cache()
            try:
                return [str(name) for name in self._system.ls(self._path, detail=False)]
            except FileNotFoundError:
                return []

        return sorted(
            name.rstrip("/").rpartition("/")[2] for name in _try(self.address, list_remote)
        )

    def read(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
            DataUnavailableError: It cannot be read.
        """
        with open_file(self._join(name)) as file:
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, or replaces it.

        Raises:
            OutputError: The disk is full, or the storage cannot be reached.
        """
        address = self._join(name)
        if self.is_local:
            with write_whole(address) as temporary:
                temporary.write_bytes(content)
            return
        path = f"{self._path.rstrip('/')}/{name}"
        try:
            _try(address, lambda: self._system.pipe_file(path, content))
        except DataUnavailableError as error:
            raise OutputError(str(error).replace("cannot be read", "cannot be written")) from error

    def remove(self, name: str) -> None:
        """Removes a file."""
        if self.is_local:
            Path(self._join(name)).unlink(missing_ok=True)
        else:
            _try(self.address, lambda: self._system.rm_file(f"{self._path.rstrip('/')}/{name}"))

    def remove_leftovers(self) -> None:
        """Removes the unfinished files of a process that was killed."""
        if self.is_local and Path(self.address).is_dir():
            remove_leftovers(Path(self.address))

    def _join(self, name: str) -> str:
        return f"{self.address.rstrip('/')}/{name}"


def _try(
    address: str,
    request: Callable[[], _Returned],
    *,
    passed: tuple[type[Exception], ...] = (),
) -> _Returned:
    """Calls `request` until it succeeds, with `RETRY_PAUSES_S` between the tries.

    Raises:
        DataUnavailableError: The last try failed, too.
    """
    pauses_s = list(RETRY_PAUSES_S)
    while True:
        try:
            return request()
        except passed:
            raise
        except Exception as error:  # clients of storages raise exceptions of many kinds
            if isinstance(error, FileNotFoundError | PermissionError) or not pauses_s:
                fault = f"{address} cannot be read ({_describe(error)})"
                raise DataUnavailableError(fault) from error
            time.sleep(pauses_s.pop(0))


def _describe(error: BaseException) -> str:
    """Returns the message of an exception in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
