"""Augmentation of tiles: MNIST's digits as they look in real pictures.

A digit is enlarged, distorted, redrawn with another pen, and damaged, or gets marks beside it as on
real paper. A few are drawn on paper and extracted again with `extract_mark`. Finally every digit
passes through the `frame` that prediction uses. A share of the digits stays unchanged.

MNIST-C (Mu & Gilmer, 2019) measures robustness with fifteen kinds of corruption. None of its code
or settings is used here, but these tiles contain effects similar to each kind:

| kind of MNIST-C | what resembles it here |
|---|---|
| shot noise, impulse noise | `disturb` adds noise or sets pixels to 0 or 255; `add_specks` |
| glass blur, motion blur | `disturb` scatters pixels or blurs along a line; `soften` |
| shear, rotate, scale | `bend` slants and rotates slightly; `frame` normalises the scale |
| brightness, fog | `disturb` lowers the contrast or adds haze |
| translate | `disturb` shifts the tile |
| stripe | `disturb` inverts or erases a band |
| dotted line, zigzag | `disturb` draws a solid or dashed line across the tile; `add_rule` |
| spatter | `add_specks` |
| Canny edges | `disturb` keeps only the edges; `outline` |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError
from inkdigits.recognition.framing import TILE_SIDE, frame
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.blemishes import BLEMISHES
from inkdigits.synthesis.digit_forms import OTHER_FORMS, write_other_form
from inkdigits.synthesis.glyphs import Ink
from inkdigits.synthesis.pens import (
    bend,
    change_pen,
    enlarge,
    outline,
    soften,
    square_up,
    straighten,
)
from inkdigits.synthesis.snapshots import photograph
from inkdigits.synthesis.tile_damage import disturb

_UNCHANGED_SHARE: Final = 0.2
_OTHER_FORM_SHARE: Final = 0.4
"""Share of the digits with another form: 1, 6, 7 and 9."""

# Shares of the digits that are changed:
_NEW_PEN_SHARE: Final = 0.55
_OUTLINED_SHARE: Final = 0.025
_SQUARED_SHARE: Final = 0.08
_STRAIGHTENED_SHARE: Final = 0.06
_SOFTENED_SHARE: Final = 0.45
_PHOTOGRAPHED_SHARE: Final = 0.06
_DISTURBED_SHARE: Final = 0.3


def augment_digits(
    images: NDArray[np.uint8], labels: NDArray[np.integer[Any]], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Makes digits look like those of real pictures; a fifth of them stays unchanged.

    Args:
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        labels: Shape (n,), 0 to 9. The labels select digits with another form, such as 1 and 7.
        random: Random number generator; the same state gives the same tiles.

    Returns:
        Tiles of the same digits: uint8, shape (n, 28, 28), 0 background, 255 full ink.

    Raises:
        DataFormatError: The images are not tiles, or the number of labels differs.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (TILE_SIDE, TILE_SIDE):
        raise DataFormatError(
            f"images are {images.dtype} of shape {images.shape}: "
            f"expected uint8 of shape (n, {TILE_SIDE}, {TILE_SIDE}); convert them"
        )
    if labels.shape != images.shape[:1]:
        raise DataFormatError(
            f"labels have shape {labels.shape} for {len(images)} images: "
            f"expected ({len(images)},), one label for each image"
        )
    tiles = np.empty_like(images)
    for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        tiles[index] = _augment_digit(image, label, random)
    return tiles


def _augment_digit(image: Ink, label: int, random: np.random.Generator) -> Ink:
    if random.random() < _UNCHANGED_SHARE:
        return frame(image)
    ink = enlarge(image)
    if label in OTHER_FORMS and random.random() < _OTHER_FORM_SHARE:
        ink = write_other_form(ink, label, random)
    ink = bend(ink, random)
    if random.random() < _SQUARED_SHARE:
        ink = square_up(ink, random)
    chance = random.random()
    if chance < _NEW_PEN_SHARE:
        ink = change_pen(ink, random)
    elif chance < _NEW_PEN_SHARE + _OUTLINED_SHARE and label != 1:  # the outline of a 1 is a 0
        ink = outline(ink, random)
    if random.random() < _STRAIGHTENED_SHARE:
        ink = straighten(ink, random)
    # At most one blemish, because two of them can make a digit illegible.
    chance = random.random()
    for share, spoil in BLEMISHES:
        if 0 <= chance < share:
            ink = spoil(ink, random)
        chance -= share
    if random.random() < _SOFTENED_SHARE:
        ink = soften(ink, random)
    if random.random() < _PHOTOGRAPHED_SHARE:
        ink = photograph(ink, random)
    tile = frame(ink)
    return disturb(tile, random) if 0 <= chance < _DISTURBED_SHARE else tile


@dataclass(frozen=True)
class Distortion:
    """Limits of `distort_digits`. Values are uniform between the limit and its negative.

    Attributes:
        degrees: Rotation about the middle.
        shear: Horizontal shift per pixel of height.
        zoom: Natural logarithm of the scale, drawn separately for width and height.
        shift: Shift in pixels, drawn separately for x and y.
        bend: Standard deviation of a smooth random field in pixels, drawn from 0 to this limit.
    """

    degrees: float
    shear: float
    zoom: float
    shift: float
    bend: float


DISTORTIONS: Final = {
    "affine": Distortion(degrees=10, shear=0, zoom=0.1, shift=2.8, bend=0),
    "distortions": Distortion(degrees=15, shear=0.15, zoom=0.12, shift=2, bend=1.2),
}
"""Limits by the name of the augmentation in a recipe."""


def distort_digits(
    images: NDArray[np.uint8], random: np.random.Generator, widest: Distortion
) -> NDArray[np.uint8]:
    """Rotates, shears, scales, shifts and bends each digit slightly.

    Args:
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        random: Random number generator; the same state gives the same tiles.
        widest: Limits of the distortion.

    Returns:
        Tiles of the same digits: uint8, shape (n, 28, 28), 0 background, 255 full ink.
    """
    n = len(images)
    angles = np.deg2rad(random.uniform(-widest.degrees, widest.degrees, n))
    shears = random.uniform(-widest.shear, widest.shear, n)
    zooms = np.exp(random.uniform(-widest.zoom, widest.zoom, (n, 2)))
    shifts = random.uniform(-widest.shift, widest.shift, (n, 1, 2))
    cosines, sines = np.cos(angles), np.sin(angles)
    turns = np.stack([cosines, -sines, sines, cosines], axis=1).reshape(n, 2, 2)
    slants = np.broadcast_to(np.eye(2), (n, 2, 2)).copy()
    slants[:, 0, 1] = shears
    matrices = (turns @ slants * zooms[:, :, np.newaxis]).astype(np.float32)
    # A smooth random field on a coarse grid, interpolated (Simard et al., 2003).
    strengths = random.uniform(0, widest.bend, (n, 1, 1, 1)).astype(np.float32)
    fields = strengths * random.standard_normal((n, 5, 5, 2), dtype=np.float32)
    middle = (TILE_SIDE - 1) / 2
    places = np.indices((TILE_SIDE, TILE_SIDE), np.float32)[::-1].reshape(2, -1).T - middle
    tiles = np.empty_like(images)
    for image, tile, matrix, shift, field in zip(
        images, tiles, matrices, (middle + shifts).astype(np.float32), fields, strict=True
    ):
        sources = (places @ matrix.T + shift).reshape(TILE_SIDE, TILE_SIDE, 2)
        sources += cv2.resize(field, (TILE_SIDE, TILE_SIDE), interpolation=cv2.INTER_CUBIC)
        tile[:] = cv2.remap(image, sources[:, :, 0], sources[:, :, 1], cv2.INTER_LINEAR)
    return tiles
