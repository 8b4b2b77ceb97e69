"""Sources of pictures, limits, and the isolation of Pillow from the rest of the process."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.decoding import (
    DecodingLimits,
    Picture,
    PictureSource,
    decode_picture,
)
from tests.recognition.letter_pictures import INK, contrast, encode, paint


def png(width: int, height: int, chunks: dict[bytes, bytes], depth: int = 8) -> bytes:
    """A grey PNG written chunk by chunk, with chunks that Pillow would not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in {b"IHDR": header, **chunks, b"IEND": b""}.items():
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


# Sources


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    content = encode(paint(0, 255), "PNG")
    path = tmp_path / "seven.data"  # the content tells the format, not the name
    path.write_bytes(content)
    at_end = io.BytesIO(content)
    at_end.seek(0, io.SEEK_END)
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    with path.open("rb") as file, os.fdopen(read_end, "rb") as pipe:
        sources: list[PictureSource] = [str(path), path, content, at_end, file, pipe]
        for source in sources:
            np.testing.assert_array_equal(decode_picture(source).pixels, paint(0, 255))
    with Image.open(path) as image:
        np.testing.assert_array_equal(decode_picture(image).pixels, paint(0, 255))


@pytest.mark.parametrize(
    "values",
    [
        INK,
        INK.astype(np.float32),
        INK.astype(np.float64) * 1.0004,
        INK.astype(np.float16) * 255,
        INK.astype(np.uint8) * 255,
        INK.astype(np.uint16) * 65535,
        INK.astype(np.int64) * 255,
        INK.astype(">i4") * 65535,
        np.repeat(INK[..., None], 3, axis=2),
        np.dstack([INK, INK, INK, np.ones_like(INK)]),
        np.asfortranarray(INK.astype(np.uint8) * 255)[:, :, None],
        np.repeat(INK.astype(np.float32), 2, axis=1)[:, ::2],
    ],
    ids=lambda values: f"{values.dtype}-{'x'.join(map(str, values.shape))}",
)
def test_arrays_of_every_numeric_type_are_read(values: NDArray[Any]) -> None:
    np.testing.assert_array_equal(decode_picture(values).pixels, paint(255, 0))


