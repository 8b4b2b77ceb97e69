from __future__ import annotations

import cv2
import numpy as np
import pytest

from inkdigits.synthesis.canvas import (
    CANVAS_SIDE,
    LINE_SPREAD_PX,
    crop,
    draw_line,
    fit_canvas,
    list_places,
    make_canvas,
    smooth_curve,
)


@pytest.mark.parametrize(
    ("width_px", "expected"),
    [(0.2, 1.3), (1, 1.3), (5.2, 5 + LINE_SPREAD_PX), (9, 9 + LINE_SPREAD_PX)],
)
def test_lines_are_as_wide_and_as_strong_as_said(width_px: float, expected: int) -> None:
    canvas = make_canvas()
    draw_line(canvas, np.array([(20.0, 10.0), (20.0, 100.0)]), width_px, value=200)
    assert 180 <= canvas.max() <= 200  # a hairline's ink is spread over three pixels
    # Antialiased edges count with their share of the ink.
    assert canvas[50].sum() / 200 == pytest.approx(expected, abs=0.2)
    assert abs(np.average(np.arange(CANVAS_SIDE), weights=canvas[50]) - 20) < 0.6


def test_curves_go_through_their_points_and_straight_ones_stay_straight() -> None:
    points = np.random.default_rng(0).uniform(0, 99, (6, 2))
    curve = smooth_curve(points)
    assert len(curve) == 8 * 5 + 1
    np.testing.assert_allclose(curve[::8], points)
    on_a_line = smooth_curve(np.array([(0.0, 0.0), (10.0, 5.0), (20.0, 10.0), (30.0, 15.0)]))
    np.testing.assert_allclose(on_a_line[:, 1], on_a_line[:, 0] / 2, atol=1e-9)


@pytest.mark.parametrize("shape", [(7, 3), (200, 31), (80, 80), (1, 300)])
def test_ink_is_fitted_into_the_middle(shape: tuple[int, int]) -> None:
    ink = np.zeros((320, 340), np.uint8)
    ink[5 : 5 + shape[0], 9 : 9 + shape[1]] = 255
    assert crop(ink).shape == shape
    fitted = fit_canvas(ink)
    column, row, width, height = cv2.boundingRect(fitted)
    assert max(width, height) == 80
    assert width / height == pytest.approx(
        max(80 * shape[1] / max(shape), 1) / max(80 * shape[0] / max(shape), 1), rel=0.05
    )
    assert abs(column + width / 2 - CANVAS_SIDE / 2) <= 1
    assert abs(row + height / 2 - CANVAS_SIDE / 2) <= 1


def test_places_are_those_of_the_pixels() -> None:
    places = list_places()
    assert places.shape == (CANVAS_SIDE, CANVAS_SIDE, 2)
    assert places[3, 100].tolist() == [100, 3]
