"""Augmentation: MNIST's digits as they would look in real pictures.

A digit is enlarged, then bent, written with another pen, worn, and joined by what stands beside
it on real paper; a few go over paper and come back through `extract_ink`. Last, every one passes
through the `frame` that prediction uses. A share of the digits stays as it is.

MNIST-C (Mu & Gilmer, 2019) measures robustness with fifteen kinds of corruption. None of its code
or settings is used here, but a network trained on these tiles has met something like each kind:

| kind of MNIST-C | what resembles it here |
|---|---|
| shot noise, impulse noise | `disturb` adds noise or lets pixels fail; `add_specks` |
| glass blur, motion blur | `disturb` scatters pixels or blurs along a line; `soften` |
| shear, rotate, scale | `bend` slants and turns, mildly; `frame` undoes any scale |
| brightness, fog | `disturb` lowers the contrast or lays a haze over the tile |
| translate | `disturb` moves the tile out of its frame |
| stripe | `disturb` inverts or wipes a band |
| dotted line, zigzag | `disturb` crosses the tile out, dashed or not; `add_rule` |
| spatter | `add_specks` |
| Canny edges | `disturb` keeps the edges only; `outline` |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError
from inkdigits.recognition.framing import TILE_SIDE, frame, measure_stroke
from inkdigits.recognition.ink import extract_ink

Ink = NDArray[np.uint8]
Step = Callable[[Ink, np.random.Generator], Ink]
Values = NDArray[np.float32]

FINENESS: Final = 4
"""Canvas pixels for one pixel of a tile; widths of pens below are in canvas pixels."""

CANVAS_SIDE: Final = TILE_SIDE * FINENESS

_TO_MIDDLE: Final = np.array([[1, 0, -CANVAS_SIDE / 2], [0, 1, -CANVAS_SIDE / 2], [0, 0, 1]])
_TO_CANVAS: Final = np.linalg.inv(_TO_MIDDLE)
"""Shifts, as matrices, that make the canvas' middle the origin, and back."""

_UNCHANGED_SHARE: Final = 0.2
_OTHER_FORM_SHARE: Final = 0.4
"""Of the digits that are written otherwise elsewhere: 1, 6, 7 and 9."""

# Of the digits that do change:
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
    """Give each digit the looks of one from a real picture; a fifth stay as they are.

    Args:
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        labels: Shape (n,), 0 to 9, where 0 is the digit zero: 1 and 7 have European forms.
        random: Where all chance comes from; the same state gives the same tiles.

    Returns:
        Tiles of the same digits: uint8, shape (n, 28, 28), 0 background, 255 full ink.

    Raises:
        DataFormatError: The images are no tiles, or there are not as many labels.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (TILE_SIDE, TILE_SIDE):
        raise DataFormatError(
            f"images are {images.dtype} of shape {images.shape}, "
            f"expected uint8 of shape (n, {TILE_SIDE}, {TILE_SIDE}): convert them"
        )
    if labels.shape != images.shape[:1]:
        raise DataFormatError(
            f"there are labels of shape {labels.shape} for {len(images)} images, "
            "expected one for each: bring the two that belong together"
        )
    tiles = np.empty_like(images)
    for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        tiles[index] = _augment_digit(image, label, random)
    return tiles


@dataclass(frozen=True)
class Distortion:
    """The widest moves that `distort_digits` draws from, evenly on both sides of none.

    Attributes:
        degrees: Turned, about the middle.
        shear: Horizontal shift for each pixel of height.
        zoom: Natural logarithm of the scale, drawn for width and height each.
        shift: Pixels, right and down each.
        bend: Pixels, the standard deviation of a smooth random field; drawn from 0 upwards.
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
"""By the name of an augmentation in a recipe."""


