"""Blank papers and other backgrounds, before anything is printed or written on them.

The size of textures is relative to `scale`, the height in pixels of the writing. Large textures are
drawn small and enlarged, and noise is cropped from fields that are drawn once. A page of 256 x 256
pixels therefore takes well under a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition.opencv import cv2

Field = NDArray[np.float32]
Shape = tuple[int, int]
Curves = NDArray[np.int32]
Random = np.random.Generator

_NOISE_SIDE = 640
"""Side in pixels of a stored noise field: 1.6 MB, and some 150,000 crops of 256 x 256 pixels."""

_N_NOISES = 3
"""Number of stored noise fields. Transposing, flipping and negating makes 16 variants of a crop."""

_NOISE_SEED = 20_240_229
"""Seed of the stored fields. It is arbitrary but fixed, so that pages are reproducible."""


@cache
def _normals(index: int) -> Field:
    """Returns a stored field of independent normal values, mean 0, standard deviation 1."""
    random = np.random.default_rng([_NOISE_SEED, index])
    return random.standard_normal((_NOISE_SIDE, _NOISE_SIDE), dtype=np.float32)


def _cut_noise(shape: Shape, random: Random) -> Field:
    field = _normals(int(random.integers(_N_NOISES)))
    turned, upside_down, mirrored, negated = random.random(4) < 0.5
    height, width = shape[::-1] if turned else shape
    if max(shape) > _NOISE_SIDE:
        field = np.tile(field, (-(-height // _NOISE_SIDE), -(-width // _NOISE_SIDE)))
    top = int(random.integers(field.shape[0] - height + 1))
    left = int(random.integers(field.shape[1] - width + 1))
    cut = field[top : top + height, left : left + width]
    if upside_down:
        cut = cut[::-1]
    if mirrored:
        cut = cut[:, ::-1]
    if turned:
        cut = cut.T
    return np.multiply(cut, np.float32(-1 if negated else 1), order="C")


def blur(field: Field, sigma: float, sigma_rows: float | None = None) -> Field:
    """Returns the field blurred with a Gaussian; `sigma_rows` sets another sigma across rows."""
    rows = sigma if sigma_rows is None else sigma_rows
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigmaX=sigma, sigmaY=rows), np.float32)


def resize(field: Field, shape: Shape, interpolation: int) -> Field:
    """Returns the field resized to a height and width with an interpolation of OpenCV."""
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=interpolation), np.float32)


def draw_noise(shape: Shape, size: float | tuple[float, float], random: Random) -> Field:
    """Returns grain of a given size: float32, mean about 0, standard deviation about 1.

    Args:
        shape: Height and width in pixels.
        size: Diameter of a grain in pixels, or its height and width. At 1 or less, pixels are
            independent of each other.
        random: Random number generator.
    """
    heights = size if isinstance(size, tuple) else (size, size)
    # Three samples per grain: with fewer the grid is visible, more take longer.
    steps = [max(1.0, value / 3) for value in heights]
    small = (math.ceil(shape[0] / steps[0]), math.ceil(shape[1] / steps[1]))
    noise = _cut_noise(small, random)
    sigmas = [max(value, 1.0) / step / 2 for value, step in zip(heights, steps, strict=True)]
    if max(heights) > 1:
        # A Gaussian with sigma s divides the variance of independent pixels by 2 s sqrt(pi)
        # along its axis; below 0.7 pixels it hardly reaches the neighbours.
        noise = blur(noise, sigmas[1], sigmas[0])
        noise *= math.sqrt(math.prod(max(1.0, 2 * sigma * math.sqrt(math.pi)) for sigma in sigmas))
    if small != shape:
        noise = resize(noise, shape, cv2.INTER_CUBIC)
    return noise


def log_uniform(random: Random, low: float, high: float) -> float:
    """Returns a number between two positive bounds; its logarithm is uniformly distributed."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def draw_ramp(shape: Shape, random: Random) -> Field:
    """Returns a linear ramp in a random direction: float32, 0 to 1 between opposite corners."""
    angle = random.uniform(0, 2 * math.pi)
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] * np.float32(math.sin(angle))
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :] * np.float32(math.cos(angle))
    reach = abs(math.sin(angle)) + abs(math.cos(angle))
    return (rows + columns) * np.float32(0.5 / reach) + np.float32(0.5)


