"""Changes of hand and pen for existing ink: distortion, and strokes redrawn with another width.

Pen widths are in canvas pixels (`inkdigits.synthesis.canvas`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np

from inkdigits.recognition.framing import measure_stroke
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import CANVAS_SIDE, as_bytes, find_above, list_places
from inkdigits.synthesis.glyphs import Ink

_TO_MIDDLE: Final = np.array([[1, 0, -CANVAS_SIDE / 2], [0, 1, -CANVAS_SIDE / 2], [0, 0, 1]])
_TO_CANVAS: Final = np.linalg.inv(_TO_MIDDLE)
"""Translation matrices that move the canvas' middle to the origin and back."""


def enlarge(image: Ink) -> Ink:
    """Enlarges a tile to a canvas of four times its side length."""
    return as_bytes(cv2.resize(image, (CANVAS_SIDE, CANVAS_SIDE), interpolation=cv2.INTER_CUBIC))


def bend(ink: Ink, random: np.random.Generator) -> Ink:
    """Rotates, slants, stretches and tilts slightly; distorts half of the digits elastically.

    The elastic distortion moves every point by a smooth random field (Simard et al., 2003), which
    is drawn on a coarse grid and interpolated.
    """
    angle = math.radians(_draw_normal(random, 6, 15))
    slant = _draw_normal(random, 0.13, 0.35)
    # `frame` normalises the size later, so the digit may shrink here to leave a margin.
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
        # Cubic interpolation to a medium size and then linear is equally smooth and faster.
        medium = cv2.resize(coarse, (28, 28), interpolation=cv2.INTER_CUBIC)
        shifts = cv2.resize(medium, (CANVAS_SIDE, CANVAS_SIDE), interpolation=cv2.INTER_LINEAR)
        across, down = cv2.split(cv2.add(shifts, list_places()))
        bent = cv2.remap(bent, across, down, cv2.INTER_LINEAR)
    return as_bytes(bent)


def square_up(ink: Ink, random: np.random.Generator) -> Ink:
    """Makes round shapes more square, like the digits of displays."""
    column, row, width, height = cv2.boundingRect(find_above(ink, 127))
    if min(width, height) < 0.1 * CANVAS_SIDE:
        return ink
    half = np.array([width / 2, height / 2], np.float32)
    middle = np.array([column, row], np.float32) + half - np.float32(0.5)
    places = (list_places() - middle) / half
    # Maps each point of a square around the middle to the inscribed circle.
    nearer = np.abs(places).max(axis=2) / np.maximum(np.hypot(*cv2.split(places)), 1e-6)
    strength = random.uniform(0.5, 1)
    sources = places * (1 - strength + strength * nearer)[:, :, np.newaxis] * half + middle
    across, down = cv2.split(sources.astype(np.float32))
    return as_bytes(cv2.remap(ink, across, down, cv2.INTER_LINEAR))


def change_pen(ink: Ink, random: np.random.Generator) -> Ink:
    """Redraws the same strokes with another pen: of even width, thicker, or thinner."""
    kind = random.random()
    if kind < 0.45:
        # Log-uniform width: from a hairline to a marker twice as thick as MNIST's pens.
        width = round(math.exp(random.uniform(math.log(2), math.log(26))))
        return _restroke(ink, width, _square if random.random() < 0.15 else _disc)
    if kind < 0.65:
        return _thicken(ink, int(random.integers(2, 10)))
    thinned = cv2.erode(ink, _disc(int(random.integers(3, 8))))
    # Thin parts keep a line, so that strokes do not break.
    return as_bytes(cv2.max(thinned, _restroke(ink, 3, _disc)))


def outline(ink: Ink, random: np.random.Generator) -> Ink:
    """Redraws with a marker and keeps only the edges of its strokes."""
    marker = _restroke(ink, int(random.integers(12, 19)), _disc)
    return as_bytes(cv2.subtract(marker, cv2.erode(marker, _disc(int(random.integers(3, 6))))))


