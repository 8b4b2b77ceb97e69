"""Tiles that hold no single digit, for the network to learn to refuse.

Each kind is a function in `OUTLIER_KINDS` that puts ink on a canvas; letters, symbols and
scribbles are then bent and written with the pens of `augmentation`, and all go through the
`frame` that prediction uses. No kind is here that the evaluation keeps for itself
(`inkdigits.evaluation.outliers`).

What a person could take for a digit is left out: the letters B D G I O Q S Z and b g i j l o q s
u y z, the marks ! ( ) / | ? ^ $ &, circles, mirrored and lying digits (many of them still read as
one), and pieces of digits that are about as high as wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition.framing import frame
from inkdigits.recognition.ink import extract_ink
from inkdigits.training.augmentation import (
    CANVAS_SIDE,
    bend,
    change_pen,
    enlarge,
    find_above,
    photograph,
    soften,
    take_picture,
)

Ink = NDArray[np.uint8]
Digits = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]
Kind = Callable[[Digits, Labels, np.random.Generator], Ink]

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
"""Handwritten letters: for each its strokes, separated by "/", as points on a grid of 10 × 10.

A point is its column and row, from the top left; a stroke that begins with "~" is curved.
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
"""Symbols and small drawings, written as in `LETTERS`."""

PRINTED: Final = "ACEFHJKLMNPRTUVWXYacdefhkmnprtvwx#%@+=*"

_FACES: Final = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
"""What OpenCV draws for these names: Hershey's stroke fonts before version 5, other ones since."""


