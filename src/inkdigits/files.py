"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inkdigits.errors import InkdigitsError, OutputError, OutputExistsError


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
            "another folder; nothing half-written is left"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text_whole(path: Path | str, text: str, *, overwrite: bool = True) -> None:
    """Writes UTF-8 text as one whole file; errors as in `write_whole`."""
    with write_whole(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
