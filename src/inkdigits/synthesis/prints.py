"""Prints on paper below the writing: ruled lines, forms, guilloche, emblems.

A print is an array of coverage: 0 on blank paper, 1 where black ink hides the paper. A printed page
is `paper * (1 - cover)`. The coverage includes the strength of the printing ink. No text is
printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.papers import (
    Field,
    Random,
    Shape,
    blur,
    choose,
    draw_noise,
    draw_strokes,
    log_uniform,
    resize,
)

Rectangle = tuple[float, float, float, float]


def draw_screen(across: Field, pitch: float, width: float) -> Field:
    """Draws parallel lines: one wherever a coordinate is a multiple of the pitch.

    Args:
        across: float32, shape (height, width): coordinate across the lines, in pixels.
        pitch: Distance between lines in pixels.
        width: Width of a line in pixels. A line thinner than one pixel is fainter.

    Returns:
        Coverage, float32, shape (height, width), 0 to 1.
    """
    distance = across * np.float32(1 / pitch)
    distance -= np.rint(distance)
    np.abs(distance, out=distance)
    distance *= np.float32(-pitch)
    distance += np.float32(width / 2 + 0.5)
    return np.clip(distance, 0, min(1.0, width), out=distance)


def _rows(shape: Shape) -> Field:
    return np.arange(shape[0], dtype=np.float32)[:, None]


def _columns(shape: Shape) -> Field:
    return np.arange(shape[1], dtype=np.float32)[None, :]


def _line_width(scale: float, random: Random) -> float:
    # Rules are thinner than strokes. Strokes are about a tenth as wide as the writing is high.
    return log_uniform(random, 0.6, max(1.2, 0.08 * scale))


def _ink(random: Random) -> float:
    # Half of the forms are as dark as ink, the others are pale.
    return random.uniform(0.5, 1.0) if random.random() < 0.5 else random.uniform(0.08, 0.5)


def _tilted(shape: Shape, random: Random) -> tuple[Field, Field]:
    """Returns row and column coordinates of a sheet that is slightly rotated or bulges."""
    slope = np.float32(random.normal(0, 0.02) if random.random() < 0.6 else 0.0)
    down = _rows(shape) + _columns(shape) * slope
    along = _columns(shape) - _rows(shape) * slope
    if random.random() < 0.15:
        reach = max(shape)
        # As in an open book, lines sag by a few hundredths of their length.
        sag = np.float32(random.uniform(-0.1, 0.1) / reach)
        down = down + sag * (_columns(shape) - np.float32(shape[1] / 2)) ** 2
    return down, along


def _broken(along: Field, kind: str, width: float, random: Random) -> Field:
    """Returns the ink of dotted or dashed lines along their length: 0 to 1."""
    if kind == "dotted":
        period = width * random.uniform(2.0, 4.0) + 1
        return draw_screen(along, period, max(1.0, width))
    period = random.uniform(6, 24)
    return draw_screen(along, period, period * random.uniform(0.4, 0.7))


def print_rules(shape: Shape, scale: float, random: Random) -> Field:
    """Draws horizontal rules (single or double; solid, dotted or dashed) and margin lines."""
    down, along = _tilted(shape, random)
    pitch = scale * random.uniform(1.1, 2.6)
    down = down - np.float32(random.uniform(0, pitch))
    width = _line_width(scale, random)
    cover = draw_screen(down, pitch, width)
    if random.random() < 0.15:
        gap = np.float32(width + random.uniform(1.5, 4))
        np.maximum(cover, draw_screen(down + gap, pitch, width), out=cover)
    kind = ("solid", "solid", "solid", "dotted", "dashed")[int(random.integers(5))]
    if kind != "solid":
        cover *= _broken(along, kind, width, random)
    if random.random() < 0.3:
        far = float(4 * max(shape))
        margin = np.float32(random.uniform(0, shape[1]))
        np.maximum(cover, draw_screen(along - margin, far, width), out=cover)
    if random.random() < 0.2:
        # A single line to write on, or the upper and lower line of a column.
        far = scale * random.uniform(4, 12)
        cover = draw_screen(down - np.float32(random.uniform(0, shape[0])), far, width)
    return cover * np.float32(_ink(random))


def print_squares(shape: Shape, scale: float, random: Random) -> Field:
    """Draws squared paper, from millimetre paper to squares larger than a digit."""
    down, along = _tilted(shape, random)
    pitch = max(3.5, log_uniform(random, 0.2 * scale, 1.6 * scale))
    width = min(_line_width(scale, random), pitch / 4)
    start = random.uniform(0, pitch, 2).astype(np.float32)
    down, along = down + start[0], along + start[1]
    cover = np.maximum(draw_screen(down, pitch, width), draw_screen(along, pitch, width))
    cover *= np.float32(_ink(random))
    if random.random() < 0.3:
        every = pitch * int(random.integers(4, 11))
        strong = np.maximum(draw_screen(down, every, width), draw_screen(along, every, width))
        np.maximum(cover, strong * np.float32(_ink(random)), out=cover)
    return cover


def draw_segments(shape: Shape, segments: Sequence[Rectangle], width: int) -> Field:
    """Returns the coverage of straight lines, each from (x, y) to (x, y) in pixels: 0 to 1."""
    points = (np.asarray(segments, np.float64).reshape(-1, 2, 1, 2) * 16).astype(np.int32)
    return draw_strokes(shape, points, width)


def print_table(shape: Shape, scale: float, random: Random) -> Field:
    """Draws the grid of a table with columns of unequal width; some lines are missing or double."""
    height, width = shape
    row = scale * random.uniform(1.2, 2.5)
    tops = np.arange(random.uniform(-row, row), height, row)
    lefts = random.uniform(-scale, scale) + np.cumsum(
        random.uniform(1.0, 5.0, int(width / scale) + 2) * scale
    )
    slope = random.normal(0, 0.015)
    first = 0.0 if random.random() < 0.6 else random.uniform(0, 0.5)
    left, last = first * width, width if random.random() < 0.6 else random.uniform(0.6, 1) * width
    segments = [(left, top + slope * left, last, top + slope * last) for top in tops]
    upper = float(tops[0]) if len(tops) else 0.0
    lower = height if random.random() < 0.7 else random.uniform(0.5, 1) * height
    for x in lefts[(lefts >= left) & (lefts <= last)]:
        segments.append((x - slope * upper, upper, x - slope * lower, lower))
        if random.random() < 0.1:
            segments.append((x + 3 - slope * upper, upper, x + 3 - slope * lower, lower))
    kept = [segment for segment in segments if random.random() < 0.92]
    thickness = max(1, round(_line_width(scale, random)))
    return draw_segments(shape, kept, thickness) * np.float32(_ink(random))


def frame_boxes(
    shape: Shape, boxes: Sequence[Rectangle], width: int, *, comb: bool = False
) -> Field:
    """Draws frames around boxes, like the fields of a form.

    Args:
        shape: Height and width in pixels.
        boxes: Left, top, width and height of each frame in pixels; may exceed the page.
        width: Width of the lines in pixels.
        comb: Whether frames are open at the top, with short teeth between the digits.

    Returns:
        Coverage, float32, shape (height, width), 0 to 1.
    """
    segments: list[Rectangle] = []
    for left, top, box_width, box_height in boxes:
        right, bottom = left + box_width, top + box_height
        upper = top + 0.7 * box_height if comb else top
        segments += [(left, bottom, right, bottom)]
        segments += [(left, upper, left, bottom), (right, upper, right, bottom)]
        if not comb:
            segments.append((left, top, right, top))
    return draw_segments(shape, segments, width)


def print_boxes(shape: Shape, scale: float, random: Random) -> Field:
    """Draws rows of boxes for one digit each: joined, separate or combs; or of larger frames."""
    boxes: list[Rectangle] = []
    height = scale * random.uniform(1.1, 1.8)
    width = height * random.uniform(0.65, 1.1)
    if random.random() < 0.2:
        width *= int(random.integers(3, 9))
    step = width if random.random() < 0.5 else width * random.uniform(1.1, 1.5)
    top = random.uniform(-height / 2, height)
    while top < shape[0]:
        left = random.uniform(-width, max(1.0, shape[1] / 2))
        for index in range(min(int(random.integers(1, 13)), int(shape[1] / step) + 1)):
            boxes.append((left + index * step, top, width, height))
        top += height * random.uniform(1.1, 3.0)
    thickness = max(1, round(_line_width(scale, random)))
    cover = frame_boxes(shape, boxes, thickness, comb=random.random() < 0.25)
    return cover * np.float32(_ink(random))


def _guilloche_ink(random: Random) -> float:
    # The lines of cheques have a tenth to a half of the darkness of strong writing.
    return log_uniform(random, 0.06, 0.6)


def _fine_pitch(scale: float, random: Random) -> float:
    # On cheques, lines are a tenth to a sixth of a digit apart. Below 2.2 pixels they alias.
    return log_uniform(random, max(2.2, 0.05 * scale), max(4.0, 0.28 * scale))


def print_waves(shape: Shape, scale: float, random: Random) -> Field:
    """Draws one or two crossing sets of parallel waves, the background of cheques."""
    turned = shape[::-1] if random.random() < 0.2 else shape
    cover = np.zeros(turned, np.float32)
    rows, columns = _rows(turned), _columns(turned)
    slope = random.normal(0, 0.25)
    for _ in range(1 if random.random() < 0.55 else 2):
        pitch = _fine_pitch(scale, random)
        length = log_uniform(random, 0.6 * scale, 12 * scale)
        # Waves steeper than 45 degrees would overlap.
        amplitude = random.uniform(0, 0.9) * length / (2 * math.pi)
        if random.random() < 0.4:
            amplitude = min(amplitude, pitch * random.uniform(0, 1))
        phase = random.uniform(0, 2 * math.pi)
        wave = np.sin(columns * np.float32(2 * math.pi / length) + np.float32(phase))
        across = rows + (wave * np.float32(amplitude) + columns * np.float32(slope))
        if random.random() < 0.4:
            # The slope changes along the rows, which makes a fan of lines.
            across *= 1 + columns * np.float32(random.uniform(-0.3, 0.3) / turned[1])
        lines = draw_screen(across, pitch, random.uniform(0.2, 0.45) * pitch)
        np.maximum(cover, lines * np.float32(_guilloche_ink(random)), out=cover)
        slope += random.normal(0, 0.8)
    return cover if turned == shape else np.ascontiguousarray(cover.T)


def print_contours(shape: Shape, scale: float, random: Random) -> Field:
    """Draws nested arcs and contour lines of smooth hills; two sets overlap to a moiré."""
    small = (shape[0] // 4 + 2, shape[1] // 4 + 2)
    cover = np.zeros(shape, np.float32)
    for _ in range(1 if random.random() < 0.5 else 2):
        heights = draw_noise(small, max(4.0, scale * random.uniform(0.4, 1.5)), random)
        heights *= np.float32(scale * random.uniform(0.0, 0.5))
        centres = random.uniform(-0.3, 1.3, (int(random.integers(1, 5)), 2)) * shape
        rows, columns = _rows(small) * 4, _columns(small) * 4
        circles = [
            np.hypot(rows - np.float32(row), columns - np.float32(column))
            for row, column in centres
        ]
        # With the nearest centre, circles end where they meet. The mean of all distances gives
        # ellipses and saddles.
        nearest = random.random() < 0.6
        heights += np.minimum.reduce(circles) if nearest else sum(circles) / len(circles)
        across = resize(heights.astype(np.float32), shape, cv2.INTER_LINEAR)
        pitch = _fine_pitch(scale, random)
        lines = draw_screen(across, pitch, random.uniform(0.2, 0.4) * pitch)
        np.maximum(cover, lines * np.float32(_guilloche_ink(random)), out=cover)
    return cover


def print_rosettes(shape: Shape, scale: float, random: Random) -> Field:
    """Draws rosettes: rings with a radius that oscillates with the angle."""
    small = (shape[0] // 2 + 1, shape[1] // 2 + 1)
    row, column = random.uniform(0, 1, 2) * shape
    rows = _rows(small) * 2 - np.float32(row)
    columns = _columns(small) * 2 - np.float32(column)
    radius = np.hypot(rows, columns)
    angle = np.arctan2(rows, columns)
    cover = np.zeros(shape, np.float32)
    petals = int(random.integers(5, 25))
    pitch = _fine_pitch(scale, random)
    depth = scale * random.uniform(0.2, 1.0)
    strength = _guilloche_ink(random)
    for sign in (-1, 1):
        wave = np.sin(angle * np.float32(petals) + sign * radius * np.float32(0.5 / scale))
        # Near the centre, the full amplitude would be too steep for the width of the rings.
        wave *= np.minimum(np.float32(depth), radius * np.float32(0.8 / petals))
        across = resize(radius + wave, shape, cv2.INTER_LINEAR)
        lines = draw_screen(across, pitch * 1.6, max(0.7, 0.3 * pitch))
        np.maximum(cover, lines * np.float32(strength), out=cover)
    if random.random() < 0.5:
        reach = scale * random.uniform(1.5, 6)
        cover *= resize(np.clip(reach - radius, 0, 1), shape, cv2.INTER_LINEAR)
    return cover


def print_ribbons(shape: Shape, scale: float, random: Random) -> Field:
    """Draws guilloche ribbons: groups of sine curves with increasing phase."""
    columns = np.linspace(-8, shape[1] + 8, 72)
    curves = []
    for _ in range(int(random.integers(1, 4))):
        middle = random.uniform(0, shape[0]) + random.normal(0, 0.2) * columns
        number = int(random.integers(5, 14))
        length = scale * random.uniform(1.0, 5.0)
        envelope = scale * random.uniform(0.3, 1.2)
        swell = 1 + 0.5 * np.sin(columns * (2 * math.pi / (length * 2.7)))
        shift = random.uniform(0.15, 2 * math.pi) / number
        for index in range(number):
            ys = middle + envelope * swell * np.sin(
                columns * (2 * math.pi / length) + index * shift
            )
            curves.append((np.stack([columns, ys], axis=1) * 16).astype(np.int32)[:, None, :])
    return draw_strokes(shape, curves, 1) * np.float32(_guilloche_ink(random))


def print_microlines(shape: Shape, scale: float, random: Random) -> Field:
    """Draws straight lines as fine as pixels allow, in one or two directions."""
    cover = np.zeros(shape, np.float32)
    for _ in range(1 if random.random() < 0.5 else 2):
        angle = random.uniform(0, math.pi)
        sine, cosine = np.float32(math.sin(angle)), np.float32(math.cos(angle))
        across = _rows(shape) * cosine + _columns(shape) * sine
        pitch = random.uniform(2.1, max(3.5, 0.12 * scale))
        lines = draw_screen(across, pitch, random.uniform(0.3, 0.5) * pitch)
        np.maximum(cover, lines * np.float32(_guilloche_ink(random)), out=cover)
    return cover


def print_tints(shape: Shape, scale: float, random: Random) -> Field:
    """Draws security hatches or dots: a fine pattern that repeats in both directions."""
    pitch = max(2.5, log_uniform(random, 0.07 * scale, 0.4 * scale))
    down, along = _tilted(shape, random)
    if random.random() < 0.4:
        down, along = (down + along) * np.float32(0.7), (along - down) * np.float32(0.7)
    width = pitch * random.uniform(0.3, 0.6)
    first, second = draw_screen(down, pitch, width), draw_screen(along, pitch, width)
    dots = random.random() < 0.6
    cover = first * second if dots else np.maximum(first, second)
    return cover * np.float32(_guilloche_ink(random))


def print_halftone(shape: Shape, scale: float, random: Random) -> Field:
    """Draws a halftone raster: dots that grow with the darkness of a smooth random field."""
    pitch = max(3.0, log_uniform(random, 0.08 * scale, 0.3 * scale))
    rows, columns = _rows(shape), _columns(shape)
    factor = np.float32(2 * math.pi / pitch * 0.7)
    raster = np.cos((rows + columns) * factor) + np.cos((rows - columns) * factor)
    tone = draw_noise(shape, max(shape) * random.uniform(0.2, 0.8), random)
    tone += np.float32(random.uniform(-1.5, 0))
    # The raster rises by about 2 / pitch per pixel; this factor makes edges one pixel wide.
    cover: Field = np.clip((raster * np.float32(0.5) + tone) * np.float32(pitch / 3), 0, 1)
    return cover * np.float32(_ink(random) * 0.7)


def print_marks(shape: Shape, scale: float, random: Random) -> Field:
    """Draws emblems: discs, polygons and stars, filled or outlined, pale or dark."""
    cover = np.zeros(shape, np.float32)
    for _ in range(int(random.integers(1, 4))):
        canvas = np.zeros(shape, np.uint8)
        size = scale * log_uniform(random, 0.5, 3.0)
        corners = int(random.integers(3, 13))
        angles = np.arange(corners) * (2 * math.pi / corners) + random.uniform(0, 2 * math.pi)
        radii = np.full(corners, size / 2)
        if random.random() < 0.4:
            radii[::2] *= random.uniform(0.4, 0.8)
        middle = random.uniform(0, 1, 2) * (shape[1], shape[0])
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None] + middle
        outline = (points * 16).astype(np.int32)[:, None, :]
        # Round shapes are always filled, because their outline would be a zero.
        if random.random() < 0.5 or corners > 5:
            cv2.fillPoly(canvas, [outline], 255, cv2.LINE_AA, 4)
        else:
            width = max(1, round(size * random.uniform(0.03, 0.15)))
            cv2.polylines(canvas, [outline], True, 255, width, cv2.LINE_AA, 4)
        strength = random.uniform(0.05, 0.5) if random.random() < 0.7 else random.uniform(0.5, 1)
        np.maximum(cover, canvas * np.float32(strength / 255), out=cover)
    return cover


def print_bars(shape: Shape, scale: float, random: Random) -> Field:
    """Draws shaded bands behind rows or columns, or a thick bar."""
    turned = shape[::-1] if random.random() < 0.3 else shape
    rows = _rows(turned) + _columns(turned) * np.float32(random.normal(0, 0.01))
    if random.random() < 0.6:
        pitch = scale * random.uniform(2, 5)
        cover = draw_screen(rows, pitch, pitch / 2) * np.float32(random.uniform(0.04, 0.4))
    else:
        width = max(2.0, scale * log_uniform(random, 0.1, 1.5))
        start = np.float32(random.uniform(0, turned[0]))
        cover = draw_screen(rows - start, 4 * max(turned), width) * np.float32(_ink(random))
    return cover if turned == shape else np.ascontiguousarray(cover.T)


PRINTS: Mapping[str, Callable[[Shape, float, Random], Field]] = {
    "rules": print_rules,
    "squares": print_squares,
    "table": print_table,
    "boxes": print_boxes,
    "waves": print_waves,
    "contours": print_contours,
    "rosettes": print_rosettes,
    "ribbons": print_ribbons,
    "microlines": print_microlines,
    "tints": print_tints,
    "halftone": print_halftone,
    "marks": print_marks,
    "bars": print_bars,
}
"""Kinds of print by name."""

GUILLOCHE = ("waves", "contours", "rosettes", "ribbons", "microlines", "tints")
"""Kinds of print on bank cheques."""

FREQUENCIES: Mapping[str, float] = {
    "rules": 0.17,
    "squares": 0.09,
    "table": 0.10,
    "boxes": 0.09,
    "waves": 0.13,
    "contours": 0.12,
    "rosettes": 0.03,
    "ribbons": 0.05,
    "microlines": 0.04,
    "tints": 0.06,
    "halftone": 0.03,
    "marks": 0.05,
    "bars": 0.04,
}
"""Share of each kind. A little over 40 % are the fine lines of cheques."""


def draw_print(
    shape: Shape, scale: float, random: Random, kinds: Iterable[str] | None = None
) -> Field:
    """Draws a print of a random kind. Fine lines of cheques may be combined with others or a rule.

    Args:
        shape: Height and width in pixels.
        scale: Height of the writing in pixels, usually 12 to 200. Prints are relative to it.
        random: Random number generator; the same state gives the same print.
        kinds: Names of `PRINTS` to choose from, or None for all. Other kinds are not drawn.

    Returns:
        Coverage, float32, shape (height, width), 0 blank paper to 1 black. The printed page is
        `paper * (1 - cover)`. There is always a print; for blank paper do not call this function.

    Raises:
        UsageError: A kind is unknown.
    """
    allowed = list(PRINTS if kinds is None else kinds)
    kind = choose(random, FREQUENCIES, allowed)
    cover = PRINTS[kind](shape, scale, random)
    if kind in GUILLOCHE:
        if random.random() < 0.35:
            second = choose(random, FREQUENCIES, [name for name in allowed if name in GUILLOCHE])
            np.maximum(cover, PRINTS[second](shape, scale, random), out=cover)
        if random.random() < 0.25:
            # A tinted field to write in, with a sharp or soft edge.
            edge = draw_noise(shape, max(shape), random) * np.float32(random.uniform(0.5, 20))
            cover += np.clip(edge, 0, 1) * np.float32(random.uniform(0.05, 0.25)) * (1 - cover)
        if random.random() < 0.3 and "rules" in allowed:
            np.maximum(cover, print_rules(shape, scale, random), out=cover)
        if random.random() < 0.4:
            cover = blur(cover, random.uniform(0.4, 0.9))
    return np.clip(cover, 0, 1, out=cover)
