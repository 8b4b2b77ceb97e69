"""Reads the pages of documents, PDF and TIFF, as pictures, one after the other.

A PDF page is drawn at 200 dpi, at which a line of 12 point text is about 33 pixels high, or at a
lower resolution if its pixels would exceed the limits. `pdf_process` draws it in a process of its
own, with limits on time and memory.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Final

from PIL import Image

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.recognition.addresses import fetch_picture
from inkdigits.recognition.decoding import (
    DecodingLimits,
    Picture,
    PictureSource,
    decode_content,
    decode_image,
    decode_picture,
    open_image,
)
from inkdigits.recognition.file_formats import detect_format, missing_format
from inkdigits.recognition.file_structure import find_tiff_pages
from inkdigits.recognition.pdf_process import PdfError, draw_pages
from inkdigits.recognition.picture_sources import is_address, is_file_source, read_content

MAX_PAGES: Final = 500
"""Maximum number of pages of a document."""

_DEFAULT_LIMITS: Final = DecodingLimits()

Page = tuple[int | None, Picture | PictureError]
"""Number of a page from 1, or None for a picture without pages; the picture, or why it cannot be
read."""


def iterate_pages(
    source: PictureSource,
    limits: DecodingLimits = _DEFAULT_LIMITS,
    *,
    allow_url: bool = False,
    max_pages: int = MAX_PAGES,
) -> Iterator[Page]:
    """Decodes a picture, or the pages of a document one after the other.

    Only one page is in memory at a time. A page that cannot be read does not end the iteration,
    except if drawing it exceeds the limits on time and memory.

    Args:
        source: As in `decode_picture`, and PDF files. PDF and TIFF files of several pages are
            documents.
        limits: Maximum size of the file, and of each page.
        allow_url: Whether text such as https://example.org/seven.png is fetched.
        max_pages: Maximum number of pages of a document. One with more is refused.

    Yields:
        Page number and picture, or the error that `decode_picture` raises for it.
    """
    try:
        if not is_file_source(source):
            yield None, decode_picture(source, limits)
            return
        if allow_url and is_address(source):
            name, content = fetch_picture(str(source), limits.max_bytes)
        else:
            name, content = read_content(source, limits.max_bytes)
        file_format = detect_format(content)
        if file_format == "PDF":
            yield from _iterate_pdf(name, content, limits, max_pages)
        elif file_format == "TIFF":
            yield from _iterate_tiff(name, content, limits, max_pages)
        else:
            yield None, decode_content(name, content, limits)
    except PictureError as error:
        yield None, error


def _iterate_tiff(
    name: str, content: bytes, limits: DecodingLimits, max_pages: int
) -> Iterator[Page]:
    pages = find_tiff_pages(name, content, max_pages)
    if len(pages) == 1:
        yield None, _decode_tiff_page(name, content, 0, limits)
        return
    for number, page in enumerate(pages, 1):
        try:
            yield number, _decode_tiff_page(f"{name}, page {number}", content, page, limits)
        except PictureError as error:
            yield number, error


def _decode_tiff_page(name: str, content: bytes, page: int, limits: DecodingLimits) -> Picture:
    with open_image(name, "TIFF", content, limits) as image:
        image.seek(page)
        return decode_image(image, name, limits)


def _iterate_pdf(
    name: str, content: bytes, limits: DecodingLimits, max_pages: int
) -> Iterator[Page]:
    if importlib.util.find_spec("pypdfium2") is None:
        raise missing_format(name, "PDF")
    pages = draw_pages(
        content, max_pages=max_pages, max_pixels=limits.max_pixels, max_side=limits.max_side
    )
    try:
        for number, drawn in enumerate(pages, 1):
            if isinstance(drawn, PdfError):
                yield number, _convert_error(f"{name}, page {number}", drawn)
            else:
                image = Image.frombytes("RGB", drawn[:2], drawn[2])
                yield number, decode_picture(image, limits)
    except PdfError as error:
        raise _convert_error(name, error) from error


def _convert_error(name: str, error: PdfError) -> PictureError:
    kind = PictureTooLargeError if error.is_too_large else PictureFormatError
    return kind(f"{name}: {error}")
