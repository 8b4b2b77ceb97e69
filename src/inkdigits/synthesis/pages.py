"""Drawn pages with known labels, on which the reader is trained.

A layout places glyphs. This module draws them on paper with prints, takes a picture with a
simulated camera, and sometimes crops it, as people crop a number from a scan. The labels are the
bounding box of each mark's ink in the picture, and its class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.camera import add_impulses, take_picture
from inkdigits.synthesis.layouts import draw_layout
from inkdigits.synthesis.papers import draw_paper, resize
from inkdigits.synthesis.placing import Placed, Random, Writing
from inkdigits.synthesis.prints import draw_print
from inkdigits.synthesis.scribes import Scriptorium

PAGE_SIDE: Final = 256
"""Side length of a page in pixels."""

_INKED: Final = 0.35
"""Minimum ink of a pixel, as a share of full ink, to belong to the bounding box of a mark."""
_WHOLE: Final = 0.8
_LOST: Final = 0.3
"""Minimum shares of a mark's ink on the page. Below `_WHOLE` the mark is not sure, and below
`_LOST` it has no label. Both were chosen by eye on drawn pages, not measured."""
_SEEN: Final = 0.97
"""Minimum visible share of a mark's bounding box beside borders and fingers."""
_CANVAS_SHARE: Final = 0.2
"""Share of pages as drawn on a screen, without paper and camera."""
_BAND_SHARE: Final = 0.15
_SPECKLED_SHARE: Final = 0.1
"""Shares of screen pages with inverted bands, and with single black and white pixels."""
_PHOTOGRAPH_SHARES: Final = (0.03, 0.35)
"""Shares of pages with a photograph as background: with writing, and without writing."""
_PRINT_SHARE: Final = 0.3
_DARK: Final = 0.4
"""Papers with a lower mean are blackboards; the writing on them is chalk."""
_MIN_CONTRAST: Final = 0.9
"""Minimum difference between ink and background beside it, in units of the background's standard
deviation plus two grey levels. Chosen by eye on drawn pages, not measured: fainter marks are hardly
visible."""
_CROP_SHARE: Final = 0.4
"""Share of cropped pages. Most user pictures show one number or one digit, with neighbours cut by
the edge."""
_STRIP_SHARE: Final = 0.6
"""Share of crops along a line of writing; the others show one mark and its surroundings."""
_MIN_CROP_PX: Final = 16
"""Minimum side length of a crop in pixels."""
_MAX_GLYPH_SIDES: Final = 6
"""Maximum size of a glyph in page sides. Larger glyphs are not drawn: only a grey area would be
visible, and they take much memory."""


Box = tuple[float, float, float, float]
"""x, y, width and height in pixels of the page."""


@dataclass(frozen=True, eq=False)
class DrawnPage:
    """A page and its labels.

    Attributes:
        picture: uint8, shape (height, width), grey.
        boxes: Bounding boxes: float32, shape (n, 4): x, y, width, height in pixels.
        labels: int64, shape (n,): classes of the reader.
        heights: float32, shape (n,): height in pixels of the digits on the line of each mark.
        sure: bool, shape (n,): False if the class of a mark is uncertain, because it is cut off,
            covered, or ambiguous.
    """

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    heights: NDArray[np.float32]
    sure: NDArray[np.bool_]


@dataclass(frozen=True)
class _Mark:
    box: Box
    label: int
    height_px: float
    sure: bool


def draw_page(scribes: Scriptorium, random: Random, side: int = PAGE_SIDE) -> DrawnPage:
    """Draws one page.

    Args:
        scribes: The writers.
        random: Random number generator; the same state gives the same page.
        side: Side length of the square page in pixels; a crop is smaller.
    """
    return draw_pages(scribes, random, 1, side)[0]


