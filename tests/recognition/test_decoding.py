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
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.recognition.decoding import (
    DecodingLimits,
    Picture,
    PictureSource,
    decode_picture,
)

WHITE, BLACK, RED, GREEN = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 130, 0)
INK = np.zeros((24, 32), dtype=bool)  # an F: no turn or mirror image of it is itself
INK[4:20, 8:11] = INK[4:7, 8:22] = INK[11:14, 8:18] = True


def paint(ink: tuple[int, ...] | int, paper: tuple[int, ...] | int) -> NDArray[np.uint8]:
    """The F in one colour on another: uint8, shape (24, 32) or (24, 32, channels)."""
    mask = INK if isinstance(ink, int) else INK[..., None]
    return np.where(mask, ink, paper).astype(np.uint8)


def encode(image: Image.Image | NDArray[Any], form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, form, **options)
    return file.getvalue()


def png(width: int, height: int, chunks: dict[bytes, bytes], depth: int = 8) -> bytes:
    """A grey PNG written chunk by chunk, so that it can say what Pillow would not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in {b"IHDR": header, **chunks, b"IEND": b""}.items():
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


def contrast(pixels: NDArray[np.uint8]) -> int:
    """How far the ink is from the paper: the difference of medians, in grey levels."""
    return abs(int(np.median(pixels[INK])) - int(np.median(pixels[~INK])))


# Modes and formats


def convert(*modes: str) -> Image.Image:
    image = Image.fromarray(paint(BLACK, WHITE))
    for mode in modes:
        image = image.convert(mode)
    return image


@pytest.mark.parametrize(
    "modes",
    [
        *[(mode,) for mode in ("1", "L", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB")],
        *[(mode,) for mode in ("HSV", "LA", "I", "F")],
        *[("I", mode) for mode in ("I;16", "I;16L", "I;16B", "I;16N")],
        *[("RGBA", "RGBa"), ("LA", "La"), ("L", "LA", "PA")],
    ],
    ids="-".join,
)
def test_every_mode_of_pillow_gives_the_same_picture(modes: tuple[str, ...]) -> None:
    image = convert(*modes)
    before = image.copy()
    pixels = decode_picture(image).pixels
    np.testing.assert_array_equal(pixels, paint(0, 255))
    assert pixels.dtype == np.uint8
    assert image.mode == before.mode
    assert image.tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        *[("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
        *[("GIF", mode, {}) for mode in ("L", "P")],
        *[("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")],
        *[("PPM", mode, {}) for mode in ("1", "L", "RGB")],
        *[("WEBP", mode, {"lossless": True}) for mode in ("L", "RGB", "RGBA")],
        *[("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F")],
        *[("TIFF", "1", {"compression": name}) for name in ("group3", "group4")],
        *[("TIFF", "RGB", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate")],
        ("TIFF", "L", {"big_tiff": True}),
    ],
)
def test_lossless_files_come_back_exactly(form: str, mode: str, options: dict[str, Any]) -> None:
    image = convert("I", mode) if mode == "I;16" else convert(mode)
    picture = decode_picture(encode(image, form, **options))
    np.testing.assert_array_equal(picture.pixels, paint(0, 255))
    assert picture.notes == ()


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "CMYK", {}),  # written inverted, as Adobe does
        ("MPO", "RGB", {}),
        ("WEBP", "RGB", {}),
        ("TIFF", "RGB", {"compression": "jpeg"}),
    ],
)
def test_lossy_files_come_back_nearly(form: str, mode: str, options: dict[str, Any]) -> None:
    pixels = decode_picture(encode(convert(mode), form, **options)).pixels
    assert pixels.shape == INK.shape
    assert contrast(pixels) > 235
    assert np.mean(np.abs(pixels.astype(int) - paint(0, 255))) < 12


@given(stnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_grey_pixels_are_kept_whatever_brings_them(pixels: NDArray[np.uint8]) -> None:
    sources: list[PictureSource] = [
        pixels,
        pixels[:, :, None],
        np.repeat(pixels[:, :, None], 3, axis=2),
        Image.fromarray(pixels),
        encode(pixels, "PNG"),
    ]
    for source in sources:
        np.testing.assert_array_equal(decode_picture(source).pixels, pixels)


@pytest.mark.parametrize("mode", ["file", "array"])
@pytest.mark.parametrize("full", [255, 1023, 4095, 16383, 65535])
def test_sixteen_bits_are_read_by_the_depth_that_holds_them(full: int, mode: str) -> None:
    values = np.linspace(0, full, 256).round().astype(np.uint16).reshape(16, 16)
    pixels = decode_picture(encode(values, "PNG") if mode == "file" else values).pixels
    assert np.abs(pixels.astype(int).ravel() - np.arange(256)).max() <= 1
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("I", [[-100, 20, 100]], [[0, 153, 255]]),
        ("I", [[0, 20_000, 100_000]], [[0, 51, 255]]),
        ("F", [[0.0, 0.2, 1.0]], [[0, 51, 255]]),
        ("F", [[0.0, 51.0, 255.0]], [[0, 51, 255]]),
        ("F", [[-2.0, 0.4, 2.0]], [[0, 153, 255]]),
        ("F", [[-3.0, -3.0, -3.0]], [[0, 0, 0]]),
    ],
)
def test_numbers_beyond_sixteen_bits_are_scaled_by_their_range(
    mode: str, values: list[list[float]], expected: list[list[int]]
) -> None:
    image = Image.fromarray(np.array(values, dtype=np.int32 if mode == "I" else np.float32))
    assert image.mode == mode
    assert decode_picture(encode(image, "TIFF")).pixels.tolist() == expected


# What is displayed: orientation, frames, transparency, colour

STORED = {  # by the EXIF specification: where row 0 and column 0 of the file lie in the scene
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: upright[:, ::-1].T,
    7: lambda upright: upright[::-1, ::-1].T,
    8: lambda upright: upright[::-1].T,
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "opened"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_are_turned_upright(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](paint(0, 255)))
    options: dict[str, Any] = {"quality": 100} if form == "JPEG" else {}
    options |= {"lossless": True} if form == "WEBP" else {}
    content = encode(stored, "PNG" if form == "opened" else form, exif=exif, **options)
    source = Image.open(io.BytesIO(content)) if form == "opened" else content
    np.testing.assert_allclose(decode_picture(source).pixels, paint(0, 255), atol=2)


def test_damaged_exif_is_noted_and_the_picture_read() -> None:
    picture = decode_picture(encode(paint(0, 255), "PNG", exif=b"Exif\0\0garbage instead of tags"))
    np.testing.assert_array_equal(picture.pixels, paint(0, 255))
    assert picture.notes == ("its EXIF data are damaged: taken as upright",)


@pytest.mark.parametrize(
    ("form", "note"),
    [
        ("GIF", "animated GIF: only the first frame was read"),
        ("PNG", "animated PNG: only the first frame was read"),
        ("WEBP", "animated WebP: only the first frame was read"),
        ("TIFF", "TIFF of several pages: only the first was read"),
    ],
)
def test_the_first_of_several_frames_is_read_and_noted(form: str, note: str) -> None:
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    others = [Image.fromarray(paint(255, 0)), Image.fromarray(paint(0, 100))]
    picture = decode_picture(
        encode(paint(0, 255), form, save_all=True, append_images=others, **options)
    )
    np.testing.assert_array_equal(picture.pixels, paint(0, 255))
    assert picture.notes == (note,)


def test_the_other_pictures_of_a_phone_photo_are_no_matter_for_a_note() -> None:
    other = Image.fromarray(paint(WHITE, BLACK))
    picture = decode_picture(
        encode(paint(BLACK, WHITE), "MPO", save_all=True, append_images=[other])
    )
    assert contrast(picture.pixels) > 235
    assert np.median(picture.pixels) > 250
    assert picture.notes == ()


def strokes(colour: int, alpha: int = 255) -> NDArray[np.uint8]:
    """The F alone, the same colour everywhere: the drawing is in the alpha channel."""
    return paint((colour, colour, colour, alpha), (colour, colour, colour, 0))


def cut_out(ink: int, paper: int) -> NDArray[np.uint8]:
    """Ink on paper, with transparent corners whose hidden colour is the opposite of the paper's."""
    pixels = paint((ink, ink, ink, 255), (paper, paper, paper, 255))
    for corner in (np.s_[:3, :3], np.s_[:3, -3:], np.s_[-3:, :3], np.s_[-3:, -3:]):
        pixels[corner] = (255 - paper, 255 - paper, 255 - paper, 0)
    return pixels


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        pytest.param(strokes(0), paint(0, 255), id="black strokes"),
        pytest.param(strokes(255), paint(255, 0), id="white strokes"),
        pytest.param(strokes(0, 100), paint(155, 255), id="faint black strokes"),
        pytest.param(strokes(255, 100), paint(100, 0), id="faint white strokes"),
        pytest.param(paint((0, 0, 0, 255), (255, 255, 255, 0)), paint(0, 255), id="hidden white"),
        pytest.param(paint((255,) * 4, (0, 0, 0, 0)), paint(255, 0), id="hidden black"),
        pytest.param(paint((0, 0, 0, 255), (255,) * 4), paint(0, 255), id="opaque"),
        pytest.param(paint((0, 0, 0, 0), (9, 9, 9, 0)), paint(255, 255), id="nothing visible"),
        pytest.param(cut_out(0, 255), paint(0, 255), id="white paper with cut corners"),
        pytest.param(cut_out(240, 20), paint(240, 20), id="blackboard with cut corners"),
    ],
)
def test_transparent_pictures_keep_their_ink(
    pixels: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> None:
    for source in (pixels, encode(pixels, "PNG"), encode(pixels, "TIFF")):
        np.testing.assert_allclose(decode_picture(source).pixels, expected, atol=1)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
@pytest.mark.parametrize(("ink", "hidden"), [(0, 255), (255, 0), (0, 0), (255, 255)])
def test_a_transparent_palette_entry_keeps_the_ink(form: str, ink: int, hidden: int) -> None:
    image = Image.fromarray(paint(1, 0))
    image.putpalette([hidden] * 3 + [ink] * 3)
    pixels = decode_picture(encode(image, form, transparency=0)).pixels
    np.testing.assert_array_equal(pixels, paint(ink, 255 - ink))


def test_half_transparent_palette_entries_are_read() -> None:
    image = Image.fromarray(paint(1, 0))
    image.putpalette([0] * 6)
    pixels = decode_picture(encode(image, "PNG", transparency=bytes([0, 128]))).pixels
    np.testing.assert_allclose(pixels, paint(127, 255), atol=1)


@pytest.mark.parametrize("band", [np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]])
def test_a_transparent_band_takes_the_colour_of_the_paper_beside_it(band: Any) -> None:
    pixels = paint((0, 0, 0, 255), (250, 250, 250, 255))
    pixels[band] = 0
    np.testing.assert_array_equal(decode_picture(pixels).pixels, paint(0, 250))


