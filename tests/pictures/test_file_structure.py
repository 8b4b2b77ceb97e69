"""Files that are made to cost much are refused at once; ordinary ones with many parts are read."""

from __future__ import annotations

import io
import os
import re
import socket
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.decoding import decode_picture

MAX_CPU_S = 2.0
WIDTH, HEIGHT = 32, 24
GREY = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (HEIGHT, 1))
GREY_PALETTE = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
Entry = tuple[int, int, int, bytes]  # tag, type, number of values, values


def encode(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(GREY)).save(file, form, **options)
    return file.getvalue()


# Generators: each takes how many parts the file has


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(before: bytes = b"", inside: bytes = b"") -> bytes:
    """A JPEG with more before its first segment, and at the end of its scan."""
    content = encode("JPEG")
    return content[:2] + before + content[2:-2] + inside + content[-2:]


def blank_scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG of one grey, whose last scan comes again and again."""
    content = encode("JPEG", Image.new("L", (width, height), 99), progressive=True)
    last, scans = content.rindex(b"\xff\xda"), content.count(b"\xff\xda")
    return content[:-2] + content[last:-2] * (count - scans) + content[-2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(before: bytes = b"", after: bytes = b"", size: int = 10_000) -> bytes:
    """A PNG with more chunks around its pixels, which come in chunks of so many bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in GREY))
    pixels = [chunk(b"IDAT", rows[start : start + size]) for start in range(0, len(rows), size)]
    end = chunk(b"IEND", b"")
    return b"".join((b"\x89PNG\r\n\x1a\n", header, before, *pixels, after, end))


def text(kind: bytes, key: bytes, size: int) -> bytes:
    """A chunk with a compressed text or profile of so many bytes."""
    packed = zlib.compress(bytes(size), 9)
    return chunk(kind, key + (b"\0\1\0\0\0" if kind == b"iTXt" else b"\0\0") + packed)


def gif(before: bytes = b"", inside: bytes = b"", after: bytes = b"") -> bytes:
    """A GIF with more before its picture, behind its pixels, and at its end."""
    content = encode("GIF")
    start = 13 + (3 << (content[10] & 7) + 1)
    return content[:start] + before + content[start:-2] + inside + b"\0" + after + b";"


