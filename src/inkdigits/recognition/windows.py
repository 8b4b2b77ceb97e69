"""Windows around detected boxes: the input of the judge, the reader's classifier."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.results.alphabet import COMMA, DASH, N_CLASSES, PLUS, POINT, SLASH

WINDOW_SIDE: Final = 48
"""Side of a window in pixels after resampling."""
LEAST_SIDE_PX: Final = 6
"""Minimum side of a window in pixels of the picture."""
NOISE_FLOOR: Final = 4.0
"""Grey levels added to the standard deviation, so that the noise of empty paper is not
amplified."""

LEAST_SHARE: Final = 0.3
"""Minimum longer side of a mark that fills its picture, as a fraction of the picture's longer side:
14 of the 48 pixels of a window. The detector finds smaller ones."""

_REACH: Final = 1.5
"""Side of a window as a multiple of the box's longer side: half of that side is surroundings."""


def _list_reaches() -> NDArray[np.float32]:
    reaches = np.full(N_CLASSES, _REACH, np.float32)
    # Points and dashes can only be recognised beside digits, so their windows include these.
    reaches[[POINT, COMMA, DASH, SLASH, PLUS]] = (8.0, 5.0, 3.0, 1.8, 2.0)
    return reaches


REACHES: Final = _list_reaches()
"""float32, shape (16,): side of the window as a multiple of the box's longer side, by class."""


def locate_windows(boxes: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Computes the windows of boxes.

    Args:
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        classes: int64, shape (n,): class of each box according to the detector.

    Returns:
        float32, shape (n, 3): left, top and side in pixels.
    """
    sides = np.maximum(boxes[:, 2:].max(axis=1, initial=0) * REACHES[classes], LEAST_SIDE_PX)
    corners = boxes[:, :2] + boxes[:, 2:] / 2 - sides[:, np.newaxis] / 2
    return np.concatenate([corners, sides[:, np.newaxis]], axis=1).astype(np.float32)


def locate_picture(shape: tuple[int, ...], zoom: float = 1.0) -> NDArray[np.float32]:
    """Returns the window of a whole picture.

    Args:
        shape: Height and width in pixels.
        zoom: Side of the window as a multiple of the longer of these.

    Returns:
        float32, shape (1, 3): left, top and side in pixels of the square around the picture.
    """
    height, width = shape
    side = max(max(height, width) * zoom, LEAST_SIDE_PX)
    return np.array([[(width - side) / 2, (height - side) / 2, side]], np.float32)


def crop_windows(pixels: NDArray[np.uint8], windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Crops windows, resamples them and standardises their values.

    Each pixel of a window is the mean of evenly spaced bilinear samples, at most one pixel of the
    picture apart (RoIAlign; He et al., 2017). Pixels outside the picture take the mean of the
    window's other pixels.

    Args:
        pixels: uint8, shape (height, width), grey.
        windows: float32, shape (n, 3): left, top and side in pixels, as `locate_windows` or
            `locate_picture` returns them.

    Returns:
        float32, shape (n, 48, 48): (grey - mean) / (standard deviation + 4).
    """
    cropped = np.empty((len(windows), WINDOW_SIDE, WINDOW_SIDE), np.float32)
    height, width = pixels.shape
    for window, (left, top, side) in zip(cropped, windows.tolist(), strict=True):
        n = max(int(np.ceil(side / WINDOW_SIDE)), 1)  # samples per pixel, in each direction
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
    return cropped
