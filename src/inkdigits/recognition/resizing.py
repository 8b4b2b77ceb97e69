"""Resizing of grey arrays, with OpenCV where it is installed.

NumPy alone gives the same results, up to one grey level in a few of a thousand pixels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import find_opencv

Grey = NDArray[np.uint8]

_BITS: Final = 11
"""Fractional bits of the weights in `enlarge`, as in OpenCV, so that the results are the same."""


def shrink(pixels: Grey, width: int, height: int) -> Grey:
    """Shrinks an array: each pixel is the mean of the area that it covers.

    Args:
        pixels: uint8, shape (height, width), at least 1 × 1.
        width: Columns of the result, from 1 to those of `pixels`.
        height: Rows of the result, from 1 to those of `pixels`.

    Returns:
        uint8, shape (height, width).
    """
    if (cv2 := find_opencv()) is not None:
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
    means = _average_rows(_average_rows(pixels, height).T, width).T
    return np.rint(means).astype(np.uint8)


def enlarge(pixels: Grey, width: int, height: int) -> Grey:
    """Enlarges an array with bilinear interpolation between the centres of the pixels.

    Args:
        pixels: uint8, shape (height, width), at least 1 × 1.
        width: Columns of the result, at least 1.
        height: Rows of the result, at least 1.

    Returns:
        uint8, shape (height, width).
    """
    if (cv2 := find_opencv()) is not None:
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR))
    left, right, far_left, far_right = _find_neighbours(pixels.shape[1], width)
    top, bottom, far_top, far_bottom = _find_neighbours(pixels.shape[0], height)
    values = pixels.astype(np.int32)
    # OpenCV drops four bits between the directions, so that the products fit into 32 bits.
    across = (values[:, left] * far_right + values[:, right] * far_left) >> 4
    down = (across[top] * far_bottom[:, np.newaxis]) >> 16
    down += (across[bottom] * far_top[:, np.newaxis]) >> 16
    return ((down + 2) >> 2).astype(np.uint8)


def _average_rows(values: NDArray[np.generic], n: int) -> NDArray[np.float64]:
    """Averages rows to n rows: float64, shape (n, columns)."""
    size, columns = values.shape
    sums = np.zeros((size + 1, columns))
    np.cumsum(values, axis=0, out=sums[1:])
    edges = np.arange(n + 1) * (size / n)
    whole = np.minimum(edges.astype(np.int64), size - 1)
    part = (edges - whole)[:, np.newaxis]
    up_to_edges = sums[whole] + part * (sums[whole + 1] - sums[whole])
    means: NDArray[np.float64] = np.diff(up_to_edges, axis=0) * (n / size)
    return means


def _find_neighbours(
    size: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Returns the neighbours of n evenly spaced places, and how far each place is from them.

    Args:
        size: Number of pixels.
        n: Number of places.

    Returns:
        Index of the pixel before and after each place, int64, shape (n,); and the distance of the
        place from each of them, int32, shape (n,), 0 to 2**11.
    """
    places = ((np.arange(n) + 0.5) * (size / n) - 0.5).astype(np.float32)
    before = np.floor(places)
    distances = places - before
    distances[(before < 0) | (before >= size - 1)] = 0
    first = np.clip(before.astype(np.int64), 0, size - 1)
    from_first = np.rint(distances * (1 << _BITS)).astype(np.int32)
    return first, np.minimum(first + 1, size - 1), from_first, (1 << _BITS) - from_first