def test_soft_strokes_stay_soft() -> None:
    alphas = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    pixels = np.dstack([np.zeros_like(alphas)] * 3 + [alphas])
    np.testing.assert_allclose(decode_picture(pixels).pixels, 255 - alphas, atol=1)


def luma(colour: tuple[int, ...]) -> float:
    return float(np.dot(colour, (0.299, 0.587, 0.114)))


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        (RED, GREEN),
        (GREEN, RED),
        ((255, 255, 0), WHITE),  # a highlighter
        ((0, 0, 230), (60, 14, 0)),
        ((230, 60, 150), (60, 148, 140)),
    ],
)
@pytest.mark.parametrize("form", ["array", "JPEG"])
def test_ink_that_differs_in_colour_alone_stays_visible(
    ink: tuple[int, ...], paper: tuple[int, ...], form: str
) -> None:
    assert abs(luma(ink) - luma(paper)) < 30
    pixels = paint(ink, paper)
    lit = np.clip(pixels * np.linspace(0.6, 1, 32)[:, None], 0, 255).astype(np.uint8)
    source = pixels if form == "array" else encode(pixels, form, subsampling=0)
    assert contrast(decode_picture(source).pixels) > 90
    assert contrast(decode_picture(lit).pixels) > 60


def test_a_little_ink_that_differs_in_colour_alone_stays_visible() -> None:
    pixels = np.full((200, 300, 3), GREEN, dtype=np.uint8)
    pixels[90:110, 50:60] = RED  # 0.3 % of the picture
    grey = decode_picture(pixels).pixels.astype(int)
    assert abs(grey[100, 55] - grey[100, 20]) > 90


