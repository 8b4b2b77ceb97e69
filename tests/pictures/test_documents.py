"""Pages of PDF and TIFF files, good and hostile."""

from __future__ import annotations

import io
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from inkdigits.errors import (
    MissingExtraError,
    PictureError,
    PictureFormatError,
    PictureTooLargeError,
)
from inkdigits.pictures import pdf_process
from inkdigits.pictures.decoding import DecodingLimits, Picture
from inkdigits.pictures.documents import (
    count_document_pages,
    decode_document_page,
    iterate_pages,
)
from measurements.pdf_files import build_pdf, encrypt, nested_forms, page_pdf, stream
from tests.recognition.letter_pictures import paint

SCALE = 10
ENCRYPTED = encrypt(page_pdf(b"0 0 40 40 re f"))
EMPTY = build_pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>")


def save_pages(file_format: str, n: int, **settings: Any) -> bytes:
    """Pages of the same letter, each darker than the one before."""
    pages = [
        Image.fromarray(np.repeat(np.repeat(paint(40 * page, 255), SCALE, 0), SCALE, 1))
        for page in range(n)
    ]
    file = io.BytesIO()
    pages[0].save(file, file_format, save_all=True, append_images=pages[1:], **settings)
    return file.getvalue()


def read_pages(content: Any, **settings: Any) -> list[tuple[int | None, Picture | PictureError]]:
    return list(iterate_pages(content, **settings))


def only_error(content: bytes, **settings: Any) -> PictureError:
    ((number, error),) = read_pages(content, **settings)
    assert number is None
    assert isinstance(error, PictureError)
    assert "\n" not in str(error)
    return error


@pytest.mark.parametrize(
    ("file_format", "settings"),
    [
        ("PDF", {"resolution": pdf_process.RESOLUTION_DPI}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"big_tiff": True}),
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [2, 5])
def test_pages_are_read_in_order(file_format: str, settings: dict[str, Any], n: int) -> None:
    pages = read_pages(save_pages(file_format, n, **settings))

    assert [number for number, _ in pages] == list(range(1, n + 1))
    for index, (_, picture) in enumerate(pages):
        assert isinstance(picture, Picture)
        # PDFium rounds the size of a page up.
        sizes = zip(picture.pixels.shape, (24 * SCALE, 32 * SCALE), strict=True)
        assert all(abs(found - given) <= 1 for found, given in sizes)
        # The JPEG inside a PDF file makes a few pixels darker than the ink.
        assert np.quantile(picture.pixels, 0.05) == pytest.approx(40 * index, abs=16)


@pytest.mark.parametrize(
    "content",
    [save_pages("PDF", 3), save_pages("TIFF", 3), save_pages("PDF", 1), save_pages("TIFF", 1)],
    ids=["PDF", "TIFF", "PDF-of-one", "TIFF-of-one"],
)
def test_pages_one_by_one_are_those_of_the_iteration(content: bytes) -> None:
    pages = read_pages(content)

    numbers = [number for number, _ in pages]
    assert count_document_pages("picture", content) == (None if numbers == [None] else len(pages))
    for number, picture in pages:
        assert isinstance(picture, Picture)
        page = decode_document_page("picture", content, number or 1, DecodingLimits())
        assert (page.pixels == picture.pixels).all()
        assert page.notes == picture.notes == ()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "GIF"])
def test_a_picture_has_no_page_number(file_format: str) -> None:
    ((number, picture),) = read_pages(save_pages(file_format, 1))

    assert number is None
    assert isinstance(picture, Picture)


def test_a_pdf_file_of_one_page_has_a_page_number() -> None:
    assert [number for number, _ in read_pages(save_pages("PDF", 1))] == [1]


def test_other_sources_are_passed_on(tmp_path: Path) -> None:
    for source in (paint(0, 255), Image.fromarray(paint(0, 255))):
        ((number, picture),) = read_pages(source)
        assert number is None
        assert isinstance(picture, Picture)
    ((_, error),) = read_pages(tmp_path / "none.pdf")
    assert str(error).startswith(f"{tmp_path / 'none.pdf'}: no such file")


def test_reduced_pictures_of_a_tiff_are_not_pages() -> None:
    """Written by Pillow as two pages, the second of which is then marked as a thumbnail."""
    content = bytearray(save_pages("TIFF", 2))
    first = struct.unpack_from("<I", content, 4)[0]
    entries = struct.unpack_from("<H", content, first)[0]
    second = struct.unpack_from("<I", content, first + 2 + 12 * entries)[0]
    struct.pack_into("<HHII", content, second + 2, 254, 4, 1, 1)  # instead of the width

    ((number, picture),) = read_pages(bytes(content))

    assert number is None
    assert isinstance(picture, Picture)


def test_a_page_is_drawn_at_the_documented_resolution() -> None:
    a4 = page_pdf(b"0 0 40 40 re f", box=b"0 0 595 842")

    ((_, picture),) = read_pages(a4)

    assert isinstance(picture, Picture)
    assert picture.pixels.shape == pytest.approx((842 / 72 * 200, 595 / 72 * 200), abs=1)


