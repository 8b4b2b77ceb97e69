from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.recognition import DEFAULT_TILE_MODEL
from inkdigits.recognition.crops import cut_tile, extract_mark
from inkdigits.recognition.framing import frame
from inkdigits.recognition.network import OnnxNetwork

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def training_digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


def lay_on_paper(tile: Grey, random: np.random.Generator) -> tuple[Grey, list[int]]:
    """A digit six times as large on grainy paper with a shadow, and its box."""
    large = cv2.resize(tile, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    light = np.linspace(210, 130, large.shape[1]) * np.linspace(1, 0.85, large.shape[0])[:, None]
    grain = random.normal(0, 6, large.shape)
    picture = light * (1 - 0.7 * large / 255) + grain
    return np.clip(picture, 0, 255).astype(np.uint8), [6 * side for side in cv2.boundingRect(tile)]


@pytest.mark.parametrize("kind", ["tile", "negative", "photograph", "rough box"])
def test_digits_cut_out_of_pictures_are_classified_like_their_tiles(
    kind: str, training_digits: LabelledImages
) -> None:
    random = np.random.default_rng(0)
    tiles = []
    for image in training_digits.images:
        pixels, box = image, np.array(cv2.boundingRect(image), np.float64)
        if kind == "negative":
            pixels = 255 - image
        elif kind == "photograph":
            pixels, sides = lay_on_paper(image, random)
            box = np.array(sides, np.float64)
        elif kind == "rough box":
            box += random.normal(0, 0.05, 4) * max(box[2:])
        tiles.append(cut_tile(pixels, box))
    network = OnnxNetwork(DEFAULT_TILE_MODEL)
    direct, cut = (
        int(np.sum(network(np.array(seen, np.uint8)).argmax(axis=1) != training_digits.labels))
        for seen in (training_digits.images, tiles)
    )
    assert cut <= direct + 0.003 * len(training_digits)


def draw_strokes(*lines: tuple[tuple[int, int], tuple[int, int]], width: int = 8) -> Grey:
    """Dark strokes on light paper of 120 × 120 pixels."""
    picture = np.full((120, 120), 225, np.uint8)
    for start, end in lines:
        cv2.line(picture, start, end, 40, width)
    return picture


SEVEN = (((35, 25), (85, 25)), ((85, 25), (50, 95)))
SEVEN_BOX = [31, 21, 59, 79]


@pytest.mark.parametrize(
    "beside",
    [
        ((97, 10), (97, 110)),  # a neighbour's stem on the right
        ((10, 110), (110, 110)),  # an underline
        ((22, 0), (22, 119)),
    ],
)
def test_neighbours_at_the_edge_of_the_crop_are_excluded(
    beside: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    alone = cut_tile(draw_strokes(*SEVEN), SEVEN_BOX)
    assert alone.any()
    crowded = cut_tile(draw_strokes(*SEVEN, beside), SEVEN_BOX)
    assert np.abs(crowded.astype(int) - alone).mean() < 4


def test_a_broken_digit_keeps_its_parts() -> None:
    """The bar of a 5 stands apart, and a speck beside it goes."""
    five = draw_strokes(((50, 40), (50, 60)), ((50, 60), (70, 90)), ((60, 25), (85, 25)))
    speckled = five.copy()
    speckled[70:73, 45:48] = 40
    box = [46, 21, 44, 73]
    tile = cut_tile(five, box)
    assert cv2.connectedComponents((tile > 127).astype(np.uint8))[0] == 3
    np.testing.assert_array_equal(cut_tile(speckled, box), tile)


@pytest.mark.parametrize("box", [[-5, -5, 20, 200], [100, 100, 60, 60], [300, 300, 5, 5]])
def test_boxes_may_reach_beyond_the_picture(box: list[float]) -> None:
    tile = cut_tile(draw_strokes(*SEVEN), box)
    assert tile.shape == (28, 28)
    assert tile.dtype == np.uint8


@pytest.mark.parametrize("deviation", [0.0, 0.5, 4.0, 15.0])
def test_blank_paper_has_no_ink(deviation: float) -> None:
    for seed in range(50):
        random = np.random.default_rng(seed)
        light = np.linspace(230, 150, 60) + random.normal(0, deviation, (60, 60))
        assert not extract_mark(np.clip(light, 0, 255).astype(np.uint8)).any()


def test_an_extracted_mark_keeps_its_position_and_its_darkness() -> None:
    picture = draw_strokes(*SEVEN)
    near, far = (
        morph((picture == 40).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        for morph in (cv2.erode, cv2.dilate)
    )
    for pixels in (picture, 255 - picture):
        ink = extract_mark(pixels)
        assert ink.shape == picture.shape
        assert ink[~far].max() == 0
        assert ink[near].min() >= 250


def test_large_and_small_pictures_give_similar_ink() -> None:
    small = draw_strokes(*SEVEN, width=12)  # which `frame` leaves as wide as it is
    large = cv2.resize(small, None, fx=8, fy=8, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    ink = extract_mark(large)
    assert ink.shape == large.shape
    difference = np.abs(frame(ink).astype(int) - frame(extract_mark(small)))
    assert difference.mean() < 6