@pytest.mark.parametrize("ink", [BLACK, RED, (30, 40, 160), (0, 110, 60), (120, 120, 125)])
def test_other_ink_is_read_by_its_luma(ink: tuple[int, ...]) -> None:
    pixels = decode_picture(paint(ink, WHITE)).pixels
    np.testing.assert_array_equal(pixels, paint(round(luma(ink)), 255))


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_the_colour_noise_of_jpeg_does_not_count_as_ink(quality: int) -> None:
    noise = np.random.default_rng(7).normal(0, 4, (200, 300, 3))
    paper = np.clip(np.array([225, 222, 210]) + noise, 0, 255).astype(np.uint8)
    content = encode(paper, "JPEG", quality=quality)
    plain = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    np.testing.assert_array_equal(decode_picture(content).pixels, plain)


def test_faint_differences_in_colour_alone_do_not_count_as_ink() -> None:
    tint = np.random.default_rng(3).integers(-4, 5, (200, 300))
    paper = np.stack([200 + 2 * tint, 200 - tint, np.full_like(tint, 200)], axis=2).astype(np.uint8)
    plain = np.asarray(Image.fromarray(paper).convert("L"))
    assert np.ptp(plain) < 2
    np.testing.assert_array_equal(decode_picture(paper).pixels, plain)


