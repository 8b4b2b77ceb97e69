"""Drawn pages: numbers in MNIST's digits on paper, whose true reading is known.

The test images show one framed digit each; what users bring are pages. A page here is arranged,
written with a pen, laid on paper with whatever else is there, and taken with a camera, by chance at
every step. `KINDS` says what each kind of page has of its own. MNIST's digits were put beside each
other by LeCun et al. (1998) and over each other by Sabour et al. (2017), on black; here they stand
on paper.

Lengths are in heights of a digit unless a name says pixels. Ink and other cover are float32 of
shape (height, width), 0 bare paper to 1 full ink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.recognition.reading import Box

Cover: TypeAlias = NDArray[np.float32]
Photo: TypeAlias = NDArray[np.float32]
"""Levels, 0 black to 255 white, shape (height, width) grey or (height, width, 3) RGB."""
Span: TypeAlias = tuple[float, float]
"""Least and most."""

_HEIGHTS_PX: Final = (28, 100)
"""Heights of digits on a page."""
_FINE_PX: Final = 96
"""Digits are drawn this high before they are brought to their height."""
_FAINT: Final = 48
"""Paler ink, of 255, is the fringe of strokes."""
_LEAST_PART: Final = 0.04
"""Smaller parts of a tile, as a share of its ink, are specks."""
_MIXED_SHARE: Final = 0.25
"""Each of a mixed page's marks and conditions is there with this probability."""
_WORDS: Final = ("Account", "AMOUNT", "Date", "Invoice", "Name", "Number", "Signature", "TOTAL")


@dataclass(frozen=True, eq=False)
class Page:
    """A drawn page and what is written on it.

    Attributes:
        picture: What a reader gets: uint8, shape (height, width) or (height, width, 3) for RGB.
        text: The digits, lines separated by a newline, as `Reading.text` has them.
        boxes: Where each digit of the text lies, in its order; boxes of digits that touch overlap.
        ink: The digits alone: uint8, shape (height, width), 0 bare paper, 255 full ink.
    """

    picture: NDArray[np.uint8]
    text: str
    boxes: tuple[Box, ...]
    ink: NDArray[np.uint8]


@dataclass(frozen=True)
class Arrangement:
    """How digits stand on a page; numbers are drawn between the bounds, which count.

    Attributes:
        lines: Lines on the page.
        numbers: Numbers on each line; they stand in columns.
        digits: Digits of each number.
        depth: How far neighbours lie in each other, measured from where they would just touch;
            None: they stand apart.
    """

    lines: tuple[int, int] = (1, 1)
    numbers: tuple[int, int] = (1, 1)
    digits: tuple[int, int] = (2, 8)
    depth: Span | None = None


@dataclass(frozen=True)
class Pen:
    """What a page is written with; each page has its own between the bounds.

    Attributes:
        widths: Width of a round pen that follows the middle of MNIST's strokes; None: MNIST's own
            strokes.
        strengths: Share of the way from paper to full ink.
        grain: Whether the paper's grain shows in the strokes, as with a pencil.
        gaps: At most so many places of a digit where the pen gives no ink.
    """

    widths: Span | None = None
    strengths: Span = (0.6, 1.0)
    grain: bool = False
    gaps: int = 0


Mark = Callable[[Cover, float, np.random.Generator], Cover]
"""What is on the paper besides the writing given, whose digits have the height given in pixels."""
Condition = Callable[[Photo, float, np.random.Generator], Photo]
"""Changes a photo whose digits have the height given in pixels."""
Colour: TypeAlias = NDArray[np.float32]
"""A level, shape (1,), or red, green and blue, shape (3,), 0 to 255."""
Paint = Callable[[np.random.Generator], tuple[Colour, Colour]]
"""Chooses the colours of paper and ink."""


