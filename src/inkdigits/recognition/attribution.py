"""Occlusion maps: how much each part of a tile contributes to its classification.

The method is that of Zeiler and Fergus (2014). It only calls the network, so it works with any
model format.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

COVER = 5  # side of the square in pixels: wider than a stroke


def compute_occlusion(
    tile: NDArray[np.uint8],
    classify: Classify,
    digit: int,
    *,
    cover: int = COVER,
    step: int = 1,
    n_classes: int = 10,
) -> NDArray[np.float32]:
    """Computes how much the probability of a digit drops when part of its tile is covered.

    Args:
        tile: uint8, shape (28, 28), 0 background, 255 full ink.
        classify: Takes tiles of shape (n, 28, 28) and returns probabilities, float32, shape
            (n, 10), such as `Recognizer.classify`; or of other classes than digits.
        digit: The digit whose probability is measured, 0 to 9; of other classes, the label.
        cover: Height and width of the covering square in pixels; odd.
        step: Distance between two positions of the square in pixels, in both directions. Pixels in
            between are interpolated linearly. A step of 3 is about nine times as fast as 1.
        n_classes: Number of classes, ten for digits.

    Returns:
        float32, shape (28, 28), -1 to 1: the drop when the square is centred on that pixel. It is
        negative where the digit becomes more likely, and 0 where the square covers no ink.

    Raises:
        UsageError: The digit is not 0 to 9, the cover is even or less than 1, or the step is less
            than 1.
    """
    if not 0 <= digit < n_classes:
        raise UsageError(f"invalid digit {digit}: expected 0 to {n_classes - 1}")
    if cover < 1 or cover % 2 == 0:
        raise UsageError(f"invalid cover {cover}: expected an odd number of pixels")
    if step < 1:
        raise UsageError(f"invalid step {step}: expected at least 1 pixel")
    reach = cover // 2
    drops = np.zeros(tile.shape, np.float32)
    # At other positions the square covers no ink, so the network is not called.
    touches = _dilate(tile > 0, reach)
    places = np.zeros_like(touches)
    places[::step, ::step] = touches[::step, ::step]
    rows, columns = np.nonzero(places)
    if not len(rows):
        return drops
    covered = np.repeat(tile[np.newaxis], len(rows) + 1, axis=0)  # the last one is not covered
    for one, row, column in zip(covered[:-1], rows, columns, strict=True):
        one[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = 0
    probabilities = classify(covered)[:, digit]
    drops[rows, columns] = probabilities[-1] - probabilities[:-1]
    if step > 1:
        drops = np.where(touches, _interpolate(drops[::step, ::step], tile.shape, step), 0)
    return drops.astype(np.float32)


def _interpolate(
    values: NDArray[np.float32], shape: tuple[int, ...], step: int
) -> NDArray[np.float64]:
    """Interpolates values at every `step`-th row and column linearly to all pixels of a shape."""
    rows, columns = (np.arange(side) for side in shape)
    wide = np.array([np.interp(columns, columns[::step], row) for row in values])
    return np.array([np.interp(rows, rows[::step], column) for column in wide.T]).T


def _dilate(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Dilates a mask by a square that reaches this many pixels in each direction."""
    padded = np.pad(mask, reach)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
    return np.asarray(windows.any(axis=(2, 3)))