@pytest.mark.parametrize("box", [b"0 0 14400 14400", b"0 0 100000 3", b"0 0 3 100000", b"0 0 1 1"])
@pytest.mark.parametrize(
    "limits", [DecodingLimits(max_pixels=90_000), DecodingLimits(max_pixels=9**7, max_side=300)]
)
def test_large_pages_are_drawn_within_the_limits(box: bytes, limits: DecodingLimits) -> None:
    ((_, picture),) = read_pages(page_pdf(b"0 0 40 40 re f", box=box), limits=limits)

    assert isinstance(picture, Picture)
    assert picture.pixels.size <= limits.max_pixels
    assert max(picture.pixels.shape) <= limits.max_side


@pytest.mark.parametrize("file_format", ["PDF", "TIFF"])
def test_the_number_of_pages_is_limited(file_format: str) -> None:
    content = save_pages(file_format, 3)

    assert len(read_pages(content, max_pages=3)) == 3
    error = only_error(content, max_pages=2)
    assert isinstance(error, PictureTooLargeError)
    assert "2" in str(error)
    assert "split it" in str(error)


@pytest.mark.parametrize("file_format", ["PDF", "TIFF"])
def test_bytes_are_limited(file_format: str) -> None:
    content = save_pages(file_format, 2)

    error = only_error(content, limits=DecodingLimits(max_bytes=len(content) - 1))
    assert isinstance(error, PictureTooLargeError)


def test_pages_of_a_tiff_are_limited_in_pixels_one_by_one() -> None:
    small, large = Image.new("L", (20, 20), 255), Image.new("L", (50, 50), 255)
    file = io.BytesIO()
    small.save(file, "TIFF", save_all=True, append_images=[large, small.copy()])

    first, second, third = read_pages(file.getvalue(), limits=DecodingLimits(max_pixels=1000))

    assert isinstance(first[1], Picture)
    assert isinstance(second[1], PictureTooLargeError)
    assert isinstance(third[1], Picture)
    assert "page 2: 50 × 50 pixels" in str(second[1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ENCRYPTED, "encrypted PDF file: save it without a password"),
        (EMPTY, "damaged PDF file"),
        (b"%PDF-1.7\n", "damaged PDF file: save or download it again"),
        (save_pages("PDF", 1)[:300], "damaged PDF file"),
        (b"%PDF" + bytes(range(256)) * 100, "damaged PDF file"),
    ],
    ids=["encrypted", "empty", "header", "half", "noise"],
)
def test_unreadable_pdf_files_are_one_clear_line(content: bytes, message: str) -> None:
    assert message in str(only_error(content))


def test_a_damaged_page_does_not_end_the_document() -> None:
    content = save_pages("PDF", 3)
    with pypdfium2.PdfDocument(content) as document:
        assert len(document) == 3
    damaged = content.replace(b"/Type /Page\n", b"/Type /Nope\n", 1)
    assert damaged != content
    pages = read_pages(damaged)

    assert len(pages) == 3
    assert all(isinstance(page, Picture | PictureFormatError) for _, page in pages)
    assert isinstance(pages[2][1], Picture)


# Hostile files


def test_a_pdf_file_with_an_image_bomb_is_refused() -> None:
    image = stream(
        bytes(10_000_000),
        b"/Type/XObject/Subtype/Image/Width 60000/Height 60000"
        b"/ColorSpace/DeviceGray/BitsPerComponent 8",
    )
    bomb = page_pdf(b"99 0 0 99 0 0 cm /I Do", image, names=b"/I 5 0 R")
    assert len(bomb) < 100_000

    ((number, error),) = read_pages(bomb)

    assert number == 1
    assert isinstance(error, PictureTooLargeError)
    assert "60,000 × 60,000 pixels" in str(error)


@pytest.mark.slow
def test_a_pdf_page_that_never_ends_is_ended() -> None:
    started = time.monotonic()

    *_, (number, error) = read_pages(nested_forms())

    assert number == 1
    assert isinstance(error, Picture | PictureTooLargeError)
    assert time.monotonic() - started < 4 * pdf_process.PAGE_CPU_S + 10


@pytest.mark.parametrize(
    ("program", "number", "message"),
    [
        ("import os; os.abort()", None, "the process that draws PDF pages did not start"),
        (
            f"import os, sys; os.write(1, {struct.pack('<cII', b'R', 0, 0)!r}); os.abort()",
            1,
            "page 1: takes more than 15 s or 1000 MB to draw",
        ),
    ],
    ids=["at-once", "later"],
)
def test_a_process_that_crashes_is_an_error_of_its_page(
    program: str,
    number: int | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "crash.py"
    path.write_text(program)
    monkeypatch.setattr(pdf_process, "__file__", str(path))

    ((found, error),) = read_pages(save_pages("PDF", 1))

    assert found == number
    assert message in str(error)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    error = only_error(save_pages("PDF", 1))

    assert str(error) == "picture: PDF needs pip install 'inkdigits[formats]'"
    assert isinstance(error, MissingExtraError)
