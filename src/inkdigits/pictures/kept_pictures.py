"""The picture of a reading: where it is, so that it can be opened again in its own colours.

A reading keeps no pixels of its own. It refers to what was read: a path, the bytes of a file, a
Pillow image or an array. So it takes a few hundred bytes beyond what the caller passed, and the
picture is decoded only if it is shown, saved or cropped.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from numpy.typing import ArrayLike
from PIL import Image

from inkdigits.errors import PictureFormatError
from inkdigits.pictures.arrays import arrange_picture, is_array, to_array
from inkdigits.pictures.decoding import (
    DecodingLimits,
    Picture,
    PictureSource,
    build_image,
    convert_errors,
    flatten,
    load_upright,
    open_image,
)
from inkdigits.pictures.file_formats import describe_unknown_file, detect_format
from inkdigits.pictures.picture_sources import (
    NAME,
    FileSource,
    is_address,
    is_picture_text,
    read_content,
)

_WITH_COLOURS = ("RGB", "RGBA")
"""Modes whose ICC profile is still that of the picture after conversion to RGB."""


class HeldFile(io.BytesIO):
    """The content of a file that can be read only once, such as standard input, with its name."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


@dataclass(frozen=True, eq=False)
class KeptPicture:
    """A picture that was read, to be opened again.

    It can be pickled. Only the path of a file is pickled, no other picture, so a pickle is small.

    Attributes:
        source: The picture as it was passed; None if it was not kept.
        page: Number of the page in its document, from 1; None if it is not a page.
        size: Width and height of the upright picture in pixels; None if unknown.
        limits: Maximum size of the picture.
    """

    source: PictureSource | None
    page: int | None = None
    size: tuple[int, int] | None = None
    limits: DecodingLimits = field(default_factory=DecodingLimits)

    def open(self) -> Image.Image:
        """Opens the picture as it is displayed, upright, in mode RGB.

        Its `info` has the ICC profile of the file, if there is one.

        Raises:
            PictureFormatError: The picture was not kept, the file is missing by now, or another
                picture is in its place.
            PictureTooLargeError: The file has been replaced by one that exceeds the limits.
        """
        if self.source is None:
            raise PictureFormatError(
                f"{NAME}: not kept with the reading (generators and pickles keep files only): pass "
                "it to reading.with_picture(picture)"
            )
        image = _open_in_colours(self.source, self.page, self.limits)
        if self.size is not None and image.size != self.size:
            raise PictureFormatError(
                f"{_name(self.source)}: has {image.width} × {image.height} pixels, but the one "
                f"that was read had {self.size[0]} × {self.size[1]}: read it again"
            )
        return image

    def forget_pixels(self) -> KeptPicture:
        """Returns the picture without its source, unless that is a path."""
        if isinstance(self.source, str | os.PathLike) and not is_picture_text(self.source):
            return self
        return KeptPicture(None, self.page, self.size, self.limits)

    # Copies within a process share the source.

    def __copy__(self) -> KeptPicture:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> KeptPicture:
        return self

    def __reduce__(self) -> tuple[Callable[..., KeptPicture], tuple[Any, ...]]:
        small = self.forget_pixels()
        return KeptPicture, (small.source, small.page, small.size, small.limits)


def keep_picture(
    source: PictureSource,
    limits: DecodingLimits,
    *,
    page: int | None = None,
    size: tuple[int, int] | None = None,
) -> KeptPicture:
    """Returns a reference to a picture.

    Args:
        source: The picture. Paths are made absolute, so that the working folder may change.
        limits: Maximum size of the picture.
        page: Number of the page in its document, from 1; None if it is not a page.
        size: Width and height of the upright picture in pixels; None if unknown.
    """
    if isinstance(source, HeldFile):
        source = source.getvalue()
    elif isinstance(source, str | os.PathLike) and not is_picture_text(source):
        with suppress(OSError, ValueError):  # the working folder is gone
            source = str(Path(source).absolute())
    elif hasattr(source, "read"):
        return KeptPicture(None, page, size, limits)
    return KeptPicture(source, page, size, limits)


def hold_file(source: PictureSource, max_bytes: int, *, allow_url: bool = False) -> PictureSource:
    """Reads what may not be readable again; returns other pictures as they are.

    Args:
        source: The picture. File objects are read, and addresses fetched.
        max_bytes: Maximum number of bytes.
        allow_url: Whether text such as https://example.org/seven.png is an address.

    Raises:
        PictureFormatError: It cannot be read or fetched.
        PictureTooLargeError: There are more bytes than the limit.
    """
    if allow_url and is_address(source):
        from inkdigits.pictures.addresses import fetch_picture

        return HeldFile(*fetch_picture(str(source), max_bytes))
    if isinstance(source, HeldFile) or not hasattr(source, "read"):
        return source
    return HeldFile(*read_content(cast(FileSource, source), max_bytes))


def _open_in_colours(
    source: PictureSource, page: int | None, limits: DecodingLimits
) -> Image.Image:
    if page is not None:
        # It imports what draws PDF files and what fetches addresses.
        from inkdigits.pictures.documents import open_page

        name, content = read_content(cast(FileSource, source), limits.max_bytes)
        return open_page(name, content, page, limits, _to_colours)
    if isinstance(source, Picture):
        return Image.fromarray(source.pixels).convert("RGB")
    if isinstance(source, Image.Image):
        with convert_errors(NAME, "cannot be read"):
            return load_upright(source, NAME, limits, _to_colours)[0]
    if is_array(source):
        values = arrange_picture(to_array(cast(ArrayLike, source)))
        return _to_colours(build_image(values, limits))
    name, content = read_content(cast(FileSource, source), limits.max_bytes)
    file_format = detect_format(content)
    if file_format is None:
        raise describe_unknown_file(name, content)
    with open_image(name, file_format, content, limits) as image:
        return load_upright(image, name, limits, _to_colours)[0]


def _to_colours(image: Image.Image) -> Image.Image:
    converted = flatten(image).convert("RGB")
    profile = image.info.get("icc_profile")
    converted.info = {"icc_profile": profile} if profile and image.mode in _WITH_COLOURS else {}
    return converted


def _name(source: PictureSource) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else NAME