def draw_pages(
    scribes: Scriptorium,
    random: Random,
    n: int,
    side: int = PAGE_SIDE,
    layout: str | None = None,
) -> list[DrawnPage]:
    """Draws several pages with the same writing but other papers, rotations and cameras.

    Writing takes as long as all other steps together. Two pages of one writing therefore teach
    more per second than one.

    Args:
        scribes: The writers.
        random: Random number generator; the same state gives the same pages.
        n: Number of pages.
        side: Side length of the square pages in pixels; a crop is smaller.
        layout: Name of the layout in `layouts.LAYOUTS`; None: a random one.
    """
    writing, height_px = draw_layout(side, scribes, random, layout)
    pages = [_draw_on_paper(writing, height_px, scribes, random, side) for _ in range(n)]
    return [_crop(page, random) if random.random() < _CROP_SHARE else page for page in pages]


def _draw_on_paper(
    writing: Writing, height_px: float, scribes: Scriptorium, random: Random, side: int
) -> DrawnPage:
    turn = _draw_turn(side, random)
    cover = np.zeros((side, side), np.float32)
    marks: list[_Mark] = []
    for placed in writing.placed:
        marks += _draw_glyph(cover, placed, turn)
    _draw_lines(cover, writing, turn)
    blank = not writing.placed and not writing.lines
    share = _PHOTOGRAPH_SHARES[blank]
    paper: NDArray[np.float32] | None = None
    if scribes.photographs and random.random() < share:
        photograph = scribes.photographs[random.integers(len(scribes.photographs))]
        paper = _cut(photograph, _shape(cover), random)
    picture, visible = _photograph(cover, paper, height_px, random)
    marks = [
        replace(mark, sure=mark.sure and _is_legible(mark, cover, picture, visible))
        for mark in marks
    ]
    return DrawnPage(
        picture,
        np.array([mark.box for mark in marks], np.float32).reshape(-1, 4),
        np.array([mark.label for mark in marks], np.int64),
        np.array([mark.height_px for mark in marks], np.float32),
        np.array([mark.sure for mark in marks], np.bool_),
    )


def _crop(page: DrawnPage, random: Random) -> DrawnPage:
    """Crops a page to a line of writing or a mark; a page without marks is cropped anywhere."""
    if not len(page.boxes):
        return crop_anywhere(page, random)
    chosen = int(random.integers(len(page.boxes)))
    if random.random() < _STRIP_SHARE:
        return _crop_to_line(page, chosen, random)
    return crop_to_mark(page, chosen, random)


def _crop_to_line(page: DrawnPage, chosen: int, random: Random) -> DrawnPage:
    side = page.picture.shape[0]
    first = page.boxes[chosen, :2].astype(np.float64)
    last = first + page.boxes[chosen, 2:]
    height_px = min(float(page.heights[chosen]), side)
    first[1] -= random.uniform(-0.1, 0.8) * height_px
    last[1] += random.uniform(-0.1, 0.8) * height_px
    reach = np.exp(random.uniform(np.log(height_px), np.log(2.0 * side), 2))
    first[0] -= reach[0]
    last[0] += reach[1]
    return _cut_out(page, first, last)


def crop_to_mark(page: DrawnPage, chosen: int, random: Random) -> DrawnPage:
    """Crops a page to one mark and some of its surroundings.

    Args:
        page: The page.
        chosen: Index of the mark.
        random: Random number generator.
    """
    first = page.boxes[chosen, :2].astype(np.float64)
    last = first + page.boxes[chosen, 2:]
    longer = float((last - first).max())
    first -= random.uniform(-0.1, 0.7, 2) * longer
    last += random.uniform(-0.1, 0.7, 2) * longer
    return _cut_out(page, first, last)


def crop_anywhere(page: DrawnPage, random: Random) -> DrawnPage:
    """Crops a page to a random rectangle."""
    height, width = page.picture.shape
    least = min(_MIN_CROP_PX, width, height)
    sides = np.exp(random.uniform(np.log(least), np.log((width, height))))
    first = random.uniform(0, (width, height) - sides)
    return _cut_out(page, first, first + sides)