def test_pictures_do_not_share_memory_with_arrays() -> None:
    values = paint(0, 255)
    decode_picture(values).pixels[:] = 7
    np.testing.assert_array_equal(values, paint(0, 255))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.float64(3), "an array of shape (); expected (height, width)"),
        (np.zeros(783), "an array of shape 783;"),
        (np.zeros((28, 28, 2)), "an array of shape 28 × 28 × 2;"),
        (np.zeros((5, 28, 28)), "an array of shape 5 × 28 × 28 contains 5 tiles, not one"),
        (np.zeros((0, 28)), "an array of shape 0 × 28 has no pixels"),
        (np.zeros((28, 0, 3)), "an array of shape 28 × 0 × 3 has no pixels"),
        (np.full((2, 2), np.nan), "4 of 4 values of the array are NaN or infinite"),
        (np.array([[0, np.inf]]), "1 of 2 values of the array are NaN or infinite"),
        (np.array([[-1.0, 2.0]]), "values from -1 to 2, on an unknown scale;"),
        (np.array([[0, 70_000]]), "values from 0 to 70000;"),
        (np.array([[0, -1]]), "values from -1 to 0;"),
        (np.array([[1j]]), "an array of complex128; expected bool, integers or floats"),
        (np.array([["7"]]), "an array of <U1;"),
        (np.array([[None]]), "an array of object;"),
    ],
)
def test_arrays_that_are_not_pictures_are_rejected(values: NDArray[Any], message: str) -> None:
    with pytest.raises(PictureFormatError, match="picture: .*" + re.escape(message)):
        decode_picture(np.asarray(values))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.png", b"Buy milk, eggs", "unknown format: starts with text ('Buy milk, eggs' …)"),
        ("key.png", b"\x00\x01\x02\x03", "unknown format: starts with bytes 00 01 02 03 …"),
        (
            "empty.png",
            b"",
            "is empty (0 bytes); expected PNG, JPEG, GIF, BMP, WebP, TIFF, PPM, AVIF",
        ),
        (
            "IMG_1.HEIC",
            b"\0\0\0\x24ftypheic" + bytes(40),
            "HEIC file without a picture; export it as",
        ),
        (
            "photo.avif",
            b"\0\0\0\x20ftypavif" + bytes(40),
            "AVIF file without a picture; export it as",
        ),
        ("photo.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 is not supported; export it as"),
        ("scan.pdf", b"%PDF-1.7\n", "PDF has pages, which are not read here: 'inkdigits predict'"),
        ("seven.svg", b'<?xml version="1.0"?><svg/>', "SVG is not supported; export it as"),
        ("half.png", encode(paint(0, 255), "PNG")[:80], "damaged PNG file (image file is trunc"),
        ("half.webp", encode(paint(0, 255), "WEBP")[:40], "damaged WebP file ("),
        ("odd.webp", b"RIFF\0\0\0\0WEBPVP8Z" + bytes(20), "damaged WebP file (unknown WebP chu"),
        ("nan.tif", encode(np.full((2, 2), np.nan, np.float32), "TIFF"), "that are not finite"),
    ],
)
def test_files_that_are_not_pictures_are_rejected_by_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PictureFormatError) as raised:
        decode_picture(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    with path.open("rb") as file, pytest.raises(PictureFormatError, match=f"^{path}: "):
        decode_picture(file)
    with pytest.raises(PictureFormatError, match=r"^picture: "):
        decode_picture(content)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("seven.pgn", "{}/seven.pgn: no such file; did you mean {}/seven.png?"),
        ("unlike", "{}/unlike: no such file; check the name and the folder"),
        ("no/seven.png", "{}/no/seven.png: no such file, nor the folder {}/no"),
        (".", ": is a folder; expected a picture file"),
        ("seven.png/7", "7: cannot be read (Not a directory)"),
        ("a\0b", "cannot be read ("),
        ("n" * 300, "cannot be read (File name too long)"),
    ],
)
def test_invalid_paths_are_rejected(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "seven.png").write_bytes(encode(paint(0, 255), "PNG"))
    with pytest.raises(PictureFormatError) as raised:
        decode_picture(tmp_path / name)
    assert message.replace("{}", str(tmp_path)) in str(raised.value)


def test_a_url_is_rejected() -> None:
    with pytest.raises(
        PictureFormatError, match="no such file; an address is fetched only with --allow"
    ):
        decode_picture("https://example.org/seven.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_without_read_permission_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(encode(paint(0, 255), "PNG"))
    path.chmod(0)
    with pytest.raises(PictureFormatError, match=r"seven\.png: cannot be read \(Permission"):
        decode_picture(path)


def test_other_sources_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_text("text")
    with path.open() as text, pytest.raises(PictureFormatError, match="opened as text; open it"):
        decode_picture(cast(BinaryIO, text))
    closed = path.open("rb")
    closed.close()
    with pytest.raises(PictureFormatError, match=r"seven\.png: cannot be read \(.*closed file"):
        decode_picture(closed)
    for source in ({0: 255}, 7, None):
        with pytest.raises(
            PictureFormatError, match=r"picture: unsupported type \w+; expected a path, byt"
        ):
            decode_picture(cast(bytes, source))


def test_a_closed_pillow_image_is_rejected() -> None:
    image = Image.open(io.BytesIO(encode(paint(0, 255), "PNG")))
    image.close()
    with pytest.raises(PictureFormatError, match="picture: cannot be read"):
        decode_picture(image)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), INK[:0]])
