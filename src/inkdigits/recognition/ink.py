"""What is written: a grey picture becomes ink on nothing.

Paper is never white and light never even, strokes may be dark on light or light on dark, paper may
be ruled. Here all that is removed, so that the rest of the recognition sees ink only.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import is_framed
from inkdigits.recognition.quantiles import quantile

Grey = NDArray[np.uint8]
Strength = NDArray[np.float32]

_WORKING_SIDE: Final = 1600
"""Larger pictures are shrunk to this for the work, in pixels of the longer side."""

_COARSE_SIDE: Final = 640
"""The pen is measured on a picture this small: its grain is averaged away."""

_PAPER_SIDE: Final = 96
"""Before the pen is known, paper and light are estimated on a picture this small."""

_PAPER_REACH: Final = 0.3
"""Before the pen is known, strokes may be this wide, as a share of the picture's shorter side."""

_PEN_REACH: Final = 4.0
"""What is wider than this many strokes is paper or shadow."""

_PEN_PIXELS: Final = 3.0
"""Paper and light are estimated where a stroke is this many pixels wide."""

_LEAST_CONTRAST: Final = 0.07
"""Ink takes at least this share of the paper's light; what shines through takes less."""

_NOISE_FACTOR: Final = 4.0
"""Ink stands out of the paper's grain by this many of its standard deviations."""

_GRAINY: Final = 0.3
"""Noise of this standard deviation, in grey levels, is smoothed in full."""

_PALE: Final = 0.35
"""Writing this much paler than the strongest is still writing."""


_EDGE: Final = 0.08
"""What stays this close to the edge of the picture, as a share of its shorter side, is a frame."""


_RUN: Final = 0.04
"""A rule is followed in steps of this share of the picture, which it may leave by its own width."""


_LEAST_RULED: Final = 80
"""No rules are sought on smaller pictures, in pixels of the shorter side: they show a digit or a
few, whose own strokes would pass for rules."""

_RULE_THICKNESS: Final = 0.02
"""Rules are thinner than this share of the picture's shorter side."""


def extract_ink(pixels: Grey) -> Grey:
    """Separate what is written from what it is written on.

    A picture that is an MNIST tile already, or its negative, keeps its exact values.

    Args:
        pixels: uint8, shape (height, width), grey, 0 black, 255 white.

    Returns:
        uint8, same shape, 0 paper, 255 full ink; all zeros where nothing is written.
    """
    if is_framed(pixels):
        return pixels.copy()
    negative = _as_bytes(cv2.bitwise_not(pixels))
    if is_framed(negative):
        return negative
    dark_on_light = _shrink(pixels if _is_dark_on_light(pixels) else negative, _WORKING_SIDE)
    stroke = _measure_pen(dark_on_light)
    if stroke == 0:
        return np.zeros(pixels.shape, np.uint8)
    strength = _compare_with_paper(dark_on_light, stroke)
    levels = _level(strength, stroke)
    if levels.shape != pixels.shape:
        size = (pixels.shape[1], pixels.shape[0])
        levels = _as_bytes(cv2.resize(levels, size, interpolation=cv2.INTER_LINEAR))
    return levels


