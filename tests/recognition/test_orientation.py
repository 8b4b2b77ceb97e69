from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.detection import Detections
from inkdigits.recognition.orientation import find_rotation, rotate_back
from inkdigits.results.marks import Box, Digit, Mark

Grey = NDArray[np.uint8]


def detect_blobs(pixels: Grey, confidence: float, upright: float) -> Detections:
    """Marks of one pixel each; they look like digits where a white pixel lies above one of them."""
    is_upright = bool((pixels[:-1][pixels[1:] == 0] == 255).any())
    rows, columns = np.nonzero(pixels == 0)
    probabilities = np.zeros((len(rows), 17), np.float32)
    probabilities[:, 7] = upright if is_upright else confidence
    probabilities[:, 15] = 1 - probabilities[:, 7]
    boxes = np.stack([columns, rows, np.ones_like(rows), np.ones_like(rows)], axis=1)
    return Detections(
        boxes.astype(np.float32),
        np.full(len(rows), 7),
        probabilities[:, 7],
        probabilities,
    )


def draw(n: int) -> Grey:
    """A picture that is upright as it is, with marks in its middle row."""
    pixels = np.full((9, 30), 128, np.uint8)
    pixels[4, 4 : 4 + 2 * n : 2] = 0
    pixels[3, 4] = 255
    return pixels


@pytest.mark.parametrize(
    ("n", "turns", "confidence", "upright", "expected"),
    [
        (5, 0, 0.1, 0.9, 0),
        (5, 1, 0.1, 0.9, 3),
        (5, 2, 0.1, 0.9, 2),
        (5, 3, 0.1, 0.9, 1),
        (2, 1, 0.1, 0.9, 0),  # too few to say
        (5, 2, 0.9, 0.95, 0),  # they are read well as they are
        (5, 2, 0.7, 0.8, 0),  # and not clearly better in another way
        (5, 2, 0.1, 0.6, 0),  # digits in none
        (0, 2, 0.1, 0.9, 0),
    ],
)
def test_rotated_numbers_are_detected(
    n: int, turns: int, confidence: float, upright: float, expected: int
) -> None:
    def detect(pixels: Grey) -> Detections:
        return detect_blobs(pixels, confidence, upright)

    pixels = np.ascontiguousarray(np.rot90(draw(n), turns))
    assert find_rotation(pixels, detect(pixels), detect) == expected


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_boxes_are_rotated_back_to_the_original_picture(turns: int) -> None:
    picture = np.zeros((40, 70), np.uint8)
    picture[5:15, 20:50] = 255
    rows, columns = np.nonzero(np.rot90(picture, turns))
    box = Box(
        int(columns.min()), int(rows.min()),
        int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1,
    )  # fmt: skip
    digit = Digit(7, 0.9, np.full(10, 0.1, np.float32), box, np.zeros((28, 28), np.uint8))
    for found in (Mark("dash", box, 0.9), digit):
        assert rotate_back(found, turns, picture.shape).box == Box(20, 5, 30, 10)


@pytest.mark.parametrize(("mark_px", "side"), [(1, 549), (100, 480)])
def test_rotations_of_large_pictures_are_tried_on_small_ones(mark_px: int, side: int) -> None:
    sides = []

    def detect(pixels: Grey) -> Detections:
        sides.append(max(pixels.shape))
        return detect_blobs(np.full((2, 2), 1, np.uint8), 0, 0)

    pixels = np.full((3000, 50), 255, np.uint8)
    probabilities = np.tile(np.array([0] * 15 + [1, 0], np.float32), (4, 1))
    boxes = np.array([[0, top, mark_px, mark_px] for top in (0, 1000, 2000, 2900)], np.float32)
    marks = Detections(boxes, np.full(4, 15), np.ones(4, np.float32), probabilities)
    assert find_rotation(pixels, marks, detect) == 0
    # 72 x 72 pixels as a long strip, or marks of 16 pixels; a line that runs down is on its side.
    assert sides == [side] * 2


@pytest.mark.parametrize(
    ("across", "down", "n_turns"),
    [
        (30, 60, 1),  # lines across: upside down
        (60, 30, 2),  # lines down: on one side or the other
        (40, 40, 3),  # a table
        (36, 40, 3),
    ],
)
def test_the_direction_of_the_lines_tells_which_turns_are_tried(
    across: int, down: int, n_turns: int
) -> None:
    tried: list[Grey] = []

    def detect(pixels: Grey) -> Detections:
        tried.append(pixels)
        return detect_blobs(np.full((2, 2), 1, np.uint8), 0, 0)

    places = [(column * across, row * down) for row in range(6) for column in range(6)]
    boxes = np.array([[*place, 20, 25] for place in places], np.float32)
    probabilities = np.tile(np.array([0] * 15 + [1, 0], np.float32), (len(boxes), 1))
    n = len(boxes)
    marks = Detections(boxes, np.full(n, 15), np.ones(n, np.float32), probabilities)
    pixels = np.full((400, 400), 255, np.uint8)

    assert find_rotation(pixels, marks, detect) == 0

    assert len(tried) == n_turns


def test_rotations_are_tried_on_some_adjacent_marks_if_there_are_many() -> None:
    shapes = []

    def detect(pixels: Grey) -> Detections:
        shapes.append(pixels.shape)
        return detect_blobs(np.full((2, 2), 1, np.uint8), 0, 0)

    # 20 x 20 marks of 10 pixels, 40 apart.
    lefts, tops = (axis.ravel() * 40.0 for axis in np.meshgrid(np.arange(20), np.arange(20)))
    boxes = np.stack([lefts, tops, 0 * lefts + 10, 0 * lefts + 10], axis=1).astype(np.float32)
    probabilities = np.tile(np.array([0] * 15 + [1, 0], np.float32), (400, 1))
    marks = Detections(boxes, np.full(400, 15), np.ones(400, np.float32), probabilities)
    assert find_rotation(np.full((800, 800), 255, np.uint8), marks, detect) == 0
    # Six marks are within three rows and columns, and there is some paper around these: 96 pixels.
    assert shapes == [(72, 72)] * 3