def test_a_little_black_ink_outweighs_large_coloured_things() -> None:
    pixels = np.full((200, 300, 3), 255, dtype=np.uint8)
    pixels[:, 200:] = RED
    pixels[:, 250:] = GREEN
    pixels[90:110, 50:54] = BLACK  # 0.13 % of the picture
    grey = decode_picture(pixels).pixels
    assert grey[100, 52] < 5
    assert grey[100, 20] > 250


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
def test_arrays_of_every_kind_of_number_are_read(values: NDArray[Any]) -> None:
    np.testing.assert_array_equal(decode_picture(values).pixels, paint(255, 0))


def test_the_picture_shares_no_memory_with_the_array() -> None:
    values = paint(0, 255)
    decode_picture(values).pixels[:] = 7
    np.testing.assert_array_equal(values, paint(0, 255))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.float64(3), "an array of shape no extent; expected (height, width)"),
        (np.zeros(784), "an array of shape 784;"),
        (np.zeros((28, 28, 2)), "an array of shape 28 × 28 × 2;"),
        (np.zeros((5, 28, 28)), "an array of shape 5 × 28 × 28;"),
        (np.zeros((1, 28, 28, 1)), "an array of shape 1 × 28 × 28 × 1;"),
        (np.zeros((0, 28)), "an array of shape 0 × 28 holds no pixels"),
        (np.zeros((28, 0, 3)), "an array of shape 28 × 0 × 3 holds no pixels"),
        (np.full((2, 2), np.nan), "values from nan to nan; expected 0 to 255"),
        (np.array([[0, np.inf]]), "values from 0 to inf;"),
        (np.array([[-1.0, 1.0]]), "values from -1 to 1;"),
        (np.array([[0, 70_000]]), "values from 0 to 70000;"),
        (np.array([[0, -1]]), "values from -1 to 0;"),
        (np.array([[1j]]), "an array of complex128; expected bool, integers or floats"),
        (np.array([["7"]]), "an array of <U1;"),
        (np.array([[None]]), "an array of object;"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(values: NDArray[Any], message: str) -> None:
    with pytest.raises(PictureFormatError, match="picture: .*" + re.escape(message)):
        decode_picture(np.asarray(values))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.png", b"Buy milk, eggs", "is not a picture: begins with text ('Buy milk, eggs' …)"),
        ("key.png", b"\x00\x01\x02\x03", "is not a picture: begins with bytes 00 01 02 03 …"),
        ("empty.png", b"", "is empty (0 bytes); expected PNG, JPEG, GIF, BMP, WebP, TIFF or PPM"),
        ("IMG_1.HEIC", b"\0\0\0\x24ftypheic" + bytes(40), "HEIC is not supported; export it as"),
        ("photo.avif", b"\0\0\0\x20ftypavif" + bytes(40), "AVIF is not supported; export it as"),
        ("photo.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 is not supported; export it as"),
        ("scan.pdf", b"%PDF-1.7\n", "PDF is not supported; export it as JPEG or PNG"),
        ("seven.svg", b'<?xml version="1.0"?><svg/>', "SVG is not supported; export it as"),
        ("half.png", encode(paint(0, 255), "PNG")[:80], "damaged PNG file (image file is trunc"),
        ("half.webp", encode(paint(0, 255), "WEBP")[:40], "damaged WebP file ("),
        ("odd.webp", b"RIFF\0\0\0\0WEBPVP8Z" + bytes(20), "damaged WebP file (unknown kind of"),
        ("nan.tif", encode(np.full((2, 2), np.nan, np.float32), "TIFF"), "that are not finite"),
    ],
)
def test_files_that_are_no_picture_are_named_and_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PictureFormatError) as raised:
        decode_picture(path)
    assert str(raised.value).startswith(f"{name}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    with path.open("rb") as file, pytest.raises(PictureFormatError, match=f"^{name}: "):
        decode_picture(file)
    with pytest.raises(PictureFormatError, match=r"^picture: "):
        decode_picture(content)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("seven.pgn", "seven.pgn: no such file; did you mean seven.png?"),
        ("unlike", "unlike: no such file; check the name and the folder"),
        ("no/seven.png", "seven.png: no such file, nor the folder "),
        (".", ": is a folder; expected one picture of it"),
        ("seven.png/7", "7: cannot be read (Not a directory)"),
        ("a\0b", "cannot be read ("),
        ("n" * 300, "cannot be read (File name too long)"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "seven.png").write_bytes(encode(paint(0, 255), "PNG"))
    with pytest.raises(PictureFormatError, match=re.escape(message)):
        decode_picture(tmp_path / name)


def test_an_address_is_not_taken_for_a_path() -> None:
    with pytest.raises(PictureFormatError, match="no such file; an address must be downloaded"):
        decode_picture("https://example.org/seven.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(encode(paint(0, 255), "PNG"))
    path.chmod(0)
    with pytest.raises(PictureFormatError, match=r"seven\.png: cannot be read \(Permission"):
        decode_picture(path)


def test_sources_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_text("text")
    with path.open() as text, pytest.raises(PictureFormatError, match="opened as text; open it"):
        decode_picture(cast(BinaryIO, text))
    closed = path.open("rb")
    closed.close()
    with pytest.raises(PictureFormatError, match=r"seven\.png: cannot be read \(.*closed file"):
        decode_picture(closed)
    for source in ([[0, 255]], 7, None):
        with pytest.raises(PictureFormatError, match="is no picture; expected a path, bytes"):
            decode_picture(cast(bytes, source))


def test_a_closed_pillow_image_is_refused() -> None:
    image = Image.open(io.BytesIO(encode(paint(0, 255), "PNG")))
    image.close()
    with pytest.raises(PictureFormatError, match="picture: cannot be read"):
        decode_picture(image)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), INK[:0]])
