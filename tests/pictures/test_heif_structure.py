"""HEIC and AVIF files, written by Pillow and pillow-heif, and damaged or hostile ones."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import sys
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from inkdigits.errors import (
    MissingExtraError,
    PictureError,
    PictureFormatError,
    PictureTooLargeError,
)
from inkdigits.pictures.decoding import DecodingLimits, decode_picture

WIDTH, HEIGHT = 200, 140


def paint_ramp(width: int, height: int) -> Image.Image:
    columns = np.linspace(0, 255, width).round().astype(np.uint8)
    return Image.fromarray(np.repeat(columns[None], height, 0)).convert("RGB")


def encode(file_format: str, image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    if file_format == "HEIC":
        pillow_heif.from_pillow(image).save(file, quality=90, **options)
    else:
        image.save(file, file_format, quality=90, speed=10, **options)
    return file.getvalue()


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def declare(file_format: str, kinds: dict[int, bytes], *more: bytes, side: int = 64) -> bytes:
    """A file whose items 1, 2, … have these kinds and a size of `side` × `side`, but no data."""
    codes = {"HEIC": b"heic", "AVIF": b"avif"}
    entries = [
        box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", item, 0, kind), b"\0")
        for item, kind in kinds.items()
    ]
    size = box(b"ispe", struct.pack(">III", 0, side, side))
    uses = b"".join(struct.pack(">HBB", item, 1, 1) for item in kinds)
    meta = box(
        b"meta",
        bytes(4),
        box(b"pitm", bytes(4), b"\0\1"),
        box(b"iinf", bytes(4), struct.pack(">H", len(entries)), *entries),
        box(
            b"iprp",
            box(b"ipco", size),
            box(b"ipma", bytes(4), struct.pack(">I", len(kinds)), uses),
        ),
        *more,
    )
    return box(b"ftyp", codes[file_format], bytes(4), b"mif1", codes[file_format]) + meta


def refer(kind: bytes, source: int, *to: int) -> bytes:
    return box(kind, struct.pack(f">HH{len(to)}H", source, len(to), *to))


FILES = {
    ("HEIC", "plain"): encode("HEIC", paint_ramp(WIDTH, HEIGHT)),
    ("HEIC", "grid"): encode("HEIC", paint_ramp(WIDTH, HEIGHT), tile_size=64),
    ("AVIF", "plain"): encode("AVIF", paint_ramp(WIDTH, HEIGHT)),
}


@pytest.mark.parametrize(("file_format", "kind"), FILES)
def test_files_of_other_libraries_are_read(file_format: str, kind: str) -> None:
    picture = decode_picture(FILES[file_format, kind])

    expected = np.asarray(paint_ramp(WIDTH, HEIGHT).convert("L")).astype(int)
    assert picture.pixels.shape == (HEIGHT, WIDTH)
    assert np.abs(picture.pixels - expected).max() < 16
    assert picture.notes == ()


def paint_corner() -> Image.Image:
    """A ramp with a dark corner, which looks different in every orientation."""
    image = paint_ramp(WIDTH, HEIGHT)
    image.paste((0, 0, 0), (WIDTH - 60, 0, WIDTH, 30))
    return image


def describe_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


def turn(image: Image.Image, orientation: int) -> NDArray[np.int64]:
    """Returns the upright pixels of an image that was stored with this orientation."""
    plain = io.BytesIO()
    image.save(plain, "PNG", exif=describe_orientation(orientation))
    return decode_picture(plain.getvalue()).pixels.astype(int)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_pictures_are_upright(orientation: int) -> None:
    image = paint_corner()

    pixels = decode_picture(encode("AVIF", image, exif=describe_orientation(orientation))).pixels

    expected = turn(image, orientation)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() < 60  # at the edge of the corner
    assert np.abs(pixels - expected).mean() < 4


@pytest.mark.parametrize("tile_size", [0, 64], ids=["plain", "grid"])
@pytest.mark.parametrize("kind", ["both", "properties", "exif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_pictures_are_turned_exactly_once(orientation: int, kind: str, tile_size: int) -> None:
    """Telephones write the orientation twice: as properties (irot, imir) and in the EXIF data.

    Only the properties count (ISO/IEC 23008-12), as in the viewers of those telephones.
    """
    image = paint_corner()
    described, upright = describe_orientation(orientation), describe_orientation(1)
    file = io.BytesIO()
    written = upright if kind == "exif" else described
    options = {"quality": 90, "exif": written, "tile_size": tile_size}
    pillow_heif.encode("RGB", image.size, image.tobytes(), file, **options)
    content = file.getvalue()
    assert content.count(written) == 1
    has_properties = b"irot" in content or b"imir" in content
    assert has_properties == (kind != "exif" and orientation > 1)
    if kind != "both":
        content = content.replace(written, upright if kind == "properties" else described)

    pixels = decode_picture(content).pixels

    expected = turn(image, 1 if kind == "exif" else orientation)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 4


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
def test_transparency_shows_the_background(file_format: str) -> None:
    image = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (60, 20, 90, 120))

    pixels = decode_picture(encode(file_format, image)).pixels

    assert pixels[0, 0] > 240
    assert pixels[70, 75] < 15


@settings(max_examples=12, deadline=None)
@given(
    width=st.integers(16, 300),
    height=st.integers(16, 300),
    tile=st.sampled_from([0, 64, 128]),
    file_format=st.sampled_from(["HEIC", "AVIF"]),
)
def test_any_size_is_read(width: int, height: int, tile: int, file_format: str) -> None:
    options = {"tile_size": tile} if tile and file_format == "HEIC" else {}

    picture = decode_picture(encode(file_format, paint_ramp(width, height), **options))

    assert picture.pixels.shape == (height, width)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(list(FILES)))
def test_damaged_files_are_read_or_rejected(seed: int, kind: tuple[str, str]) -> None:
    chance = random.Random(seed)
    content = bytearray(FILES[kind])
    header = content.find(b"mdat") + 4  # the boxes, which the checks follow
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(12, header if chance.random() < 0.8 else len(content))
        content[place] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
    with contextlib.suppress(PictureError):
        picture = decode_picture(bytes(content), DecodingLimits(max_pixels=1_000_000))
        assert picture.pixels.size <= 1_000_000


@pytest.mark.parametrize(("file_format", "kind"), FILES)
def test_the_size_is_checked_before_decoding(file_format: str, kind: str) -> None:
    content = FILES[file_format, kind]
    decode_picture(content, DecodingLimits(max_pixels=WIDTH * HEIGHT))
    with pytest.raises(PictureTooLargeError):
        decode_picture(content, DecodingLimits(max_pixels=WIDTH * HEIGHT - 1))
    with pytest.raises(PictureTooLargeError):
        decode_picture(content, DecodingLimits(max_side=WIDTH - 1))


# Bombs: the largest is of a few kilobytes.


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
def test_pixels_beyond_the_declared_size_are_refused(file_format: str) -> None:
    content = encode(file_format, Image.new("L", (1600, 1600), 255))
    size = b"ispe" + struct.pack(">III", 0, 1600, 1600)
    assert size in content
    bomb = content.replace(size, b"ispe" + struct.pack(">III", 0, 100, 100))

    with pytest.raises(PictureError) as raised:
        decode_picture(bomb, DecodingLimits(max_pixels=2_000_000))
    expected = {"HEIC": "Security limit exceeded", "AVIF": "a part of 2,560,000 pixels"}
    assert expected[file_format] in str(raised.value)


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
def test_a_declared_bomb_is_refused(file_format: str) -> None:
    kind = {"HEIC": b"hvc1", "AVIF": b"av01"}[file_format]
    with pytest.raises(PictureTooLargeError, match="3,600,000,000 pixels"):
        decode_picture(declare(file_format, {1: kind}, side=60_000))


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
def test_a_part_that_is_repeated_is_counted_each_time(file_format: str) -> None:
    kind = {"HEIC": b"hvc1", "AVIF": b"av01"}[file_format]
    references = box(b"iref", bytes(4), refer(b"dimg", 1, *[2] * 15_000))
    bomb = declare(file_format, {1: b"grid", 2: kind}, references, side=1000)

    with pytest.raises(PictureTooLargeError, match="parts of 15,000,000,000 pixels in total"):
        decode_picture(bomb)


def test_parts_of_parts_are_counted() -> None:
    items = {1: b"iovl", 2: b"iovl", 3: b"iovl", 4: b"hvc1"}
    levels = [refer(b"dimg", item, *[item + 1] * 100) for item in (1, 2, 3)]

    with pytest.raises(PictureTooLargeError, match="parts of 4,096,000,000 pixels"):
        decode_picture(declare("HEIC", items, box(b"iref", bytes(4), *levels)))


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ((refer(b"dimg", 1, 1),), "with parts of parts, more than 4 levels"),
        ((refer(b"dimg", 1, 2), refer(b"dimg", 2, 1)), "with parts of parts"),
        ((refer(b"dimg", 1, 9),), "with a picture of kind ''"),
        ((refer(b"dimg", 1, *[2] * 21_000),), "with more than 20,000 parts"),
    ],
    ids=["itself", "circle", "nothing", "many"],
)
def test_unusual_references_are_refused(references: tuple[bytes, ...], message: str) -> None:
    content = declare("HEIC", {1: b"grid", 2: b"iden"}, box(b"iref", bytes(4), *references))

    with pytest.raises(PictureFormatError, match=message):
        decode_picture(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (declare("HEIC", {1: b"unci"}), "with a picture of kind 'unci'; export it as a plain"),
        (declare("AVIF", {1: b"hvc1"}), "with a picture of kind 'hvc1'"),
        (declare("AVIF", {1: b"av01"}) + box(b"moov"), "AVIF file is animated"),
        (box(b"ftyp", b"avis", bytes(4)) + box(b"moov"), "AVIF file is animated"),
        (box(b"ftyp", b"heic", bytes(4)), "HEIC file without a picture"),
        (declare("HEIC", {1: b"hvc1"}) * 2, "HEIC file without a picture"),
        (box(b"ftyp", b"heic", bytes(4)) + box(b"free") * 30_000, "more than 20,000 parts"),
    ],
    ids=["kind", "other", "moov", "sequence", "no-meta", "two", "boxes"],
)
def test_unusual_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(PictureFormatError, match=message):
        decode_picture(content)


@pytest.mark.parametrize(
    ("brands", "file_format"),
    [
        ((b"mif1", bytes(4), b"avif", b"miaf"), "AVIF"),
        ((b"mif1", bytes(4), b"miaf", b"avif"), "AVIF"),
        ((b"mif1", bytes(4), b"heic", b"miaf"), "HEIC"),
        ((b"heix", bytes(4)), "HEIC"),
        ((b"avif", bytes(4)), "AVIF"),
    ],
)
def test_the_format_follows_from_the_brands(brands: tuple[bytes, ...], file_format: str) -> None:
    with pytest.raises(PictureFormatError, match=f"{file_format} file without a picture"):
        decode_picture(box(b"ftyp", *brands))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureFormatError) as raised:
        decode_picture(FILES["HEIC", "plain"])

    assert str(raised.value) == "picture: HEIC needs pip install 'inkdigits[formats]'"
    assert isinstance(raised.value, MissingExtraError)