def distort_digits(
    images: NDArray[np.uint8], random: np.random.Generator, widest: Distortion
) -> NDArray[np.uint8]:
    """Turn, shear, zoom, shift and bend each digit a little, as hands differ.

    Args:
        images: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        random: Where all chance comes from; the same state gives the same tiles.
        widest: How far at most.

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


def _augment_digit(image: Ink, label: int, random: np.random.Generator) -> Ink:
    if random.random() < _UNCHANGED_SHARE:
        return frame(image)
    ink = enlarge(image)
    if label in _OTHER_FORMS and random.random() < _OTHER_FORM_SHARE:
        ink = _OTHER_FORMS[label](ink, random)
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
    # At most one blemish, for two of them can make a digit unreadable.
    chance = random.random()
    for share, spoil in _BLEMISHES:
        if 0 <= chance < share:
            ink = spoil(ink, random)
        chance -= share
    if random.random() < _SOFTENED_SHARE:
        ink = soften(ink, random)
    if random.random() < _PHOTOGRAPHED_SHARE:
        ink = photograph(ink, random)
    tile = frame(ink)
    return disturb(tile, random) if 0 <= chance < _DISTURBED_SHARE else tile


def enlarge(image: Ink) -> Ink:
    """A tile on a canvas of four times its side."""
    return _as_bytes(cv2.resize(image, (CANVAS_SIDE, CANVAS_SIDE), interpolation=cv2.INTER_CUBIC))


def write_european_one(ink: Ink, random: np.random.Generator) -> Ink:
    """Give a plain 1 an upstroke, and some a base; a 1 that has them already stays as it is."""
    _, row, width, height = cv2.boundingRect(find_above(ink, 127))
    if width >= 0.55 * height:
        return ink
    pen = measure_stroke(ink)
    near = max(round(pen), 2)
    top = np.array([_mean_column(ink[row : row + near]), row + pen / 2])
    bottom = np.array(
        [_mean_column(ink[row + height - near : row + height]), row + height - pen / 2]
    )
    stem = bottom - top
    angle = math.radians(random.uniform(25, 55))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    ink = ink.copy()
    _draw(ink, [top, top + random.uniform(0.2, 0.65) * turn @ stem], pen)
    if random.random() < 0.35:
        reach = np.array([random.uniform(0.15, 0.3) * height, random.uniform(-2, 2)])
        _draw(ink, [bottom - reach, bottom + reach], pen)
    return ink


def write_european_seven(ink: Ink, random: np.random.Generator) -> Ink:
    """Cross the stem of a 7 with a bar."""
    _, row, _, height = cv2.boundingRect(find_above(ink, 127))
    pen = measure_stroke(ink)
    level = row + round(height * random.uniform(0.42, 0.68))
    columns = np.flatnonzero(ink[level] > 127)
    if columns.size == 0 or np.ptp(columns) > 3 * pen:
        return ink  # something else than a stem is there
    middle = np.array([columns.mean() + random.uniform(-3, 3), level])
    reach = np.array([random.uniform(0.17, 0.38) * height, random.uniform(-5, 4)])
    ink = ink.copy()
    _draw(ink, [middle - reach, middle + reach], pen * random.uniform(0.7, 1.1))
    return ink


def write_hooked_six(ink: Ink, random: np.random.Generator) -> Ink:
    """Set the stem of a 6 upright, more or less, and let its top end in a hook to the right."""
    column, row, width, height = cv2.boundingRect(find_above(ink, 127))
    if width < max(0.35 * height, 3):
        return ink
    near = 3
    lean = _mean_column(ink[row : row + near]) - (column + 0.25 * width)
    shear = random.uniform(0.3, 1) * max(lean, 0) / height
    upright = np.array([[1, shear, -shear * (row + height)], [0, 1, 0]])
    ink = _as_bytes(cv2.warpAffine(ink, upright, ink.shape[::-1]))
    column, row, width, height = cv2.boundingRect(find_above(ink, 127))
    pen = measure_stroke(ink)
    top = np.array([_mean_column(ink[row : row + near]), row + pen / 2])
    reach = column + width * random.uniform(0.75, 1.1) - top[0]
    if reach < pen:
        return ink  # the stem leans over the whole digit
    rise, drop = random.uniform(0, 0.1) * height, random.uniform(0, 0.2) * height
    bulge = top + np.array([reach * random.uniform(0.4, 0.7), -rise])
    _draw(ink, [top, bulge, top + np.array([reach, drop - rise])], pen)
    return ink


def write_hooked_nine(ink: Ink, random: np.random.Generator) -> Ink:
    """Let the stem of a 9 end in a hook to the left: upside down, it is a 6."""
    turned = _as_bytes(cv2.rotate(ink, cv2.ROTATE_180))
    return _as_bytes(cv2.rotate(write_hooked_six(turned, random), cv2.ROTATE_180))


_OTHER_FORMS: Final = {
    1: write_european_one,
    6: write_hooked_six,
    7: write_european_seven,
    9: write_hooked_nine,
}


def bend(ink: Ink, random: np.random.Generator) -> Ink:
    """Turn, slant, stretch and tilt a little, and half of the time distort elastically.

    The elastic distortion moves every point by a smooth random field (Simard et al., 2003); here
    it is drawn on a coarse grid and interpolated.
    """
    angle = math.radians(_draw_normal(random, 6, 15))
    slant = _draw_normal(random, 0.13, 0.35)
    # The frame undoes the size, so a digit may shrink to leave room at the canvas' edge.
    breadth = 0.85 * math.exp(_draw_normal(random, 0.14, 0.3))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn @ ((breadth, 0.85 * slant), (0, 0.85))
    matrix[2, :2] = random.uniform(-0.0015, 0.0015, 2)
    matrix = _TO_CANVAS @ matrix @ _TO_MIDDLE
    bent = cv2.warpPerspective(ink, matrix, (CANVAS_SIDE, CANVAS_SIDE))
    if random.random() < 0.5:
        strength = random.uniform(1, 4)
        coarse = (strength * random.standard_normal((5, 5, 2))).astype(np.float32)
        # Cubic up to a medium size and linear from there is as smooth, and faster.
        medium = cv2.resize(coarse, (28, 28), interpolation=cv2.INTER_CUBIC)
        shifts = cv2.resize(medium, (CANVAS_SIDE, CANVAS_SIDE), interpolation=cv2.INTER_LINEAR)
        across, down = cv2.split(cv2.add(shifts, _list_places()))
        bent = cv2.remap(bent, across, down, cv2.INTER_LINEAR)
    return _as_bytes(bent)


def find_above(ink: Ink, level: int) -> Ink:
    """255 where there is more ink than `level`, 0 elsewhere."""
    return _as_bytes(cv2.threshold(ink, level, 255, cv2.THRESH_BINARY)[1])


def change_pen(ink: Ink, random: np.random.Generator) -> Ink:
    """Write the same line with another pen: even, thicker, or thinner."""
    kind = random.random()
    if kind < 0.45:
        # Even in the logarithm: from a hairline to a marker twice as thick as MNIST's pens.
        width = round(math.exp(random.uniform(math.log(2), math.log(26))))
        return _restroke(ink, width, _square if random.random() < 0.15 else _disc)
    if kind < 0.65:
        return _thicken(ink, int(random.integers(2, 10)))
    thinned = cv2.erode(ink, _disc(int(random.integers(3, 8))))
    # Thin parts keep a line, so that nothing falls apart.
    return _as_bytes(cv2.max(thinned, _restroke(ink, 3, _disc)))


def outline(ink: Ink, random: np.random.Generator) -> Ink:
    """Write with a marker and leave only the edges of its strokes."""
    marker = _restroke(ink, int(random.integers(12, 19)), _disc)
    return _as_bytes(cv2.subtract(marker, cv2.erode(marker, _disc(int(random.integers(3, 6))))))


def break_stroke(ink: Ink, random: np.random.Generator) -> Ink:
    """Leave ink out as a dry pen does: one small gap, or many tiny ones."""
    if random.random() < 0.5:
        inked = np.flatnonzero(ink > 127)
        if inked.size == 0:
            return ink
        row, column = divmod(int(random.choice(inked)), ink.shape[1])
        radius = round(0.5 * measure_stroke(ink) + random.uniform(0, 2))
        return _as_bytes(cv2.circle(ink.copy(), (column, row), radius, 0, cv2.FILLED))
    side = int(random.integers(20, 45))
    grain = cv2.resize(random.random((side, side), np.float32), ink.shape[::-1])
    return np.where(grain < random.uniform(0.15, 0.32), 0, ink).astype(np.uint8)


def add_neighbour(ink: Ink, random: np.random.Generator) -> Ink:
    """Leave a short piece of a neighbour's stroke at one side."""
    column, row, width, height = cv2.boundingRect(ink)
    pen = measure_stroke(ink)
    gap = pen / 2 + random.uniform(2, 10)
    edge = column - gap if random.random() < 0.5 else column + width + gap
    length = height * random.uniform(0.08, 0.22)
    start = np.array([edge, row + random.uniform(0, height - length)])
    end = start + np.array([random.uniform(-3, 3), length])
    bulge = (start + end) / 2 + np.array([random.uniform(-4, 4), 0])
    ink = ink.copy()
    _draw(ink, [start, bulge, end], pen)
    return ink


