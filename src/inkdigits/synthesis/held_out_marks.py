"""Held-out marks: letters and signs of fonts, photographs, curves, clusters of strokes.

Rejection is measured on these kinds, so no network may see them in training. Neither a training
module nor a module that draws training data imports this one; a test checks the imports. The marks
lie on paper, as in a user's picture, and pass through the same `extract_mark` and `frame`. Letters
and signs that a person could take for a digit are left out: the capitals B D G I O Q S Z, the small
letters b g i j l o q s u y z, δ, ξ, З, Ч, Э, and signs such as ∃ and ⊥.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.recognition.crops import extract_mark
from inkdigits.recognition.framing import TILE_SIDE, frame
from inkdigits.synthesis.canvas import draw_line

Picture = NDArray[np.uint8]

_SIDE: Final = 120
"""Side length of the pictures drawn here, in pixels."""

_LETTERS: Final = "ACEFHJKLMNPRTUVWXYacdefhkmnprtvwxΓΔΛΞΠΣΨΩηλμπχψωДЖИЙЛФЦШЩЫЮЯжмфцшщыюя"
_LETTER_FONTS: Final = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-BoldItalic.ttf",
)

_SIGNS: Final = "∀∇∈∉∏∑√∛∝∞∠∧∨∩∪∬∴∵∼≃≅≈≠≡≤≥≪≫⊂⊃⊆⊕⊗⊢⋆←→↔⇒⇔↦♠♣♥♦♯"
_SIGN_FONT: Final = "STIXGeneral.ttf"


def generate_held_out(kind: str, n: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Makes tiles without a digit, each from its own picture.

    Args:
        kind: One of `HELD_OUT_KINDS`.
        n: Number of tiles.
        random: Random number generator; the same state gives the same tiles.

    Returns:
        uint8, shape (n, 28, 28), 0 background, 255 full ink; every tile has ink.

    Raises:
        UsageError: The kind is unknown.
        MissingExtraError: matplotlib, which provides the fonts, or scikit-learn, which provides
            the photographs, is not installed.
    """
    if kind not in HELD_OUT_KINDS:
        raise UsageError(
            f"unknown kind of held-out marks {kind!r}: expected one of {', '.join(HELD_OUT_KINDS)}"
        )
    take_picture = HELD_OUT_KINDS[kind]
    tiles = np.zeros((n, TILE_SIDE, TILE_SIDE), np.uint8)
    for tile in tiles:
        while not tile.any():
            tile[:] = frame(extract_mark(take_picture(random)))
    return tiles


def _photograph_letter(random: np.random.Generator) -> Picture:
    font = _LETTER_FONTS[random.integers(len(_LETTER_FONTS))]
    return _put_on_paper(_print(_LETTERS[random.integers(len(_LETTERS))], font, random), random)


def _photograph_sign(random: np.random.Generator) -> Picture:
    return _put_on_paper(_print(_SIGNS[random.integers(len(_SIGNS))], _SIGN_FONT, random), random)


def _cut_photograph(random: np.random.Generator) -> Picture:
    """Crops a patch of one of scikit-learn's two photographs: a Chinese palace and a flower."""
    photographs = _load_photographs()
    photograph = photographs[random.integers(len(photographs))]
    height, width = photograph.shape
    side = int(random.integers(28, 200))
    row, column = random.integers(height - side), random.integers(width - side)
    return photograph[row : row + side, column : column + side]


def _draw_curve(random: np.random.Generator) -> Picture:
    """Draws a spiral of two to three turns, or a Lissajous figure that crosses itself often."""
    if random.random() < 0.5:
        n_turns = random.uniform(2, 3.2)
        angles = np.linspace(0, 2 * math.pi * n_turns, 400) * random.choice([-1, 1])
        radii = np.linspace(random.uniform(0, 6), random.uniform(38, 50), 400)
        points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    else:
        across, down = [(3, 4), (4, 3), (3, 5), (5, 3)][random.integers(4)]
        times = np.linspace(0, 2 * math.pi, 400)
        reach = random.uniform(32, 48, 2)
        phase = random.uniform(0.3, 1.2)
        points = np.stack([np.sin(across * times + phase), np.sin(down * times)], axis=1) * reach
    ink = np.zeros((_SIDE, _SIDE), np.uint8)
    draw_line(ink, _SIDE / 2 + points, int(random.integers(2, 5)))
    return _put_on_paper(ink, random)


def _draw_strokes(random: np.random.Generator) -> Picture:
    """Draws six to eleven strokes, mostly horizontal or vertical, like a Chinese character."""
    ink = np.zeros((_SIDE, _SIDE), np.uint8)
    width = int(random.integers(3, 8))
    for _ in range(int(random.integers(6, 12))):
        angle = math.radians(random.choice([0, 90, 45, -45], p=[0.45, 0.3, 0.13, 0.12]))
        angle += random.normal(0, 0.08)
        half = random.uniform(10, 42) / 2 * np.array([math.cos(angle), math.sin(angle)])
        middle = random.uniform(25, _SIDE - 25, 2)
        draw_line(ink, np.stack([middle - half, middle + half]), width)
    return _put_on_paper(ink, random)


HELD_OUT_KINDS: Final[Mapping[str, Callable[[np.random.Generator], Picture]]] = {
    "letters of fonts": _photograph_letter,
    "mathematical signs": _photograph_sign,
    "photographs": _cut_photograph,
    "curves": _draw_curve,
    "straight strokes": _draw_strokes,
}
"""Kinds of marks. Each function draws one picture: uint8, shape (height, width), 0 black, 255
white."""


def _put_on_paper(ink: Picture, random: np.random.Generator) -> Picture:
    """Puts ink on paper of a random tone and grain; a quarter of the pictures is inverted."""
    paper, pen = random.uniform(180, 250), random.uniform(10, 90)
    values = paper + (pen - paper) * (ink.astype(np.float32) / 255)
    values += random.uniform(0, 4) * random.standard_normal(ink.shape, dtype=np.float32)
    picture = np.clip(values, 0, 255).astype(np.uint8)
    return 255 - picture if random.random() < 0.25 else picture


def _print(text: str, font: str, random: np.random.Generator) -> Picture:
    """Draws a character in the middle of a picture, rotated by up to 10 degrees."""
    page = Image.new("L", (_SIDE, _SIDE))
    middle = (_SIDE / 2, _SIDE / 2)
    ImageDraw.Draw(page).text(middle, text, 255, _load_font(font), anchor="mm")
    turned = page.rotate(random.uniform(-10, 10), Image.Resampling.BILINEAR)
    return np.asarray(turned, np.uint8)


@lru_cache
def _load_font(name: str) -> ImageFont.FreeTypeFont:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError(
            "held-out letters and signs need the fonts of matplotlib, which is not installed; "
            "run: pip install 'inkdigits[plot]'"
        ) from error
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), 72)


@lru_cache
def _load_photographs() -> tuple[Picture, ...]:
    try:
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise MissingExtraError(
            "held-out photographs need those of scikit-learn, which is not installed; "
            "run: pip install scikit-learn"
        ) from error
    images = load_sample_images().images
    return tuple(np.asarray(Image.fromarray(image).convert("L"), np.uint8) for image in images)
