"""Shapes in ink and masks: extent, centre, components, distances, dilation and erosion.

OpenCV computes them where it is installed. NumPy gives the same results: `tests/recognition/`
compares them, and `measurements/install_size.py` measures how much longer it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import find_opencv

Ink = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_STRAIGHT: Final = 62587
_DIAGONAL: Final = 89738
"""Length of a step to a neighbouring pixel, times 2**16: 0.955 and 1.3693 (Borgefors, 1986)."""
_FAR: Final = 1 << 30


@dataclass(frozen=True)
class Components:
    """The connected components of a mask; diagonal neighbours are connected.

    Attributes:
        labels: integers, shape (height, width): 0 background, 1 to n the component.
        boxes: integers, shape (n, 4): left, top, width, height in pixels.
        areas: integers, shape (n,): number of pixels.
    """

    labels: NDArray[np.integer]
    boxes: NDArray[np.integer]
    areas: NDArray[np.integer]


def find_extent(ink: Ink) -> tuple[int, int, int, int]:
    """Returns left, top, width and height of the pixels that are not 0; zeros if all are 0.

    Args:
        ink: uint8, shape (height, width).
    """
    if (cv2 := find_opencv()) is not None:
        left, top, width, height = cv2.boundingRect(ink)
        return left, top, width, height
    rows = np.flatnonzero(ink.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    columns = np.flatnonzero(ink.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def find_centre(ink: Ink) -> tuple[float, float]:
    """Returns column and row of the centre of mass, measured from the centre of the first pixel.

    Without ink, it is the centre of the array.

    Args:
        ink: uint8, shape (height, width).
    """
    height, width = ink.shape
    if (cv2 := find_opencv()) is not None:
        moments = cv2.moments(ink)
        mass, across, down = moments["m00"], moments["m10"], moments["m01"]
    else:
        columns, rows = ink.sum(axis=0, dtype=np.int64), ink.sum(axis=1, dtype=np.int64)
        mass = int(rows.sum())
        across, down = int(columns @ np.arange(width)), int(rows @ np.arange(height))
    if mass == 0:
        return (width - 1) / 2, (height - 1) / 2
    return across / mass, down / mass


def find_threshold(values: Ink) -> int:
    """Returns the threshold of Otsu (1979): the values above it differ most from the others.

    Args:
        values: uint8, shape (height, width).
    """
    if (cv2 := find_opencv()) is not None:
        return int(cv2.threshold(values, 0, 255, cv2.THRESH_OTSU)[0])
    counts = np.bincount(values.ravel(), minlength=256)[:-1]
    n_below = np.cumsum(counts)
    sum_below = np.cumsum(counts * np.arange(255))
    n, total = values.size, int(values.sum(dtype=np.int64))
    # The variance between the two classes, times n**3. OpenCV takes one of equal maxima, and the
    # first one separates the same values, unless these are few.
    apart = n_below * (n - n_below)
    separation = np.square(sum_below * float(n) - total * n_below.astype(float)) / np.maximum(
        apart, 1
    )
    return int(separation.argmax())


def pad(ink: Ink, margin: int) -> Ink:
    """Returns the ink with `margin` pixels of background, 0, on each side."""
    height, width = ink.shape
    padded = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    padded[margin : margin + height, margin : margin + width] = ink
    return padded


@cache
def build_ellipse(side: int) -> Mask:
    """Returns the mask of a disc, also of an even side: bool, shape (side, side), read-only."""
    centre = side // 2
    ellipse = np.zeros((side, side), np.bool_)
    for row in range(side):
        down = row - centre
        reach = round(float(np.sqrt(centre * centre - down * down)))
        ellipse[row, max(centre - reach, 0) : centre + reach + 1] = True
    ellipse.flags.writeable = False
    return ellipse


def dilate(ink: Ink, kernel: Mask) -> Ink:
    """Replaces each pixel by the maximum under the kernel.

    Args:
        ink: uint8, shape (height, width). Nothing outside counts.
        kernel: bool, shape (rows, columns), with its centre at rows // 2 and columns // 2.
    """
    if (cv2 := find_opencv()) is not None:
        return np.asarray(cv2.dilate(ink, kernel.astype(np.uint8)))
    height, width = ink.shape
    padded, dilated = _surround(ink, kernel, 0), np.zeros_like(ink)
    for row, column in np.argwhere(kernel).tolist():
        np.maximum(dilated, padded[row : row + height, column : column + width], out=dilated)
    return dilated


def erode(ink: Ink, kernel: Mask) -> Ink:
    """Replaces each pixel by the minimum under the kernel; arguments as in `dilate`."""
    if (cv2 := find_opencv()) is not None:
        return np.asarray(cv2.erode(ink, kernel.astype(np.uint8)))
    height, width = ink.shape
    padded, eroded = _surround(ink, kernel, 255), np.full_like(ink, 255)
    for row, column in np.argwhere(kernel).tolist():
        np.minimum(eroded, padded[row : row + height, column : column + width], out=eroded)
    return eroded


def _surround(ink: Ink, kernel: Mask, value: int) -> Ink:
    """Returns the ink with a margin of a value, as wide as the kernel reaches."""
    (rows, columns), (height, width) = kernel.shape, ink.shape
    padded = np.full((height + rows - 1, width + columns - 1), value, np.uint8)
    padded[rows // 2 : rows // 2 + height, columns // 2 : columns // 2 + width] = ink
    return padded


def measure_distances(mask: Mask) -> NDArray[np.float32]:
    """Measures the distance of each pixel from the nearest background pixel.

    A step to one of the four direct neighbours counts 0.955 pixels, a diagonal step 1.3693, so that
    distances differ from Euclidean ones by less than a twentieth (Borgefors, 1986).

    Args:
        mask: bool, shape (height, width). What is outside does not count as background.

    Returns:
        float32, same shape, in pixels: 0 in the background, about 16,000 if there is none.
    """
    if (cv2 := find_opencv()) is not None:
        return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3))
    height, width = mask.shape
    steps = np.full((height + 2, width + 2), _FAR, np.int32)
    inner = steps[1:-1, 1:-1]
    inner[~mask] = 0
    while True:
        # Values two columns apart give the diagonal neighbours of the lines above and below.
        beside = np.minimum(steps[:, :-2], steps[:, 2:])
        diagonal = np.minimum(beside[:-2], beside[2:]) + _DIAGONAL
        straight = np.minimum(steps[:-2, 1:-1], steps[2:, 1:-1])
        np.minimum(straight, beside[1:-1], out=straight)
        straight += _STRAIGHT
        nearest = np.minimum(np.minimum(straight, diagonal), inner)
        if np.array_equal(nearest, inner):
            return (inner * np.float32(2**-16)).astype(np.float32)
        inner[:] = nearest


def find_components(mask: Mask) -> Components:
    """Finds the connected components of a mask, from its runs of pixels in each row."""
    if (cv2 := find_opencv()) is not None:
        _, labels, rows, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
        return Components(labels, rows[1:, : cv2.CC_STAT_AREA], rows[1:, cv2.CC_STAT_AREA])
    height, width = mask.shape
    flat = np.zeros((height, width + 2), np.int8)  # runs end before the next row begins
    flat[:, 1:-1] = mask
    changes = np.diff(flat.ravel(), append=np.int8(0))
    starts, ends = np.flatnonzero(changes == 1) + 1, np.flatnonzero(changes == -1) + 1
    # In the row above, the runs that reach to a diagonal neighbour or beyond.
    above = width + 2
    first = np.searchsorted(ends, starts - above).tolist()
    last = np.searchsorted(starts, ends - above, side="right").tolist()
    roots = list(range(len(starts)))

    def find_root(run: int) -> int:
        while roots[run] != run:
            roots[run] = roots[roots[run]]
            run = roots[run]
        return run

    for run, (begin, end) in enumerate(zip(first, last, strict=True)):
        for other in range(begin, end):
            one, another = find_root(run), find_root(other)
            roots[max(one, another)] = min(one, another)
    roots_of_runs = np.array([find_root(run) for run in range(len(starts))], np.int64)
    _, components = np.unique(roots_of_runs, return_inverse=True)
    n = int(components.max(initial=-1)) + 1

    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = 1 + np.repeat(components, ends - starts)
    rows, lefts = np.divmod(starts, width + 2)
    corners = np.full((n, 2), max(height, width) + 2)
    far_corners = np.zeros((n, 2), np.int64)
    np.minimum.at(corners, components, np.stack([lefts - 1, rows], axis=1))
    np.maximum.at(far_corners, components, np.stack([lefts - 1 + ends - starts, rows + 1], axis=1))
    areas = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    return Components(labels, np.concatenate([corners, far_corners - corners], axis=1), areas)