def straighten(ink: Ink, random: np.random.Generator) -> Ink:
    """Replaces curves by a few straight segments, as drawing on a screen does."""
    outlines, _ = cv2.findContours(find_above(ink, 127), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    tolerance = random.uniform(2, 6)
    straight = [cv2.approxPolyDP(outline, tolerance, True) for outline in outlines]
    if not straight or max(len(outline) for outline in straight) < 3:
        return ink
    return as_bytes(cv2.drawContours(np.zeros_like(ink), straight, -1, 255, cv2.FILLED))


def break_stroke(ink: Ink, random: np.random.Generator) -> Ink:
    """Adds gaps like those of a dry pen: one small gap, or many tiny ones."""
    if random.random() < 0.5:
        inked = np.flatnonzero(ink > 127)
        if inked.size == 0:
            return ink
        row, column = divmod(int(random.choice(inked)), ink.shape[1])
        radius = round(0.5 * measure_stroke(ink) + random.uniform(0, 2))
        return as_bytes(cv2.circle(ink.copy(), (column, row), radius, 0, cv2.FILLED))
    side = int(random.integers(20, 45))
    grain = cv2.resize(random.random((side, side), np.float32), ink.shape[::-1])
    return np.where(grain < random.uniform(0.15, 0.32), 0, ink).astype(np.uint8)


def soften(ink: Ink, random: np.random.Generator) -> Ink:
    """Blurs, reduces the resolution (smooth or pixelated), or applies a threshold."""
    kind = random.random()
    if kind < 0.25:
        reach = 2 * int(random.integers(1, 7)) + 1
        return as_bytes(cv2.GaussianBlur(ink, (reach, reach), 0))
    if kind < 0.65:
        # Log-uniform resolution, down to eight pixels for the height of a digit.
        few = _keep_few_pixels(ink, math.exp(random.uniform(math.log(0.1), math.log(0.6))))
        how = cv2.INTER_LINEAR if random.random() < 0.6 else cv2.INTER_CUBIC
        return as_bytes(cv2.resize(few, ink.shape[::-1], interpolation=how))
    if kind < 0.75:
        few = _keep_few_pixels(ink, random.uniform(0.13, 0.28))
        squares = find_above(few, int(random.integers(70, 140)))
        if squares.any():
            return as_bytes(cv2.resize(squares, ink.shape[::-1], interpolation=cv2.INTER_NEAREST))
    return find_above(ink, int(random.integers(90, 160)))


def _draw_normal(random: np.random.Generator, deviation: float, limit: float) -> float:
    return min(max(deviation * random.standard_normal(), -limit), limit)


def _keep_few_pixels(ink: Ink, share: float) -> Ink:
    """Returns the ink at a lower resolution: sides of `share` times the canvas side."""
    side = round(CANVAS_SIDE * share)
    return as_bytes(cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA))


def _restroke(ink: Ink, width: int, pen: Callable[[int], Ink]) -> Ink:
    """Redraws the centre line of the strokes with a pen of the given width."""
    middle = _find_middle(find_above(ink, 127))
    drawn = as_bytes(cv2.dilate(middle, pen(max(width - 1, 1))))
    return _open_gaps(drawn, ink) if width > 14 else drawn


def _thicken(ink: Ink, width: int) -> Ink:
    thick = as_bytes(cv2.dilate(ink, _disc(width)))
    return _open_gaps(thick, ink) if width > 4 else thick


def _open_gaps(thick: Ink, ink: Ink) -> Ink:
    """Keeps a slit where thicker strokes would merge: a 6 with a filled loop is illegible."""
    paper = as_bytes(cv2.bitwise_not(find_above(ink, 127)))
    slits = cv2.dilate(_find_middle(paper), _disc(2))
    return as_bytes(cv2.subtract(thick, slits))


def _find_middle(mask: Ink) -> Ink:
    """Returns the centre line of the strokes in a mask (255), one to three pixels wide.

    The distance to the edge grows by one per pixel everywhere except on the centre line, where it
    has a ridge and its Laplacian is far below zero. Side branches run to the edge, where the
    distance is less than half that of the line they branch from.
    """
    distances = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    # Negated, so that the ridge is positive.
    ridge = -cv2.Laplacian(cv2.blur(distances, (3, 3)), cv2.CV_32F, ksize=1)
    quarters = cv2.convertScaleAbs(distances, alpha=4)
    nearby = cv2.dilate(quarters, _disc(9))
    deep = cv2.compare(quarters, cv2.convertScaleAbs(nearby, alpha=0.6), cv2.CMP_GT)
    on_ridge = as_bytes(cv2.threshold(ridge, 0.28, 255, cv2.THRESH_BINARY)[1])
    return as_bytes(cv2.bitwise_and(on_ridge, deep))


@lru_cache
def _disc(diameter: int) -> Ink:
    return as_bytes(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)))


@lru_cache
def _square(side: int) -> Ink:
    return as_bytes(cv2.getStructuringElement(cv2.MORPH_RECT, (side, side)))
