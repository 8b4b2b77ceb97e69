from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.framing import frame
from inkdigits.recognition.ink import extract_ink

Grey = NDArray[np.uint8]

THREE = [(70, 40), (140, 40), (100, 95), (145, 140), (70, 170)]


def draw_mask(height: int = 210, width: int = 210, thickness: int = 7) -> Grey:
    """A three: 0 paper, 255 ink."""
    mask = np.zeros((height, width), np.uint8)
    cv2.polylines(mask, [np.array(THREE, np.int32)], False, 255, thickness, cv2.LINE_AA)
    return mask


def paint(mask: Grey, paper: int, ink: int) -> Grey:
    share = mask / 255
    picture: Grey = (share * ink + (1 - share) * paper).round().astype(np.uint8)
    return picture


def overlap(found: Grey, mask: Grey) -> float:
    """Intersection over union of what is more than half ink."""
    found_ink, true_ink = found > 127, mask > 127
    return float((found_ink & true_ink).sum() / (found_ink | true_ink).sum())


def gradient(height: int, width: int, dark: int, light: int) -> Grey:
    return np.tile(np.linspace(dark, light, width), (height, 1)).astype(np.uint8)


@pytest.mark.parametrize("thickness", [1, 3, 7, 20, 32])
@pytest.mark.parametrize(
    ("paper", "ink"), [(255, 0), (0, 255), (250, 190), (120, 40), (40, 130), (200, 30)]
)
def test_ink_is_found_whatever_pen_and_paper(paper: int, ink: int, thickness: int) -> None:
    mask = draw_mask(thickness=thickness)
    assert overlap(extract_ink(paint(mask, paper, ink)), mask) > 0.9


@pytest.mark.parametrize("light_first", [False, True])
def test_uneven_light_is_removed(light_first: bool) -> None:
    mask = draw_mask()
    paper = gradient(mask.shape[0], mask.shape[1], 110, 240)
    if light_first:
        paper = paper[:, ::-1]
    picture = (paper * (1 - 0.7 * mask / 255)).astype(np.uint8)
    assert overlap(extract_ink(picture), mask) > 0.85


def test_grain_of_the_paper_is_no_ink() -> None:
    mask = draw_mask(thickness=9)
    grain = np.random.default_rng(0).normal(0, 6, mask.shape)
    picture = np.clip(paint(mask, 200, 60) + grain, 0, 255).astype(np.uint8)
    ink = extract_ink(picture)
    assert overlap(ink, mask) > 0.85
    assert not ink[cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0].any()


@pytest.mark.parametrize(
    "picture",
    [
        np.full((40, 60), 255, np.uint8),
        np.zeros((28, 28), np.uint8),
        np.full((1, 1), 7, np.uint8),
        gradient(200, 300, 90, 230),
        np.random.default_rng(1).normal(128, 5, (300, 200)).clip(0, 255).astype(np.uint8),
    ],
)
def test_blank_paper_has_no_ink(picture: Grey) -> None:
    ink = extract_ink(picture)
    assert ink.shape == picture.shape
    assert not ink.any()


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (2, 2), (5, 1000), (2500, 1700)])
def test_any_shape_keeps_its_shape(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    ink = extract_ink(pixels)
    assert ink.shape == shape
    assert ink.dtype == np.uint8


def test_a_tile_and_its_negative_keep_their_values() -> None:
    tile = frame(draw_mask())
    np.testing.assert_array_equal(extract_ink(tile), tile)
    np.testing.assert_array_equal(extract_ink((255 - tile).astype(np.uint8)), tile)


def test_a_large_picture_gives_the_ink_of_the_small_one() -> None:
    mask = draw_mask()
    large = cv2.resize(paint(mask, 220, 40), (2520, 2520), interpolation=cv2.INTER_LINEAR)
    ink = extract_ink(large.astype(np.uint8))
    assert ink.shape == (2520, 2520)
    shrunk = cv2.resize(ink, (210, 210), interpolation=cv2.INTER_AREA)
    assert overlap(shrunk.astype(np.uint8), mask) > 0.85