def _cut_out(page: DrawnPage, first: NDArray[np.float64], last: NDArray[np.float64]) -> DrawnPage:
    """Returns a rectangle of a page, from `first` to `last` (x, y), with the marks on it."""
    size = np.array(page.picture.shape[::-1])
    first = np.clip(np.round(first), 0, np.maximum(size - _MIN_CROP_PX, 0))
    last = np.clip(np.round(last), np.minimum(first + _MIN_CROP_PX, size), size)
    left, top, right, bottom = (int(value) for value in (*first, *last))
    starts = np.maximum(page.boxes[:, :2], first)
    sizes = np.maximum(np.minimum(page.boxes[:, :2] + page.boxes[:, 2:], last) - starts, 0)
    shares = sizes.prod(axis=1) / np.maximum(page.boxes[:, 2:].prod(axis=1), 1e-6)
    kept = shares >= _LOST
    return DrawnPage(
        np.ascontiguousarray(page.picture[top:bottom, left:right]),
        np.concatenate([starts - first, sizes], axis=1)[kept].astype(np.float32),
        page.labels[kept],
        page.heights[kept],
        (page.sure & (shares >= _WHOLE))[kept],
    )


def _draw_turn(side: int, random: Random) -> NDArray[np.float64]:
    """Returns a map of the whole page: a slight rotation, shear and perspective."""
    matrix = np.eye(3)
    if random.random() < 0.5:
        angle = np.deg2rad(random.normal(0, 6 if random.random() < 0.3 else 2))
        middle = side / 2
        to_middle = np.array([[1, 0, -middle], [0, 1, -middle], [0, 0, 1.0]])
        turn = np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]]
        )
        tilt = np.eye(3)
        if random.random() < 0.4:
            tilt[2, :2] = random.normal(0, 0.08, 2) / side
            tilt[0, 1] = random.normal(0, 0.06)
        matrix = np.linalg.inv(to_middle) @ tilt @ turn @ to_middle
    return matrix