def _uniform(shape: Shape, value: float) -> Field:
    return np.full(shape, value, np.float32)


def _brightness(random: Random) -> float:
    # White paper in a scan is 1. In photographs and on microfilm it is medium grey to white.
    return 1.0 if random.random() < 0.3 else random.uniform(0.5, 1.0)


def plain_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws exactly uniform paper, white or grey."""
    return _uniform(shape, 1.0 if random.random() < 0.6 else random.uniform(0.45, 1.0))


def lit_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws smooth paper in uneven light: a ramp, or broad and soft patches."""
    paper = _uniform(shape, random.uniform(0.6, 1.0))
    # As in photographs of desks, up to 40 % of the light is lost towards the darker side.
    depth = np.float32(random.uniform(0.03, 0.4))
    if random.random() < 0.6:
        paper -= draw_ramp(shape, random) * depth
    else:
        patches = draw_noise(shape, max(shape) * random.uniform(0.6, 1.2), random)
        paper += patches * (depth / 4)
    return paper


def grainy_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws paper with grain of any size, up to the strength of a photograph in bad light."""
    smooth = random.random() < 0.7
    paper = _uniform(shape, _brightness(random)) if smooth else lit_paper(shape, scale, random)
    for _ in range(1 if random.random() < 0.5 else 2):
        size = log_uniform(random, 0.7, max(1.5, 0.25 * scale))
        # Fine grain averages out along a stroke. Grain as coarse as a stroke hides it, so it is
        # weaker.
        strongest = 0.25 if size < 2 else 0.12
        strength = log_uniform(random, 0.01, strongest if random.random() < 0.4 else 0.06)
        stretch = log_uniform(random, 0.5, 2.0) if random.random() < 0.3 else 1.0
        paper += draw_noise(shape, (size * stretch, size / stretch), random) * np.float32(strength)
    return paper


def _curves(random: Random, shape: Shape, number: int, length: float, bend: float) -> Curves:
    """Returns random curves, int32, shape (number, 5, 1, 2), in sixteenths of a pixel."""
    turns = random.normal(0, bend, (number, 5)).cumsum(axis=1) + random.uniform(
        0, 2 * math.pi, (number, 1)
    )
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=2) * (length / 4)
    steps *= random.uniform(0.3, 1.5, (number, 1, 1))
    starts = random.uniform(0, 1, (number, 1, 2)) * (shape[1], shape[0])
    points: Curves = ((starts + steps.cumsum(axis=1)) * 16).astype(np.int32)[:, :, None, :]
    return points


def draw_strokes(
    shape: Shape, curves: Iterable[Curves], width: int, *, closed: bool = False
) -> Field:
    """Returns the coverage of lines through points: float32, shape (height, width), 0 to 1.

    Args:
        shape: Height and width in pixels.
        curves: One int32 array (points, 1, 2) per line: x and y in sixteenths of a pixel.
        width: Width of the lines in pixels.
        closed: Whether each line returns to its first point.
    """
    canvas = np.zeros(shape, np.uint8)
    cv2.polylines(canvas, list(curves), closed, 255, width, cv2.LINE_AA, 4)
    return canvas * np.float32(1 / 255)


def fibrous_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws paper with visible fibres, darker or lighter than the rest."""
    paper = _uniform(shape, random.uniform(0.55, 0.97))
    # From a few fibres to a dense felt: at most 150 on 256 x 256 pixels.
    number = min(400, int(log_uniform(random, 4, 150) * math.prod(shape) / 256**2) + 1)
    length = log_uniform(random, max(4.0, 0.15 * scale), max(8.0, 0.8 * scale))
    fibres = draw_strokes(shape, _curves(random, shape, number, length, 0.5), 1)
    depth = random.uniform(0.03, 0.3) * (1 if random.random() < 0.7 else -0.5)
    paper -= fibres * np.float32(depth)
    paper += draw_noise(shape, random.uniform(1, 3), random) * np.float32(random.uniform(0, 0.03))
    return paper


