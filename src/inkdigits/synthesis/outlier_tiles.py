"""Tiles without a single digit, from which the network learns the not-a-digit class.

Each kind is a function in `OUTLIER_KINDS` that draws on a canvas. Letters, symbols and scribbles
are then distorted and redrawn with the pens of `pens`. All tiles pass through the `frame` that
prediction uses. None of the held-out kinds (`inkdigits.synthesis.held_out_marks`) is used here.

Marks that a person could take for a digit are left out: the letters and signs that `letters` leaves
out, circles, mirrored and rotated digits (many of them can still be read as a digit), and pieces of
digits that are about as high as wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition.crops import extract_mark
from inkdigits.recognition.framing import frame
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import (
    CANVAS_SIDE,
    as_bytes,
    crop,
    draw_line,
    find_above,
    fit_canvas,
    make_canvas,
    smooth_curve,
)
from inkdigits.synthesis.glyphs import Ink
from inkdigits.synthesis.letters import LETTERS, PRINTED, SYMBOLS, draw_strokes, print_text
from inkdigits.synthesis.pens import bend, change_pen, enlarge, soften
from inkdigits.synthesis.snapshots import photograph, take_picture

Digits = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]
Kind = Callable[[Digits, Labels, np.random.Generator], Ink]


def generate_outliers(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    n: int,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """Makes tiles without a single digit, each of a random kind of `OUTLIER_KINDS`.

    Args:
        images: Digits for fragments and groups: uint8, shape (m, 28, 28), 0 background, 255 full
            ink.
        labels: Labels of the images, shape (m,), 0 to 9. All ten digits must occur.
        n: Number of tiles.
        random: Random number generator; the same state gives the same tiles.

    Returns:
        uint8, shape (n, 28, 28), 0 background, 255 full ink; every tile has ink.

    Raises:
        UsageError: One of the ten digits is not among the images.
    """
    missing = sorted({*range(10)} - {*np.unique(labels).tolist()})
    if missing:
        raise UsageError(
            f"none of the {len(labels)} images shows the digit {missing[0]}: "
            "expected all ten digits; give more images"
        )
    shares = np.array([_FREQUENT.get(name, 1) for name in OUTLIER_KINDS], np.float64)
    numbers = random.choice(len(shares), n, p=shares / shares.sum())
    kinds = list(OUTLIER_KINDS.values())
    tiles = np.zeros((n, *images.shape[1:]), np.uint8)
    for tile, number in zip(tiles, numbers, strict=True):
        kind = kinds[number]
        while not tile.any():
            tile[:] = frame(kind(images, labels, random))
    return tiles


def draw_letter(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws a handwritten letter of the Latin, Greek, Cyrillic or another script."""
    return _rewrite(_draw_one_of(LETTERS, random), random)