def test_a_picture_checks_its_pixels(pixels: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"pixels are uint8 of shape \(height, width\), not"):
        Picture(pixels)


# Limits

BOMB_PNG = png(20_000, 20_000, {b"IDAT": zlib.compress(bytes(2501 * 20_000), 9)}, depth=1)


def with_tile_of(side: int) -> bytes:
    """A small TIFF whose one tile is said to be `side` × `side` pixels."""
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
    """A progressive JPEG whose last scan comes again and again."""
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
            "4294836225 pixels",  # refused by Pillow itself: a frame larger than its screen
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
def test_large_pictures_are_refused_before_they_are_decoded(content: bytes, size: str) -> None:
    assert len(content) < 2**20
    with pytest.raises(PictureTooLargeError, match=r"^picture: .* resize it$") as raised:
        decode_picture(content)
    assert size in str(raised.value)


def test_large_jpegs_are_refused() -> None:
    content = encode(Image.new("L", (8000, 7000), 255), "JPEG")
    with pytest.raises(PictureTooLargeError, match="8,000 × 7,000 pixels; at most 50,000,000 in"):
        decode_picture(content)


def test_the_tiff_that_tests_the_limit_on_tiles_is_a_picture() -> None:
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
def test_limits_on_pixels_hold_for_every_source(limits: DecodingLimits, fits: bool) -> None:
    pixels = paint(0, 255)
    for source in (pixels, Image.fromarray(pixels), encode(pixels, "PNG")):
        if fits:
            assert decode_picture(source, limits).pixels.shape == (24, 32)
        else:
            with pytest.raises(PictureTooLargeError, match="32 × 24 pixels"):
                decode_picture(source, limits)


