from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFont

from inkdigits.errors import UsageError
from inkdigits.files import PICTURE_SUFFIXES
from inkdigits.results.drawing import (
    crop_digits,
    describe_digit,
    draw_boxes,
    draw_tiles,
    save_picture,
)
from inkdigits.results.marks import Box, Digit, Mark
from inkdigits.results.reading import Reading


def build_reading(n: int, *, refused: int = 0) -> Reading:
    tile = np.full((28, 28), 200, np.uint8)
    shares = np.full(10, 0.1, np.float32)
    digits = tuple(
        Digit(
            digit=None if number < refused else 7,
            confidence=0.9,
            probabilities=shares,
            box=Box(10 * number, 5, 8, 20),
            tile=tile,
            reason="not a digit" if number < refused else None,
        )
        for number in range(n)
    )
    return Reading(digits, reason="not a digit" if refused == n else None)


@pytest.mark.parametrize("shape", [(28, 28), (60, 120), (800, 400), (3000, 4000)])
def test_the_picture_keeps_its_size(shape: tuple[int, int]) -> None:
    pixels = np.full(shape, 255, np.uint8)
    assert draw_boxes(pixels, build_reading(2)).size == shape[::-1]
    assert draw_boxes(pixels, build_reading(2), scale=2).size == (2 * shape[1], 2 * shape[0])


def test_the_picture_keeps_its_colours() -> None:
    image = Image.new("RGB", (300, 200), (250, 240, 170))
    drawn = draw_boxes(image, build_reading(1))
    assert drawn.getpixel((200, 150)) == (250, 240, 170)
    assert image.getcolors() == [(300 * 200, (250, 240, 170))]  # itself is unchanged


@pytest.mark.parametrize("side", [28, 60, 150])
def test_lines_and_labels_leave_the_ink_of_small_pictures_alone(side: int) -> None:
    random = np.random.default_rng(side)
    box = Box(side // 4, side // 4, side // 2, side // 2)
    pixels = np.full((side, side, 3), 255, np.uint8)
    inside = (slice(box.y, box.y + box.height), slice(box.x, box.x + box.width))
    pixels[inside] = random.integers(0, 255, (box.height, box.width, 3))
    (digit,) = build_reading(1).digits

    drawn = np.asarray(draw_boxes(pixels, Reading((replace(digit, box=box),))))

    assert (drawn[inside] == pixels[inside]).all()
    assert (drawn != pixels).any()


def test_labels_cover_no_digit_of_a_crowded_page() -> None:
    (digit,) = build_reading(1).digits
    boxes = [Box(4 + 22 * column, 4 + 34 * row, 18, 30) for row in range(6) for column in range(9)]
    pixels = np.full((220, 210), 128, np.uint8)
    reading = Reading(tuple(replace(digit, box=box) for box in boxes))

    drawn = np.asarray(draw_boxes(pixels, reading))

    inside = [drawn[box.y : box.y + box.height, box.x : box.x + box.width] for box in boxes]
    assert np.mean([(part != 128).any(axis=2).mean() for part in inside]) < 0.02


def test_a_crop_is_the_piece_of_a_digit_with_a_narrow_margin() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (60, 90, 3), np.uint8)
    (digit,) = build_reading(1).digits
    boxes = Box(20, 10, 30, 40), Box(0, 0, 5, 5), Box(85, 55, 20, 20), Box(200, 200, 4, 4)
    reading = Reading(tuple(replace(digit, box=box) for box in boxes))

    crops = crop_digits(Image.fromarray(pixels), reading)

    assert (np.asarray(crops[0]) == pixels[8:52, 18:52]).all()
    assert [crop.size for crop in crops] == [(34, 44), (6, 6), (6, 6), (1, 1)]


def test_a_saved_picture_keeps_its_colour_profile(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 30), "red")
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for suffix in PICTURE_SUFFIXES:
        path = save_picture(lambda: image, tmp_path / "new" / f"red{suffix}")
        with Image.open(path) as saved:
            assert saved.size == (40, 30)
            assert ("icc_profile" in saved.info) == (suffix != ".bmp")
            red, green, blue = np.asarray(saved.convert("RGB"))[15, 20]
            assert red > 250
            assert max(green, blue) < 5


def test_an_unknown_suffix_is_noticed_before_anything_is_drawn(tmp_path: Path) -> None:
    def fail() -> Image.Image:
        raise AssertionError

    with pytest.raises(UsageError, match=r"cannot save a picture as .*boxes.gif: expected a file"):
        save_picture(fail, tmp_path / "boxes.gif")
    assert list(tmp_path.iterdir()) == []


def test_boxes_are_drawn_where_the_digits_are() -> None:
    pixels = np.full((400, 400), 255, np.uint8)
    reading = build_reading(3)
    changed = ImageChops.difference(
        draw_boxes(pixels, reading), Image.fromarray(pixels).convert("RGB")
    ).getbbox()
    assert changed is not None
    left, top, right, bottom = changed
    assert left <= 0
    assert 0 <= top <= 5
    assert right >= 28
    assert bottom >= 25


def test_rejected_digits_have_another_colour() -> None:
    pixels = np.full((400, 400), 255, np.uint8)
    read, refused = (draw_boxes(pixels, build_reading(1, refused=n)) for n in (0, 1))
    assert ImageChops.difference(read, refused).getbbox() is not None


def test_marks_are_drawn_more_lightly_than_digits() -> None:
    pixels = np.full((400, 400), 255, np.uint8)
    box = Box(100, 100, 80, 80)
    (digit,) = build_reading(1).digits
    bare = draw_boxes(pixels, Reading((digit,)))
    marked = draw_boxes(pixels, Reading((digit, Mark("dash", box, 0.9))))
    changed = ImageChops.difference(bare, marked)
    assert changed.getbbox() == (99, 99, 181, 181)
    assert np.asarray(marked)[100, 99].min() > 100


@pytest.mark.parametrize(
    ("n", "columns", "rows"), [(1, 1, 1), (10, 10, 1), (11, 10, 2), (25, 10, 3)]
)
def test_tiles_are_drawn_in_rows_of_ten(n: int, columns: int, rows: int) -> None:
    sheet = draw_tiles(build_reading(n))
    one = draw_tiles(build_reading(1))
    gap = 8
    assert sheet.width == columns * (one.width - gap) + gap
    assert sheet.height == rows * (one.height - gap) + gap


def test_a_reading_without_digits_gives_an_empty_sheet() -> None:
    assert draw_tiles(Reading((), reason="no ink")).size == (1, 1)


def test_the_font_has_all_characters_of_labels() -> None:
    """Pillow draws a character that its font lacks as the same box for each."""

    def draw(character: str) -> bytes:
        image = Image.new("L", (30, 30))
        ImageDraw.Draw(image).text((2, 2), character, 255, ImageFont.load_default(20))
        return image.tobytes()

    digits = build_reading(2, refused=1).digits
    uncertain = replace(digits[0], is_uncertain=True)
    for digit in (*digits, uncertain):
        for character in set(describe_digit(digit)):
            assert draw(character) != draw("\u2603"), character  # a snowman