def draw_symbol(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws a handwritten sign or small drawing, some of them filled."""
    ink = _draw_one_of(SYMBOLS, random)
    if random.random() < 0.1:
        outlines, _ = cv2.findContours(ink, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(ink, outlines, -1, 255, cv2.FILLED)
        return as_bytes(bend(ink, random))
    return _rewrite(ink, random)


def print_letter(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws a letter or sign in one of OpenCV's fonts."""
    ink = print_text(PRINTED[random.integers(len(PRINTED))], random)
    return _rewrite(fit_canvas(ink), random)


def write_word(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws one to three lines of letters, printed or handwritten."""
    lines = [_write_line(random) for _ in range(int(random.integers(1, 4)))]
    width = max(line.shape[1] for line in lines)
    page = np.vstack([np.pad(line, ((0, 12), (0, width - line.shape[1]))) for line in lines])
    ink = fit_canvas(page)
    return soften(ink, random) if random.random() < 0.5 else ink


def scribble(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws one to three strokes that turn at random, more often than those of a digit."""
    ink = make_canvas()
    n_strokes = int(random.integers(1, 4))
    for _ in range(n_strokes):
        n_points = int(random.integers(8, 13) if n_strokes == 1 else random.integers(4, 7))
        points = random.uniform(14, CANVAS_SIDE - 14, (n_points, 2))
        draw_line(ink, smooth_curve(points) if random.random() < 0.7 else points, 8)
    return _rewrite(ink, random)


def cut_digit(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Cuts less than half of a digit off along a line.

    The piece must be much wider than high and have no hole. Otherwise it could be a smaller digit:
    a stem is a 1, a loop is a 0, the top of a 2 is a 7.
    """
    rows, columns = np.indices((CANVAS_SIDE, CANVAS_SIDE), np.float32)
    while True:
        ink = _take_digit(images, labels, (0, 2, 3, 4, 5, 6, 8, 9), random)
        angle = random.uniform(0, 2 * math.pi)
        position = math.cos(angle) * columns + math.sin(angle) * rows
        edge = np.quantile(position[ink > 127], random.uniform(0.25, 0.45))
        piece = np.where(position < edge, ink, 0).astype(np.uint8)
        mask = find_above(piece, 127)
        _, _, width, height = cv2.boundingRect(mask)
        if width > 1.4 * height and not _has_hole(mask):
            return change_pen(piece, random) if random.random() < 0.4 else piece


def group_digits(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Puts two or three digits side by side, overlapping, or one above the other."""
    n_digits = 3 if random.random() < 0.25 else 2
    stacked = n_digits == 2 and random.random() < 0.25
    # Two stacked loops are an 8, and a stem below a digit only makes the digit longer.
    allowed = (2, 3, 4, 5) if stacked else tuple(range(10))
    page, reach = np.zeros((3 * CANVAS_SIDE, 3 * CANVAS_SIDE), np.uint8), 0
    for index in range(n_digits):
        digit = _take_digit(images, labels, allowed, random)
        if random.random() < 0.5:
            digit = change_pen(digit, random)
        digit = crop(digit)
        start = max(0, reach + int(random.integers(-10, 8))) if index else 0
        slack = int(random.integers(0, 12))
        row, column = (start, slack) if stacked else (slack, start)
        height, width = digit.shape
        place = page[row : row + height, column : column + width]
        np.maximum(place, digit, out=place)
        reach = start + (height if stacked else width)
    return crop(page)


def rule_paper(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws remains of ruled or squared paper: lines, some interrupted, some crossing."""
    ink = make_canvas()
    n_across = int(random.integers(1, 5))
    n_down = int(random.integers(0, 4)) if random.random() < 0.6 else 0
    width = random.uniform(1, 8)
    tilt = random.uniform(-5, 5)
    for index in range(n_across):
        level = 20 + 72 * (index + random.uniform(0, 0.3)) / n_across
        start, end = random.uniform(2, 30), CANVAS_SIDE - random.uniform(2, 30)
        draw_line(ink, np.array([(start, level), (end, level + tilt)]), width)
    for index in range(n_down):
        level = 20 + 72 * (index + random.uniform(0, 0.3)) / n_down
        start, end = random.uniform(2, 30), CANVAS_SIDE - random.uniform(2, 30)
        draw_line(ink, np.array([(level, start), (level - tilt, end)]), width)
    if random.random() < 0.25:
        ink[:, :: int(random.integers(5, 12))] = 0
    return soften(ink, random) if random.random() < 0.4 else ink


def spot_paper(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws paper texture without handwriting: specks, stains or grain."""
    kind = int(random.integers(4))
    if kind == 0:
        ink = make_canvas()
        for _ in range(int(random.integers(2, 15))):
            place = random.integers(15, CANVAS_SIDE - 15, 2).tolist()
            value = int(random.integers(80, 256))
            cv2.circle(ink, place, int(random.integers(1, 9)), value, cv2.FILLED, cv2.LINE_AA)
        return ink
    side = int(random.integers(8, 24)) if kind < 3 else int(random.integers(28, 48))
    noise = random.random((side, side), np.float32)
    if kind == 1:
        # The highest parts of a smooth random field.
        field = cv2.resize(noise, (CANVAS_SIDE, CANVAS_SIDE), interpolation=cv2.INTER_CUBIC)
        level = np.quantile(field, random.uniform(0.6, 0.92))
        return np.where(field > level, 255, 0).astype(np.uint8)
    if kind == 2:
        return np.where(noise > random.uniform(0.4, 0.9), noise * 255, 0).astype(np.uint8)
    return extract_mark(take_picture((noise**4 * 255).astype(np.uint8), random))


def blot(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Draws a solid blot with a random outline."""
    n_points = int(random.integers(4, 10))
    angles = 2 * math.pi / n_points * (np.arange(n_points) + random.uniform(0, 0.7, n_points))
    radii = random.uniform(20, 46, n_points)
    points = CANVAS_SIDE / 2 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    ink = make_canvas()
    outline = smooth_curve(np.vstack([points, points[:1]])) if random.random() < 0.7 else points
    cv2.fillPoly(ink, [np.round(outline).astype(np.int32)], 255, cv2.LINE_AA)
    return ink


OUTLIER_KINDS: Final[Mapping[str, Kind]] = {
    "letters": draw_letter,
    "symbols": draw_symbol,
    "printed letters": print_letter,
    "words": write_word,
    "scribbles": scribble,
    "fragments": cut_digit,
    "several digits": group_digits,
    "ruled lines": rule_paper,
    "spots": spot_paper,
    "blots": blot,
}
"""The kinds in training. Each function takes images, their labels and a random number generator,
and returns ink."""

_FREQUENT: Final = {"letters": 4, "symbols": 2, "fragments": 2}
"""Kinds that are drawn more often than the others, by this factor, because they resemble digits."""


def _rewrite(ink: Ink, random: np.random.Generator) -> Ink:
    """Distorts ink and changes its pen in the same way as for digits."""
    ink = bend(ink, random)
    if random.random() < 0.6:
        ink = change_pen(ink, random)
    if random.random() < 0.35:
        ink = soften(ink, random)
    return photograph(ink, random) if random.random() < 0.04 else ink


def _draw_one_of(glyphs: Mapping[str, str], random: np.random.Generator) -> Ink:
    names = list(glyphs)
    return draw_strokes(glyphs[names[random.integers(len(names))]], random)


def _take_digit(
    images: Digits, labels: Labels, allowed: tuple[int, ...], random: np.random.Generator
) -> Ink:
    """Returns a random image of one of the allowed digits, enlarged and distorted."""
    while True:
        index = random.integers(len(labels))
        if labels[index] in allowed:
            return bend(enlarge(images[index]), random)


def _has_hole(mask: Ink) -> bool:
    _, nesting = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # The last of the four links of a contour is its parent; -1 means none.
    return nesting is not None and bool(np.any(nesting[..., 3] >= 0))


def _write_line(random: np.random.Generator) -> Ink:
    """Draws two to six letters side by side, cropped, about 60 pixels high."""
    n_letters = int(random.integers(2, 7))
    if random.random() < 0.6:
        letters = [PRINTED[index] for index in random.integers(len(PRINTED), size=n_letters)]
        return crop(print_text("".join(letters), random))
    page, reach = np.zeros((CANVAS_SIDE, n_letters * CANVAS_SIDE), np.uint8), 0
    for _ in range(n_letters):
        letter = crop(_draw_one_of(LETTERS, random))
        height, width = letter.shape
        page[:height, reach : reach + width] = letter
        reach += width + int(random.integers(-4, 14))
    return as_bytes(cv2.resize(crop(page), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA))