class Endless(io.RawIOBase):
    """A stream that never ends, and counts what is taken from it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 1001
        self.taken += min(size, 7)
        return bytes(min(size, 7))


def test_no_more_bytes_are_read_than_allowed(tmp_path: Path) -> None:
    content = encode(paint(0, 255), "PNG")
    path = tmp_path / "seven.png"
    path.write_bytes(content)
    decode_picture(path, DecodingLimits(max_bytes=len(content)))
    short = DecodingLimits(max_bytes=len(content) - 1)
    for source in (path, content, io.BytesIO(content)):
        with pytest.raises(PictureTooLargeError, match=rf"at least {len(content)} bytes; at most"):
            decode_picture(source, short)
    sparse = tmp_path / "sparse.png"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(PictureTooLargeError, match=r"^sparse\.png: at least 1,099,511,627,776 b"):
        decode_picture(sparse)
    endless = Endless()
    with pytest.raises(PictureTooLargeError, match="at least 1,001 bytes"):
        decode_picture(cast(BinaryIO, endless), DecodingLimits(max_bytes=1000))
    assert endless.taken == 1001


def test_jpegs_with_too_many_scans_are_refused() -> None:
    assert contrast(decode_picture(with_scans(50)).pixels) > 235
    with pytest.raises(PictureFormatError, match="more than 50 JPEG scans; save it again as a"):
        decode_picture(with_scans(51))


def test_what_follows_a_jpeg_is_not_counted_as_its_scans() -> None:
    content = encode(paint(0, 255), "JPEG") + b"\xff\xda\x00\x02" * 40_000
    assert contrast(decode_picture(content).pixels) > 235


def test_text_that_grows_on_unpacking_is_refused() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(10_000_000))
    rows = zlib.compress(bytes(6))
    assert decode_picture(png(2, 2, {b"IDAT": rows})).pixels.shape == (2, 2)
    with pytest.raises(PictureFormatError, match="Decompressed data too large"):
        decode_picture(png(2, 2, {b"zTXt": text, b"IDAT": rows}))


# What the rest of the process sees


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
        "from inkdigits.recognition.decoding import decode_picture\n"
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
