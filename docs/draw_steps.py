"""Draws how a picture becomes a reading, one row for each sample picture.

python docs/draw_steps.py samples/5-photo-in-shadow.jpg samples/1984-on-ruled-paper.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkdigits.recognition import Recognizer
from inkdigits.recognition.decoding import decode_picture
from inkdigits.recognition.drawing import draw_boxes, draw_tiles

CELL = (430, 300)
TITLES = ("1  decoded, upright, grey", "2  digits found", "3  tiles and reading")


def draw_steps(paths: list[Path]) -> Image.Image:
    """A row of three steps for each picture."""
    recognizer = Recognizer.load()
    sheet = Image.new("RGB", (len(TITLES) * CELL[0], len(paths) * CELL[1] + 40), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(22)
    for column, title in enumerate(TITLES):
        draw.text((column * CELL[0] + 10, 6), title, "black", font)
    for row, path in enumerate(paths):
        pixels = decode_picture(path).pixels
        reading = recognizer.read(path)
        steps = (
            Image.fromarray(pixels),
            draw_boxes(pixels, reading),
            draw_tiles(reading),
        )
        for column, step in enumerate(steps):
            shown = ImageOps.contain(step.convert("RGB"), (CELL[0] - 20, CELL[1] - 20))
            sheet.paste(shown, (column * CELL[0] + 10, row * CELL[1] + 45))
    return sheet


if __name__ == "__main__":
    draw_steps([Path(name) for name in sys.argv[1:]]).save(
        Path(__file__).with_name("images") / "steps.png", optimize=True
    )