def add_rule(ink: Ink, random: np.random.Generator) -> Ink:
    """Leave a line of the paper in the picture: thinner and fainter than any stroke."""
    column, row, width, height = cv2.boundingRect(ink)
    pen = max(0.4 * measure_stroke(ink), 1)
    level = row + height * random.uniform(0, 1.1)
    slope = random.uniform(-4, 4)
    line = np.zeros_like(ink)
    ends = [
        (column - random.uniform(0, 9), level),
        (column + width + random.uniform(0, 9), level + slope),
    ]
    _draw(
        line, [np.array(end) for end in ends], random.uniform(1, pen), int(random.integers(60, 150))
    )
    if random.random() < 0.3:
        line = _as_bytes(cv2.rotate(line, cv2.ROTATE_90_CLOCKWISE))
    return _as_bytes(cv2.max(ink, line))


def add_specks(ink: Ink, random: np.random.Generator) -> Ink:
    """Scatter a few small dots on and around the ink."""
    column, row, width, height = cv2.boundingRect(ink)
    ink = ink.copy()
    for _ in range(int(random.integers(1, 7))):
        place = (
            round(random.uniform(column - 5, column + width + 5)),
            round(random.uniform(row - 5, row + height + 5)),
        )
        radius = int(random.integers(0, 4))
        cv2.circle(ink, place, radius, int(random.integers(90, 256)), cv2.FILLED, cv2.LINE_AA)
    return ink


