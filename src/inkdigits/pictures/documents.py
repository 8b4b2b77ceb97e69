"""Reads the pages of documents, PDF and TIFF, as pictures, one after the other.

A PDF page is drawn at 200 dpi, at which a line of 12 point text is about 33 pixels high, or at a
lower resolution if its pixels would exceed the limits. `pdf_process` draws it in a process of its
own, with limits on time and memory.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from PIL import Image

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.addresses import fetch_picture
from inkdigits.pictures.decoding import (
    DecodingLimits,
    Picture,
    PictureSource,
    decode_content,
    decode_image,
    decode_picture,
    load_upright,
    open_image,
)
from inkdigits.pictures.file_formats import detect_format, missing_format
from inkdigits.pictures.file_structure import find_tiff_pages
from inkdigits.pictures.pdf_process import PdfError, count_pages, draw_page, draw_pages
from inkdigits.pictures.picture_sources import is_address, is_file_source, read_content

MAX_PAGES: Final = 500
"""Maximum number of pages of a document."""

_DEFAULT_LIMITS: Final = DecodingLimits()

DOCUMENT_FORMATS: Final = ("PDF", "TIFF")
"""Formats whose files may have several pages."""

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


def count_document_pages(name: str, content: bytes, max_pages: int = MAX_PAGES) -> int | None:
    """Returns the number of pages of a document; None for a picture without pages.

    PDF files are opened in this process, which needs limits on its time and memory.

    Args:
        name: Name of the file in error messages.
        content: The bytes of the file.
        max_pages: Maximum number of pages of a document.

    Raises:
        PictureFormatError: The document is damaged or encrypted, or is a PDF file and pypdfium2 is
            not installed.
        PictureTooLargeError: It has more pages.
    """
    file_format = detect_format(content)
    if file_format == "TIFF":
        n_pages = len(find_tiff_pages(name, content, MAX_PAGES))
        if n_pages > max_pages:
            raise PictureTooLargeError(
                f"{name}: TIFF file of {n_pages:,} pages; the limit is {max_pages:,}: split it"
            )
        return n_pages if n_pages > 1 else None
    if file_format != "PDF":
        return None
    _check_pdf_reader(name)
    try:
        return count_pages(content, max_pages)
    except PdfError as error:
        raise _convert_error(name, error) from error


def decode_document_page(name: str, content: bytes, page: int, limits: DecodingLimits) -> Picture:
    """Decodes one page of a PDF or TIFF file, as `iterate_pages` does.

    PDF pages are drawn in this process, which needs limits on its time and memory.

    Args:
        name: Name of the file in error messages.
        content: The bytes of the file.
        page: Number of the page, from 1 to the number of pages; 1 for a TIFF without pages.
        limits: Maximum size of the page.

    Raises:
        PictureFormatError, PictureTooLargeError: The page cannot be read.
    """
    label = f"{name}, page {page}"
    if detect_format(content) == "TIFF":
        pages = find_tiff_pages(name, content, MAX_PAGES)
        label = name if len(pages) == 1 else label
        return _decode_tiff_page(label, content, pages[page - 1], limits)
    _check_pdf_reader(name)
    try:
        image = draw_page(content, page, max_pixels=limits.max_pixels, max_side=limits.max_side)
    except PdfError as error:
        raise _convert_error(label, error) from error
    return decode_picture(image, limits)


def open_page(
    name: str,
    content: bytes,
    page: int,
    limits: DecodingLimits,
    convert: Callable[[Image.Image], Image.Image],
) -> Image.Image:
    """Opens one page of a document again, in a process of its own as `iterate_pages` does.

    Args:
        name: Name of the file in error messages.
        content: The bytes of the file.
        page: Number of the page, from 1.
        limits: Maximum size of the page.
        convert: As in `load_upright`.

    Raises:
        PictureFormatError, PictureTooLargeError: The page is missing or cannot be read.
    """
    label = f"{name}, page {page}"
    if detect_format(content) == "TIFF":
        pages = find_tiff_pages(name, content, MAX_PAGES)
        if page > len(pages):
            raise PictureFormatError(f"{label}: the file has {len(pages)} pages")
        with open_image(label, "TIFF", content, limits) as image:
            image.seek(pages[page - 1])
            return load_upright(image, label, limits, convert)[0]
    _check_pdf_reader(name)
    try:
        with closing(
            draw_pages(
                content,
                max_pages=MAX_PAGES,
                max_pixels=limits.max_pixels,
                max_side=limits.max_side,
                first_page=page,
            )
        ) as drawn_pages:
            drawn = next(drawn_pages, None)
    except PdfError as error:
        raise _convert_error(label, error) from error
    if drawn is None:
        raise PictureFormatError(f"{label}: the file has fewer pages")
    if isinstance(drawn, PdfError):
        raise _convert_error(label, drawn)
    return convert(Image.frombytes("RGB", drawn[:2], drawn[2]))


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
    _check_pdf_reader(name)
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


def _check_pdf_reader(name: str) -> None:
    if importlib.util.find_spec("pypdfium2") is None:
        raise missing_format(name, "PDF")


def _convert_error(name: str, error: PdfError) -> PictureError:
    kind = PictureTooLargeError if error.is_too_large else PictureFormatError
    return kind(f"{name}: {error}")
