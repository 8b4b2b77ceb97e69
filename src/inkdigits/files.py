"""Files that are written whole or not at all, and files that are read within a limit."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inkdigits.errors import InkdigitsError, OutputError, OutputExistsError

FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_TEMPORARY_NAME = re.compile(r"\..*\.[0-9a-f]{32}(\.[^.]+)?", re.DOTALL)


@contextmanager
def write_whole(path: Path | str, *, overwrite: bool = True) -> Iterator[Path]:
    """Gives a temporary path beside `path`, and moves it there once the block has ended well.

    Whoever opens `path` sees the old content or the new, never a part, also after a power cut.

    Args:
        path: The file to write; its folder is made where it is missing.
        overwrite: Whether a file that is there already may be replaced.

    Yields:
        An empty temporary file in the same folder, with the same suffix.

    Raises:
        OutputExistsError: The file is there and `overwrite` is False.
        OutputError: It cannot be written (full disk, read-only folder, a folder of that name).
    """
    path = Path(path)
    if not overwrite and path.exists():
        raise OutputExistsError(f"{path} exists already: choose another name or remove it first")
    # Beside its target, because a move is atomic only within one file system. Not by `tempfile`,
    # which would close a shared cache or result to everybody else.
    temporary = path.with_name(f".{path.stem}.{os.urandom(16).hex()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, InkdigitsError):
            raise
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): free some space or choose "
            "another folder; nothing half-written is left",
            reason=describe_write_error(error),
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text_whole(path: Path | str, text: str, *, overwrite: bool = True) -> None:
    """Writes UTF-8 text as one whole file; errors as in `write_whole`."""
    with write_whole(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(folder: Path) -> int:
    """Removes temporary files that `write_whole` left where its process was killed.

    Call it only while nobody else writes to the folder. Folders within it are not searched.

    Returns:
        The number of files removed. A file that cannot be removed stays.
    """
    n_removed = 0
    for path in folder.iterdir():
        if _TEMPORARY_NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            with suppress(OSError):
                path.unlink()
                n_removed += 1
    return n_removed


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Reads a whole file of limited size.

    A device, a pipe or a folder is never read, and a file that grows meanwhile is read no further
    than the limit.

    Raises:
        OSError: It cannot be read, or is not a regular file.
        ValueError: It is larger than `max_bytes`.
    """

    def open_at_once(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for a writer

    with open(path, "rb", opener=open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"larger than {max_bytes:,} bytes")
    return content


def describe_write_error(error: OSError) -> str:
    """Says why a file cannot be written, without its path, so that strangers may read it."""
    if error.errno in FULL:
        return "the disk is full"
    if error.errno in _READ_ONLY:
        return "the folder is read-only"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "it is not a folder"
    return (error.strerror or "input/output error").lower()
