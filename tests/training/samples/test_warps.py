"""Windows with the same marks in other forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.results.alphabet import SLASH
from inkdigits.training.samples.warps import warp_windows

SIDE = 48


def _draw_bars(n: int) -> NDArray[np.float16]:
    """Upright bars, 4 pixels wide and 30 high, in the middle of a window."""
    bar = np.full((SIDE, SIDE), -0.3, np.float16)
    bar[9:39, 22:26] = 3
    return np.repeat(bar[np.newaxis], n, axis=0)


def _measure_tilts(windows: NDArray[np.float16]) -> NDArray[np.float64]:
    """Returns the slant of the bright pixels, in pixels to the right per pixel down."""
    bright = np.maximum(windows.astype(float), 0)
    places = np.arange(SIDE) - (SIDE - 1) / 2
    across = (bright * places).sum(axis=(1, 2))[:, np.newaxis, np.newaxis] / bright.sum(
        axis=(1, 2), keepdims=True
    )
    joint = bright * (places - across) * places[:, np.newaxis]
    squares = bright * places[:, np.newaxis] ** 2
    tilts: NDArray[np.float64] = joint.sum(axis=(1, 2)) / squares.sum(axis=(1, 2))
    return tilts


def test_most_windows_are_tilted_to_both_sides() -> None:
    bars = _draw_bars(300)
    warped = warp_windows(bars, np.ones(300, np.int64), np.random.default_rng(0))

    assert warped.shape == bars.shape
    assert warped.dtype == np.float16
    same = (warped == bars).all(axis=(1, 2))
    assert 0.25 < same.mean() < 0.45
    tilts = _measure_tilts(warped)
    assert tilts.min() < -0.2
    assert tilts.max() > 0.2
    assert np.abs(tilts).max() < 0.6
    assert abs(tilts.mean()) < 0.05


def test_strokes_stay_whole_and_change_in_width_and_height() -> None:
    warped = warp_windows(_draw_bars(300), np.ones(300, np.int64), np.random.default_rng(1))
    bright = warped.astype(float) > 1
    areas, heights = bright.sum(axis=(1, 2)), bright.any(axis=2).sum(axis=1)
    assert (areas > 60).all()
    assert (areas < 220).all()
    assert heights.min() < 27
    assert heights.max() > 33


@pytest.mark.parametrize("label", [1, 16])
def test_marks_whose_direction_is_their_class_change_less(label: int) -> None:
    tilts = [
        _measure_tilts(
            warp_windows(_draw_bars(300), np.full(300, each), np.random.default_rng(2))
        ).std()
        for each in (SLASH, label)
    ]
    assert tilts[0] < 0.5 * tilts[1]


def test_the_same_random_state_gives_the_same_forms() -> None:
    bars, classes = _draw_bars(4), np.arange(4)
    first, second = (warp_windows(bars, classes, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
