"""The tile of a mark: what lies in a detected box, as light ink on nothing, framed as MNIST is.

Tile networks, corrections and heat maps look at such tiles. The reader itself looks at the grey
picture, so that nothing that is lost here is lost to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import frame
from inkdigits.recognition.quantiles import quantile

Grey = NDArray[np.uint8]

_MARGIN: Final = 0.15
"""Of paper around the box, as a share of its longer side: detected boxes are off by less than a
tenth, and the colour of the paper is looked for there."""

_LEAST_MARGIN: Final = 2
"""Pixels of paper around the box of a small mark: one may be a stroke's blurred edge."""

_WORKING_SIDE: Final = 112
"""Larger crops are shrunk to this, in pixels of the longer side, which averages their grain away:
a tile's ink has 20 pixels, so five for each remain."""

_PLANE_SIDE: Final = 32
"""The plane of the paper's light is fitted to so many pixels along the longer side: it has three
numbers, and a thousand pixels tell them to a fraction of a grey level."""

_LEAST_CONTRAST: Final = 6.0
"""Grey levels between paper and ink: JPEG and scanners change flat paper by a few of 256."""

_LEAST_SEPARATION: Final = 4.0
"""Standard deviations of the paper's grain between paper and ink. Otsu's threshold parts a normal
distribution, which is grain alone, into halves that are 2.7 of their deviations apart."""

_GRAIN_CUT: Final = 2.5
"""Standard deviations of the paper's grain that are cut off: one pixel in a hundred has more."""

_FULL: Final = 0.75
"""Quantile of the ink's strengths from which on it is full: the paler rest is a stroke's edge."""

_SPECK: Final = 0.1
"""Parts of ink smaller than this share of the mark, both ways, are specks: the bar of a broken 5
is longer, and so is the dot of a pen as thick as a tenth of its digit."""


def cut_tile(pixels: Grey, box: Sequence[float] | NDArray[np.floating]) -> Grey:
    """Cut out the mark in a box and frame it as MNIST frames its digits.

    Args:
        pixels: uint8, shape (height, width), grey, 0 black, 255 white; ink may be darker or
            lighter than the paper.
        box: Left, top, width and height in pixels of the picture; may reach beyond it.

    Returns:
        uint8, shape (28, 28), 0 background, 255 full ink; all zeros where nothing stands out.
    """
    x, y, width, height = (float(value) for value in box)
    margin = max(_MARGIN * max(width, height), _LEAST_MARGIN)
    rows, columns = (
        slice(max(int(start - margin), 0), max(min(int(np.ceil(end + margin)), side), 0))
        for start, end, side in (
            (y, y + height, pixels.shape[0]),
            (x, x + width, pixels.shape[1]),
        )
    )
    crop = pixels[rows, columns]
    if crop.size == 0:
        return frame(np.zeros((1, 1), np.uint8))
    inside = np.array([x - columns.start, y - rows.start, width, height])
    small = _shrink(crop)
    return frame(_extract(small, inside * (small.shape[1] / crop.shape[1])))


def extract_mark(pixels: Grey) -> Grey:
    """The ink of a picture that shows one mark, without specks and without what its edge cuts.

    Args:
        pixels: uint8, shape (height, width), grey, 0 black, 255 white.

    Returns:
        uint8, same shape, 0 paper, 255 full ink; all zeros where nothing stands out.
    """
    small = _shrink(pixels)
    ink = _extract(small, np.array([0.0, 0.0, small.shape[1], small.shape[0]]))
    if small.shape == pixels.shape:
        return ink
    size = (pixels.shape[1], pixels.shape[0])
    return _as_bytes(cv2.resize(ink, size, interpolation=cv2.INTER_LINEAR))


def _shrink(crop: Grey) -> Grey:
    height, width = crop.shape
    scale = _WORKING_SIDE / max(height, width)
    if scale >= 1:
        return crop
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return _as_bytes(cv2.resize(crop, size, interpolation=cv2.INTER_AREA))


def _extract(crop: Grey, box: NDArray[np.floating]) -> Grey:
    """Ink of the mark in a crop whose box is given in the crop's pixels."""
    values = crop.astype(np.float32)
    if not _has_dark_ink(crop):
        values = 255 - values
    strengths = _flatten(values)
    threshold, is_ink = _split(strengths)
    if not is_ink.any() or is_ink.all():
        return np.zeros(crop.shape, np.uint8)
    full = quantile(strengths[is_ink], _FULL)
    grain = _measure_deviation(strengths[~is_ink])
    if full < _LEAST_CONTRAST or full < _LEAST_SEPARATION * grain:
        return np.zeros(crop.shape, np.uint8)
    empty = min(_GRAIN_CUT * grain, threshold)
    levels = np.clip((strengths - empty) / (full - empty), 0, 1)
    return np.where(_find_mark(is_ink, box), np.rint(255 * levels), 0).astype(np.uint8)