def soften(ink: Ink, random: np.random.Generator) -> Ink:
    """Blur, or keep only a few pixels, smooth or as squares, or cut the edges hard."""
    kind = random.random()
    if kind < 0.25:
        reach = 2 * int(random.integers(1, 7)) + 1
        return _as_bytes(cv2.GaussianBlur(ink, (reach, reach), 0))
    if kind < 0.65:
        # Down to eight pixels for the height of a digit, as many in each octave.
        few = _keep_few_pixels(ink, math.exp(random.uniform(math.log(0.1), math.log(0.6))))
        how = cv2.INTER_LINEAR if random.random() < 0.6 else cv2.INTER_CUBIC
        return _as_bytes(cv2.resize(few, ink.shape[::-1], interpolation=how))
    if kind < 0.75:
        few = _keep_few_pixels(ink, random.uniform(0.13, 0.28))
        squares = find_above(few, int(random.integers(70, 140)))
        if squares.any():
            return _as_bytes(cv2.resize(squares, ink.shape[::-1], interpolation=cv2.INTER_NEAREST))
    return find_above(ink, int(random.integers(90, 160)))


def square_up(ink: Ink, random: np.random.Generator) -> Ink:
    """Widen what is round into its corners, more or less, as the digits of displays are."""
    column, row, width, height = cv2.boundingRect(find_above(ink, 127))
    if min(width, height) < 0.1 * CANVAS_SIDE:
        return ink
    half = np.array([width / 2, height / 2], np.float32)
    middle = np.array([column, row], np.float32) + half - np.float32(0.5)
    places = (_list_places() - middle) / half
    # Points of a square around the middle come from the circle that it touches.
    nearer = np.abs(places).max(axis=2) / np.maximum(np.hypot(*cv2.split(places)), 1e-6)
    strength = random.uniform(0.5, 1)
    sources = places * (1 - strength + strength * nearer)[:, :, np.newaxis] * half + middle
    across, down = cv2.split(sources.astype(np.float32))
    return _as_bytes(cv2.remap(ink, across, down, cv2.INTER_LINEAR))


def straighten(ink: Ink, random: np.random.Generator) -> Ink:
    """Make every curve a few straight strokes, as pens on screens do."""
    outlines, _ = cv2.findContours(find_above(ink, 127), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    tolerance = random.uniform(2, 6)
    straight = [cv2.approxPolyDP(outline, tolerance, True) for outline in outlines]
    if not straight or max(len(outline) for outline in straight) < 3:
        return ink
    return _as_bytes(cv2.drawContours(np.zeros_like(ink), straight, -1, 255, cv2.FILLED))


def _keep_few_pixels(ink: Ink, share: float) -> Ink:
    """Ink in a picture whose sides are this share as long."""
    side = round(CANVAS_SIDE * share)
    return _as_bytes(cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA))


