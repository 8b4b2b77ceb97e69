from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.synthesis.canvas import CANVAS_SIDE
from inkdigits.synthesis.letters import LETTERS, PRINTED, SYMBOLS, draw_strokes, print_text

LIKE_DIGITS = set("BDGIOQSZbgijloqsuyz!()/|?^$&0123456789")


def test_nothing_that_looks_like_a_digit_is_written() -> None:
    assert not LIKE_DIGITS & (set(LETTERS) | set(PRINTED))


@pytest.mark.parametrize("glyphs", [LETTERS, SYMBOLS], ids=["letters", "symbols"])
def test_glyphs_are_strokes_on_the_grid(glyphs: dict[str, str]) -> None:
    for name, text in glyphs.items():
        points = [stroke.removeprefix("~").split() for stroke in text.split("/")]
        assert all(len(stroke) >= 2 for stroke in points), name
        places = np.array(
            [[int(digit) for digit in point] for stroke in points for point in stroke]
        )
        assert places.shape[1] == 2, name
        assert np.ptp(places, axis=0).max() >= 6, name


@pytest.mark.parametrize("strokes", [LETTERS["H"], LETTERS["e"], SYMBOLS["cup"]])
@pytest.mark.parametrize("side", [64, CANVAS_SIDE, 300])
def test_strokes_at_any_size_are_the_same_drawing(strokes: str, side: int) -> None:
    for seed in range(5):
        small = draw_strokes(strokes, np.random.default_rng(seed), side)
        large = draw_strokes(strokes, np.random.default_rng(seed), 448)
        assert small.shape == (side, side)
        assert small.dtype == np.uint8
        shrunk = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
        assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.85


def test_a_straight_stroke_ends_where_its_points_say() -> None:
    """Over many hands, whose misses cancel out: from corner to corner of the grid's steps."""
    boxes = np.array(
        [
            cv2.boundingRect(draw_strokes("00 99", np.random.default_rng(seed)))
            for seed in range(200)
        ]
    )
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    np.testing.assert_allclose(middles.mean(axis=0), CANVAS_SIDE / 2, atol=1)
    # Nine steps of 7 and of 7.5 pixels on average, and the pen with its spread.
    np.testing.assert_allclose(boxes[:, 2:].mean(axis=0), [9 * 7 + 11, 9 * 7.5 + 11], atol=3)


@pytest.mark.parametrize("text", ["A", "Work", "#"])
def test_print_fits_its_canvas(text: str) -> None:
    for seed in range(12):
        ink: NDArray[np.uint8] = print_text(text, np.random.default_rng(seed))
        assert ink.max() == 255
        assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()
