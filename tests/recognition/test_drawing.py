from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageChops

from inkdigits.recognition.drawing import draw_boxes, draw_tiles
from inkdigits.recognition.reading import Box, Digit, Mark, Reading


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


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((60, 120), (320, 160)), ((800, 400), (400, 800)), ((3000, 4000), (1600, 1200))],
)
def test_boxes_keep_the_pictures_proportions(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    drawn = draw_boxes(np.full(shape, 255, np.uint8), build_reading(2))
    assert drawn.size == expected


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