def stained_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws old paper: brown, with soft blotches, foxing, or stains with a darker rim."""
    paper = _uniform(shape, random.uniform(0.5, 0.95))
    for _ in range(int(random.integers(1, 3))):
        smallest = max(3.0, 0.15 * scale)
        size = log_uniform(random, smallest, max(smallest, max(shape) * 0.8))
        field = draw_noise(shape, size, random)
        edge = random.uniform(0.1, 1.5)
        field -= np.float32(random.uniform(0, 1.5))
        stain = np.clip(field / np.float32(edge), 0, 1)
        if random.random() < 0.4:
            # Water carries dirt to the rim: dark where the field crosses zero, lighter inside.
            stain = stain * np.float32(0.4) + np.clip(1 - np.abs(field) * np.float32(8), 0, 1)
        # A stain with a hard edge is lighter, because a dark one would look like ink.
        paper -= stain * np.float32(random.uniform(0.03, 0.3 if edge > 0.6 else 0.18))
    paper += draw_noise(shape, random.uniform(1, 4), random) * np.float32(random.uniform(0, 0.04))
    return paper


def _script(shape: Shape, scale: float, random: Random) -> list[Curves]:
    """Returns lines of loops and waves that resemble fast, illegible handwriting."""
    lines: list[Curves] = []
    pitch = scale * random.uniform(1.0, 2.5)
    slope = random.normal(0, 0.05)
    slant = random.uniform(-0.8, 0.2)
    top = random.uniform(-pitch, pitch)
    while top < shape[0] + pitch and len(lines) < 12:
        letters = min(60, int(shape[1] / (scale * 0.4)) + 2)
        steps = np.arange(letters * 8, dtype=np.float64)
        turns = steps * (2 * math.pi / 8)
        height = np.repeat(random.uniform(-0.6, 0.6, letters), 8) * scale * 0.7
        ys = np.sin(turns) * height
        xs = (steps / 8 + random.uniform(0.1, 0.5) * np.cos(turns)) * scale * 0.4 + ys * slant
        ys += top + slope * xs
        points = np.stack([xs - random.uniform(0, scale), ys], axis=1) * 16
        written = points.astype(np.int32)[:, None, :]
        first = 0
        while first < len(written):
            last = first + 8 * int(random.integers(2, 7))
            lines.append(written[first:last])
            first = last + 8
        top += pitch
    return lines


def show_through_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws thin paper with illegible writing that shows through, faint and blurred."""
    paper = _uniform(shape, random.uniform(0.6, 1.0))
    size = scale * random.uniform(0.5, 1.3)
    thickness = max(1, round(size * random.uniform(0.03, 0.12)))
    cover = draw_strokes(shape, _script(shape, size, random), thickness)
    cover = blur(cover, max(0.6, thickness * random.uniform(0.4, 1.0)))
    # Writing on the front is at least twice as dark as writing that shows through.
    paper -= cover * np.float32(random.uniform(0.05, 0.25))
    paper += draw_noise(shape, random.uniform(1, 6), random) * np.float32(random.uniform(0, 0.03))
    return paper


