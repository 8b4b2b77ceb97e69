"""Atomic writing of files, free names for them, and reading of files up to a size limit."""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from inkdigits.errors import InkdigitsError, OutputError, OutputExistsError

FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Ends of the names of pictures that are written."""
_TEMPORARY_NAME = re.compile(r"\..*\.[0-9a-f]{32}(\.[^.]+)?", re.DOTALL)


@contextmanager
def write_whole(path: Path | str, *, overwrite: bool = True) -> Iterator[Path]:
    """Writes a file atomically: the block writes a temporary file, which then replaces `path`.

    If the block fails, `path` stays unchanged. Readers of `path` see either the old or the new
    content, never a part of it, even after a power failure.

    Args:
        path: The file to write. Missing parent folders are created.
        overwrite: Whether to replace an existing file.

    Yields:
        The path of an empty temporary file in the same folder, with the same suffix.

    Raises:
        OutputExistsError: The file exists and `overwrite` is False.
        OutputError: The file cannot be written (full disk, read-only folder, or `path` is a
            folder).
    """
    path = Path(path)
    if not overwrite and path.exists():
        raise OutputExistsError(f"{path} exists already: choose another name or remove it first")
    # In the same folder, because a rename is atomic only within one file system. `tempfile` is not
    # used: its files are readable by their owner only, which would break shared folders.
    temporary = path.with_name(f".{path.stem}.{os.urandom(16).hex()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("r+b") as file:  # Windows flushes only files that are open for writing
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, InkdigitsError):
            raise
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): free some space or choose "
            "another folder; no partial file is left",
            reason=describe_write_error(error),
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text_whole(path: Path | str, text: str, *, overwrite: bool = True) -> None:
    """Writes UTF-8 text to a file atomically. Raises the same errors as `write_whole`."""
    with write_whole(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def iterate_names(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yields a path, then the same path with -2, -3, … at the end of its name, without end.

    Args:
        path: The first path.
        suffix: End of the name that the number comes before, such as ".int8.onnx".
    """
    yield path
    beginning = path.name.removesuffix(suffix)
    for number in itertools.count(2):
        yield path.with_name(f"{beginning}-{number}{suffix}")


def find_free_name(path: Path, suffix: str = "") -> Path:
    """Returns the first path of `iterate_names` at which there is nothing."""
    return next(free for free in iterate_names(path, suffix) if not os.path.lexists(free))


def remove_leftovers(folder: Path) -> int:
    """Removes temporary files of `write_whole` that remained because the process was killed.

    Call this only while no other process writes to the folder. Subfolders are not searched.

    Returns:
        The number of files removed. Files that cannot be removed are skipped.
    """
    n_removed = 0
    for path in folder.iterdir():
        if _TEMPORARY_NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            with suppress(OSError):
                path.unlink()
                n_removed += 1
    return n_removed


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Reads a file of at most `max_bytes`.

    Devices, pipes and folders are never read. A file that grows during the call is read up to the
    limit.

    Raises:
        OSError: The file cannot be read, or is not a regular file.
        ValueError: The file is larger than `max_bytes`.
    """

    def open_nonblocking(name: str, flags: int) -> int:
        # Without this flag, opening a pipe waits for a writer. Windows does not have the flag.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=open_nonblocking) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"larger than {max_bytes:,} bytes")
    return content


def describe_write_error(error: OSError) -> str:
    """Returns why a file cannot be written, without its path, so that it can be sent to clients."""
    if error.errno in FULL:
        return "the disk is full"
    if error.errno in _READ_ONLY:
        return "the folder is read-only"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "it is not a folder"
    return (error.strerror or "input/output error").lower()