def _draw_glyph(
    cover: NDArray[np.float32], placed: Placed, turn: NDArray[np.float64]
) -> list[_Mark]:
    """Draws a glyph on the page and returns its marks with their bounding boxes."""
    ink, matrix = placed.glyph.ink, np.vstack([placed.matrix, (0, 0, 1)])
    exact = turn @ matrix
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    factor = 1.0
    if shrink < 0.7:  # linear interpolation alone would skip pixels
        factor = max(shrink, 1 / min(ink.shape))
        smaller = (max(round(ink.shape[1] * factor), 1), max(round(ink.shape[0] * factor), 1))
        matrix = matrix @ np.diag([ink.shape[1] / smaller[0], ink.shape[0] / smaller[1], 1])
        ink = cv2.resize(ink, smaller, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    whole = turn @ matrix
    height, width = ink.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    outer = cv2.perspectiveTransform(corners[np.newaxis], whole)[0]
    left, top = np.floor(outer.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(outer.max(axis=0)).astype(int) + 2
    side = cover.shape[0]
    if right <= 0 or bottom <= 0 or left >= side or top >= side:
        return []
    if max(right - left, bottom - top) > _MAX_GLYPH_SIDES * side:
        return []
    # The origin is the centre of the first pixel in OpenCV, but its corner in the maps.
    offset = _shift(-left - 0.5, -top - 0.5) @ whole @ _shift(0.5, 0.5)
    size = (right - left, bottom - top)
    patch = cv2.warpPerspective(ink, offset, size).astype(np.uint8, copy=False)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, side), min(bottom, side)
    window = patch[y0 - top : y1 - top, x0 - left : x1 - left]
    target = cover[y0:y1, x0:x1]
    np.maximum(target, window * np.float32(placed.strength / 255), out=target)
    marks = []
    for part in placed.parts:
        if part.label is None:
            continue
        box = _measure(patch, left, top) if part.box is None else _map_box(part.box, exact)
        if box is not None:
            share = _visible_share(box, side) if part.box else _inked_share(patch, window)
            if share >= _LOST:
                clipped = _clip(box, side)
                sure = part.sure and share >= _WHOLE
                marks.append(_Mark(clipped, part.label, placed.height_px, sure))
    return marks


def _shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _measure(patch: NDArray[np.uint8], left: int, top: int) -> Box | None:
    """Returns the bounding box on the page of all ink in a patch at a given position."""
    level = min(int(_INKED * 255), int(patch.max()) // 2)
    x, y, width, height = cv2.boundingRect((patch > level).astype(np.uint8))
    return (left + x, top + y, width, height) if width else None


def _map_box(box: Box, matrix: NDArray[np.float64]) -> Box:
    """Maps the box of a part (left, top, right, bottom in glyph pixels) to the page."""
    x0, y0, x1, y1 = box
    # A slanted letter keeps about its width, so the middles of its sides give its position.
    middles = np.array(
        [[(x0 + x1) / 2, y0], [(x0 + x1) / 2, y1], [x0, (y0 + y1) / 2], [x1, (y0 + y1) / 2]]
    )
    up, down, before, after = cv2.perspectiveTransform(middles[np.newaxis], matrix)[0]
    width = abs(after[0] - before[0]) + 0.5 * abs(up[0] - down[0])
    height = abs(down[1] - up[1])
    middle = (up + down + before + after) / 4
    return (middle[0] - width / 2, middle[1] - height / 2, max(width, 1.0), max(height, 1.0))


def _inked_share(patch: NDArray[np.uint8], window: NDArray[np.uint8]) -> float:
    return float(window.sum(dtype=np.float64) / max(patch.sum(dtype=np.float64), 1))


def _visible_share(box: Box, side: int) -> float:
    *_, width, height = _clip(box, side)
    return max(width, 0) * max(height, 0) / max(box[2] * box[3], 1e-6)


def _clip(box: Box, side: int) -> Box:
    x0, y0 = max(box[0], 0.0), max(box[1], 0.0)
    x1, y1 = min(box[0] + box[2], side), min(box[1] + box[3], side)
    return (x0, y0, x1 - x0, y1 - y0)


def _draw_lines(cover: NDArray[np.float32], writing: Writing, turn: NDArray[np.float64]) -> None:
    for points, thickness, strength in writing.lines:
        turned = cv2.perspectiveTransform(points[np.newaxis].astype(np.float64), turn)[0]
        turned = np.clip(turned, -2000, 2000)  # OpenCV's 32-bit coordinates have 16 fractional bits
        layer = np.zeros(cover.shape, np.uint8)
        cv2.polylines(
            layer,
            [np.round(turned * 16).astype(np.int32)],
            False,
            255,
            max(round(thickness), 1),
            cv2.LINE_AA,
            4,
        )
        np.maximum(cover, layer * np.float32(strength / 255), out=cover)


def _photograph(
    cover: NDArray[np.float32],
    paper: NDArray[np.float32] | None,
    height_px: float,
    random: Random,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Takes a picture of the page; also returns where the page is visible.

    If `paper` is None, the function draws a paper or a plain canvas.
    """
    if paper is None and random.random() < _CANVAS_SHARE:
        return _draw_canvas(cover, height_px, random), np.ones(cover.shape, np.float32)
    if paper is None:
        paper = draw_paper(_shape(cover), height_px, random)
    if random.random() < _PRINT_SHARE:
        printed = draw_print(_shape(cover), height_px, random)
        paper = paper * (1 - printed * random.uniform(0.3, 1))
    if random.random() < 0.3:  # the pen skips on the grain of the paper
        noise = random.standard_normal((64, 64), np.float32)
        noise = resize(noise, _shape(cover), cv2.INTER_LINEAR)
        cover = cover * np.clip(1 - random.uniform(0.1, 0.5) * np.abs(noise), 0, 1)
    contrast = random.uniform(0.25, 1) ** 0.8 * cover
    tone = random.uniform(0, 0.3)
    if float(paper.mean()) < _DARK:  # chalk
        page = paper + (1 - tone - paper) * contrast
    else:
        page = paper * (1 - contrast * (1 - tone))
    return take_picture(np.clip(page, 0, 1).astype(np.float32), random, height_px)


def _shape(cover: NDArray[np.float32]) -> tuple[int, int]:
    return cover.shape[0], cover.shape[1]


def _cut(
    photograph: NDArray[np.float32], shape: tuple[int, int], random: Random
) -> NDArray[np.float32]:
    """Crops a random square of a photograph and resizes it to the page."""
    most = min(photograph.shape)
    side = int(np.exp(random.uniform(np.log(min(80, most)), np.log(most))))
    row = random.integers(photograph.shape[0] - side + 1)
    column = random.integers(photograph.shape[1] - side + 1)
    square = photograph[row : row + side, column : column + side]
    way = cv2.INTER_AREA if side > shape[0] else cv2.INTER_LINEAR
    cut = resize(square, shape, way)
    return np.ascontiguousarray(cut[:, :: random.choice([-1, 1])])


def _draw_canvas(cover: NDArray[np.float32], height_px: float, random: Random) -> NDArray[np.uint8]:
    """Draws the page like a drawing on a screen, in full or in low resolution."""
    levels = cover if random.random() < 0.8 else (cover > 0.5).astype(np.float32)
    if random.random() < 0.5:
        # MNIST's digits are 20 pixels high; few digits below 9 pixels are legible.
        few = float(np.exp(random.uniform(np.log(9), np.log(28)))) / height_px
        if few < 0.8:
            size = (max(round(few * cover.shape[0]), 8), max(round(few * cover.shape[1]), 8))
            small = resize(levels, size, cv2.INTER_AREA)
            way = cv2.INTER_NEAREST if random.random() < 0.15 else cv2.INTER_LINEAR
            levels = resize(small, _shape(cover), way)
            levels = np.clip(levels * random.uniform(1, 1.4), 0, 1)
    if random.random() < _BAND_SHARE:
        _invert_bands(levels, random)
    if random.random() < _SPECKLED_SHARE:
        levels = add_impulses(levels, height_px, random)
    if random.random() < 0.5:
        levels = 1 - levels
    return (levels * 255).astype(np.uint8)


def _invert_bands(levels: NDArray[np.float32], random: Random) -> None:
    """Inverts bands across the picture, like a selection on a screen."""
    for _ in range(int(random.integers(1, 4))):
        begin, end = np.sort(random.integers(0, levels.shape[0], 2)).tolist()
        band = levels[begin:end] if random.random() < 0.5 else levels[:, begin:end]
        np.subtract(1, band, out=band)


def _is_legible(
    mark: _Mark,
    cover: NDArray[np.float32],
    picture: NDArray[np.uint8],
    visible: NDArray[np.float32],
) -> bool:
    """Returns whether a mark is visible and has enough contrast for a sure label."""
    x, y, width, height = (int(value) for value in mark.box)
    rows, columns = slice(max(y - 2, 0), y + height + 3), slice(max(x - 2, 0), x + width + 3)
    if float(visible[rows, columns].mean()) < _SEEN:
        return False
    covers, levels = cover[rows, columns], picture[rows, columns].astype(np.float32)
    ink, beside = levels[covers > _INKED], levels[covers < 0.05]
    if not ink.size or not beside.size:
        return True
    contrast = abs(float(ink.mean()) - float(beside.mean()))
    return contrast >= _MIN_CONTRAST * (float(beside.std()) + 2)
