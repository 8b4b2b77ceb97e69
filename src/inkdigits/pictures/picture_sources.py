"""Reads the bytes of a picture file, from wherever it is, within a limit on their number.

A picture comes as a path, as bytes, as a file object, as a data URI, or as base64 text. A file and
a file object may contain base64 text, too.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, TypeGuard
from urllib.parse import unquote_to_bytes

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.file_formats import detect_format
from inkdigits.suggestions import find_nearest

FileSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO

NAME: Final = "picture"
"""Name of a picture without a name in error messages."""

# Shorter text cannot be a picture, but may be a path. The smallest PNG takes 92 characters.
_MIN_ENCODED_LENGTH = 40
_MAX_NAME_LENGTH = 255
_MAX_PATH_LENGTH = 4096
_DATA_URI = re.compile(rb"data:([^,]{0,200}),", re.IGNORECASE)
_WHITESPACE = b" \t\r\n\f\v"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def is_file_source(source: object) -> TypeGuard[FileSource]:
    """Returns whether a source is a path, text, bytes or a file object."""
    is_bytes = isinstance(source, bytes | bytearray | memoryview)
    return is_bytes or isinstance(source, str | os.PathLike) or hasattr(source, "read")


def is_address(source: object) -> bool:
    """Returns whether a source is an http or https address, rather than a path or a picture."""
    return isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE) is not None


def is_picture_text(source: object) -> bool:
    """Returns whether a source is a data URI or base64 text, rather than a path or an address."""
    return isinstance(source, str) and _is_text(source)


def read_content(source: FileSource, max_bytes: int) -> tuple[str, bytes]:
    """Reads the bytes of a picture file.

    Args:
        source: A path, the bytes of a file, a binary file object (read from its start), a data
            URI, or the base64 text of a file. Text that is the path of an existing file is a path.
        max_bytes: Maximum number of bytes.

    Returns:
        A name for error messages, and the bytes.

    Raises:
        PictureFormatError: There is no such file, it cannot be read, or the base64 text is damaged.
        PictureTooLargeError: There are more bytes.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name, content = NAME, bytes(source[: max_bytes + 1])
    elif isinstance(source, str) and (encoded := _find_text(source)) is not None:
        # Line breaks and percent signs take some of the text.
        check_bytes(NAME, len(encoded) * 3 // 8, max_bytes)
        name, content = NAME, decode_text(NAME, encoded)
    elif isinstance(source, str | os.PathLike):
        name, content = _read_path(Path(source), max_bytes)
    elif hasattr(source, "read"):
        name, content = _read_file_object(source, max_bytes)
    elif isinstance(source, list | tuple):
        raise PictureFormatError(
            f"{NAME}: a {type(source).__name__} of {len(source)} is not one picture; read each by "
            "predict or Recognizer.read_many"
        )
    else:
        raise PictureFormatError(
            f"{NAME}: unsupported type {type(source).__name__}; expected a path, bytes, a binary "
            "file object, a Pillow image or a NumPy array"
        )
    check_bytes(name, len(content), max_bytes)
    return name, decode_text(name, content)


def check_bytes(name: str, size: int, max_bytes: int) -> None:
    """Raises PictureTooLargeError for a file of more than `max_bytes` bytes."""
    if size > max_bytes:
        raise PictureTooLargeError(
            f"{name}: at least {size:,} bytes; the limit is {max_bytes:,}: resize it"
        )


def decode_text(name: str, content: bytes) -> bytes:
    """Decodes a data URI or base64 text; returns any other content as it is.

    Raises:
        PictureFormatError: The base64 text is damaged. The message does not contain the text.
    """
    if detect_format(content) is not None:
        return content
    start = content[:256].lstrip(_WHITESPACE)
    if found := _DATA_URI.match(start):
        offset = content.index(b",") + 1
        if not found[1].rstrip().lower().endswith(b";base64"):
            return unquote_to_bytes(content[offset:])
        return _decode_base64(name, unquote_to_bytes(content[offset:]))
    if start[:5].lower() == b"data:":
        raise PictureFormatError(
            f"{name}: damaged data URI: expected data:image/png;base64, and base64 text"
        )
    return _decode_base64(name, content) if _is_encoded(start, len(content)) else content


def _decode_base64(name: str, text: bytes) -> bytes:
    packed = text.translate(_URL_SAFE, _WHITESPACE).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        raise PictureFormatError(
            f"{name}: damaged base64 text ({len(text):,} characters): copy all of it"
        ) from None


def _is_encoded(start: bytes, length: int) -> bool:
    """Returns whether text begins like the base64 text of a picture."""
    packed = start.translate(_URL_SAFE, _WHITESPACE)[:_MIN_ENCODED_LENGTH]
    if length < _MIN_ENCODED_LENGTH or len(packed) < _MIN_ENCODED_LENGTH // 2:
        return False
    try:
        decoded = base64.b64decode(packed[: len(packed) // 4 * 4], validate=True)
    except binascii.Error:
        return False
    return detect_format(decoded) is not None


def _find_text(source: str) -> bytes | None:
    """Returns the bytes of text that is a picture; None if it is, or could be, a path.

    Raises:
        PictureFormatError: The text is neither.
    """
    if len(source) <= _MAX_PATH_LENGTH and _is_file(source):
        return None
    if _is_text(source):
        return source.encode("ascii", "replace")  # "?" is not a character of base64
    longest = max(map(len, re.split(r"[/\\]", source)), default=0)
    if longest > _MAX_NAME_LENGTH or "\n" in source:
        raise PictureFormatError(
            f"{NAME}: text of {len(source):,} characters is neither the path of a file nor the "
            "base64 text of a picture"
        )
    return None


def _is_text(source: str) -> bool:
    start = source[:256].lstrip()
    return start[:5].lower() == "data:" or _is_encoded(
        start.encode("ascii", "replace"), len(source)
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def _read_path(path: Path, max_bytes: int) -> tuple[str, bytes]:
    name = str(path)
    try:
        _check_file(name, path.stat(), max_bytes)
        # The file may have been replaced by a pipe since, so it is opened without blocking.
        with open(path, "rb", opener=_open_nonblocking) as file:
            _check_file(name, os.fstat(file.fileno()), max_bytes)
            return name, _read_at_most(name, file, max_bytes + 1)
    except FileNotFoundError as error:
        raise PictureFormatError(f"{name}: no such file{_suggest_names(path)}") from error
    except PictureError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise PictureFormatError(f"{name}: cannot be read ({reason})") from error


def _read_file_object(source: Any, max_bytes: int) -> tuple[str, bytes]:
    file_name = getattr(source, "name", None)
    name = file_name if isinstance(file_name, str) and file_name else NAME
    try:
        if source.seekable():
            source.seek(0)
        return name, _read_at_most(name, source, max_bytes + 1)
    except PictureError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a file that is closed
        raise PictureFormatError(f"{name}: cannot be read ({error})") from error


def _check_file(name: str, status: os.stat_result, max_bytes: int) -> None:
    """Rejects everything but regular files: reading a device or a pipe may block or never end."""
    if stat.S_ISDIR(status.st_mode):
        raise PictureFormatError(f"{name}: is a folder; expected a picture file")
    if not stat.S_ISREG(status.st_mode):
        raise PictureFormatError(
            f"{name}: is a device, pipe or socket; expected a picture file: copy it to a file"
        )
    check_bytes(name, status.st_size, max_bytes)


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # not on Windows


def _read_at_most(name: str, file: BinaryIO, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = max_bytes
    while left and (part := file.read(left)):  # pipes and sockets may return fewer bytes
        if not isinstance(part, bytes):
            raise PictureFormatError(f"{name}: opened as text; open it with mode 'rb'")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _suggest_names(path: Path) -> str:
    """Returns the end of an error message that suggests similar names in the same folder."""
    if re.match(r"https?:", str(path), re.IGNORECASE):
        return (
            "; an address is fetched only with --allow-url, or in Python with "
            "inkdigits.predict(…, allow_url=True)"
        )
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f", nor the folder {path.parent}"
    close = [str(path.parent / name) for name in find_nearest(path.name, beside)]
    return f"; did you mean {' or '.join(close)}?" if close else "; check the name and the folder"
