"""Lists, folders and documents: the single pictures in whatever a user passes to be read."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from inkdigits.errors import PictureError, PictureFormatError, UsageError
from inkdigits.pictures.arrays import is_array
from inkdigits.pictures.decoding import DecodingLimits, PictureSource
from inkdigits.pictures.file_formats import detect_format
from inkdigits.pictures.kept_pictures import hold_file, keep_picture
from inkdigits.pictures.picture_sources import (
    NAME,
    FileSource,
    is_file_source,
    is_picture_text,
)

if TYPE_CHECKING:
    from inkdigits.results.reading import Reading

# Files that are read if a folder is given. Rejected formats are among them, for their errors.
PICTURE_SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pdf"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif", ".jp2"),
)

_START_BYTES = 256
_PAGED_FORMATS = ("PDF", "TIFF")

PictureList: TypeAlias = Iterable[PictureSource]


@dataclass(frozen=True, eq=False)
class ListedPicture:
    """A picture of a list, a folder or a document.

    Attributes:
        picture: The picture, decoded if it is a page of a document; or why it cannot be read.
        source: Path or name of the file; None for pictures that are not files.
        page: Number of the page in its document, from 1; None for pictures without pages.
        origin: The document or file that the picture was decoded from; None if it is not decoded.
    """

    picture: PictureSource | PictureError
    source: str | None = None
    page: int | None = None
    origin: PictureSource | None = None

    def complete(self, reading: Reading, limits: DecodingLimits) -> Reading:
        """Returns the reading of this picture with `source`, `page`, and where the picture is."""
        picture = reading.picture
        if picture is not None and self.origin is not None:
            picture = keep_picture(self.origin, limits, page=self.page, size=picture.size)
        return replace(reading, source=self.source, page=self.page, picture=picture)


def is_list(source: object) -> TypeGuard[PictureList]:
    """Returns whether a source is a list or any other iterable of pictures."""
    if is_file_source(source) or is_array(source):
        return False
    return isinstance(source, Iterable) and not isinstance(source, Mapping | Set | array)


def is_folder(source: object) -> bool:
    """Returns whether a source is the path of a folder."""
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        return False
    try:
        return Path(source).is_dir()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def list_folder(folder: str | os.PathLike[str]) -> list[str]:
    """Lists the picture files of a folder and of its subfolders, sorted by path.

    Files and folders whose name begins with a dot are left out. Links to folders are not followed.

    Raises:
        UsageError: There are none.
        PictureFormatError: A subfolder cannot be read.
    """
    found: list[Path] = []
    for parent, subfolders, names in os.walk(folder, onerror=_raise_unreadable):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in names
            if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".")
        ]
    if not found:
        raise UsageError(
            f"no pictures in folder {folder}: expected files such as {folder}/seven.png"
        )
    return [str(path) for path in sorted(found)]


def iterate_pictures(
    source: PictureSource | PictureList, limits: DecodingLimits, *, allow_url: bool = False
) -> Iterator[ListedPicture]:
    """Yields the single pictures of a picture, document, folder or iterable of these, in order.

    Pictures are not decoded, except for the pages of documents, one at a time. A picture or page
    that cannot be read is listed with its error.

    Args:
        source: As in `Recognizer.read`, a document, a folder, or an iterable of these.
        limits: Maximum size of a file and of each page.
        allow_url: Whether text such as https://example.org/seven.png is fetched.

    Raises:
        UsageError: A folder contains no pictures.
        PictureFormatError: A folder cannot be read.
    """
    if not is_list(source):
        yield from _iterate_one(source, limits, allow_url=allow_url)  # type: ignore[arg-type]
        return
    for item in source:
        if is_list(item):
            yield ListedPicture(
                PictureFormatError(
                    f"{NAME}: a {type(item).__name__} inside a list of pictures; pass one list of "
                    "all pictures"
                )
            )
        else:
            yield from _iterate_one(item, limits, allow_url=allow_url)


def _iterate_one(
    source: PictureSource, limits: DecodingLimits, *, allow_url: bool
) -> Iterator[ListedPicture]:
    if is_folder(source):
        for path in list_folder(source):  # type: ignore[arg-type]
            yield from _iterate_one(path, limits, allow_url=allow_url)
        return
    name = name_source(source)
    try:
        source = hold_file(source, limits.max_bytes, allow_url=allow_url)
    except PictureError as error:
        yield ListedPicture(error, name)
        return
    if not is_file_source(source) or _is_single(source):
        yield ListedPicture(source, name)
        return
    # It imports what draws PDF files.
    from inkdigits.pictures.documents import iterate_pages

    for page, picture in iterate_pages(source, limits):
        yield ListedPicture(picture, name, page, origin=source)


def name_source(source: object) -> str | None:
    """Returns the path or name of a file; None for pictures that are not files."""
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        is_name = len(name) <= 4096 and not is_picture_text(name)
        return str(name) if is_name else None  # not the text of a picture
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name and is_file_source(source) else None


def _is_single(source: FileSource) -> bool:
    """Returns whether the first bytes are those of a picture without pages."""
    file_format = detect_format(_read_start(source))
    return file_format is not None and file_format not in _PAGED_FORMATS


def _read_start(source: Any) -> bytes:
    """Returns the first bytes of a file; none if they are not to be had without side effects."""
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            return bytes(source[:_START_BYTES])
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            if not path.is_file():  # reading a pipe may block
                return b""
            with path.open("rb") as file:
                return file.read(_START_BYTES)
        if not source.seekable():
            return b""
        source.seek(0)
        start = source.read(_START_BYTES)
        source.seek(0)
        return start if isinstance(start, bytes) else b""
    except (OSError, ValueError, AttributeError):  # reading it raises an error that says more
        return b""


def _raise_unreadable(error: OSError) -> None:
    raise PictureFormatError(
        f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
    ) from error
