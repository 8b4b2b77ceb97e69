"""Windows around detected boxes, as the judge of the reader sees them."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import COMMA, DASH, N_CLASSES, PLUS, POINT, SLASH

WINDOW_SIDE: Final = 48
"""Side of a window in pixels, after resampling."""
LEAST_SIDE_PX: Final = 6
"""Least side of a window in pixels of the picture."""
NOISE_FLOOR: Final = 4.0
"""Grey levels added to the standard deviation, so that bare paper does not become strokes."""

_REACH: Final = 1.5
"""Side of a window in longer sides of the box: half a digit's width of what is around it."""


def _list_reaches() -> NDArray[np.float32]:
    reaches = np.full(N_CLASSES, _REACH, np.float32)
    # A point or a dash is what it is beside digits, so their windows show what stands there.
    reaches[[POINT, COMMA, DASH, SLASH, PLUS]] = (8.0, 5.0, 3.0, 1.8, 2.0)
    return reaches


REACHES: Final = _list_reaches()
"""float32, shape (16,): side of the window in longer sides of the box, for each class."""


def locate_windows(boxes: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where the windows of boxes lie: left, top and side in pixels, float32 of shape (n, 3).

    Args:
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        classes: int64, shape (n,): what the detector takes each for.
    """
    sides = np.maximum(boxes[:, 2:].max(axis=1, initial=0) * REACHES[classes], LEAST_SIDE_PX)
    corners = boxes[:, :2] + boxes[:, 2:] / 2 - sides[:, np.newaxis] / 2
    return np.concatenate([corners, sides[:, np.newaxis]], axis=1).astype(np.float32)


def crop_windows(
    pixels: NDArray[np.uint8], boxes: NDArray[np.float32], classes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cuts the windows of boxes, resampled and standardised.

    Each pixel of a window is the mean of as many bilinear samples of the picture, evenly spread
    over it, as make their distance at most one pixel (RoIAlign; He et al., 2017). What lies outside
    the picture takes the mean of the rest of the window.

    Args:
        pixels: uint8, shape (height, width), grey.
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        classes: int64, shape (n,): what the detector takes each for.

    Returns:
        float32, shape (n, 48, 48): (grey - mean) / (standard deviation + 4).
    """
    windows = np.empty((len(boxes), WINDOW_SIDE, WINDOW_SIDE), np.float32)
    height, width = pixels.shape
    for window, (left, top, side) in zip(
        windows, locate_windows(boxes, classes).tolist(), strict=True
    ):
        n = max(int(np.ceil(side / WINDOW_SIDE)), 1)  # samples for each pixel, each way
        step = side / (WINDOW_SIDE * n)
        columns = left + (np.arange(WINDOW_SIDE * n) + 0.5) * step
        rows = top + (np.arange(WINDOW_SIDE * n) + 0.5) * step
        map_x = np.clip(columns - 0.5, 0, width - 1).astype(np.float32)
        map_y = np.clip(rows - 0.5, 0, height - 1).astype(np.float32)
        sampled = cv2.remap(
            pixels,
            np.broadcast_to(map_x, (len(rows), len(columns))).copy(),
            np.broadcast_to(map_y[:, np.newaxis], (len(rows), len(columns))).copy(),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        if n > 1:
            shape = (WINDOW_SIDE, n, WINDOW_SIDE, n)
            sampled = sampled.reshape(shape).mean(axis=(1, 3))
        middles_x = left + (np.arange(WINDOW_SIDE) + 0.5) * side / WINDOW_SIDE
        middles_y = top + (np.arange(WINDOW_SIDE) + 0.5) * side / WINDOW_SIDE
        inside_x = (middles_x >= 0) & (middles_x < width)
        inside_y = (middles_y >= 0) & (middles_y < height)
        inside = np.outer(inside_y, inside_x)
        if not inside.all():
            sampled[~inside] = sampled[inside].mean() if inside.any() else 0
        window[:] = (sampled - sampled.mean()) / (sampled.std() + NOISE_FLOOR)
    return windows
