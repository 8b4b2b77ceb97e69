"""Surroundings of the writing on the suite's pages: prints, specks, colours, light and camera.

`height` is the height of the page's digits in pixels. Cover is float32 of shape (height, width),
0 background to 1 full ink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.suite_pens import Cover

Photo: TypeAlias = NDArray[np.float32]
"""Levels, 0 black to 255 white, shape (height, width) grey or (height, width, 3) RGB."""

Mark = Callable[[Cover, float, np.random.Generator], Cover]
"""Draws other marks on the paper, given the writing and the height of its digits in pixels."""

Condition = Callable[[Photo, float, np.random.Generator], Photo]
"""Changes a photo, given the height of its digits in pixels."""

Colour: TypeAlias = NDArray[np.float32]
"""A level, shape (1,), or red, green and blue, shape (3,), 0 to 255."""

Paint = Callable[[np.random.Generator], tuple[Colour, Colour]]
"""Chooses the colours of paper and ink."""

_WORDS: Final = ("Account", "AMOUNT", "Date", "Invoice", "Name", "Number", "Signature", "TOTAL")


def rule(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Draws horizontal rules with the usual distance for this height of writing."""
    step = random.uniform(1.1, 1.9) * height
    return _draw_rules(writing.shape, step, height, random)


def square(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Draws squared paper with squares smaller than a digit."""
    step = random.uniform(0.4, 0.8) * height
    state = random.bit_generator.state
    across = _draw_rules(writing.shape, step, height, random)
    # Vertical lines have the same distance, strength and thickness.
    random.bit_generator.state = state
    down = _draw_rules(writing.shape[::-1], step, height, random).T[:, ::-1]
    return np.maximum(across, down)


def _draw_rules(
    shape: tuple[int, ...], step_px: float, height_px: float, random: np.random.Generator
) -> Cover:
    rows, columns = shape
    rules = np.zeros((rows, columns), np.float32)
    strength = random.uniform(0.15, 0.4)
    thickness = max(round(random.uniform(0.01, 0.03) * height_px), 1)
    rise = random.normal(0, 0.01) * columns
    for y in np.arange(random.random() * step_px, rows, step_px):
        cv2.line(rules, (0, round(y)), (columns, round(y + rise)), strength, thickness, cv2.LINE_AA)
    return rules


def print_words(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Prints one word above the writing and one below, as on a form."""
    rows, columns = writing.shape
    written = np.flatnonzero(writing.any(axis=1))
    words = Image.new("L", (columns, rows))
    draw = ImageDraw.Draw(words)
    for start, end in ((0, int(written[0])), (int(written[-1]) + 1, rows)):
        font = ImageFont.load_default(0.6 * min(end - start, 0.8 * height))
        place = (random.uniform(0.2, 1) * height, (start + end) / 2)
        draw.text(place, _WORDS[random.integers(len(_WORDS))], 255, font, anchor="lm")
    return np.asarray(words, np.float32) * np.float32(0.85 / 255)


def sprinkle(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Draws specks, some of them as dark as the ink."""
    specks = np.zeros_like(writing)
    rows, columns = writing.shape
    for _ in range(random.integers(4, 16)):
        centre = (int(random.integers(columns)), int(random.integers(rows)))
        radius = max(round(random.uniform(0.01, 0.04) * height), 1)
        strength = random.uniform(0.3, 1) * float(writing.max())
        cv2.circle(specks, centre, radius, strength, cv2.FILLED, cv2.LINE_AA)
    return specks


def paint_grey(random: np.random.Generator) -> tuple[Colour, Colour]:
    """Chooses light grey paper and dark grey ink."""
    return _as_colours(random.uniform(190, 255, 1), random.uniform(0, 60, 1))


def paint_dark(random: np.random.Generator) -> tuple[Colour, Colour]:
    """Chooses dark grey paper and light grey ink."""
    return _as_colours(random.uniform(0, 70, 1), random.uniform(180, 255, 1))


def paint_coloured(random: np.random.Generator) -> tuple[Colour, Colour]:
    """Chooses two colours that differ clearly in one channel; their brightness may be equal."""
    while True:
        paper, ink = random.uniform(0, 255, (2, 3))
        if np.abs(paper - ink).max() > 110:
            return _as_colours(paper, ink)


def _as_colours(paper: NDArray[np.float64], ink: NDArray[np.float64]) -> tuple[Colour, Colour]:
    return paper.astype(np.float32), ink.astype(np.float32)


def blend(cover: Cover, paper: Colour, ink: Colour) -> Photo:
    """Returns a photo of covered paper in even light."""
    photo: Photo = paper + cover[..., None] * (ink - paper)
    return photo[..., 0] if len(paper) == 1 else photo


def slant_light(photo: Photo, _: float, random: np.random.Generator) -> Photo:
    """Darkens the photo from one side to the other."""
    rows, columns = photo.shape[:2]
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    way = np.cos(angle) * x + np.sin(angle) * y
    way = (way - way.min()) / max(float(np.ptp(way)), 1e-6)
    return _light(photo, 1 - random.uniform(0.3, 0.65) * way)


def shade(photo: Photo, height: float, random: np.random.Generator) -> Photo:
    """Adds the shadow of a hand or a telephone, with a soft edge."""
    rows, columns = photo.shape[:2]
    x, y = random.uniform(0.1, 0.9, 2) * (columns, rows)
    angles = np.sort(random.uniform(0, np.pi, 2)) + random.uniform(0, 2 * np.pi)
    far = 3 * (rows + columns)
    # The shadow is a wedge that begins at a point on the page.
    corners = [(x, y), *((x + far * np.cos(a), y + far * np.sin(a)) for a in angles)]
    wedge = np.zeros((rows, columns), np.float32)
    cv2.fillPoly(wedge, [np.array(corners, np.int32)], 1.0)
    wedge = cv2.GaussianBlur(wedge, (0, 0), random.uniform(0.1, 0.5) * height).astype(np.float32)
    return _light(photo, 1 - random.uniform(0.25, 0.5) * wedge)


def _light(photo: Photo, light: NDArray[np.floating]) -> Photo:
    """Multiplies a photo by light of shape (height, width), 0 dark to 1 full light."""
    lit: Photo = (photo * (light if photo.ndim == 2 else light[..., None])).astype(np.float32)
    return lit


def add_noise(photo: Photo, _: float, random: np.random.Generator) -> Photo:
    """Adds sensor noise, equally strong at every grey level."""
    noise = random.normal(0, random.uniform(8, 20), photo.shape)
    noisy: Photo = (photo + noise).astype(np.float32)
    return noisy


def compress(photo: Photo, _: float, random: np.random.Generator) -> Photo:
    """Blurs like a lens and compresses as JPEG of low quality."""
    blurred = cv2.GaussianBlur(photo, (0, 0), random.uniform(0.5, 1.2)).astype(np.float32)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(10, 40))]
    # The order of channels (RGB or BGR) does not matter when encoding and decoding again.
    encoded = cv2.imencode(".jpg", to_bytes(blurred), quality)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), np.float32)


def to_bytes(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rounds levels and clips them to 0 to 255."""
    rounded: NDArray[np.uint8] = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return rounded