def test_a_picture_checks_type_and_shape_of_its_pixels(pixels: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(height, width\)"):
        Picture(pixels)


# Limits

BOMB_PNG = png(20_000, 20_000, {b"IDAT": zlib.compress(bytes(2501 * 20_000), 9)}, depth=1)


def with_tile_of(side: int) -> bytes:
    """A small TIFF that declares one tile of `side` × `side` pixels."""
    entries = [  # tag, type (3 short, 4 long), value
        (256, 4, 16),
        (257, 4, 16),
        (258, 3, 8),
        (259, 3, 8),  # deflate
        (262, 3, 1),
        (277, 3, 1),
        (322, 4, side),
        (323, 4, side),
        (324, 4, 200),
        (325, 4, 100),
    ]
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4)
    return head.ljust(200, b"\0") + zlib.compress(bytes(256)).ljust(100, b"\0")


def with_scans(count: int) -> bytes:
    """A progressive JPEG with `count` scans, the last of which is repeated."""
    content = encode(paint(0, 255), "JPEG", progressive=True)
    starts = [match.start() for match in re.finditer(b"\xff\xda", content)]
    return content[:-2] + content[starts[-1] : -2] * (count - len(starts)) + content[-2:]


def webp_header(kind: bytes, fields: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(fields)) + fields
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("content", "size"),
    [
        pytest.param(BOMB_PNG, "20,000 × 20,000", id="png bomb"),
        pytest.param(png(40_000_000, 1, {b"IDAT": b""}), "40,000,000 × 1", id="png line"),
        pytest.param(png(2**31 - 1, 2**31 - 1, {b"IDAT": b""}), "2,147,483,647 × ", id="png max"),
        pytest.param(
            b"GIF89a\xff\xff\xff\xff\0\0\0," + bytes(4) + b"\x04\0\x04\0\0\x02\x02\x84\x51\0;",
            "65,535 × 65,535",
            id="gif screen",
        ),
        pytest.param(
            b"GIF89a\x04\0\x04\0\0\0\0," + bytes(4) + b"\xff\xff\xff\xff\0\x02\x02\x84\x51\0;",
            "4294836225 pixels",  # rejected by Pillow itself: a frame larger than its screen
            id="gif frame",
        ),
        pytest.param(
            b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 30_000, 30_000, 1, 8, *[0] * 6),
            "30,000 × 30,000",
            id="bmp",
        ),
        pytest.param(
            webp_header(b"VP8X", bytes(4) + b"\xff\x3e\0" * 2), "16,128 × 16,128", id="webp"
        ),
        pytest.param(
            webp_header(b"VP8L", b"\x2f" + struct.pack("<I", 16382 << 14 | 16382) + bytes(9)),
            "16,383 × 16,383",
            id="lossless webp",
        ),
        pytest.param(
            webp_header(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + b"\xff\x3f\xff\x3f" + bytes(9)),
            "16,383 × 16,383",
            id="lossy webp",
        ),
        pytest.param(with_tile_of(13_008), "13,008 × 13,008", id="tiff tile"),
        pytest.param(b"P5 30000 30000 255 ", "30,000 × 30,000", id="pgm"),
        pytest.param(b"P2 1500 1500 255 " + b"7 " * 9, "1,500 × 1,500", id="plain pgm"),
    ],
)
def test_too_large_pictures_are_rejected_before_they_are_decoded(content: bytes, size: str) -> None:
    assert len(content) < 2**20
    with pytest.raises(PictureTooLargeError, match=r"^picture: .* resize it$") as raised:
        decode_picture(content)
    assert size in str(raised.value)


def test_too_large_jpegs_are_rejected() -> None:
    content = encode(Image.new("L", (8000, 7000), 255), "JPEG")
    with pytest.raises(PictureTooLargeError, match="8,000 × 7,000 pixels; the limit is 50,000,000"):
        decode_picture(content)


def test_a_tiff_with_a_small_tile_is_read() -> None:
    np.testing.assert_array_equal(
        decode_picture(with_tile_of(16)).pixels, np.zeros((16, 16), np.uint8)
    )


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (DecodingLimits(max_pixels=24 * 32), True),
        (DecodingLimits(max_pixels=24 * 32 - 1), False),
        (DecodingLimits(max_side=32), True),
        (DecodingLimits(max_side=31), False),
    ],
)
def test_limits_on_pixels_apply_to_every_source(limits: DecodingLimits, fits: bool) -> None:
    pixels = paint(0, 255)
    for source in (pixels, Image.fromarray(pixels), encode(pixels, "PNG")):
        if fits:
            assert decode_picture(source, limits).pixels.shape == (24, 32)
        else:
            with pytest.raises(PictureTooLargeError, match="32 × 24 pixels"):
                decode_picture(source, limits)


