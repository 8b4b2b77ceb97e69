"""Letters, signs and small drawings: handwritten from tables of strokes, or in OpenCV's fonts.

Characters that a person could take for a digit are left out: the letters B D G I O Q S Z and b g i
j l o q s u y z, and the signs ! ( ) / | ? ^ $ &. Training uses this module; the marks held out from
training are in `inkdigits.synthesis.held_out_marks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.canvas import CANVAS_SIDE, LINE_SPREAD_PX, draw_line, smooth_curve
from inkdigits.synthesis.glyphs import Ink

LETTERS: Final[Mapping[str, str]] = {
    "A": "09 40 89/26 66",
    "C": "~82 50 21 05 28 59 87",
    "E": "80 00 09 89/05 65",
    "F": "80 00 09/04 64",
    "H": "00 09/80 89/04 85",
    "J": "~70 73 77 59 28 06",
    "K": "00 09/80 05/24 89",
    "L": "00 09 79",
    "M": "09 10 57 80 99",
    "N": "09 00 89 80",
    "P": "00 09/~00 50 82 54 05",
    "R": "00 09/~00 50 82 54 05/35 89",
    "T": "00 90/50 59",
    "U": "~00 05 28 59 87 84 80",
    "V": "00 49 80",
    "W": "00 29 43 69 90",
    "X": "00 89/80 09",
    "Y": "00 44 80/44 49",
    "a": "~73 42 15 28 58 74/72 77 99",
    "c": "~73 42 15 28 59 78",
    "d": "~74 43 16 28 58 75/70 79",
    "e": "~15 75 63 32 15 28 59 88",
    "f": "~70 51 43 49/24 64",
    "h": "00 09/~06 34 65 69",
    "k": "00 09/63 06 69",
    "m": "03 09/~05 23 45 49/~45 63 85 89",
    "n": "03 09/~06 34 65 69",
    "p": "03 09/~05 33 66 48 07",
    "r": "03 09/~06 23 43",
    "t": "~30 38 59 78/03 63",
    "v": "03 39 63",
    "w": "03 29 45 69 93",
    "x": "03 69/63 09",
    "D with bar": "20 29/~20 62 85 67 29/04 44",
    "E curved": "~82 40 12 24 54/~24 06 28 59 88",
    "H leaning": "20 09/90 79/14 85",
    "K curved": "00 09/~80 44 05/~24 56 89",
    "M round": "~09 12 30 45 48/~48 52 70 85 89",
    "N round": "~09 12 40 75 88 98",
    "R open": "10 09/~00 40 72 45 15 55 89",
    "a round": "~80 40 04 18 48 84 80/~80 84 99",
    "f looped": "~80 40 24 28 59 46 44/04 84",
    "h looped": "~04 41 10 09/~07 45 65 69 98",
    "k looped": "~04 41 10 09/~06 54 46 07/47 89",
    "n round": "~02 24 29/~25 43 65 68 97",
    "p open": "~02 13 19/~14 42 74 57 16",
    "r round": "~02 14 19/~15 32 63",
    "t curved": "~40 36 48 78/~03 43 83",
    "w round": "~02 16 28 46 44 46 68 86 82",
    "x curved": "~03 33 68 98/~83 54 18 09",
    "α": "~92 65 38 16 24 43 66 99",
    "α open": "~80 47 18 04 12 42 57 89",
    "α fish": "~80 53 26 05 13 31 53 88",
    "γ": "~02 21 44 56/~90 65 48 39",
    "γ hooked": "~03 11 32 44 55/~80 64 47 29",
    "γ looped": "~01 31 54 57 38 36 63 90",
    "γ straight": "~02 31 46/90 57 39",
    "ε": "~82 41 13 44 54/~44 16 28 59 87",
    "κ": "02 09/~72 45 05/~35 58 79",
    "λ curved": "~00 20 45 69 89/~35 27 09",
    "λ hooked": "~01 20 41 63 79 98/~44 27 09",
    "λ upright": "~01 30 52 55 79/~54 37 09",
    "μ": "~02 05 09/~06 28 57 62/~62 67 88",
    "τ": "~03 22 92/~52 46 58 78",
    "χ": "~02 22 58 89 99/~92 55 09",
    "ω": "~12 05 18 37 44 37 58 88 95 82",
    "Δ": "09 40 89 09/~09 49 89",
    "Λ": "09 40 89",
    "Ξ": "00 90/24 64/09 99",
    "Φ": "~40 13 17 49 86 83 41/40 49",
    "Ω": "09 38/~38 05 22 50 72 95 68/68 99",
    "Γ": "79 77/00 80/00 09",
    "Ж": "00 89/80 09/40 49",
    "И": "00 09 80 89",
    "П": "09 00 80 89",
    "Ш": "00 09 89 80/40 49",
    "Я": "80 89/~80 30 02 34 84/44 09",
    "Σ": "80 00 44 09 89",
    "λ": "00 20 79/44 09",
    "π": "02 92/32 29/62 69 89",
    "φ": "~42 22 14 26 46 66 74 62 42/40 49",
    "ψ": "~02 05 37 66 82/41 49",
    "ה": "00 80 89/04 09",
    "木": "03 93/50 59/54 09/54 99",
    "王": "00 90/15 85/09 99/50 59",
    "田": "00 90 99 09 00/50 59/05 95",
}
"""Handwritten letters by name: strokes, separated by "/", as points on a grid of 10 × 10.

