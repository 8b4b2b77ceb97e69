from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from numpy.typing import NDArray
from PIL import Image

from inkdigits.pictures.decoding import PictureSource, decode_picture
from tests.recognition.letter_pictures import INK, contrast, encode, paint

WHITE, BLACK, RED, GREEN = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 130, 0)

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
def test_every_mode_of_pillow_is_read(modes: tuple[str, ...]) -> None:
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
def test_lossless_files_are_read_exactly(form: str, mode: str, options: dict[str, Any]) -> None:
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
def test_lossy_files_are_read_approximately(form: str, mode: str, options: dict[str, Any]) -> None:
    pixels = decode_picture(encode(convert(mode), form, **options)).pixels
    assert pixels.shape == INK.shape
    assert contrast(pixels) > 235
    assert np.mean(np.abs(pixels.astype(int) - paint(0, 255))) < 12


@given(stnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_grey_pixels_are_kept_by_every_kind_of_source(pixels: NDArray[np.uint8]) -> None:
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
def test_sixteen_bit_values_are_scaled_by_their_bit_depth(full: int, mode: str) -> None:
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
def test_pictures_are_rotated_according_to_exif(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](paint(0, 255)))
    options: dict[str, Any] = {"quality": 100} if form == "JPEG" else {}
    options |= {"lossless": True} if form == "WEBP" else {}
    content = encode(stored, "PNG" if form == "opened" else form, exif=exif, **options)
    source = Image.open(io.BytesIO(content)) if form == "opened" else content
    np.testing.assert_allclose(decode_picture(source).pixels, paint(0, 255), atol=2)


def test_a_picture_with_damaged_exif_is_read_with_a_note() -> None:
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
def test_the_first_of_several_frames_is_read_with_a_note(form: str, note: str) -> None:
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    others = [Image.fromarray(paint(255, 0)), Image.fromarray(paint(0, 100))]
    picture = decode_picture(
        encode(paint(0, 255), form, save_all=True, append_images=others, **options)
    )
    np.testing.assert_array_equal(picture.pixels, paint(0, 255))
    assert picture.notes == (note,)


def test_further_pictures_in_a_phone_photo_are_ignored_without_a_note() -> None:
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
def test_a_transparent_band_takes_the_colour_of_the_adjacent_paper(band: Any) -> None:
    pixels = paint((0, 0, 0, 255), (250, 250, 250, 255))
    pixels[band] = 0
    np.testing.assert_array_equal(decode_picture(pixels).pixels, paint(0, 250))


def test_partly_transparent_strokes_stay_soft() -> None:
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
def test_the_colour_noise_of_jpeg_is_not_read_as_ink(quality: int) -> None:
    noise = np.random.default_rng(7).normal(0, 4, (200, 300, 3))
    paper = np.clip(np.array([225, 222, 210]) + noise, 0, 255).astype(np.uint8)
    content = encode(paper, "JPEG", quality=quality)
    plain = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    np.testing.assert_array_equal(decode_picture(content).pixels, plain)


def test_faint_differences_in_colour_alone_are_not_read_as_ink() -> None:
    tint = np.random.default_rng(3).integers(-4, 5, (200, 300))
    paper = np.stack([200 + 2 * tint, 200 - tint, np.full_like(tint, 200)], axis=2).astype(np.uint8)
    plain = np.asarray(Image.fromarray(paper).convert("L"))
    assert np.ptp(plain) < 2
    np.testing.assert_array_equal(decode_picture(paper).pixels, plain)


def test_a_little_black_ink_outweighs_large_coloured_areas() -> None:
    pixels = np.full((200, 300, 3), 255, dtype=np.uint8)
    pixels[:, 200:] = RED
    pixels[:, 250:] = GREEN
    pixels[90:110, 50:54] = BLACK  # 0.13 % of the picture
    grey = decode_picture(pixels).pixels
    assert grey[100, 52] < 5
    assert grey[100, 20] > 250
