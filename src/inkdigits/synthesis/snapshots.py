"""Small grey pictures of ink on paper, and the ink extracted from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.crops import extract_mark
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import as_bytes
from inkdigits.synthesis.glyphs import Ink


def photograph(ink: Ink, random: np.random.Generator) -> Ink:
    """Draws the ink on paper, takes a small picture of it, and extracts the ink again.

    The paper has a random tone, uneven light and grain. The picture may be compressed as JPEG. The
    ink may be lighter than the paper. If `extract_mark` does not recover the ink, the original ink
    is returned, because a failed extraction no longer shows the digit.

    Args:
        ink: uint8, shape (height, width), 0 background, 255 full ink.
        random: Random number generator.

    Returns:
        The extracted ink, in the small picture's size, or `ink`.
    """
    side = int(random.integers(36, 60))
    if random.random() < 0.5 and min(ink.shape) > 2 * side:  # low resolution, then enlarged
        few = cv2.resize(ink, (side // 3, side // 3), interpolation=cv2.INTER_AREA)
        small = as_bytes(cv2.resize(few, (side, side), interpolation=cv2.INTER_CUBIC))
    else:
        small = as_bytes(cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA))
    picture = take_picture(small, random)
    extracted = extract_mark(picture)
    written, found = small > 127, extracted > 127
    n_both, n_either = np.count_nonzero(written & found), np.count_nonzero(written | found)
    return extracted if 2 * n_both > n_either else ink


def take_picture(ink: Ink, random: np.random.Generator) -> NDArray[np.uint8]:
    """Returns a grey picture of ink on paper: uint8, same shape, 0 black, 255 white."""
    height, width = ink.shape
    ramp_down, ramp_right = random.uniform(-0.25, 0.25, 2)
    light = (
        1
        + np.linspace(-ramp_down, ramp_down, height, dtype=np.float32)[:, np.newaxis]
        + np.linspace(-ramp_right, ramp_right, width, dtype=np.float32)
    )
    tone, contrast = random.uniform(130, 215), random.uniform(0.35, 0.9)
    grain = random.uniform(0, 7) * random.standard_normal(ink.shape, dtype=np.float32)
    values = tone * light * (1 - contrast / 255 * ink.astype(np.float32)) + grain
    picture = np.clip(values, 0, 255).astype(np.uint8)
    if random.random() < 0.4:
        quality = int(random.integers(25, 80))
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return as_bytes(cv2.bitwise_not(picture)) if random.random() < 0.35 else picture