class Endless(io.RawIOBase):
    """A stream that never ends, and counts the bytes read."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 1001
        self.taken += min(size, 7)
        return bytes(min(size, 7))


def test_sources_are_read_up_to_the_limit_on_bytes(tmp_path: Path) -> None:
    content = encode(paint(0, 255), "PNG")
    path = tmp_path / "seven.png"
    path.write_bytes(content)
    decode_picture(path, DecodingLimits(max_bytes=len(content)))
    short = DecodingLimits(max_bytes=len(content) - 1)
    for source in (path, content, io.BytesIO(content)):
        with pytest.raises(
            PictureTooLargeError, match=rf"at least {len(content)} bytes; the limit"
        ):
            decode_picture(source, short)
    sparse = tmp_path / "sparse.png"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(PictureTooLargeError, match=r"/sparse\.png: at least 1,099,511,627,776 b"):
        decode_picture(sparse)
    endless = Endless()
    with pytest.raises(PictureTooLargeError, match="at least 1,001 bytes"):
        decode_picture(cast(BinaryIO, endless), DecodingLimits(max_bytes=1000))
    assert endless.taken == 1001


def test_jpegs_with_too_many_scans_are_rejected() -> None:
    assert contrast(decode_picture(with_scans(50)).pixels) > 235
    with pytest.raises(PictureFormatError, match="more than 50 JPEG scans; save it again as a"):
        decode_picture(with_scans(51))


def test_data_after_the_end_of_a_jpeg_is_ignored() -> None:
    content = encode(paint(0, 255), "JPEG") + b"\xff\xda\x00\x02" * 40_000
    assert contrast(decode_picture(content).pixels) > 235


def test_compressed_text_that_is_too_large_is_rejected() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(10_000_000))
    rows = zlib.compress(bytes(6))
    assert decode_picture(png(2, 2, {b"IDAT": rows})).pixels.shape == (2, 2)
    with pytest.raises(PictureFormatError, match="Decompressed data too large"):
        decode_picture(png(2, 2, {b"zTXt": text, b"IDAT": rows}))


# Isolation from the rest of the process


def with_bad_tag() -> bytes:
    """A TIFF that Pillow reads with a warning: its tag Software lies beyond the end."""
    content = bytearray(encode(paint(0, 255), "TIFF", software="inkdigits"))
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry) == (305,):
            struct.pack_into("<I", content, entry + 8, 10_000_000)
    return bytes(content)


def test_warnings_of_pillow_do_not_leak_from_any_thread() -> None:
    content = with_bad_tag()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with Image.open(io.BytesIO(content)):
            pass
    assert shown, "Pillow warns of this file, or it would show nothing"
    filters, most = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    failures: list[Exception] = []

    def decode_often() -> None:
        try:
            for _ in range(20):
                np.testing.assert_array_equal(decode_picture(content).pixels, paint(0, 255))
        except Exception as error:
            failures.append(error)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=decode_often) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    assert not shown
    assert list(warnings.filters) == filters
    assert most == Image.MAX_IMAGE_PIXELS


def test_an_error_leaves_the_decoder_usable() -> None:
    with pytest.raises(PictureError):
        decode_picture(encode(paint(0, 255), "PNG")[:80])
    assert decode_picture(encode(paint(0, 255), "PNG")).pixels.shape == (24, 32)


def test_only_the_plugin_of_the_format_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(encode(paint(0, 255), "PNG"))
    script = (
        "import sys\n"
        "from inkdigits.pictures.decoding import decode_picture\n"
        "decode_picture(sys.argv[1])\n"
        "print(*sorted(name for name in sys.modules if name.endswith('ImagePlugin')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["PIL.PngImagePlugin"]