def generate_outliers(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    n: int,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """Make tiles that hold no single digit, each of a kind drawn from `OUTLIER_KINDS`.

    Args:
        images: Digits to make fragments and groups from: uint8, shape (m, 28, 28), 0 background,
            255 full ink.
        labels: Shape (m,), 0 to 9, which digits these are; each of the ten is among them.
        n: How many tiles to make.
        random: Where all chance comes from; the same state gives the same tiles.

    Returns:
        uint8, shape (n, 28, 28), 0 background, 255 full ink; every tile has ink.

    Raises:
        UsageError: One of the ten digits is not among the images.
    """
    missing = sorted({*range(10)} - {*np.unique(labels).tolist()})
    if missing:
        raise UsageError(
            f"there is no image of {missing[0]} among {len(labels)}, "
            "expected all ten digits: give more images"
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
    """A handwritten letter, of the Latin, Greek, Cyrillic or another script."""
    return _rewrite(_write(LETTERS, random), random)


def draw_symbol(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """A handwritten sign or small drawing, some filled."""
    ink = _write(SYMBOLS, random)
    if random.random() < 0.1:
        outlines, _ = cv2.findContours(ink, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(ink, outlines, -1, 255, cv2.FILLED)
        return _as_bytes(bend(ink, random))
    return _rewrite(ink, random)


def print_letter(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """A letter or sign in one of OpenCV's fonts."""
    ink = _print(PRINTED[random.integers(len(PRINTED))], random)
    return _rewrite(_fit(ink), random)


def write_word(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """A word, or up to three lines of them, in print or in handwriting."""
    lines = [_write_line(random) for _ in range(int(random.integers(1, 4)))]
    width = max(line.shape[1] for line in lines)
    page = np.vstack([np.pad(line, ((0, 12), (0, width - line.shape[1]))) for line in lines])
    ink = _fit(page)
    return soften(ink, random) if random.random() < 0.5 else ink


def scribble(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """One to three strokes that turn at random, too often for a digit."""
    ink = _blank()
    n_strokes = int(random.integers(1, 4))
    for _ in range(n_strokes):
        n_points = int(random.integers(8, 13) if n_strokes == 1 else random.integers(4, 7))
        points = random.uniform(14, CANVAS_SIDE - 14, (n_points, 2))
        _stroke(ink, _smooth(points) if random.random() < 0.7 else points, 8)
    return _rewrite(ink, random)


def cut_digit(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Less than half of a digit, cut off along a line.

    What is left must be much wider than high and without a hole, or it could be a smaller digit:
    a stem is a 1, a loop a 0, the top of a 2 a 7.
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
    """Two or three digits side by side, overlapping or one above the other."""
    n_digits = 3 if random.random() < 0.25 else 2
    stacked = n_digits == 2 and random.random() < 0.25
    # A loop upon a loop is an 8, and a stem only makes longer what it stands under.
    allowed = (2, 3, 4, 5) if stacked else tuple(range(10))
    page, reach = np.zeros((3 * CANVAS_SIDE, 3 * CANVAS_SIDE), np.uint8), 0
    for index in range(n_digits):
        digit = _take_digit(images, labels, allowed, random)
        if random.random() < 0.5:
            digit = change_pen(digit, random)
        digit = _crop(digit)
        start = max(0, reach + int(random.integers(-10, 8))) if index else 0
        slack = int(random.integers(0, 12))
        row, column = (start, slack) if stacked else (slack, start)
        height, width = digit.shape
        place = page[row : row + height, column : column + width]
        np.maximum(place, digit, out=place)
        reach = start + (height if stacked else width)
    return _crop(page)


def rule_paper(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """What is left of ruled or squared paper: lines across, some broken, some crossing."""
    ink = _blank()
    n_across = int(random.integers(1, 5))
    n_down = int(random.integers(0, 4)) if random.random() < 0.6 else 0
    width = random.uniform(1, 8)
    tilt = random.uniform(-5, 5)
    for index in range(n_across):
        level = 20 + 72 * (index + random.uniform(0, 0.3)) / n_across
        start, end = random.uniform(2, 30), CANVAS_SIDE - random.uniform(2, 30)
        _stroke(ink, np.array([(start, level), (end, level + tilt)]), width)
    for index in range(n_down):
        level = 20 + 72 * (index + random.uniform(0, 0.3)) / n_down
        start, end = random.uniform(2, 30), CANVAS_SIDE - random.uniform(2, 30)
        _stroke(ink, np.array([(level, start), (level - tilt, end)]), width)
    if random.random() < 0.25:
        ink[:, :: int(random.integers(5, 12))] = 0
    return soften(ink, random) if random.random() < 0.4 else ink


def spot_paper(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """Specks, stains, grain or texture: what is found on paper without writing."""
    kind = int(random.integers(4))
    if kind == 0:
        ink = _blank()
        for _ in range(int(random.integers(2, 15))):
            place = random.integers(15, CANVAS_SIDE - 15, 2).tolist()
            value = int(random.integers(80, 256))
            cv2.circle(ink, place, int(random.integers(1, 9)), value, cv2.FILLED, cv2.LINE_AA)
        return ink
    side = int(random.integers(8, 24)) if kind < 3 else int(random.integers(28, 48))
    noise = random.random((side, side), np.float32)
    if kind == 1:
        # The darkest parts of a cloudy field.
        field = cv2.resize(noise, (CANVAS_SIDE, CANVAS_SIDE), interpolation=cv2.INTER_CUBIC)
        level = np.quantile(field, random.uniform(0.6, 0.92))
        return np.where(field > level, 255, 0).astype(np.uint8)
    if kind == 2:
        return np.where(noise > random.uniform(0.4, 0.9), noise * 255, 0).astype(np.uint8)
    return extract_ink(take_picture((noise**4 * 255).astype(np.uint8), random))


def blot(images: Digits, labels: Labels, random: np.random.Generator) -> Ink:
    """A solid blot of any outline."""
    n_points = int(random.integers(4, 10))
    angles = 2 * math.pi / n_points * (np.arange(n_points) + random.uniform(0, 0.7, n_points))
    radii = random.uniform(20, 46, n_points)
    points = CANVAS_SIDE / 2 + np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    ink = _blank()
    outline = _smooth(np.vstack([points, points[:1]])) if random.random() < 0.7 else points
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
"""The kinds in training. Each takes images, their labels and a source of chance, and gives ink."""


_FREQUENT: Final = {"letters": 4, "symbols": 2, "fragments": 2}
"""Kinds that are drawn so many times as often as the others: they are most like digits."""


def _rewrite(ink: Ink, random: np.random.Generator) -> Ink:
    """Bend and write ink as the digits are."""
    ink = bend(ink, random)
    if random.random() < 0.6:
        ink = change_pen(ink, random)
    if random.random() < 0.35:
        ink = soften(ink, random)
    return photograph(ink, random) if random.random() < 0.04 else ink


def _write(glyphs: Mapping[str, str], random: np.random.Generator) -> Ink:
    """One of the glyphs, with a hand that does not hit its points exactly."""
    names = list(glyphs)
    text = glyphs[names[random.integers(len(names))]]
    size = np.array([random.uniform(5.5, 8.5), random.uniform(6.5, 8.5)])
    ink, pen = _blank(), random.uniform(5, 13)
    for stroke in text.split("/"):
        curved = stroke.startswith("~")
        grid = np.array([(int(point[0]), int(point[1])) for point in stroke.strip("~").split()])
        points = CANVAS_SIDE / 2 + size * (grid - 4.5 + 0.35 * random.standard_normal(grid.shape))
        _stroke(ink, _smooth(points) if curved else points, pen)
    return ink


def _take_digit(
    images: Digits, labels: Labels, allowed: tuple[int, ...], random: np.random.Generator
) -> Ink:
    """One of the digits allowed, enlarged and bent."""
    while True:
        index = random.integers(len(labels))
        if labels[index] in allowed:
            return bend(enlarge(images[index]), random)


def _has_hole(mask: Ink) -> bool:
    _, nesting = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # The last of the four links of a contour leads to what it lies in; -1: in nothing.
    return nesting is not None and bool(np.any(nesting[..., 3] >= 0))


def _write_line(random: np.random.Generator) -> Ink:
    """Two to six letters beside each other, cropped, about 60 pixels high."""
    n_letters = int(random.integers(2, 7))
    if random.random() < 0.6:
        letters = [PRINTED[index] for index in random.integers(len(PRINTED), size=n_letters)]
        return _crop(_print("".join(letters), random))
    page, reach = np.zeros((CANVAS_SIDE, n_letters * CANVAS_SIDE), np.uint8), 0
    for _ in range(n_letters):
        letter = _crop(_write(LETTERS, random))
        height, width = letter.shape
        page[:height, reach : reach + width] = letter
        reach += width + int(random.integers(-4, 14))
    return _as_bytes(cv2.resize(_crop(page), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA))


def _print(text: str, random: np.random.Generator) -> Ink:
    """Text in one of OpenCV's fonts, upright or slanted, on a canvas of its own size."""
    face = _FACES[random.integers(len(_FACES))] | (cv2.FONT_ITALIC * (random.random() < 0.2))
    scale, thickness = 2.5, int(random.integers(2, 6))
    (width, height), baseline = cv2.getTextSize(text, face, scale, thickness)
    ink = np.zeros((height + 2 * baseline + 20, width + 40), np.uint8)
    cv2.putText(ink, text, (20, height + 10), face, scale, 255, thickness, cv2.LINE_AA)
    return ink


def _fit(ink: Ink) -> Ink:
    """Ink of any size, scaled into the middle of a canvas as a digit's is."""
    cropped = _crop(ink)
    scale = 80 / max(cropped.shape)
    size = [max(round(side * scale), 1) for side in cropped.shape[::-1]]
    small = cv2.resize(
        cropped, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    canvas = _blank()
    left, top = ((CANVAS_SIDE - side) // 2 for side in size)
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def _crop(ink: Ink) -> Ink:
    column, row, width, height = cv2.boundingRect(ink)
    return ink[row : row + height, column : column + width]


def _stroke(ink: Ink, points: NDArray[np.float64], width: float) -> None:
    line = np.round(points).astype(np.int32)
    cv2.polylines(ink, [line], False, 255, max(round(width), 1), cv2.LINE_AA)


def _smooth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve through the points (Catmull and Rom, 1974): eight places for each of them."""
    before, after = np.vstack([points[:1], points[:-1]]), np.vstack([points[1:], points[-1:]])
    beyond = np.vstack([after[1:], after[-1:]])
    share = np.linspace(0, 1, 8, endpoint=False)[:, np.newaxis, np.newaxis]
    curve = 0.5 * (
        2 * points
        + (after - before) * share
        + (2 * before - 5 * points + 4 * after - beyond) * share**2
        + (3 * points - before - 3 * after + beyond) * share**3
    )
    return np.vstack([curve.transpose(1, 0, 2)[:-1].reshape(-1, 2), points[-1:]])


def _blank() -> Ink:
    return np.zeros((CANVAS_SIDE, CANVAS_SIDE), np.uint8)


def _as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return pixels.astype(np.uint8, copy=False)
