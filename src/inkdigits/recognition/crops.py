"""Cutting tiles out of a picture: the ink in a detected box, binarised and framed like MNIST.

Tile networks, corrections and heat maps use these tiles. The reader itself uses the grey picture,
so it does not depend on this binarisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import frame
from inkdigits.recognition.resizing import enlarge, shrink
from inkdigits.recognition.shapes import (
    dilate,
    find_components,
    find_extent,
    find_threshold,
)

Grey = NDArray[np.uint8]

_MARGIN: Final = 0.15
"""Margin of a crop around the box, as a fraction of the box's longer side. Detected boxes are off
by less than a tenth, and the margin shows the colour of the paper."""

_MIN_MARGIN: Final = 2
"""Minimum margin in pixels, for small marks: one pixel may be the blurred edge of a stroke."""

_MAX_SIDE: Final = 112
"""Larger crops are shrunk to this, in pixels of the longer side, which averages out their noise.
The ink of a tile has 20 pixels, so more than five crop pixels remain for each."""

_PLANE_SIDE: Final = 32
"""The background plane is fitted to this many pixels along the longer side. It has three
parameters, and a thousand pixels determine them to a fraction of a grey level."""

_MIN_CONTRAST: Final = 6.0
"""Minimum contrast of ink in grey levels: JPEG and scanners change flat paper by a few of 256."""

_MIN_SEPARATION: Final = 4.0
"""Minimum contrast of ink in standard deviations of the background noise. Otsu's threshold splits
noise alone, which has a normal distribution, into halves that are 2.7 of their deviations apart."""

_NOISE_CUTOFF: Final = 2.5
"""Contrast below this many standard deviations of the noise is set to 0: one background pixel in a
hundred exceeds it."""

_FULL_QUANTILE: Final = 0.75
"""Quantile of the contrast of the ink that becomes full ink: the paler rest is the edge of a
stroke."""

_SOLID: Final = 127
"""Ink above this is solid: below it is the blurred edge of a shrunken mark."""

_SPECK: Final = 0.1
"""Components smaller than this fraction of the mark, in both directions, are specks. The bar of a
broken 5 is longer, and so is the dot of a pen as thick as a tenth of its digit."""

_ONE_AROUND: Final = np.ones((3, 3), np.bool_)
_TWO_AROUND: Final = np.ones((5, 5), np.bool_)
"""Neighbourhoods: all pixels up to one and two pixels away."""


def cut_tile(pixels: Grey, box: Sequence[float] | NDArray[np.floating]) -> Grey:
    """Cuts out the mark in a bounding box and frames it like an MNIST digit.

    Args:
        pixels: uint8, shape (height, width), grey, 0 black, 255 white; ink may be darker or
            lighter than the paper.
        box: Left, top, width and height in pixels; may reach beyond the picture.

    Returns:
        uint8, shape (28, 28), 0 background, 255 full ink; all zeros if no ink is found.
    """
    x, y, width, height = (float(value) for value in box)
    margin = max(_MARGIN * max(width, height), _MIN_MARGIN)
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
    return frame(_extract_ink(small, inside * (small.shape[1] / crop.shape[1])))


def extract_mark(pixels: Grey) -> Grey:
    """Extracts the ink of a picture of one mark, without specks and marks cut by the edge.

    Args:
        pixels: uint8, shape (height, width), grey, 0 black, 255 white.

    Returns:
        uint8, same shape, 0 background, 255 full ink; all zeros if no ink is found.
    """
    small = _shrink(pixels)
    ink = _extract_ink(small, np.array([0.0, 0.0, small.shape[1], small.shape[0]]))
    if small.shape == pixels.shape:
        return ink
    return enlarge(ink, pixels.shape[1], pixels.shape[0])


def cut_only_mark(pixels: Grey) -> Grey:
    """Cuts out the only mark of a picture, without a reader, and frames it like an MNIST digit.

    Args:
        pixels: uint8, shape (height, width), grey, 0 black, 255 white.

    Returns:
        As `cut_tile`.
    """
    # The crop around the mark has a higher resolution than the whole picture, which is shrunk.
    ink = extract_mark(pixels)
    return cut_tile(pixels, find_extent((ink > _SOLID).view(np.uint8)))


def _shrink(crop: Grey) -> Grey:
    height, width = crop.shape
    scale = _MAX_SIDE / max(height, width)
    if scale >= 1:
        return crop
    return shrink(crop, max(round(width * scale), 1), max(round(height * scale), 1))


def _extract_ink(crop: Grey, box: NDArray[np.floating]) -> Grey:
    """Extracts the ink of the mark in a crop. The box is in pixels of the crop."""
    values = crop.astype(np.float32)
    if not _has_dark_ink(crop):
        values = 255 - values
    contrast = _subtract_background(values)
    threshold, foreground = _binarise(contrast)
    if not foreground.any() or foreground.all():
        return np.zeros(crop.shape, np.uint8)
    full = float(np.quantile(contrast[foreground], _FULL_QUANTILE))
    noise = _measure_noise(contrast[~foreground])
    if full < _MIN_CONTRAST or full < _MIN_SEPARATION * noise:
        return np.zeros(crop.shape, np.uint8)
    empty = min(_NOISE_CUTOFF * noise, threshold)
    levels = np.clip((contrast - empty) / (full - empty), 0, 1)
    return np.where(_find_mark(foreground, box), np.rint(255 * levels), 0).astype(np.uint8)


def _has_dark_ink(crop: Grey) -> bool:
    """Whether the border of a crop, which is mostly paper, is lighter than the other pixels."""
    threshold = find_threshold(crop)
    border = np.concatenate([crop[0], crop[-1], crop[:, 0], crop[:, -1]])
    n_light = int(np.count_nonzero(border > threshold))
    if 2 * n_light == border.size:  # undecided: ink covers less of the crop than paper
        return bool(2 * np.count_nonzero(crop > threshold) >= crop.size)
    return 2 * n_light > int(border.size)


def _subtract_background(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtracts each pixel from the brightness of the paper, which is modelled as a plane.

    The plane is fitted to the background according to Otsu's threshold (1979). This is done twice,
    because uneven light affects the first threshold.

    Args:
        values: float32, shape (height, width), 0 to 255, ink darker than paper.

    Returns:
        float32, same shape: how much darker each pixel is than the paper, in grey levels.
    """
    every = (slice(None, None, max(max(values.shape) // _PLANE_SIDE, 1)),) * 2
    rows, columns = (np.arange(side, dtype=np.float32) for side in values.shape)
    few = np.ones((*values[every].shape, 3), np.float32)
    few[..., 1] = rows[every[0], np.newaxis]
    few[..., 2] = columns[every[1]]
    contrast = 255 - values
    for _ in range(2):
        _, foreground = _binarise(contrast)
        paper = ~foreground[every]
        if np.count_nonzero(paper) < few.shape[-1]:
            break
        fitted = np.linalg.lstsq(few[paper], values[every][paper], rcond=None)[0]
        light, down, across = (float(number) for number in fitted)
        contrast = (light + down * rows)[:, np.newaxis] + across * columns - values
    return contrast


def _binarise(contrast: NDArray[np.float32]) -> tuple[float, NDArray[np.bool_]]:
    """Returns Otsu's threshold (1979) in grey levels, and the mask of the foreground.

    Args:
        contrast: float32, shape (height, width), in grey levels.
    """
    lowest, highest = float(contrast.min()), float(contrast.max())
    if highest <= lowest:
        return highest, np.zeros(contrast.shape, np.bool_)
    step = (highest - lowest) / 255
    levels = np.rint((contrast - lowest) / step).astype(np.uint8)
    threshold = find_threshold(levels)
    return lowest + threshold * step, levels > threshold


def _measure_noise(background: NDArray[np.float32]) -> float:
    """Estimates the standard deviation of the background by its median absolute deviation.

    Unlike the standard deviation itself, it is robust against the blurred edges of strokes.
    """
    return 1.4826 * float(np.median(np.abs(background - np.median(background))))


def _find_mark(foreground: NDArray[np.bool_], box: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns the mask of the mark, including the pale fringe of its strokes.

    The connected component with most ink inside the box belongs to the mark. So do the others,
    unless they are specks, or touch the edge of the crop and lie mostly outside the box.
    """
    height, width = foreground.shape
    components = find_components(foreground)
    labels, n = components.labels, 1 + len(components.areas)
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    within = labels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    inside = np.bincount(within.ravel(), minlength=n)[1:]
    main = int(inside.argmax()) if inside.any() else int(components.areas.argmax())
    starts, sizes = components.boxes[:, :2], components.boxes[:, 2:]
    ends = starts + sizes
    touches = (starts <= 0).any(axis=1) | (ends >= [width, height]).any(axis=1)
    fills_crop = right - left >= width and bottom - top >= height
    is_outside = 2 * inside < components.areas
    is_neighbour = touches & (is_outside | fills_crop)
    is_speck = sizes.max(axis=1) < _SPECK * sizes[main].max()
    kept = np.concatenate([[False], ~(is_neighbour | is_speck)])
    kept[1 + main] = True
    dropped = foreground & ~kept[labels]
    mark = foreground & kept[labels]
    # The fringe around a stroke is paler than the threshold. That of a dropped component is
    # dropped.
    around = dilate(mark.view(np.uint8), _TWO_AROUND).view(np.bool_)
    beside = dilate(dropped.view(np.uint8), _ONE_AROUND).view(np.bool_)
    fringed: NDArray[np.bool_] = mark | (around & ~beside)
    return fringed