def bmp(width: int, height: int, data: bytes) -> bytes:
    """A BMP of 8 bits with run-length encoding."""
    fields = (0, 0, 54 + 1024, 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IIIIiiHHIIIIII", *fields) + GREY_PALETTE + data


def number(tag: int, value: int) -> Entry:
    return tag, 4, 1, struct.pack("<I", value)


def numbers(tag: int, values: Sequence[int]) -> Entry:
    return tag, 4, len(values), np.asarray(values, dtype="<u4").tobytes()


def rationals(tag: int, size: int) -> Entry:
    return tag, 5, size // 8, struct.pack("<II", 1, 3) * (size // 8)


def directory(entries: Sequence[Entry], start: int) -> bytes:
    """A directory of tags, placed at `start`, followed by the values that do not fit into it."""
    head, tail = [struct.pack("<H", len(entries))], bytearray()
    beyond = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, values in sorted(entries):
        held = values.ljust(4, b"\0")
        if len(values) > 4:
            held = struct.pack("<I", beyond + len(tail))
            tail += values
        head.append(struct.pack("<HHI", tag, kind, count) + held)
    return b"".join((*head, bytes(4), tail))


def tiff(*more: Entry, size: tuple[int, int] = (WIDTH, HEIGHT), packed: int = 1) -> bytes:
    """A grey TIFF; without tags of its own for strips or tiles, its rows are one strip."""
    entries = [number(256, size[0]), number(257, size[1]), number(258, 8), number(259, packed)]
    entries += [number(262, 1), number(277, 1), *more]
    if not {273, 324} & {entry[0] for entry in more}:
        entries += [number(273, 0), number(278, size[1]), number(279, size[0] * size[1])]
        place = 8 + len(directory(entries, 8))
        entries[-3] = number(273, place)
        return b"II*\0" + struct.pack("<I", 8) + directory(entries, 8) + GREY.tobytes()
    return b"II*\0" + struct.pack("<I", 8) + directory(entries, 8)


def tiled(width: int, height: int, side: int, *more: Entry, packed: int = 1) -> bytes:
    """A TIFF of square tiles, which all lie at the start of the file."""
    count = -(-width // side) * -(-height // side)
    places, lengths = numbers(324, [8] * count), numbers(325, [side * side] * count)
    sides = number(322, side), number(323, side)
    return tiff(*sides, places, lengths, *more, size=(width, height), packed=packed)


def striped(rows: int) -> bytes:
    """A TIFF with one row of the ramp in each strip."""
    lists = numbers(273, [0] * rows), numbers(279, [WIDTH] * rows), number(278, 1)
    start = len(tiff(*lists, size=(WIDTH, rows)))
    places = numbers(273, range(start, start + rows * WIDTH, WIDTH))
    row: bytes = GREY[0].tobytes()
    return tiff(places, *lists[1:], size=(WIDTH, rows)) + row * rows


def with_exif_directory(size: int) -> bytes:
    """A TIFF whose Exif directory holds so many bytes of fractions."""
    content = tiff(number(34665, 0))
    place = struct.pack("<HHII", 34665, 4, 1, len(content))
    content = content.replace(struct.pack("<HHII", 34665, 4, 1, 0), place)
    return content + directory([rationals(0x9000, size)], len(content))


def jpeg_in_tiff(scans: int, side: int) -> bytes:
    content = blank_scans(side, side, scans)
    strip = number(273, 1000), number(278, side), number(279, len(content))
    return tiff(*strip, size=(side, side), packed=7).ljust(1000, b"\0") + content


def webp(chunks: int, exif: bytes = b"") -> bytes:
    content = encode("WEBP", exif=exif or Image.Exif().tobytes())
    content += b"abcd\0\0\0\0" * chunks
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


EXIF_IN_TIFF = tiff(rationals(0x0112, 3_000_000))
PHOTOSHOP = segment(0xED, b"Photoshop 3.0\0" + (b"8BIM\1\1\0\0" + bytes(4)) * 5_000)
PARTS = "is split into too many small parts"

ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "jpeg-segments": (lambda: jpeg(segment(0xE1, b"") * 200_000), "more than 20,000 segments"),
    "jpeg-late-segments": (
        lambda: jpeg(b"\xff\xd9" + segment(0xE1, b"Exif\0\0") * 100_000),
        "more than 20,000 segments",
    ),
    "jpeg-exif": (lambda: jpeg(segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 100), "of EXIF data"),
    "jpeg-padding": (lambda: jpeg(b"\xff" * 5_000_000), "bytes of padding"),
    "jpeg-short-paddings": (lambda: jpeg(segment(0xE1, b"") + b"\xff" * 900_000), PARTS),
    "jpeg-padded-scan": (lambda: jpeg(inside=b"\xff" * 5_000_000), "bytes of padding"),
    "jpeg-junk": (lambda: jpeg(segment(0xE1, b"") + bytes(1_000_000)), PARTS),
    "jpeg-escapes": (lambda: jpeg(b"\xff\0" * 500_000), PARTS),
    "jpeg-restarts": (lambda: jpeg(b"\xff\xd0" * 500_000), PARTS),
    "jpeg-tables": (
        lambda: jpeg(segment(0xDB, (b"\0" + bytes([1] * 64)) * 1000) * 40),
        "bytes of tables",
    ),
    "jpeg-resources": (lambda: jpeg(PHOTOSHOP * 300), "bytes of image resources"),
    "jpeg-scans": (lambda: blank_scans(64, 64, 200), "more than 50 JPEG scans"),
    "jpeg-scanned-pixels": (
        lambda: blank_scans(6000, 4000, 50),
        "50 JPEG scans of 24,000,000 pixels; the limit is 600,000,000",
    ),
    "jpeg-arithmetic": (lambda: jpeg().replace(b"\xff\xc0", b"\xff\xc9"), "arithmetic coding"),
    "png-chunks": (lambda: png(chunk(b"abCd", b"") * 300_000), "more than 100,000 chunks"),
    "png-late-chunks": (lambda: png(after=chunk(b"abCd", b"") * 300_000), "100,000 chunks"),
    "png-empty-pixels": (lambda: png(chunk(b"IDAT", b"") * 300_000), "100,000 chunks"),
    "png-profiles": (lambda: png(text(b"iCCP", b"p", 2**20) * 2_000), "more than 32 compressed"),
    "png-texts": (lambda: png(text(b"zTXt", b"k", 2**20) * 60), "more than 32 compressed"),
    "png-late-texts": (lambda: png(after=text(b"iTXt", b"k", 2**20) * 60), "than 32 compressed"),
    "png-exif": (lambda: png(chunk(b"eXIf", EXIF_IN_TIFF)), "bytes of EXIF data"),
    "png-exif-in-text": (lambda: png(chunk(b"tEXt", b"exif\0" + EXIF_IN_TIFF)), "of EXIF data"),
    "png-raw-exif": (
        lambda: png(chunk(b"tEXt", b"Raw profile type exif\0" + b"\n" * 4_000_000)),
        "bytes of EXIF data",
    ),
    "gif-blocks": (lambda: gif(b"!\1" + b"\1a" * 4_000_000 + b"\0"), PARTS),
    "gif-extensions": (lambda: gif(b"!\xfe\0" * 2_000_000), PARTS),
    "gif-junk": (lambda: gif(b"x" * 4_000_000), PARTS),
    "gif-pixels": (lambda: gif(inside=b"\1a" * 4_000_000), PARTS),
    "gif-end": (lambda: gif(after=b"!\xfe\0" * 2_000_000), PARTS),
    "bmp-line-ends": (lambda: bmp(300, 300, b"\0\0" * 8_000_000), PARTS),
    "bmp-steps": (lambda: bmp(300, 300, b"\0\2\0\0" * 4_000_000), PARTS),
    "bmp-pixels": (lambda: bmp(2000, 1000, b""), "the limit is 1,000,000 in total"),
    "ppm-comment": (lambda: b"P5 #" + bytes(2_000_000) + b"\n4 4 255 " + bytes(16), PARTS),
    "ppm-blanks": (lambda: b"P5 " + b" " * 2_000_000 + b"4 4 255 " + bytes(16), PARTS),
    "ppm-comments": (lambda: b"P2 999 999 255 " + b"#\n" * 1_000_000, "more than 1,000 comments"),
    "ppm-pixels": (
        lambda: b"P6 2000 1000 254 " + bytes(6_000_000),
        "the limit is 1,000,000 in total",
    ),
    "tiff-tiles": (lambda: tiled(1000, 1000, 1), "more than 120,000 strips or tiles"),
    "tiff-packed-tiles": (lambda: tiled(1000, 1000, 1, packed=8), "more than 120,000 strips"),
    "tiff-strips": (lambda: striped(300_000), "more than 120,000 strips or tiles"),
    "tiff-unlisted-tiles": (
        lambda: tiled(1, 1, 1).replace(
            number(256, 1)[3] + struct.pack("<HHI", 257, 4, 1) + number(257, 1)[3],
            number(256, 1000)[3] + struct.pack("<HHI", 257, 4, 1) + number(257, 1000)[3],
        ),
        "more than 120,000 strips or tiles",
    ),
    "tiff-wide-tiles": (lambda: tiled(1, 29_000, 20_000, packed=8), "the limit is 100,000,000"),
    "tiff-overlap": (
        lambda: tiff(
            numbers(273, [8] * 9_000),
            numbers(279, [2**20] * 9_000),
            number(278, 1),
            size=(WIDTH, 9_000),
            packed=8,
        ),
        "whose strips or tiles overlap",
    ),
    "tiff-tags": (lambda: tiff(*(number(tag, 1) for tag in range(900, 65_000))), "1,000 tags"),
    "tiff-fractions": (lambda: EXIF_IN_TIFF, "bytes of numbers in its tags"),
    "tiff-bytes": (lambda: tiff((0x0140, 1, 4_000_000, bytes(4_000_000))), "bytes of numbers"),
    "tiff-exif": (lambda: with_exif_directory(4_000_000), "bytes of numbers in its tags"),
    "tiff-jpeg-scans": (lambda: jpeg_in_tiff(90, 3000), "too many JPEG scans"),
    "webp-chunks": (lambda: webp(500_000), "more than 100,000 chunks"),
    "webp-exif": (lambda: webp(0, b"Exif\0\0" + EXIF_IN_TIFF), "bytes of EXIF data"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_files_that_are_expensive_to_decode_are_rejected_quickly(attack: str) -> None:
    build, message = ATTACKS[attack]
    content = build()
    assert len(content) <= 20_000_000
    start_s = time.process_time()
    with pytest.raises(PictureError, match=re.escape(message)) as raised:
        decode_picture(content)
    assert time.process_time() - start_s < MAX_CPU_S
    assert isinstance(raised.value, PictureFormatError | PictureTooLargeError)
    assert re.fullmatch(r"picture: [^\n]+(again as a plain \w+|resize it)", str(raised.value))


ICC, XMP = (
    b"ICC_PROFILE\0\1\5" + bytes(60_000),
    b"http://ns.adobe.com/xmp/extension/\0" + b"a" * 60_000,
)
CAMERA = (
    segment(0xE1, b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0" + bytes(40_000))
    + segment(0xE1, XMP) * 290
    + segment(0xE2, ICC) * 5
    + segment(0xE2, b"MPF\0" + bytes(100))
    + segment(0xFE, b"a comment")
    + b"\xff" * 2_000
)
ORDINARY: dict[str, Callable[[], bytes]] = {
    "jpeg-camera": lambda: jpeg(CAMERA),
    "jpeg-then-more": lambda: jpeg() + b"\xff" * 3_000_000 + segment(0xE1, b"Exif\0\0") * 50_000,
    "jpeg-progressive": lambda: encode("JPEG", progressive=True),
    "png-chunks": lambda: png(chunk(b"abCd", bytes(8_000)) * 1_000, size=1),
    "png-many-chunks": lambda: png(chunk(b"abCd", b"") * 50_000),
    "png-texts": lambda: png(
        b"".join(chunk(b"tEXt", b"key %d\0value" % key) for key in range(500))
        + text(b"iCCP", b"p", 500_000)
        + b"".join(text(b"zTXt", b"k%d" % key, 10_000) for key in range(20)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"a" * 500_000),
    ),
    "gif-blocks": lambda: gif(b"!\xfe" + (b"\xff" + b"a" * 255) * 20_000 + b"\0"),
    "bmp-rle": lambda: bmp(
        WIDTH, HEIGHT, (b"".join(bytes([1, value]) for value in GREY[0]) + b"\0\0") * HEIGHT
    ),
    "ppm-comment": lambda: b"P5 # drawn by hand\n#\n32 24 255 " + GREY.tobytes(),
    "ppm-plain": lambda: b"P2 32 24 255\n" + b" ".join(b"%d" % value for value in GREY.flat),
    "tiff-strips": lambda: striped(30_000),
    "tiff-texts": lambda: tiff((270, 2, 2_000_000, b"a" * 2_000_000), (700, 1, 9, b"a" * 9)),
    "tiff-tags": lambda: tiff(*(number(tag, 1) for tag in range(40_000, 40_150))),
    "tiff-profile": lambda: tiff((34675, 7, 3_000_000, bytes(3_000_000))),
    "tiff-exif": lambda: with_exif_directory(2_000),
    "webp": lambda: webp(100),
}


@pytest.mark.parametrize("form", ORDINARY)
def test_ordinary_files_of_many_parts_are_read(form: str) -> None:
    content = ORDINARY[form]()
    assert len(content) <= 20_000_000
    start_s = time.process_time()
    pixels = decode_picture(content).pixels
    assert time.process_time() - start_s < MAX_CPU_S
    assert pixels.shape[1] == WIDTH
    np.testing.assert_allclose(pixels[:HEIGHT].astype(int), GREY, atol=12)


def test_a_tiff_of_large_tiles_is_read() -> None:
    width, height, side = 1000, 700, 256
    ramp = np.add.outer(np.arange(768), np.arange(1024)).astype(np.uint8)
    tiles = [
        ramp[row : row + side, column : column + side].tobytes()
        for row in range(0, height, side)
        for column in range(0, width, side)
    ]
    start = len(tiled(width, height, side))
    places = range(start, start + len(tiles) * side * side, side * side)
    lists = numbers(324, places), numbers(325, [side * side] * len(tiles))
    head = tiff(number(322, side), number(323, side), *lists, size=(width, height))
    pixels = decode_picture(head + b"".join(tiles)).pixels
    np.testing.assert_array_equal(pixels, ramp[:height, :width])


def test_a_tiff_directory_that_refers_to_itself_is_read() -> None:
    content = bytearray(tiff())
    (count,) = struct.unpack_from("<H", content, 8)
    struct.pack_into("<I", content, 8 + 2 + 12 * count, 8)
    np.testing.assert_array_equal(decode_picture(bytes(content)).pixels, GREY)
    loop = bytearray(tiff(number(34665, 8)))
    np.testing.assert_array_equal(decode_picture(bytes(loop)).pixels, GREY)


# Pipes, sockets and devices


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_rejected_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(PictureFormatError, match=r"pipe\.png: is a device, pipe or socket; exp"):
        decode_picture(pipe)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_a_socket_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("seven.png")
        with pytest.raises(PictureFormatError, match=r"^seven\.png: is a device, pipe or socket"):
            decode_picture("seven.png")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs device files")
@pytest.mark.parametrize("name", ["zero", "null"])
def test_a_device_is_rejected(name: str, tmp_path: Path) -> None:
    link = tmp_path / "seven.png"
    link.symlink_to(f"/dev/{name}")
    for path in (f"/dev/{name}", link):
        with pytest.raises(PictureFormatError, match=": is a device, pipe or socket; expected a"):
            decode_picture(path)


def test_data_after_the_end_of_a_png_is_ignored() -> None:
    whole = png()
    expected = decode_picture(whole).pixels
    assert (decode_picture(whole + bytes(2_000_000)).pixels == expected).all()
