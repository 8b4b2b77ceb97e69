"""Draws the sample pictures in this folder: digits in typical kinds of user pictures.

The strokes below were drawn for this purpose. No picture is taken from a data set. The name of each
file begins with the digits that it shows. `make samples` runs this script.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Pen paths in a unit square, x to the right and y downwards. Each inner list is one stroke; a
# smooth curve is drawn through its points.
STROKES: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.52, 0.06), (0.28, 0.2), (0.2, 0.55), (0.34, 0.88), (0.58, 0.92), (0.76, 0.66),
         (0.76, 0.32), (0.62, 0.1), (0.48, 0.07)]],
    1: [[(0.36, 0.27), (0.46, 0.18), (0.56, 0.05), (0.54, 0.4), (0.5, 0.72), (0.49, 0.95)]],
    2: [[(0.24, 0.27), (0.36, 0.1), (0.58, 0.07), (0.71, 0.22), (0.64, 0.45), (0.42, 0.7),
         (0.2, 0.9), (0.3, 0.89), (0.55, 0.91), (0.82, 0.87)]],
    3: [[(0.25, 0.16), (0.45, 0.06), (0.67, 0.15), (0.64, 0.35), (0.45, 0.46), (0.66, 0.55),
         (0.74, 0.74), (0.56, 0.93), (0.34, 0.91), (0.22, 0.8)]],
    4: [[(0.42, 0.07), (0.34, 0.3), (0.2, 0.57), (0.4, 0.59), (0.62, 0.57), (0.84, 0.54)],
        [(0.66, 0.3), (0.63, 0.6), (0.6, 0.95)]],
    5: [[(0.34, 0.09), (0.31, 0.28), (0.28, 0.45), (0.46, 0.39), (0.68, 0.5), (0.72, 0.72),
         (0.56, 0.92), (0.34, 0.92), (0.22, 0.84)],
        [(0.34, 0.1), (0.52, 0.1), (0.74, 0.06)]],
    6: [[(0.64, 0.06), (0.42, 0.24), (0.26, 0.54), (0.3, 0.84), (0.52, 0.94), (0.7, 0.8),
         (0.66, 0.6), (0.48, 0.54), (0.3, 0.68)]],
    7: [[(0.2, 0.13), (0.42, 0.14), (0.76, 0.1), (0.66, 0.32), (0.52, 0.62), (0.42, 0.94)]],
    8: [[(0.66, 0.2), (0.5, 0.07), (0.32, 0.18), (0.38, 0.38), (0.6, 0.54), (0.7, 0.76),
         (0.52, 0.94), (0.3, 0.82), (0.36, 0.6), (0.6, 0.4), (0.67, 0.22)]],
    9: [[(0.68, 0.26), (0.54, 0.08), (0.34, 0.16), (0.3, 0.36), (0.44, 0.5), (0.62, 0.42),
         (0.69, 0.24), (0.67, 0.56), (0.58, 0.95)]],
}  # fmt: skip


def draw_ink(digit: int, side: int, width: float, *, turn: float = 0.0) -> Image.Image:
    """Draws the strokes of a digit.

    Args:
        digit: The digit, 0 to 9.
        side: Side length of the square in pixels.
        width: Width of the pen in pixels.
        turn: Rotation in degrees, counter-clockwise.

    Returns:
        A grey picture, 0 background, 255 full ink.
    """
    fine = 4
    ink = Image.new("L", (side * fine, side * fine))
    canvas = ImageDraw.Draw(ink)
    radius = width * fine / 2
    for stroke in STROKES[digit]:
        for x, y in _smooth(np.array(stroke)) * side * fine:
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return ink.rotate(turn, Image.Resampling.BICUBIC).resize((side, side), Image.Resampling.BOX)


def draw_all(folder: Path) -> None:
    """Writes every sample picture into a folder."""
    random = np.random.default_rng(7)
    canvas = _ink_on(draw_ink(7, 480, 16), (255, 255, 255), (10, 10, 10))
    canvas.save(folder / "7-canvas.png")

    board = _ink_on(draw_ink(3, 640, 20, turn=4), (38, 62, 52), (226, 230, 222))
    _with_grain(board, random, 7).save(folder / "3-blackboard.jpg", quality=85)

    photo = _ink_on(_place(draw_ink(5, 420, 11, turn=-6), (1200, 900), (420, 220)),
                    (214, 205, 190), (44, 48, 92))  # fmt: skip
    shade = np.linspace(1.0, 0.55, 1200)[np.newaxis, :, np.newaxis]
    shaded = Image.fromarray((np.asarray(photo) * shade).astype(np.uint8))
    turned = _with_grain(shaded, random, 5).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise for display, as telephones write it
    turned.save(folder / "5-photo-in-shadow.jpg", quality=80, exif=exif)

    clear = Image.new("RGBA", (300, 360), (0, 0, 0, 0))
    clear.putalpha(_place(draw_ink(2, 280, 18), (300, 360), (8, 44)))
    clear.save(folder / "2-transparent.png")

    marker = _ink_on(draw_ink(4, 500, 54, turn=3), (250, 250, 246), (20, 20, 24))
    marker.save(folder / "4-thick-marker.png")

    pencil = _ink_on(_place(draw_ink(9, 300, 4), (800, 600), (260, 150)),
                     (246, 244, 238), (120, 120, 124))  # fmt: skip
    _with_grain(pencil, random, 3).save(folder / "9-thin-pencil.jpg", quality=88)

    blue = _ink_on(draw_ink(8, 400, 15, turn=-8), (252, 242, 176), (30, 60, 190))
    blue.save(folder / "8-blue-on-yellow.png")

    small = _ink_on(draw_ink(0, 40, 3), (255, 255, 255), (0, 0, 0)).convert("P")
    small.save(folder / "0-tiny.gif")

    sixteen = np.asarray(draw_ink(6, 256, 13, turn=5)).astype(np.uint16) * 257
    Image.fromarray(65535 - sixteen).save(folder / "6-sixteen-bit.png")

    pale = _ink_on(draw_ink(1, 360, 14, turn=-5), (255, 255, 255), (20, 20, 20))
    pale.convert("CMYK").save(folder / "1-cmyk.jpg", quality=90)

    note = Image.new("L", (1100, 420))
    for place, digit in enumerate((1, 9, 8, 4)):
        ink = draw_ink(digit, 240, 9, turn=float(random.uniform(-6, 6)))
        note.paste(ink, (40 + 250 * place, 80 + int(random.integers(-12, 12))))
    ruled = _ink_on(note, (244, 241, 230), (38, 44, 110))
    lines = ImageDraw.Draw(ruled)
    for row in range(60, 420, 70):
        lines.line((0, row, 1100, row), fill=(196, 208, 226), width=2)
    _with_grain(ruled, random, 3).save(folder / "1984-on-ruled-paper.jpg", quality=85)


def _smooth(points: np.ndarray) -> np.ndarray:
    """Returns a densely sampled Catmull-Rom curve through the points; shape (n, 2)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, 60, endpoint=False)[:, np.newaxis]
    parts = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        curve = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
        parts.append((curve + (3 * b - 3 * c + d - a) * t**3) / 2)
    return np.concatenate([*parts, points[-1:]])


def _ink_on(
    ink: Image.Image, paper: tuple[int, int, int], colour: tuple[int, int, int]
) -> Image.Image:
    return Image.composite(
        Image.new("RGB", ink.size, colour), Image.new("RGB", ink.size, paper), ink
    )


def _place(ink: Image.Image, size: tuple[int, int], corner: tuple[int, int]) -> Image.Image:
    page = Image.new("L", size)
    page.paste(ink, corner)
    return page


def _with_grain(picture: Image.Image, random: np.random.Generator, spread: float) -> Image.Image:
    noise = random.normal(0, spread, (picture.height, picture.width, 1))
    grainy = np.clip(np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8))) + noise, 0, 255)
    return Image.fromarray(grainy.astype(np.uint8))


if __name__ == "__main__":
    draw_all(Path(__file__).parent)