A point is two digits, column and row from the top left. A stroke that begins with "~" is curved.
"""

SYMBOLS: Final[Mapping[str, str]] = {
    "plus": "05 95/50 59",
    "minus": "05 95",
    "equals": "03 93/07 97",
    "times": "11 88/81 18",
    "divided by": "05 95/51 52/58 59",
    "almost equals": "~04 23 54 75 93/~08 27 58 79 97",
    "plus-minus": "04 84/40 48/09 89",
    "less": "80 05 89",
    "greater": "00 85 09",
    "hash": "30 29/70 69/03 93/06 96",
    "per cent": "90 09/~20 02 23 42 20/~67 69 89 87 67",
    "at": "~64 45 47 66 64 67 86 83 50 12 06 29 69",
    "asterisk": "50 59/12 88/82 18",
    "root": "05 15 39 60 90",
    "root of something": "06 16 29 50 90 91",
    "root hooked": "~06 05 15 29/29 31/~31 61 91 93",
    "root cut off": "~04 27 38 47/47 40 90",
    "for all": "00 49 80/14 64",
    "there is": "00 80 89 09/05 85",
    "element": "~90 40 04 08 49 99/05 85",
    "subset": "~90 30 05 38 98",
    "union": "~00 06 39 69 96 90",
    "nabla": "00 90 49 00",
    "not equal": "03 93/07 97/80 19",
    "at most": "80 04 88/09 89",
    "at least": "00 84 08/09 89",
    "brace": "~70 42 43 25 47 48 79",
    "angle": "~80 05 89",
    "perpendicular": "50 59/09 99",
    "circled plus": "~40 10 05 19 49 79 85 70 40/14 75/41 48",
    "circled times": "~40 10 05 19 49 79 85 70 40/22 67/62 27",
    "clock": "~40 10 05 19 49 79 85 70 40/42 45 65",
    "heart of lines": "02 20 42 60 82 49 02",
    "cat": "~02 15 18 49 78 85 92/00 22 72 90/34 34/64 64",
    "cup": "02 09 69 62 02/~63 83 87 67",
    "sun": "~33 53 65 56 36 24 33/40 41/90 72/95 75/44 99",
    "envelope": "02 92 98 08 02/02 55 92",
    "arrow right": "05 95/62 95 68",
    "arrow left": "95 05/32 05 38",
    "arrow up-right": "09 90/40 90 95",
    "double arrow": "05 95/32 05 38/62 95 68",
    "check": "05 39 90",
    "heart": "~42 20 02 25 49 65 82 60 42",
    "star": "09 40 89 03 83 09",
    "triangle": "09 40 89 09",
    "triangle down": "00 80 49 00",
    "square": "02 92 98 08 02",
    "diamond": "41 95 48 05 41",
    "crossed square": "00 90 99 09 00/00 99/90 09",
    "house": "04 50 94 99 09 04 94",
    "flag": "09 00 82 04",
    "smiley": "~50 15 06 29 59 87 93 70 50/32 33/62 63/~26 47 66",
    "stick figure": "~40 22 43 62 40/43 46 19/46 79/04 84",
    "wave": "~05 23 45 67 85 93",
    "steps": "09 06 36 33 63 60 90",
    "bracket pair": "30 00 09 39/60 90 99 69",
    "dots": "05 06/45 46/85 86",
    "infinity": "~45 23 05 27 45 73 95 77 45",
    "note": "69 60 93/~68 37 39 69",
    "fish": "~05 33 65 92/~05 37 65 98/92 98",
    "paragraph": "40 49/70 79/90 40/~40 02 45",
}
"""Signs and small drawings by name, in the format of `LETTERS`."""

PRINTED: Final = "ACEFHJKLMNPRTUVWXYacdefhkmnprtvwx#%@+=*"
"""Characters for `print_text`; none of them resembles a digit in these fonts."""

_FACES: Final = ("SIMPLEX", "DUPLEX", "COMPLEX", "TRIPLEX", "SCRIPT_SIMPLEX", "SCRIPT_COMPLEX")
"""OpenCV's font names. Before version 5 they are Hershey's stroke fonts, since then other fonts."""


def draw_strokes(strokes: str, random: np.random.Generator, side: int = CANVAS_SIDE) -> Ink:
    """Draws a letter or a sign by hand, which displaces each point at random.

    Args:
        strokes: Strokes in the format of `LETTERS` and `SYMBOLS`.
        random: Random number generator for size, pen and displacement; the same state gives the
            same ink.
        side: Side length of the array in pixels. Size, pen width and displacements of the glyph
            are proportional to it.

    Returns:
        uint8, shape (side, side), 0 background, 255 full ink; the glyph is near the middle.
    """
    scale = side / CANVAS_SIDE
    # Size of one grid step in canvas pixels. MNIST's digits are about 80 pixels high on a canvas.
    size = scale * np.array([random.uniform(5.5, 8.5), random.uniform(6.5, 8.5)])
    ink = np.zeros((side, side), np.uint8)
    pen = scale * (random.uniform(5, 13) + LINE_SPREAD_PX) - LINE_SPREAD_PX
    for stroke in strokes.split("/"):
        curved = stroke.startswith("~")
        grid = np.array([(int(point[0]), int(point[1])) for point in stroke.strip("~").split()])
        points = side / 2 + size * (grid - 4.5 + 0.35 * random.standard_normal(grid.shape))
        draw_line(ink, smooth_curve(points) if curved else points, pen)
    return ink


def print_text(text: str, random: np.random.Generator) -> Ink:
    """Draws text in one of OpenCV's fonts, upright or slanted, on a canvas of matching size.

    Args:
        text: The text.
        random: Random number generator for font, slant and thickness.

    Returns:
        uint8, shape (height, width), 0 background, 255 full ink.
    """
    face = getattr(cv2, f"FONT_HERSHEY_{_FACES[random.integers(len(_FACES))]}")
    face |= cv2.FONT_ITALIC * (random.random() < 0.2)
    scale, thickness = 2.5, int(random.integers(2, 6))
    (width, height), baseline = cv2.getTextSize(text, face, scale, thickness)
    ink = np.zeros((height + 2 * baseline + 20, width + 40), np.uint8)
    cv2.putText(ink, text, (20, height + 10), face, scale, 255, thickness, cv2.LINE_AA)
    return ink