def folded_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws paper with straight creases, bright on one side and dark on the other, or crumpled."""
    paper = _uniform(shape, random.uniform(0.65, 0.98))
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    columns = np.arange(shape[1], dtype=np.float32)[None, :]
    crumpled = random.random() < 0.3
    for _ in range(int(random.integers(3, 8)) if crumpled else int(random.integers(1, 3))):
        angle = random.normal(0, 0.04) + math.pi / 2 * int(random.integers(2))
        if crumpled:
            angle = random.uniform(0, math.pi)
        sine, cosine = np.float32(math.sin(angle)), np.float32(math.cos(angle))
        middle = random.uniform(0, shape[0]) * cosine + random.uniform(0, shape[1]) * sine
        distance = rows * cosine + columns * sine - np.float32(middle)
        # A crease is one to a few pixels wide; the bent paper beside it is 2 to 12 times wider.
        width = np.float32(random.uniform(0.6, 0.6 + 0.05 * scale))
        flank = np.clip(distance / (width * np.float32(random.uniform(2, 12))), -1, 1)
        flank *= np.float32(random.uniform(0.02, 0.1)) * (1 - np.abs(flank))
        crease = np.clip(1 - np.abs(distance) / width, 0, 1)
        paper += flank * 2
        paper += crease * np.float32(random.uniform(-0.25, 0.15))
    paper += draw_noise(shape, random.uniform(1, 3), random) * np.float32(random.uniform(0, 0.02))
    return paper


def recycled_paper(shape: Shape, scale: float, random: Random) -> Field:
    """Draws recycled or kraft paper: grey to brown, with specks, fibres and clouds."""
    paper = _uniform(shape, random.uniform(0.4, 0.8))
    paper += draw_noise(shape, log_uniform(random, 4, 40), random) * np.float32(0.02)
    fine = draw_noise(shape, random.uniform(1, 2.5), random)
    paper += fine * np.float32(random.uniform(0.01, 0.05))
    # The extreme values of the same noise become specks.
    rare = np.float32(random.uniform(2.0, 3.2))
    paper -= np.clip(np.abs(fine) - rare, 0, 1) * np.float32(random.uniform(0.1, 0.6))
    curves = _curves(random, shape, int(random.integers(5, 60)), max(6.0, 0.3 * scale), 0.6)
    paper += draw_strokes(shape, curves, 1) * np.float32(random.uniform(-0.15, 0.1))
    return paper


def wooden_ground(shape: Shape, scale: float, random: Random) -> Field:
    """Draws a wooden board: streaks along the grain, and growth rings."""
    along_rows = random.random() < 0.5
    turned = shape if along_rows else shape[::-1]
    thickness = log_uniform(random, 1.5, max(3.0, 0.3 * scale))
    streaks = draw_noise(turned, (thickness, thickness * random.uniform(15, 40)), random)
    rings = draw_noise(turned, (max(turned) * 0.3, max(turned) * 1.5), random)
    phase = rings * np.float32(random.uniform(2, 6))
    phase -= np.rint(phase)
    wood = streaks * np.float32(random.uniform(0.01, 0.06))
    wood += np.abs(phase) * np.float32(random.uniform(0, 0.25))
    wood += np.float32(random.uniform(0.35, 0.75))
    return wood if along_rows else np.ascontiguousarray(wood.T)


def woven_ground(shape: Shape, scale: float, random: Random) -> Field:
    """Draws fabric or coarse laid paper: threads of uneven thickness that cross at right angles."""
    pitch = random.uniform(2.2, max(3.5, 0.2 * scale))
    skew = np.float32(random.normal(0, 0.05))
    rows = np.arange(shape[0], dtype=np.float32)[:, None] / np.float32(pitch)
    columns = np.arange(shape[1], dtype=np.float32)[None, :] / np.float32(pitch)
    warp = rows + columns * skew
    weft = columns - rows * skew
    warp = warp - np.rint(warp)
    weft = weft - np.rint(weft)
    cloth: Field = np.abs(warp) * np.float32(random.uniform(0.3, 1)) + np.abs(weft)
    if random.random() < 0.5:
        cloth = np.where((warp > 0) ^ (weft > 0), cloth, 1 - cloth)
    contrast = log_uniform(random, 0.03, 0.3)
    cloth *= np.float32(contrast) * (
        1 + draw_noise(shape, (pitch, pitch * 6), random) * np.float32(0.3)
    )
    cloth += np.float32(random.uniform(0.5, 0.95) - contrast / 2)
    return cloth


def blackboard(shape: Shape, scale: float, random: Random) -> Field:
    """Draws a dark board with wiped chalk, for writing that is lighter than its background."""
    board = _uniform(shape, random.uniform(0.08, 0.3))
    dust = draw_noise(shape, (scale * random.uniform(0.2, 1), scale * random.uniform(1, 4)), random)
    fine = draw_noise(shape, random.uniform(1, 2), random)
    board += np.clip(dust + fine * np.float32(0.4), -0.5, 3) * np.float32(
        random.uniform(0.01, 0.07)
    )
    board += fine * np.float32(random.uniform(0.005, 0.03))
    return board


def plastered_ground(shape: Shape, scale: float, random: Random) -> Field:
    """Draws a wall, stone or embossed paper: bumps lit from one side."""
    size = log_uniform(random, 2.0, max(4.0, 0.5 * scale))
    bumps = draw_noise(shape, size, random)
    bumps += draw_noise(shape, max(1.5, size / 3), random) * np.float32(0.4)
    shift = np.array([[1, 0, size / 3], [0, 1, size / 3]])
    moved = cv2.warpAffine(bumps, shift, shape[::-1], borderMode=cv2.BORDER_REFLECT)
    wall: Field = (bumps - np.asarray(moved, np.float32)) * np.float32(
        log_uniform(random, 0.01, 0.1)
    )
    wall += np.float32(random.uniform(0.4, 0.92))
    return wall


PAPERS: Mapping[str, Callable[[Shape, float, Random], Field]] = {
    "plain": plain_paper,
    "lit": lit_paper,
    "grainy": grainy_paper,
    "fibrous": fibrous_paper,
    "stained": stained_paper,
    "show-through": show_through_paper,
    "folded": folded_paper,
    "recycled": recycled_paper,
    "wooden": wooden_ground,
    "woven": woven_ground,
    "blackboard": blackboard,
    "plastered": plastered_ground,
}
"""Kinds of paper by name. Results may be outside 0 to 1; `draw_paper` clips them."""

FREQUENCIES: Mapping[str, float] = {
    "plain": 0.36,
    "lit": 0.14,
    "grainy": 0.22,
    "fibrous": 0.03,
    "stained": 0.05,
    "show-through": 0.04,
    "folded": 0.03,
    "recycled": 0.03,
    "wooden": 0.02,
    "woven": 0.03,
    "blackboard": 0.02,
    "plastered": 0.03,
}
"""Share of each kind. Half of the papers are simple; grain is the most frequent of the others."""

_SIMPLE = ("plain", "lit")


def choose(
    random: Random, frequencies: Mapping[str, float], kinds: Iterable[str] | None = None
) -> str:
    """Returns a random kind, with the given relative frequencies.

    Args:
        random: Random number generator.
        frequencies: Relative frequency of each kind.
        kinds: Names to choose from, or None for all.

    Raises:
        UsageError: A kind is unknown, or `kinds` is empty.
    """
    names = list(frequencies if kinds is None else kinds)
    unknown = [name for name in names if name not in frequencies]
    if unknown or not names:
        raise UsageError(
            f"unknown kinds {unknown or names}: expected one or more of "
            f"{', '.join(sorted(frequencies))}"
        )
    bounds = np.cumsum([frequencies[name] for name in names])
    return names[int(np.searchsorted(bounds, random.random() * bounds[-1], side="right"))]


def draw_paper(
    shape: Shape, scale: float, random: Random, kinds: Iterable[str] | None = None
) -> Field:
    """Draws a blank background of a random kind.

    Half of the papers are simple (`plain`, `lit`). Some of the others get additional grain. On dark
    paper (mean below 0.4: some boards) the writing should be lighter than the paper.

    Args:
        shape: Height and width in pixels.
        scale: Height of the writing in pixels, usually 12 to 200. Textures are relative to it.
        random: Random number generator; the same state gives the same paper.
        kinds: Names of `PAPERS` to choose from, or None for all.

    Returns:
        Reflectance, float32, shape (height, width), 0 black to 1 white.

    Raises:
        UsageError: A kind is unknown.
    """
    kind = choose(random, FREQUENCIES, kinds)
    paper = PAPERS[kind](shape, scale, random)
    if kind not in _SIMPLE and kind != "grainy" and random.random() < 0.35:
        grain = draw_noise(shape, log_uniform(random, 0.7, 4), random)
        paper += grain * np.float32(log_uniform(random, 0.01, 0.08))
    return np.clip(paper, 0, 1, out=paper)