def _has_dark_ink(crop: Grey) -> bool:
    """Whether the border of a crop is lighter than what differs from it: the border is paper."""
    threshold = cv2.threshold(crop, 0, 255, cv2.THRESH_OTSU)[0]
    border = np.concatenate([crop[0], crop[-1], crop[:, 0], crop[:, -1]])
    n_light = int(np.count_nonzero(border > threshold))
    if 2 * n_light == border.size:  # as much of both: ink is what there is less of
        return bool(2 * np.count_nonzero(crop > threshold) >= crop.size)
    return 2 * n_light > int(border.size)


def _flatten(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much darker each pixel is than the paper there, whose light is taken for a plane.

    The plane is fitted to what Otsu's threshold (1979) leaves as paper; twice, as the first
    threshold is that of a picture with uneven light.

    Args:
        values: float32, shape (height, width), 0 to 255, ink darker than paper.

    Returns:
        float32, same shape, in grey levels; about 0 for paper.
    """
    rows, columns = np.indices(values.shape, np.float32)
    every = (slice(None, None, max(max(values.shape) // _PLANE_SIDE, 1)),) * 2
    grid = np.stack([np.ones(values.shape, np.float32), rows, columns], axis=-1)
    few = grid[every]
    strengths = 255 - values
    for _ in range(2):
        _, is_ink = _split(strengths)
        paper = ~is_ink[every]
        if np.count_nonzero(paper) < few.shape[-1]:
            break
        fitted = np.linalg.lstsq(few[paper], values[every][paper], rcond=None)[0]
        light, down, across = (float(number) for number in fitted)
        strengths = light + down * rows + across * columns - values
    return strengths


def _split(strengths: NDArray[np.float32]) -> tuple[float, NDArray[np.bool_]]:
    """Otsu's threshold (1979) between paper and ink, and where ink is.

    Args:
        strengths: float32, shape (height, width), in grey levels.
    """
    lowest, highest = float(strengths.min()), float(strengths.max())
    if highest <= lowest:
        return highest, np.zeros(strengths.shape, np.bool_)
    step = (highest - lowest) / 255
    levels = np.rint((strengths - lowest) / step).astype(np.uint8)
    threshold = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0]
    return lowest + threshold * step, levels > threshold


def _measure_deviation(paper: NDArray[np.float32]) -> float:
    """Standard deviation of the paper, by its median absolute deviation: strokes have edges."""
    return 1.4826 * quantile(np.abs(paper - quantile(paper, 0.5)), 0.5)


def _find_mark(is_ink: NDArray[np.bool_], box: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where the mark and the fringe of its strokes are.

    The part with most ink inside the box is the mark's; others belong to it unless they are
    specks, or touch the edge of the crop and lie outside the box for the greater part.
    """
    height, width = is_ink.shape
    n, labels, stats, _ = cv2.connectedComponentsWithStats(is_ink.astype(np.uint8), connectivity=8)
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    within = labels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    inside = np.bincount(within.ravel(), minlength=n)[1:]
    stats = stats[1:]
    main = int(inside.argmax()) if inside.any() else int(stats[:, cv2.CC_STAT_AREA].argmax())
    starts, sizes = stats[:, :2], stats[:, 2:4]
    ends = starts + sizes
    touches = (starts <= 0).any(axis=1) | (ends >= [width, height]).any(axis=1)
    fills_crop = right - left >= width and bottom - top >= height
    is_outside = 2 * inside < stats[:, cv2.CC_STAT_AREA]
    is_neighbour = touches & (is_outside | fills_crop)
    is_speck = sizes.max(axis=1) < _SPECK * sizes[main].max()
    kept = np.concatenate([[False], ~(is_neighbour | is_speck)])
    kept[1 + main] = True
    dropped = is_ink & ~kept[labels]
    mark = is_ink & kept[labels]
    # The fringe of a stroke is paler than ink and lies around it; a neighbour's stays with it.
    around = cv2.dilate(mark.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2)
    beside = cv2.dilate(dropped.astype(np.uint8), np.ones((3, 3), np.uint8))
    fringed: NDArray[np.bool_] = mark | (around.astype(np.bool_) & ~beside.astype(np.bool_))
    return fringed


def _as_bytes(values: NDArray[np.generic] | cv2.typing.MatLike) -> Grey:
    return np.asarray(values, np.uint8)
