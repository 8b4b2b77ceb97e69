"""Targets of the detector: which outputs it is trained to give for a drawn page."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.results.alphabet import DIGITS, N_CLASSES
from inkdigits.synthesis.pages import PAGE_SIDE, DrawnPage
from inkdigits.training.networks.reader_networks import N_HEATMAPS, STRIDE

READABLE_PX: Final = (12, 128)
"""Shortest and longest digits that the detector finds at one scale, by their longer side. The
reader's pyramid halves the scale between levels, so each digit is well within this range at two
levels."""
TINY_PX: Final = 3
"""Smaller digits look like specks, and are not targets of "too small to read" either."""
_BEYOND: Final = 1.35
"""Marks larger than this times the largest size count as background at this scale, because only
single strokes of them are seen. Marks between the two sizes have weight 0: they are found at the
next level."""
_MOST_ENLARGED: Final = 4
"""Largest enlargement, as that of 28 x 28 tiles in the reader's graph."""
_SPREAD: Final = 0.09
_LEAST_SPREAD: Final = 0.7
"""Standard deviation of the Gaussian around a centre: `_SPREAD` times the longer side, but at least
`_LEAST_SPREAD` cells. As in CenterNet, a box with a centre that far off still has an overlap of 0.7
with the true box."""

# Channels of the targets, after the heatmaps.
WEIGHT: Final = N_HEATMAPS
BOX: Final = slice(N_HEATMAPS + 1, N_HEATMAPS + 5)
CENTRE: Final = N_HEATMAPS + 5
N_TARGETS: Final = N_HEATMAPS + 6


def frame_page(page: DrawnPage, random: np.random.Generator) -> DrawnPage:
    """Places a cropped page at random on a square of `PAGE_SIDE` pixels, and repeats its edges.

    Half of the pages that fit are enlarged before. The reader's graph does both, too: it enlarges
    small pictures and repeats the edges of all pictures.

    Args:
        page: A page of at most `PAGE_SIDE` pixels along each side; a full square is returned
            unchanged.
        random: Source of all random numbers.
    """
    if page.picture.shape == (PAGE_SIDE, PAGE_SIDE):
        return page
    page = _enlarge(page, random)
    height, width = page.picture.shape
    top = int(random.integers(PAGE_SIDE - height + 1))
    left = int(random.integers(PAGE_SIDE - width + 1))
    bottom, right = PAGE_SIDE - height - top, PAGE_SIDE - width - left
    picture = np.pad(page.picture, ((top, bottom), (left, right)), mode="edge")
    offset = np.array([left, top, 0, 0], np.float32)
    return replace(page, picture=picture, boxes=page.boxes + offset)


def _enlarge(page: DrawnPage, random: np.random.Generator) -> DrawnPage:
    """Enlarges a page at random, while it fits and its marks stay within `READABLE_PX`."""
    height, width = page.picture.shape
    tallest = float(page.boxes[:, 2:].max(initial=READABLE_PX[0]))
    most = min(PAGE_SIDE / max(height, width), READABLE_PX[1] / tallest, _MOST_ENLARGED)
    if most <= 1 or random.random() < 0.5:
        return page
    factor = float(np.exp(random.uniform(0, np.log(most))))
    size = (int(width * factor), int(height * factor))
    scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    picture = cv2.resize(page.picture, size, interpolation=cv2.INTER_LINEAR)
    return replace(
        page,
        picture=picture.astype(np.uint8, copy=False),
        boxes=page.boxes * scale,
        heights=page.heights * scale[1],
    )


def build_targets(page: DrawnPage) -> NDArray[np.float16]:
    """Builds the targets of the detector for a square page.

    Returns:
        float16, shape (side / 4, side / 4, 23). The channels are: a heatmap per class and one for
        writing too small to read, 1 at a centre and falling to 0 around it; the weight of cells
        without a mark, 0 where the truth is unclear; offset (x, y) and logarithms of the width and
        height of the box; and 1 at the centre of each mark.
    """
    side = page.picture.shape[0] // STRIDE
    targets = np.zeros((side, side, N_TARGETS), np.float32)
    targets[..., WEIGHT] = 1
    least, most = READABLE_PX
    for box, label, height_px, sure in zip(
        page.boxes.tolist(),
        page.labels.tolist(),
        page.heights.tolist(),
        page.sure.tolist(),
        strict=True,
    ):
        x, y, width, height = box
        longer = max(width, height) if label < len(DIGITS) else max(width, height, height_px)
        centre = ((x + width / 2) / STRIDE, (y + height / 2) / STRIDE)
        spread = max(_SPREAD * max(width, height) / STRIDE, _LEAST_SPREAD)
        if longer < least or longer > most or not sure:
            if longer <= _BEYOND * most:
                reach = max(width, height) / STRIDE / 3
                _bump(targets[..., WEIGHT], centre, max(reach, 1.0), erase=True)
            if sure and TINY_PX <= longer < least and label < len(DIGITS):
                _bump(targets[..., N_CLASSES], centre, 1.0)
            continue
        _bump(targets[..., label], centre, spread)
        column, row = int(centre[0]), int(centre[1])
        if 0 <= column < side and 0 <= row < side:
            targets[row, column, label] = 1
            targets[row, column, CENTRE] = 1
            targets[row, column, BOX] = (
                centre[0] - column - 0.5,
                centre[1] - row - 0.5,
                np.log(max(width, 1)),
                np.log(max(height, 1)),
            )
    return targets.astype(np.float16)


def _bump(
    channel: NDArray[np.float32], centre: tuple[float, float], spread: float, *, erase: bool = False
) -> None:
    """Raises a channel to at least a Gaussian around a cell, or sets it to 0 within the spread."""
    side = channel.shape[0]
    column, row = int(centre[0]), int(centre[1])
    reach = int(np.ceil(3 * spread)) if not erase else int(np.ceil(spread))
    top, bottom = max(row - reach, 0), min(row + reach + 1, side)
    left, right = max(column - reach, 0), min(column + reach + 1, side)
    if top >= bottom or left >= right:
        return
    rows, columns = np.mgrid[top:bottom, left:right]
    distance = (columns - column) ** 2 + (rows - row) ** 2
    window = channel[top:bottom, left:right]
    if erase:
        window[distance <= spread**2] = 0
    else:
        bump = np.exp(-distance / (2 * spread**2)).astype(np.float32)
        np.maximum(window, bump, out=window)
