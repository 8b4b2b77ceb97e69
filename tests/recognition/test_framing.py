from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.recognition.framing import (
    INK_SIDE,
    TILE_SIDE,
    frame,
    is_framed,
    measure_stroke,
)

Ink = NDArray[np.uint8]


def draw(
    height: int, width: int, points: list[tuple[int, int]], thickness: int, value: int = 255
) -> Ink:
    """Strokes through the points (column, row) on nothing."""
    ink = np.zeros((height, width), np.uint8)
    cv2.polylines(ink, [np.array(points, np.int32)], False, value, thickness, cv2.LINE_AA)
    return ink


def centre_of_mass(tile: Ink) -> tuple[float, float]:
    """Row and column by the definition, as an oracle for the moments used in the source."""
    rows, columns = np.indices(tile.shape)
    return (
        float((rows * tile.astype(float)).sum() / tile.sum()),
        float((columns * tile.astype(float)).sum() / tile.sum()),
    )


SEVEN = [(30, 20), (90, 20), (55, 130)]
ONE = [(60, 10), (60, 140)]
DASH = [(10, 60), (120, 60)]


@pytest.mark.parametrize("points", [SEVEN, ONE, DASH])
@pytest.mark.parametrize("thickness", [1, 3, 9, 25])
def test_frame_centres_and_scales_the_ink_like_mnist(
    points: list[tuple[int, int]], thickness: int
) -> None:
    tile = frame(draw(150, 130, points, thickness))
    assert tile.shape == (TILE_SIDE, TILE_SIDE)
    assert tile.dtype == np.uint8
    rows, columns = np.nonzero(tile)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (INK_SIDE - 1, INK_SIDE)
    row, column = centre_of_mass(tile)
    assert abs(row - 14) <= 0.53
    assert abs(column - 14) <= 0.53
    assert tile.max() == 255
    assert is_framed(tile)


@pytest.mark.parametrize("thickness", [1, 2, 4, 8, 16, 30])
def test_frame_brings_strokes_close_to_the_width_in_mnist(thickness: int) -> None:
    tile = frame(draw(150, 130, SEVEN, thickness))
    enlarged = cv2.resize(tile, None, fx=8, fy=8, interpolation=cv2.INTER_LINEAR)
    assert 1.5 <= measure_stroke(enlarged.astype(np.uint8)) / 8 <= 5


def test_frame_keeps_the_aspect_ratio() -> None:
    ink = np.zeros((200, 300), np.uint8)
    cv2.ellipse(ink, (70, 100), (40, 80), 0, 0, 360, 255, 16)
    rows, columns = np.nonzero(frame(ink))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 in (10, 11)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(12, 84), st.integers(12, 84)), min_size=3, max_size=6),
    thickness=st.integers(1, 9),
    top=st.integers(0, 40),
    left=st.integers(0, 40),
)
def test_frame_does_not_depend_on_the_position_of_the_digit(
    points: list[tuple[int, int]], thickness: int, top: int, left: int
) -> None:
    ink = draw(96, 96, points, thickness)
    moved = np.pad(ink, ((top, 3), (left, 5)))
    np.testing.assert_array_equal(frame(moved), frame(ink))


@settings(max_examples=100, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(12, 84), st.integers(12, 84)), min_size=3, max_size=6),
    thickness=st.integers(1, 9),
)
def test_a_framed_tile_stays_unchanged(points: list[tuple[int, int]], thickness: int) -> None:
    tile = frame(draw(96, 96, points, thickness))
    if is_framed(tile):
        np.testing.assert_array_equal(frame(tile), tile)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (3, 500)])
def test_frame_of_an_empty_picture_is_empty(shape: tuple[int, int]) -> None:
    assert not frame(np.zeros(shape, np.uint8)).any()


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
)
def test_frame_accepts_any_ink(height: int, width: int, seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    ink = (random.random((height, width)) < share) * random.integers(1, 256, (height, width))
    tile = frame(ink.astype(np.uint8))
    assert tile.shape == (TILE_SIDE, TILE_SIDE)
    assert bool(tile.any()) == bool(ink.any())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda tile: tile, True),
        (lambda tile: np.roll(tile, 2, axis=0), False),
        (lambda tile: np.roll(tile, 2, axis=1), False),
        (lambda tile: np.pad(tile, 1), False),
        (lambda tile: 255 - tile, False),
        (lambda tile: np.zeros_like(tile), False),
    ],
)
def test_is_framed_accepts_only_tiles_that_are_framed_like_mnist(
    change: object, expected: bool
) -> None:
    tile = frame(draw(150, 130, SEVEN, 9))
    assert is_framed(change(tile)) is expected  # type: ignore[operator]


@pytest.mark.parametrize("width", [2, 3, 5, 10, 40])
def test_measure_stroke_of_a_bar_is_its_width(width: int) -> None:
    ink = np.zeros((400, 100), np.uint8)
    ink[10:390, 30 : 30 + width] = 255
    assert abs(measure_stroke(ink) - width) <= 0.08 * width + 0.4


def test_measure_stroke_without_ink_is_zero() -> None:
    assert measure_stroke(np.zeros((9, 9), np.uint8)) == 0
