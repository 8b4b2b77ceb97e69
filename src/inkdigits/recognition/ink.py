"""What is written: a grey picture becomes ink on nothing.

Paper is never white and light never even, strokes may be dark on light or light on dark. Here all
that is removed, so that the rest of the recognition sees ink only.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import is_framed

_WORKING_SIDE: Final = 1600
"""Larger pictures are shrunk to this for the work, in pixels of the longer side."""

_BACKGROUND_SIDE: Final = 96
"""Paper and light vary slowly: they are estimated on a picture this small."""

_BACKGROUND_REACH: Final = 0.3
"""Strokes up to this share of the picture's shorter side are told from the background."""

_PAPER_BLUR: Final = 4.0
"""Standard deviation of the neighbourhood that gives the paper's light, in pixels of that side."""

_LEAST_CONTRAST: Final = 0.08
"""Ink takes at least this share of the paper's light; what shines through takes less."""

_NOISE_FACTOR: Final = 5.0
"""Ink stands out of the paper's grain by this many of its standard deviations."""


def extract_ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
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
    height, width = pixels.shape
    scale = _WORKING_SIDE / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        pixels = _as_bytes(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    darkness = _stand_out(pixels)
    brightness = _stand_out(_as_bytes(cv2.bitwise_not(pixels)))
    ink = darkness if _is_dark_on_light(pixels) else brightness
    levels = _level(ink)
    if scale < 1:
        levels = _as_bytes(cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR))
    return levels


def _is_dark_on_light(pixels: NDArray[np.uint8]) -> bool:
    """Ink is what there is less of: the picture's values reach further from their median there."""
    small = _shrink(pixels, _BACKGROUND_SIDE).astype(np.float32)
    paper = cv2.GaussianBlur(_median(_shrink(pixels, _BACKGROUND_SIDE)), (0, 0), 2)
    deviations = small - paper
    return float((deviations**3).sum()) <= 0


def _stand_out(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of the paper's light that dark strokes take: float32, about 0 paper, 1 black."""
    height, width = pixels.shape
    paper = cv2.resize(_estimate_paper(pixels), (width, height), interpolation=cv2.INTER_LINEAR)
    light = np.maximum(paper, 1)
    return ((light - pixels) / light).astype(np.float32)


def _estimate_paper(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the picture would be without its dark strokes, on a small scale: float32, 0 to 255.

    A closing bridges the strokes roughly; what is darker than that is masked, and the paper is
    the mean of its unmasked neighbourhood (normalised convolution, Knutsson & Westin 1993).
    """
    small = cv2.medianBlur(_shrink(pixels, _BACKGROUND_SIDE), 3)
    reach = max(2 * int(_BACKGROUND_REACH * min(small.shape) / 2) + 1, 3)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    bridged = cv2.morphologyEx(small, cv2.MORPH_CLOSE, kernel)
    drops = cv2.subtract(bridged, small)
    threshold, _ = cv2.threshold(drops, 0, 255, cv2.THRESH_OTSU)
    strokes = (drops > max(threshold, _LEAST_CONTRAST * 128)).astype(np.uint8)
    bare = 1 - cv2.dilate(strokes, np.ones((3, 3), np.uint8)).astype(np.float32)
    near = cv2.GaussianBlur(bare, (0, 0), _PAPER_BLUR)
    mean = cv2.GaussianBlur(bare * small, (0, 0), _PAPER_BLUR) / np.maximum(near, 1e-6)
    # Deep inside thick ink no bare paper is near.
    trust = np.minimum(near / 0.02, 1)
    paper: NDArray[np.float32] = trust * mean + (1 - trust) * bridged
    return paper


def _level(strength: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bring ink to 255 and paper with its grain to 0."""
    # Most of any page is paper, so half the deviations are grain (median absolute deviation).
    grain = 1.4826 * float(np.median(np.abs(strength)))
    floor = max(_LEAST_CONTRAST, _NOISE_FACTOR * grain)
    candidates = strength[strength > floor]
    if candidates.size == 0:
        return np.zeros(strength.shape, np.uint8)
    histogram = (candidates * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(histogram, 0, 255, cv2.THRESH_OTSU)
    solid = candidates[histogram > threshold]
    full = float(np.median(solid)) if solid.size else float(candidates.max())
    empty = max(floor / 2, full / 5)
    levels = np.clip((strength - empty) / (full - empty), 0, 1) * 255
    return _drop_faint(levels.astype(np.uint8))


def _drop_faint(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep only ink that is solid somewhere (hysteresis, Canny 1986)."""
    _, labels = cv2.connectedComponents((levels > 0).astype(np.uint8), connectivity=8)
    solid = np.zeros(int(labels.max()) + 1, bool)
    solid[labels[levels > 160]] = True
    solid[0] = False
    return np.where(solid[labels], levels, 0).astype(np.uint8)


def _median(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    reach = 2 * (min(small.shape) // 4) + 1
    return _as_bytes(cv2.medianBlur(small, max(reach, 3)))


def _shrink(pixels: NDArray[np.uint8], longer_side: int) -> NDArray[np.uint8]:
    """Shrink to the longer side given; smaller pictures stay as they are."""
    height, width = pixels.shape
    scale = longer_side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return _as_bytes(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _as_bytes(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    return pixels.astype(np.uint8, copy=False)