def _is_dark_on_light(pixels: Grey) -> bool:
    """Ink is what there is less of: the picture's values reach further from their median there."""
    small = _shrink(pixels, _PAPER_SIDE)
    reach = max(2 * (min(small.shape) // 4) + 1, 3)
    paper = cv2.GaussianBlur(cv2.medianBlur(small, reach), (0, 0), 2)
    deviations = small.astype(np.float32) - paper
    return float((deviations**3).sum()) <= 0


def _measure_pen(pixels: Grey) -> float:
    """Width of the dark strokes in pixels, 0 where there are none."""
    coarse = _shrink(pixels, _COARSE_SIDE)
    small = _shrink(coarse, _PAPER_SIDE)
    reach = max(2 * int(_PAPER_REACH * min(small.shape) / 2) + 1, 3)
    paper = _bridge(_as_bytes(cv2.medianBlur(small, 3)), reach)
    strength = _contrast(coarse, paper)
    floor = _find_floor(strength)
    strength = _erase_print(strength, floor)
    solid = (strength > max(_split(strength, floor), floor)).astype(np.uint8)
    if not solid.any():
        return 0.0
    return _measure_ridges(solid) * float(pixels.shape[1] / coarse.shape[1])


def _measure_ridges(mask: Grey) -> float:
    """Width of strokes in pixels, so that each counts by its length: a shadow is but one.

    Args:
        mask: uint8, shape (height, width), 0 and 1, not all 0.
    """
    distances = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    ridges = (distances >= cv2.dilate(distances, np.ones((3, 3), np.uint8))) & (mask > 0)
    return max(2 * quantile(distances[ridges], 0.75) - 1, 1.0)


def _compare_with_paper(pixels: Grey, stroke: float) -> Strength:
    """Share of the paper's light that dark strokes take: about 0 paper, 1 black."""
    # Half a stroke of smoothing takes the grain and leaves the stroke; where all is smooth already,
    # it would only blur what is fine in coarse writing.
    reach = stroke / 6 * min(_measure_grain(pixels) / _GRAINY, 1)
    smooth = cv2.GaussianBlur(pixels, (0, 0), reach) if reach > 0.5 else pixels
    scale = min(_PEN_PIXELS / stroke, 1)
    small = _shrink(_as_bytes(smooth), max(round(max(pixels.shape) * scale), 1))
    reach = 2 * round(_PEN_REACH * stroke * scale / 2) + 1
    paper = _bridge(_as_bytes(cv2.medianBlur(small, 3)) if stroke > 2 else small, reach)
    return _contrast(_as_bytes(smooth), paper)


def _measure_grain(pixels: Grey) -> float:
    """Standard deviation of the noise from pixel to pixel, in grey levels (Immerkaer, 1996).

    Edges and hairlines count as noise, which suits: what is fine is not the pen's.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    residues = np.abs(cv2.filter2D(pixels, cv2.CV_32F, kernel))
    return float(np.sqrt(np.pi / 2) * residues.mean() / 6)


def _bridge(pixels: Grey, reach: int) -> Grey:
    """Fill what is dark and narrower than the reach, in pixels, from around it (closing)."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    # Light goes on beyond the edge as it came: otherwise the dark end of a slope would be ink.
    rows, columns = (min(reach, side - 1) for side in pixels.shape)
    around = np.pad(
        pixels.astype(np.int16), ((rows, rows), (columns, columns)), "reflect", reflect_type="odd"
    )
    around = np.clip(around, pixels.min(), pixels.max()).astype(np.uint8)
    closed = cv2.morphologyEx(around, cv2.MORPH_CLOSE, kernel)
    return _as_bytes(closed[rows : rows + pixels.shape[0], columns : columns + pixels.shape[1]])


def _contrast(pixels: Grey, small_paper: Grey) -> Strength:
    size = (pixels.shape[1], pixels.shape[0])
    paper = cv2.resize(small_paper, size, interpolation=cv2.INTER_LINEAR)
    light = np.maximum(paper.astype(np.float32), 16)
    strength: Strength = ((light - pixels) / light).astype(np.float32)
    # A closing settles on the brightest grains.
    return strength - max(quantile(strength, 0.5), 0)


def _find_floor(strength: Strength) -> float:
    """Least strength of ink, above the grain of the paper."""
    # Most of any page is paper, so half the deviations are grain (median absolute deviation).
    grain = 1.4826 * quantile(np.abs(strength), 0.5)
    return max(_LEAST_CONTRAST, _NOISE_FACTOR * grain)


def _split(strength: Strength, floor: float) -> float:
    """Strength between pale and solid ink (Otsu, 1979)."""
    candidates = strength[strength > floor]
    if candidates.size == 0:
        return floor
    values = (np.minimum(candidates, 1) * 255).astype(np.uint8)
    threshold = cv2.threshold(values, 0, 255, cv2.THRESH_OTSU)[0] / 255
    return min(threshold, quantile(candidates, 0.9) / 2)


def _level(strength: Strength, stroke: float) -> Grey:
    """Bring ink to 255 and paper with its grain to 0."""
    floor = _find_floor(strength)
    strength = _erase_print(strength, floor)
    if not (strength > floor).any():
        return np.zeros(strength.shape, np.uint8)
    split = max(_split(strength, floor), floor)
    full = quantile(strength[strength > split], 0.8)
    # Writing in pencil stands beside writing in ink: what is full is measured around each place.
    around = _grow(np.where(strength > split * _PALE, strength, 0), 8 * stroke)
    full_here = np.clip(around, _PALE * full, full)
    full_here = np.maximum(full_here, 1.5 * floor)
    empty = np.maximum(full_here / 5, 0.7 * floor)
    levels = np.clip((strength - empty) / np.maximum(full_here - empty, 1e-6), 0, 1) * 255
    return _drop_faint(levels.astype(np.uint8), stroke)


def _erase_print(strength: Strength, floor: float) -> Strength:
    """Take away the frame and the rules of the paper, in this order, as rules end at frames."""
    for find in (_find_edges, _find_rules):
        mask = (strength > max(_PALE * _split(strength, floor), floor)).astype(np.uint8)
        strength = np.where(find(mask), np.float32(0), strength)
    return strength


def _grow(strength: Strength, reach: float) -> Strength:
    """Largest strength within the reach, in pixels, roughly."""
    scale = max(reach / 8, 1)
    size = (max(round(strength.shape[1] / scale), 1), max(round(strength.shape[0] / scale), 1))
    # A hairline is all peak: averaging it would halve it.
    smooth = cv2.GaussianBlur(strength, (3, 3), 0) if scale > 2 else strength
    blocks = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
    grown = cv2.GaussianBlur(cv2.dilate(blocks, np.ones((7, 7), np.uint8)), (0, 0), 2)
    return cv2.resize(
        grown, (strength.shape[1], strength.shape[0]), interpolation=cv2.INTER_LINEAR
    ).astype(np.float32, copy=False)


def _find_edges(mask: Grey) -> NDArray[np.bool_]:
    """What lies along the edge of the picture: the table beyond the paper, a frame."""
    height, width = mask.shape
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    margin = max(round(_EDGE * min(height, width)), 2)
    inner = labels[margin : height - margin, margin : width - margin]
    inside = np.bincount(inner.ravel(), minlength=len(stats))
    areas = stats[:, cv2.CC_STAT_AREA]
    spans = np.maximum(stats[:, cv2.CC_STAT_WIDTH] / width, stats[:, cv2.CC_STAT_HEIGHT] / height)
    along = (inside < 0.2 * areas) & (spans > 0.4)
    along[0] = False
    if along.sum() == len(stats) - 1:
        return np.zeros(mask.shape, np.bool_)
    return cv2.dilate(along[labels].astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)


def _find_rules(mask: Grey) -> NDArray[np.bool_]:
    """Ruled lines: long, straight, thin, and either many or from one edge to the other."""
    if min(mask.shape) < _LEAST_RULED:
        return np.zeros(mask.shape, np.bool_)
    across = _find_rules_across(mask)
    rest = np.where(across, 0, mask).astype(np.uint8)
    down = _find_rules_across(np.ascontiguousarray(rest.T)).T
    rules: NDArray[np.bool_] = across | down
    if not (mask.astype(bool) & ~rules).any():
        return np.zeros(mask.shape, np.bool_)
    return rules


def _find_rules_across(mask: Grey) -> NDArray[np.bool_]:
    height, width = mask.shape
    length = max(round(_RUN * width), 8)
    thickest = max(round(_RULE_THICKNESS * min(height, width)), 3)
    # Where strokes cross a rule it is tall; without them it is in parts, which a closing joins.
    tall = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((thickest + 1, 1), np.uint8))
    flat = cv2.subtract(mask, tall)
    near = cv2.morphologyEx(flat, cv2.MORPH_CLOSE, np.ones((1, length // 2), np.uint8))
    runs = cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    joined = cv2.morphologyEx(
        cv2.dilate(runs, np.ones((3, 1), np.uint8)),
        cv2.MORPH_CLOSE,
        np.ones((1, 2 * length), np.uint8),
    )
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    spans = stats[:, cv2.CC_STAT_WIDTH]
    straight = stats[:, cv2.CC_STAT_HEIGHT] < 0.1 * spans + 3 * thickest
    long = straight & (spans > 0.5 * width)
    long[0] = False
    if long.sum() < 3:
        long &= spans > 0.95 * width
    else:  # the paper is ruled: shorter parts are rules as well
        long |= straight & (spans > 0.2 * width)
        long[0] = False
    rules = [np.nonzero((labels == label) & (flat > 0)) for label in np.flatnonzero(long)]
    found = np.zeros(mask.shape, np.bool_)
    columns = np.arange(width)
    for rows_of_rule, columns_of_rule in rules:
        thickness = len(rows_of_rule) / len(np.unique(columns_of_rule))
        line = np.polyfit(columns_of_rule, rows_of_rule, 1)
        middle = np.rint(np.polyval(line, columns)).astype(np.intp)
        crossed = cv2.morphologyEx(
            mask, cv2.MORPH_OPEN, np.ones((int(1.6 * thickness) + 2, 1), np.uint8)
        )
        reach = round(thickness / 2) + 1
        for offset in range(-reach, reach + 1):
            rows = np.clip(middle + offset, 0, height - 1)
            found[rows, columns] |= crossed[rows, columns] == 0
    return found


def _drop_faint(levels: Grey, stroke: float) -> Grey:
    """Keep ink that is solid over at least a dot of the pen (after Canny, 1986)."""
    _, labels = cv2.connectedComponents((levels > 0).astype(np.uint8), connectivity=8)
    solid = np.bincount(labels[levels > 127], minlength=int(labels.max()) + 1) >= 0.7 * stroke**2
    solid[0] = False
    return np.where(solid[labels], levels, 0).astype(np.uint8)


def _shrink(pixels: Grey, longer_side: int) -> Grey:
    """Shrink to the longer side given; smaller pictures stay as they are."""
    height, width = pixels.shape
    scale = longer_side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return _as_bytes(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _as_bytes(pixels: NDArray[np.generic]) -> Grey:
    return pixels.astype(np.uint8, copy=False)