def photograph(ink: Ink, random: np.random.Generator) -> Ink:
    """Lay the ink on paper, take a small picture of it, and extract the ink again.

    The paper has its tone, uneven light and grain; the picture may be a JPEG; the ink may be
    lighter than the paper. Ink that `extract_ink` does not bring back stays as it was: what a
    failed extraction leaves is not the digit.
    """
    side = int(random.integers(36, 60))
    if random.random() < 0.5 and min(ink.shape) > 2 * side:  # of few pixels, and enlarged since
        few = cv2.resize(ink, (side // 3, side // 3), interpolation=cv2.INTER_AREA)
        small = _as_bytes(cv2.resize(few, (side, side), interpolation=cv2.INTER_CUBIC))
    else:
        small = _as_bytes(cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA))
    picture = take_picture(small, random)
    extracted = extract_ink(picture)
    written, found = small > 127, extracted > 127
    n_both, n_either = np.count_nonzero(written & found), np.count_nonzero(written | found)
    return extracted if 2 * n_both > n_either else ink


def take_picture(ink: Ink, random: np.random.Generator) -> NDArray[np.uint8]:
    """A grey picture of ink on paper: uint8, same shape, 0 black, 255 white."""
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
    return _as_bytes(cv2.bitwise_not(picture)) if random.random() < 0.35 else picture


def disturb(tile: Ink, random: np.random.Generator) -> Ink:
    """Spoil a finished tile in one of several ways, none of which hides the digit."""
    spoil = _DISTURBANCES[random.integers(len(_DISTURBANCES))]
    return np.clip(spoil(tile.astype(np.float32), random), 0, 255).astype(np.uint8)


def _add_noise(values: Values, random: np.random.Generator) -> Values:
    return values + random.uniform(5, 70) * random.standard_normal(values.shape, dtype=np.float32)


def _fail_pixels(values: Values, random: np.random.Generator) -> Values:
    chance = random.random(values.shape)
    share = random.uniform(0.02, 0.3)
    failed = np.where(chance < share / 2, 0, np.where(chance > 1 - share / 2, 255, values))
    return failed.astype(np.float32)


def _lower_contrast(values: Values, random: np.random.Generator) -> Values:
    return values * random.uniform(0.4, 1) + random.uniform(0, 150)


def _add_ramp(values: Values, random: np.random.Generator) -> Values:
    corners = random.uniform(0, 170, (3, 3)).astype(np.float32)
    haze = cv2.resize(corners, (TILE_SIDE, TILE_SIDE), interpolation=cv2.INTER_CUBIC)
    return (values + haze * (1 - values / 255)).astype(np.float32)


def _cross_out(values: Values, random: np.random.Generator) -> Values:
    """Draws a line of one to four straight parts from edge to edge, some of them dashed."""
    n_points = int(random.integers(2, 6))
    along = np.linspace(0, TILE_SIDE - 1, n_points)
    points = np.stack([along, random.uniform(2, TILE_SIDE - 2, n_points)], axis=1)
    line = np.zeros(values.shape, np.float32)
    shift = 4  # binary places of a pixel that `polylines` draws with
    places = np.rint(points * (1 << shift)).astype(np.int32)
    shade = random.uniform(80, 255)
    cv2.polylines(line, [places], False, shade, 1, cv2.LINE_AA, shift)
    if random.random() < 0.4:
        line *= (np.arange(TILE_SIDE) // random.integers(1, 3) % 2).astype(np.float32)
    if random.random() < 0.5:
        line = line.T
    return np.maximum(values, line)


def _spoil_band(values: Values, random: np.random.Generator) -> Values:
    """Inverts a band of the tile, or wipes a narrow one."""
    wiped = random.random() < 0.3
    width = int(random.integers(1, 4 if wiped else 12))
    start = int(random.integers(2, TILE_SIDE - 2 - width))
    band = values[start : start + width]
    if random.random() < 0.5:
        band = values[:, start : start + width]
    band[:] = 0 if wiped else 255 - band
    return values


def _misplace(values: Values, random: np.random.Generator) -> Values:
    shifts = random.uniform(-5, 5, 2)
    matrix = np.array([[1, 0, shifts[0]], [0, 1, shifts[1]]])
    return cv2.warpAffine(values, matrix, (TILE_SIDE, TILE_SIDE)).astype(np.float32, copy=False)


def _smear(values: Values, random: np.random.Generator) -> Values:
    """Blurs along a line, or scatters pixels among their neighbours."""
    if random.random() < 0.5:
        kernel = np.zeros((7, 7), np.float32)
        angle, reach = random.uniform(0, np.pi), random.uniform(1, 3.4)
        offset = reach * np.array([math.cos(angle), math.sin(angle)])
        ends = [tuple(round(v) for v in (3 + sign * offset).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0, 1)
        return cv2.filter2D(values, -1, kernel / kernel.sum()).astype(np.float32, copy=False)
    rows, columns = np.indices(values.shape)
    reach = int(random.integers(1, 3))
    moved = [
        np.clip(place + random.integers(-reach, reach + 1, values.shape), 0, TILE_SIDE - 1)
        for place in (rows, columns)
    ]
    scattered: Values = values[moved[0], moved[1]]
    return cv2.GaussianBlur(scattered, (3, 3), 0).astype(np.float32, copy=False)


def _keep_edges(values: Values, random: np.random.Generator) -> Values:
    """Keeps the steps from paper to ink only, as thin lines or softly."""
    if random.random() < 0.6:
        low = random.uniform(40, 120)
        return cv2.Canny(values.astype(np.uint8), low, 2 * low).astype(np.float32)
    ring: Values = np.asarray(
        cv2.morphologyEx(values, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)), np.float32
    )
    return ring


_DISTURBANCES: Final[tuple[Callable[[Values, np.random.Generator], Values], ...]] = (
    _add_noise,
    _fail_pixels,
    _lower_contrast,
    _add_ramp,
    _cross_out,
    _spoil_band,
    _misplace,
    _smear,
    _keep_edges,
)


_BLEMISHES: Final[tuple[tuple[float, Step], ...]] = (
    (0.08, break_stroke),
    (0.05, add_neighbour),
    (0.06, add_rule),
    (0.08, add_specks),
)
"""Each with its share of the digits that do change."""


def _restroke(ink: Ink, width: int, pen: Callable[[int], Ink]) -> Ink:
    """Draw the middle line of the strokes anew with a pen of the width given."""
    middle = _find_middle(find_above(ink, 127))
    drawn = _as_bytes(cv2.dilate(middle, pen(max(width - 1, 1))))
    return _open_gaps(drawn, ink) if width > 14 else drawn


def _thicken(ink: Ink, width: int) -> Ink:
    thick = _as_bytes(cv2.dilate(ink, _disc(width)))
    return _open_gaps(thick, ink) if width > 4 else thick


def _open_gaps(thick: Ink, ink: Ink) -> Ink:
    """Keep a slit wherever thicker strokes would flow together: a filled 6 is no digit."""
    paper = _as_bytes(cv2.bitwise_not(find_above(ink, 127)))
    slits = cv2.dilate(_find_middle(paper), _disc(2))
    return _as_bytes(cv2.subtract(thick, slits))


def _find_middle(mask: Ink) -> Ink:
    """The middle line of what is 255 in a mask, one to three pixels wide.

    Distance to the edge grows by one per pixel everywhere but along the middle line, where it
    folds: its Laplacian is far below zero there. Side branches run to the edge, where the
    distance is less than half that of the line they branch from.
    """
    distances = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    # Turned over, so that the fold stands out.
    fold = -cv2.Laplacian(cv2.blur(distances, (3, 3)), cv2.CV_32F, ksize=1)
    quarters = cv2.convertScaleAbs(distances, alpha=4)
    nearby = cv2.dilate(quarters, _disc(9))
    deep = cv2.compare(quarters, cv2.convertScaleAbs(nearby, alpha=0.6), cv2.CMP_GT)
    folded = _as_bytes(cv2.threshold(fold, 0.28, 255, cv2.THRESH_BINARY)[1])
    return _as_bytes(cv2.bitwise_and(folded, deep))


@lru_cache
def _disc(diameter: int) -> NDArray[np.uint8]:
    return _as_bytes(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)))


@lru_cache
def _square(side: int) -> NDArray[np.uint8]:
    return _as_bytes(cv2.getStructuringElement(cv2.MORPH_RECT, (side, side)))


@lru_cache
def _list_places() -> NDArray[np.float32]:
    """Column and row of every canvas pixel: float32, shape (side, side, 2)."""
    rows, columns = np.indices((CANVAS_SIDE, CANVAS_SIDE), np.float32)
    return np.dstack([columns, rows])


def _draw(ink: Ink, points: list[NDArray[np.float64]], width: float, value: int = 255) -> None:
    """Draw a line through points (column, row) into `ink`."""
    line = np.round(points).astype(np.int32)
    cv2.polylines(ink, [line], False, value, max(round(width), 1), cv2.LINE_AA)


def _mean_column(rows: Ink) -> float:
    return float(np.nonzero(rows > 127)[1].mean())


def _draw_normal(random: np.random.Generator, deviation: float, limit: float) -> float:
    return min(max(deviation * random.standard_normal(), -limit), limit)


def _as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return pixels.astype(np.uint8, copy=False)