@dataclass(frozen=True)
class Kind:
    """A kind of page.

    Attributes:
        arrangement: How its digits stand.
        pens: One of these writes it.
        marks: What else is on the paper.
        paint: Its colours.
        conditions: What happens to the light and in the camera, in this order.
    """

    arrangement: Arrangement
    pens: tuple[Pen, ...]
    marks: tuple[Mark, ...]
    paint: Paint
    conditions: tuple[Condition, ...]


def draw_page(kind: str, digits: LabelledImages, random: np.random.Generator) -> Page:
    """Draw a page of numbers.

    Args:
        kind: One of `KINDS`.
        digits: What it is written in, at least one digit; each is taken as often as any other.
        random: Decides everything else: the same state gives the same page.

    Raises:
        UsageError: No such kind, no digits, or one without ink.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of page: expected one of {', '.join(KINDS)}")
    if not len(digits) or not digits.images.any(axis=(1, 2)).all():
        raise UsageError(
            f"of {len(digits)} digits to write in, some hold no ink: expected at least one digit, "
            "and ink in each"
        )
    recipe = KINDS[kind] or _mix(random)
    height = float(np.exp(random.uniform(*np.log(_HEIGHTS_PX))))
    pen = recipe.pens[random.integers(len(recipe.pens))]
    width = None if pen.widths is None else random.uniform(*pen.widths)
    strength = random.uniform(*pen.strengths)

    def write(number: int) -> Cover:
        glyph = _write_digit(digits.images[number], height * random.uniform(0.9, 1.1), width)
        return (
            _interrupt(glyph, _draw_between((1, pen.gaps), random), random) if pen.gaps else glyph
        )

    glyphs, lines = _arrange(recipe.arrangement, len(digits), height, write, random)
    ink, boxes = _place(glyphs, height, random)
    cover = ink * strength
    if pen.grain:
        cover *= _make_grain(ink.shape, random)
    marks = [mark(cover, height, random) for mark in recipe.marks]
    photo = _blend(np.maximum.reduce([cover, *marks]), *recipe.paint(random))
    for condition in recipe.conditions:
        photo = condition(photo, height, random)
    return Page(
        picture=_to_bytes(photo),
        text="\n".join("".join(str(digits.labels[number]) for number in line) for line in lines),
        boxes=boxes,
        ink=_to_bytes(ink * 255),
    )


# The pen


def _write_digit(tile: NDArray[np.uint8], height_px: float, width: float | None) -> Cover:
    """A tile's digit, cropped to its ink and of the height given."""
    scale = _FINE_PX / max(cv2.boundingRect(tile)[2:])
    # Bare pixels around, into which a stroke can widen.
    fine = cv2.resize(np.pad(tile, 4), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(fine, (0, 0), 0.35 * scale)
    fine = _drop_specks(_as_bytes(cv2.convertScaleAbs(fine, alpha=255 / fine.max())))
    if width is not None:
        fine = _retrace(fine, max(round(width * _FINE_PX), 3))
    left, top, columns, rows = cv2.boundingRect((fine > _FAINT).astype(np.uint8))
    fine = fine[top : top + rows, left : left + columns]
    scale = height_px / max(rows, columns)
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # Blurred outlines are firm again: MNIST's grey is coarser than this picture's.
    sharp = np.clip(fine.astype(np.float32) / 128 - 0.25, 0, 1)
    return cv2.resize(sharp, size, interpolation=smooth).astype(np.float32, copy=False)


def _drop_specks(fine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave out what MNIST's scanner saw beside one digit in fifty; `_sprinkle` adds its own."""
    _, labels = cv2.connectedComponents((fine > _FAINT).astype(np.uint8), connectivity=8)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.where((areas > _LEAST_PART * areas.sum())[labels], fine, 0).astype(np.uint8)


def _retrace(fine: NDArray[np.uint8], width_px: int) -> NDArray[np.uint8]:
    """Follow the middle of the strokes with a round pen."""
    middle = _thin((fine > 110).astype(np.uint8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px, width_px))
    drawn = cv2.dilate(middle * np.uint8(255), disc)
    return _as_bytes(cv2.GaussianBlur(drawn, (0, 0), 1))


def _thin(body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of strokes, 1 on 0, one pixel wide (Guo & Hall, 1989)."""
    while True:
        left = body
        for removable in _REMOVABLE:
            neighbours = cv2.filter2D(left, cv2.CV_8U, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            left = left & ~_as_bytes(cv2.LUT(neighbours, removable))
        if np.array_equal(left, body):
            return body
        body = left


def _list_removable(second_pass: bool) -> NDArray[np.uint8]:
    """For each of the 256 neighbourhoods of a pixel whether it can go, 1, or must stay, 0."""
    removable = np.zeros(256, np.uint8)
    for code in range(256):
        # From the pixel above clockwise; the second pass looks from the opposite side.
        ring = [bool(code >> place & 1) for place in range(8)]
        pairs = [ring[place] or ring[place + 1] for place in range(0, 8, 2)]
        other_pairs = [ring[place - 1] or ring[place] for place in range(0, 8, 2)]
        parts = sum(
            not ring[place] and (ring[place + 1] or ring[(place + 2) % 8])
            for place in range(0, 8, 2)
        )
        n, ne, e, se, s, sw, w, nw = ring
        held = (n or ne or not se) and e if second_pass else (s or sw or not nw) and w
        removable[code] = parts == 1 and 2 <= min(sum(pairs), sum(other_pairs)) <= 3 and not held
    return removable


_NEIGHBOURS: Final = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)
_REMOVABLE: Final = (_list_removable(False), _list_removable(True))


def _interrupt(glyph: Cover, gaps: int, random: np.random.Generator) -> Cover:
    """Take the ink away in narrow gaps across the strokes."""
    height = max(glyph.shape)
    solid = np.argwhere(glyph > 0.5).astype(np.float64)
    kept = np.ones(glyph.shape, np.float32)
    for _ in range(gaps):
        centre = solid[random.integers(len(solid))]
        around = solid[np.hypot(*(solid - centre).T) < 0.2 * height] - centre
        # The strokes near here run along the axis of most spread; a gap is at right angles to it.
        down, across = np.linalg.eigh(around.T @ around)[1][:, 0] * 0.18 * height
        start, end = (
            (round(centre[1] + side * across), round(centre[0] + side * down)) for side in (-1, 1)
        )
        thickness = max(round(random.uniform(0.03, 0.08) * height), 2)
        cv2.line(kept, start, end, 0.0, thickness, cv2.LINE_8)
    rest = glyph * kept
    # A gap may have taken the end of a stroke.
    left, top, columns, rows = cv2.boundingRect((rest > 0).astype(np.uint8))
    return rest[top : top + rows, left : left + columns]


def _make_grain(shape: tuple[int, ...], random: np.random.Generator) -> Cover:
    """What share of a pencil's lead the paper takes, from place to place."""
    noise = cv2.GaussianBlur(random.normal(0, 1, shape).astype(np.float32), (0, 0), 0.8)
    grain: Cover = np.clip(0.85 + 0.6 * noise, 0.3, 1).astype(np.float32)
    return grain


# The arrangement


@dataclass(frozen=True, eq=False)
class _Glyph:
    """A written digit and its place in pixels, counted from a corner that is yet to be found."""

    ink: Cover
    left: int
    top: int


def _arrange(
    arrangement: Arrangement,
    n: int,
    height: float,
    write: Callable[[int], Cover],
    random: np.random.Generator,
) -> tuple[list[_Glyph], list[list[int]]]:
    """Digits at their places, and the numbers that were drawn from 0 to n - 1, by line."""
    skew = random.normal(0, 0.02)
    gap = random.uniform(0.12, 0.35) * height
    pitch = random.uniform(1.5, 2.0) * height
    columns = _draw_between(arrangement.numbers, random)
    column_width = arrangement.digits[1] * height + random.uniform(0.5, 1.5) * height
    glyphs: list[_Glyph] = []
    lines: list[list[int]] = []
    for line in range(_draw_between(arrangement.lines, random)):
        lines.append([])
        for column in range(columns):
            x = column * column_width + random.uniform(0, 0.3) * height
            before: _Glyph | None = None
            for _ in range(_draw_between(arrangement.digits, random)):
                lines[-1].append(int(random.integers(n)))
                ink = write(lines[-1][-1])
                # Digits stand on a line that rises or falls, and not quite on it.
                bottom = line * pitch + skew * x + random.normal(0, 0.04) * height
                glyph = _Glyph(ink, round(x), round(bottom) - ink.shape[0])
                if before is not None and arrangement.depth is not None:
                    depth = random.uniform(*arrangement.depth) * height
                    glyph = _push_into(glyph, before, depth)
                glyphs.append(glyph)
                before = glyph
                x = glyph.left + ink.shape[1] + gap * random.uniform(0.6, 1.4)
    return glyphs, lines


def _push_into(glyph: _Glyph, before: _Glyph, depth_px: float) -> _Glyph:
    """Move a digit left until it touches the one before, and so much further."""
    top = max(glyph.top, before.top)
    bottom = min(glyph.top + glyph.ink.shape[0], before.top + before.ink.shape[0])
    here = glyph.ink[top - glyph.top : bottom - glyph.top] > 0.5
    there = before.ink[top - before.top : bottom - before.top] > 0.5
    both = here.any(axis=1) & there.any(axis=1)
    if not both.any():
        return glyph
    start = glyph.left + here[both].argmax(axis=1)
    end = before.left + there.shape[1] - there[both, ::-1].argmax(axis=1)
    shift = int((start - end).min()) + max(round(depth_px), 1)
    return _Glyph(glyph.ink, glyph.left - shift, glyph.top)


def _place(
    glyphs: list[_Glyph], height: float, random: np.random.Generator
) -> tuple[Cover, tuple[Box, ...]]:
    """Glyphs on a page with bare margins, and where they then lie."""
    before_x, before_y, after_x, after_y = (
        round(margin * height) for margin in random.uniform(0.5, 1.2, 4)
    )
    left = min(glyph.left for glyph in glyphs) - before_x
    top = min(glyph.top for glyph in glyphs) - before_y
    right = max(glyph.left + glyph.ink.shape[1] for glyph in glyphs) + after_x
    bottom = max(glyph.top + glyph.ink.shape[0] for glyph in glyphs) + after_y
    ink = np.zeros((bottom - top, right - left), np.float32)
    boxes = []
    for glyph in glyphs:
        rows, columns = glyph.ink.shape
        box = Box(glyph.left - left, glyph.top - top, columns, rows)
        window = ink[box.y : box.y + rows, box.x : box.x + columns]
        np.maximum(window, glyph.ink, out=window)
        boxes.append(box)
    return ink, tuple(boxes)


def _draw_between(bounds: tuple[int, int], random: np.random.Generator) -> int:
    return int(random.integers(bounds[0], bounds[1] + 1))


# What else is on the paper


def _rule(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Lines across the paper, as wide apart as one writes between them."""
    step = random.uniform(1.1, 1.9) * height
    return _draw_rules(writing.shape, step, height, random)


def _square(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Lines both ways, closer than a digit is high."""
    step = random.uniform(0.4, 0.8) * height
    state = random.bit_generator.state
    across = _draw_rules(writing.shape, step, height, random)
    # The same print runs down.
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


def _print_words(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """A printed word above the writing, another below, as on a form."""
    rows, columns = writing.shape
    written = np.flatnonzero(writing.any(axis=1))
    words = Image.new("L", (columns, rows))
    draw = ImageDraw.Draw(words)
    for start, end in ((0, int(written[0])), (int(written[-1]) + 1, rows)):
        font = ImageFont.load_default(0.6 * min(end - start, 0.8 * height))
        place = (random.uniform(0.2, 1) * height, (start + end) / 2)
        draw.text(place, _WORDS[random.integers(len(_WORDS))], 255, font, anchor="lm")
    return np.asarray(words, np.float32) * np.float32(0.85 / 255)


def _sprinkle(writing: Cover, height: float, random: np.random.Generator) -> Cover:
    """Specks, some as dark as the ink."""
    specks = np.zeros_like(writing)
    rows, columns = writing.shape
    for _ in range(random.integers(4, 16)):
        centre = (int(random.integers(columns)), int(random.integers(rows)))
        radius = max(round(random.uniform(0.01, 0.04) * height), 1)
        strength = random.uniform(0.3, 1) * float(writing.max())
        cv2.circle(specks, centre, radius, strength, cv2.FILLED, cv2.LINE_AA)
    return specks


# The colours


def _paint_grey(random: np.random.Generator) -> tuple[Colour, Colour]:
    return _as_colours(random.uniform(190, 255, 1), random.uniform(0, 60, 1))


def _paint_dark(random: np.random.Generator) -> tuple[Colour, Colour]:
    return _as_colours(random.uniform(0, 70, 1), random.uniform(180, 255, 1))


def _paint_coloured(random: np.random.Generator) -> tuple[Colour, Colour]:
    """Any two colours that differ well in some channel, be they as bright as each other."""
    while True:
        paper, ink = random.uniform(0, 255, (2, 3))
        if np.abs(paper - ink).max() > 110:
            return _as_colours(paper, ink)


def _as_colours(paper: NDArray[np.float64], ink: NDArray[np.float64]) -> tuple[Colour, Colour]:
    return paper.astype(np.float32), ink.astype(np.float32)


def _blend(cover: Cover, paper: Colour, ink: Colour) -> Photo:
    photo: Photo = paper + cover[..., None] * (ink - paper)
    return photo[..., 0] if len(paper) == 1 else photo


# The light and the camera


def _slant_light(photo: Photo, _: float, random: np.random.Generator) -> Photo:
    """Light that falls off from one side to the other."""
    rows, columns = photo.shape[:2]
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    way = np.cos(angle) * x + np.sin(angle) * y
    way = (way - way.min()) / max(float(np.ptp(way)), 1e-6)
    return _light(photo, 1 - random.uniform(0.3, 0.65) * way)


def _shade(photo: Photo, height: float, random: np.random.Generator) -> Photo:
    """The shadow of a hand or a telephone, with a soft edge."""
    rows, columns = photo.shape[:2]
    x, y = random.uniform(0.1, 0.9, 2) * (columns, rows)
    angles = np.sort(random.uniform(0, np.pi, 2)) + random.uniform(0, 2 * np.pi)
    far = 3 * (rows + columns)
    # A wedge from a point on the page outwards.
    corners = [(x, y), *((x + far * np.cos(a), y + far * np.sin(a)) for a in angles)]
    wedge = np.zeros((rows, columns), np.float32)
    cv2.fillPoly(wedge, [np.array(corners, np.int32)], 1.0)
    wedge = cv2.GaussianBlur(wedge, (0, 0), random.uniform(0.1, 0.5) * height).astype(np.float32)
    return _light(photo, 1 - random.uniform(0.25, 0.5) * wedge)


def _light(photo: Photo, light: NDArray[np.floating]) -> Photo:
    """A photo under light of shape (height, width), 0 none to 1 full."""
    lit: Photo = (photo * (light if photo.ndim == 2 else light[..., None])).astype(np.float32)
    return lit


def _add_noise(photo: Photo, _: float, random: np.random.Generator) -> Photo:
    """A sensor's noise, the same at every level."""
    noise = random.normal(0, random.uniform(8, 20), photo.shape)
    noisy: Photo = (photo + noise).astype(np.float32)
    return noisy


def _compress(photo: Photo, _: float, random: np.random.Generator) -> Photo:
    """JPEG of low quality, after the lens's blur."""
    blurred = cv2.GaussianBlur(photo, (0, 0), random.uniform(0.5, 1.2)).astype(np.float32)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(10, 40))]
    # Whether a file's channels are called RGB or BGR makes no difference on the way there and back.
    encoded = cv2.imencode(".jpg", _to_bytes(blurred), quality)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), np.float32)


def _to_bytes(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return rounded


def _as_bytes(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """What OpenCV gives, of a type that type checkers know."""
    return pixels.astype(np.uint8, copy=False)


# The kinds

_OWN_STROKES = Pen()
_FINE_PEN = Pen(widths=(0.03, 0.06))
_BALLPOINT = Pen(widths=(0.06, 0.1))
_MARKER = Pen(widths=(0.14, 0.18))
_PENCIL = Pen(widths=(0.05, 0.09), strengths=(0.25, 0.45), grain=True)
_DRY_PENS = (Pen(gaps=2), Pen(widths=(0.06, 0.1), gaps=2))
_PENS = (_OWN_STROKES, _OWN_STROKES, _BALLPOINT, _FINE_PEN, _MARKER)


def _make_kind(
    arrangement: Arrangement = Arrangement(),
    pens: tuple[Pen, ...] = _PENS,
    *,
    marks: tuple[Mark, ...] = (),
    paint: Paint = _paint_grey,
    conditions: tuple[Condition, ...] = (),
) -> Kind:
    return Kind(arrangement, pens, marks, paint, conditions)


KINDS: Final[Mapping[str, Kind | None]] = MappingProxyType(
    {
        "digit": _make_kind(Arrangement(digits=(1, 1))),
        "row": _make_kind(),
        "columns": _make_kind(Arrangement(lines=(2, 4), numbers=(2, 3), digits=(1, 4))),
        "lines": _make_kind(Arrangement(lines=(2, 5))),
        "touching": _make_kind(Arrangement(digits=(2, 4), depth=(0.0, 0.03))),
        "overlapping": _make_kind(Arrangement(digits=(2, 3), depth=(0.06, 0.14))),
        "broken": _make_kind(pens=_DRY_PENS),
        "thin": _make_kind(pens=(_FINE_PEN,)),
        "thick": _make_kind(pens=(_MARKER,)),
        "pencil": _make_kind(pens=(_PENCIL,)),
        "ruled": _make_kind(marks=(_rule,)),
        "squared": _make_kind(marks=(_square,)),
        "print": _make_kind(marks=(_print_words,)),
        "specks": _make_kind(marks=(_sprinkle,)),
        "dark": _make_kind(paint=_paint_dark),
        "coloured": _make_kind(paint=_paint_coloured),
        "gradient": _make_kind(conditions=(_slant_light,)),
        "shadow": _make_kind(conditions=(_shade,)),
        "noise": _make_kind(conditions=(_add_noise,)),
        "jpeg": _make_kind(conditions=(_compress,)),
        "mixed": None,
    }
)
"""Every kind of page by its name; a kind that is None takes from all others by chance."""


def _mix(random: np.random.Generator) -> Kind:
    """A kind whose parts come from any of the others."""
    others = [kind for kind in KINDS.values() if kind is not None]

    def pick() -> Kind:
        return others[random.integers(len(others))]

    marks = [mark for kind in others for mark in kind.marks]
    conditions = [condition for kind in others for condition in kind.conditions]
    return Kind(
        pick().arrangement,
        pick().pens,
        tuple(mark for mark in marks if random.random() < _MIXED_SHARE),
        pick().paint,
        tuple(condition for condition in conditions if random.random() < _MIXED_SHARE),
    )
