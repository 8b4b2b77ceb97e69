"""Where the digits are: the ink of a page becomes regions of one digit each.

Strokes that hang together are pieces. Pieces stand on lines. Along a line, a digit may be one
piece, several (a broken 5) or a part of one (touching digits), so every likely grouping is shown to
the network, and the cheapest explanation of the whole line is taken: over-segmentation and dynamic
programming (Casey & Lecolinet, 1996).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.framing import frame, is_framed, measure_stroke
from inkdigits.recognition.quantiles import quantile
from inkdigits.recognition.reading import Box

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Tiles, uint8 of shape (n, 28, 28), to probabilities of shape (n, 10), or (n, 11) where the last
is that of no digit."""

_WORKING_SIDE: Final = 1600
"""Larger ink is shrunk to this for the work, in pixels of the longer side."""

_SOLID: Final = 96
"""Ink from here on connects; paler ink is the fringe of what it surrounds."""

_FRINGE: Final = 0.5
"""Paler ink belongs to a piece up to so many stroke widths away from it."""

# What follows is in units of the digits' height on the page or line at hand.
_SPECK: Final = 0.12
"""Pieces smaller than this both ways are specks unless they complete a digit."""
_CORE: Final = 0.45
"""Pieces at least this high may found a line."""
_WIDEST: Final = 1.5
"""No digit of several pieces is wider than this."""
_WIDEST_LETTER: Final = 1.3
"""What is wider is more likely digits that touch than one letter."""
_JOIN_GAP: Final = 0.3
"""Pieces further apart belong to different digits."""
_DASH: Final = 1.4
"""A piece this many times wider than high may float above its digit, as the bar of a 5 does."""
_BESIDE: Final = 0.05
"""Pieces stand beside each other where they share this much of their heights."""
_CUT_FROM: Final = 0.7
"""Pieces at least this wide may be several digits that touch."""

# Costs are negative logarithms of probabilities.
_JOIN_COST: Final = 12.0
"""For pieces joined over a gap, per digit height of gap."""
_CUT_COST: Final = 1.0
"""For a cut through ink, and as much again for each stroke width it goes through."""
_SKIP_COST: Final = 7.0
"""For leaving a piece out, per digit height of its extent."""
_TEAR_COST: Final = 20.0
"""For tearing what could be one letter: only where nothing else explains the line."""
_DOUBT_LIMIT: Final = 5.0
"""The most that doubt of the network costs, so that a letter is returned rather than torn."""

_MOST_PIECES: Final = 1000
"""A texture has no end of pieces; only the largest are looked at."""
_MOST_CUTS: Final = 16
"""A piece is cut at so many places at most."""
_MOST_GROUPED: Final = _MOST_CUTS + 1
"""A digit is made of at most so many pieces: all that one was cut into can be one again."""
_SURE: Final = 0.9
"""Each side of a cut is a digit with at least this probability: otherwise nearly every letter
could be torn into two digits."""
_WHOLE: Final = 0.8
"""Dots and dashes are one digit together with at least this probability."""
_FAIR: Final = 0.4
"""What is joined from pieces that are no digits themselves is one with at least this."""
_LEAST_TORN: Final = 0.6
"""One side of a cut is at least this high, as a share of what was cut."""
_LEAST_PART: Final = 0.04
"""Each side of a cut has at least this share of the ink."""
_CUT_APART: Final = 0.08
"""Cuts are at least so far from each other."""
_DEEPEST_CUT: Final = 5.0
"""A cut goes through at most so many stroke widths of ink."""
_DRIFT_COST: Final = 0.15
"""What a cut pays for each step aside, in pixels of full ink."""
_CUT_HEIGHT: Final = 48
"""Cuts are sought on pieces shrunk to this height, in pixels."""


@dataclass(frozen=True, eq=False)
class Region:
    """The ink of what is taken for one digit.

    Attributes:
        ink: Its strokes only: uint8, shape (height, width), 0 background, 255 full ink. On a
            scale of its own where the picture is large.
        box: Where it lies, in pixels of the picture.
        line: Number of its line, from 0 at the top.
    """

    ink: NDArray[np.uint8]
    box: Box
    line: int


@dataclass(frozen=True, eq=False)
class _Piece:
    """Strokes that hang together, or one side of a cut through such.

    Attributes:
        left: Column of the ink's first pixel.
        top: Row of the ink's first pixel.
        ink: uint8, shape (height, width), other pieces removed.
        area: Pixels of solid ink.
        cut: Cost of the cut that parts it from the piece before; 0 where nothing was cut.
        source: Pieces cut from one share this number.
    """

    left: int
    top: int
    ink: NDArray[np.uint8]
    area: int
    cut: float = 0.0
    source: int = -1

    @property
    def width(self) -> int:
        return int(self.ink.shape[1])

    @property
    def height(self) -> int:
        return int(self.ink.shape[0])

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def extent(self) -> int:
        return int(max(self.ink.shape))

    @property
    def centre(self) -> float:
        return self.left + self.width / 2


def find_digits(ink: NDArray[np.uint8], classify: Classify) -> list[Region]:
    """Find the digits of a page in reading order.

    Args:
        ink: uint8, shape (height, width), 0 paper, 255 full ink.
        classify: The network, which judges how the ink is best divided.

    Returns:
        Left to right within a line, lines from the top. What is no digit but as large as one, a
        letter say, is a region too; specks and what runs along the picture's edge are not.
    """
    if is_framed(ink):
        return [_take_whole(ink)]
    small, scale = _shrink(ink)
    pieces = _drop_edges(_find_pieces(small), small.shape)
    if not pieces:
        return []
    regions = []
    for number, line in enumerate(_find_lines(pieces)):
        height = _typical_height(line)
        parts = [part for piece in line for part in _cut(piece, height)]
        for group in _join_stacked(_divide(parts, height, classify), classify):
            regions.append(_as_region(group, scale, number, ink.shape))
    if len(regions) > 1:
        # Dots and dashes, most of them nothing by themselves, may be a digit together.
        whole = _grow_digit(pieces)
        tiles = np.stack([frame(region.ink) for region in regions] + [frame(_merge(whole))])
        certainties = classify(tiles)[:, :10].max(axis=1)
        if quantile(certainties[:-1], 0.5) < _FAIR and certainties[-1] >= _WHOLE:
            return [_as_region(whole, scale, 0, ink.shape)]
    # A line of specks only has vanished: number those that are left.
    numbers = {number: rank for rank, number in enumerate(sorted({r.line for r in regions}))}
    return [Region(region.ink, region.box, numbers[region.line]) for region in regions]


def find_single_digit(ink: NDArray[np.uint8]) -> Region | None:
    """All ink that belongs to the one digit of a picture, without borders and specks.

    Args:
        ink: uint8, shape (height, width), 0 paper, 255 full ink.

    Returns:
        The digit as the only region of line 0; None where there is no ink.
    """
    if is_framed(ink):
        return _take_whole(ink)
    small, scale = _shrink(ink)
    pieces = _drop_edges(_find_pieces(small), small.shape)
    return _as_region(_grow_digit(pieces), scale, 0, ink.shape) if pieces else None


def _grow_digit(pieces: list[_Piece]) -> list[_Piece]:
    """The largest piece and all that is near enough, and no speck, to belong to it."""
    digit = [max(pieces, key=lambda piece: piece.area)]
    others = [piece for piece in pieces if piece is not digit[0]]
    grown = True
    while grown:
        grown = False
        size = max(_bounds(digit)[2:])
        for piece in others:
            gap = min(_distance(piece, part) for part in digit)
            if gap <= _JOIN_GAP * max(size, piece.extent) and piece.extent >= _SPECK * size:
                digit.append(piece)
                others.remove(piece)
                grown = True
                break
    return digit


def _take_whole(tile: NDArray[np.uint8]) -> Region:
    """A tile that is framed already, which is to pass unchanged to the last grey."""
    left, top, width, height = cv2.boundingRect(tile)
    return Region(tile, Box(left, top, width, height), 0)


def _shrink(ink: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Ink on the working scale, and how many pixels of the picture one of its pixels is."""
    height, width = ink.shape
    scale = max(max(height, width) / _WORKING_SIDE, 1)
    if scale == 1:
        return ink, 1
    size = (max(round(width / scale), 1), max(round(height / scale), 1))
    return cv2.resize(ink, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), scale


def _find_pieces(ink: NDArray[np.uint8]) -> list[_Piece]:
    """Strokes that hang together, the largest first."""
    solid = (ink >= _SOLID).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    # Ink around it belongs to it as well: the fringe, wide where strokes are blurred.
    fringe = max(round(_FRINGE * measure_stroke(ink)), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * fringe + 1, 2 * fringe + 1))
    pieces = []
    for label in order[:_MOST_PIECES]:
        left, top, width, height, area = (int(value) for value in stats[label])
        rows = slice(max(top - fringe, 0), min(top + height + fringe, ink.shape[0]))
        columns = slice(max(left - fringe, 0), min(left + width + fringe, ink.shape[1]))
        left, top = columns.start, rows.start
        own = labels[rows, columns] == label
        near = cv2.dilate(own.astype(np.uint8), disc).astype(bool)
        near &= own | (labels[rows, columns] == 0)
        pieces.append(_Piece(left, top, np.where(near, ink[rows, columns], 0), area))
    return pieces


def _drop_edges(pieces: list[_Piece], shape: tuple[int, ...]) -> list[_Piece]:
    """Leave out what runs along the edge of the picture: the table beyond the paper, a frame."""
    height, width = shape
    kept = []
    for piece in pieces:
        at_side = piece.left <= 1 or piece.right >= width - 1
        at_end = piece.top <= 1 or piece.bottom >= height - 1
        along_side = at_side and piece.height > 0.5 * height and piece.width < 0.1 * width
        along_end = at_end and piece.width > 0.5 * width and piece.height < 0.1 * height
        if not (along_side or along_end):
            kept.append(piece)
    # A tightly cropped 1 runs along the edge, too.
    return kept or pieces


def _typical_height(pieces: list[_Piece]) -> float:
    """Height that half of all ink is in pieces of at most."""
    heights = np.array([piece.height for piece in pieces])
    areas = np.array([piece.area for piece in pieces])
    order = np.argsort(heights)
    cumulated = np.cumsum(areas[order])
    return float(heights[order][np.searchsorted(cumulated, cumulated[-1] / 2)])


def _find_lines(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Pieces by line, lines from the top, pieces from the left.

    High pieces are chained to the next on the right beside which they stand, which follows skewed
    lines; what is small goes to the nearest of them, unless it lies off that line as print does.
    """
    height = _typical_height(pieces)
    cores = sorted(
        (piece for piece in pieces if piece.height >= _CORE * height), key=lambda p: p.centre
    )
    if not cores:
        cores = [pieces[0]]
    line_of = list(range(len(cores)))
    for index, piece in enumerate(cores):
        best, best_gap = None, np.inf
        for other_index in range(index + 1, len(cores)):
            other = cores[other_index]
            shared = min(piece.bottom, other.bottom) - max(piece.top, other.top)
            gap = other.centre - piece.centre
            if shared >= 0.45 * min(piece.height, other.height) and gap < best_gap:
                best, best_gap = other_index, gap
        if best is not None:
            old, new = line_of[best], line_of[index]
            line_of = [new if line == old else line for line in line_of]
    lines: dict[int, list[_Piece]] = {}
    for piece, line in zip(cores, line_of, strict=True):
        lines.setdefault(line, []).append(piece)
    founders = list(lines.values())
    members = [list(line) for line in founders]
    core_ids = {id(piece) for piece in cores}
    for piece in pieces:
        if id(piece) not in core_ids:
            gaps = [min(_box_gap(piece, core) for core in line) for line in founders]
            nearest = int(np.argmin(gaps))
            if _is_on_line(piece, founders[nearest], height):
                members[nearest].append(piece)
    tops = [np.mean([piece.top + piece.height / 2 for piece in line]) for line in founders]
    return [sorted(members[index], key=lambda piece: piece.centre) for index in np.argsort(tops)]


def _is_on_line(piece: _Piece, line: list[_Piece], height: float) -> bool:
    """Whether a small piece can belong to a digit of the line: words above and below cannot."""
    core = min(line, key=lambda core: abs(core.centre - piece.centre))
    shared = min(piece.bottom, core.bottom) - max(piece.top, core.top)
    if shared > _BESIDE * height:
        return True
    reach = _JOIN_GAP if piece.width >= _DASH * piece.height else _JOIN_GAP / 2
    return min(_distance(piece, other) for other in line) <= reach * height


def _box_gap(one: _Piece, other: _Piece) -> float:
    """Distance between the boxes of two pieces in pixels, 0 where they overlap."""
    across = max(one.left - other.right, other.left - one.right, 0)
    down = max(one.top - other.bottom, other.top - one.bottom, 0)
    return float(np.hypot(across, down))


def _distance(one: _Piece, other: _Piece) -> float:
    """Distance between the ink of two pieces in pixels."""
    gap = _box_gap(one, other)
    if gap > 0.5 * max(one.extent, other.extent):
        return gap
    left, top = min(one.left, other.left), min(one.top, other.top)
    width = max(one.right, other.right) - left
    height = max(one.bottom, other.bottom) - top
    empty = np.ones((height, width), np.uint8)
    _window(empty, one, left, top)[one.ink >= _SOLID] = 0
    distances = cv2.distanceTransform(empty, cv2.DIST_L2, 3)
    solid = other.ink >= _SOLID
    if not solid.any():
        return gap
    return max(float(_window(distances, other, left, top)[solid].min()) - 1, 0.0)


def _window(canvas: NDArray[Any], piece: _Piece, left: int, top: int) -> NDArray[Any]:
    """The part of a canvas, whose corner is given, that a piece covers."""
    return canvas[piece.top - top : piece.bottom - top, piece.left - left : piece.right - left]


def _cut(piece: _Piece, line_height: float) -> list[_Piece]:
    """Divide a wide piece wherever digits may touch; the line's best reading mends wrong cuts.

    A cut is the path from top to bottom that goes through least ink (seam), sought through every
    column at half height.
    """
    if piece.width < _CUT_FROM * line_height or piece.height < _CORE * line_height:
        return [piece]
    scale = min(_CUT_HEIGHT / piece.height, 1)
    size = (max(round(piece.width * scale), 2), max(round(piece.height * scale), 2))
    small = cv2.resize(piece.ink, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    seams, costs = _find_seams(small)
    stroke = max(measure_stroke(piece.ink) * scale, 1)
    beside = np.cumsum(small >= _SOLID, axis=1)
    taken_off = np.take_along_axis(beside, seams, axis=1).sum(axis=0) / max(beside[:, -1].sum(), 1)
    chosen: list[int] = []
    for index in np.argsort(costs, kind="stable"):
        if len(chosen) == _MOST_CUTS or costs[index] > _DEEPEST_CUT * stroke:
            break
        # The cheapest ways pass beside the ink: none of the cuts may be wasted on them.
        if not _LEAST_PART < taken_off[index] < 1 - _LEAST_PART:
            continue
        apart = min((abs(int(index) - other) for other in chosen), default=size[0])
        if apart >= _CUT_APART * line_height * scale:
            chosen.append(int(index))
    chosen.sort()
    columns = np.arange(piece.width)[None, :]
    rest = piece.ink
    parts: list[_Piece] = []
    cost = 0.0
    for index in chosen:
        border = np.interp(
            np.arange(piece.height), (np.arange(size[1]) + 0.5) / scale - 0.5, seams[:, index]
        )
        left_side = columns < ((border[:, None] + 0.5) / scale)
        taken = np.where(left_side, rest, 0).astype(np.uint8)
        left_over = np.where(left_side, 0, rest).astype(np.uint8)
        if min((taken >= _SOLID).sum(), (left_over >= _SOLID).sum()) < _LEAST_PART * piece.area:
            continue
        parts.append(_trim(piece, taken, cost))
        cost = _CUT_COST * (1 + float(costs[index]) / stroke)
        rest = left_over
    parts.append(_trim(piece, rest, cost))
    return parts


def _find_seams(ink: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The cheapest way from top to bottom through each column at half height.

    Args:
        ink: uint8, shape (height, width).

    Returns:
        Columns of the ways, shape (height, width), one way per column; and their costs in pixels
        of full ink, shape (width,).
    """
    height, width = ink.shape
    toll = ink.astype(np.float64) / 255
    middle = height // 2
    ways = np.empty((height, width), np.int64)
    ways[middle] = np.arange(width)
    total = toll[middle].copy()
    for rows in (range(middle), range(height - 1, middle, -1)):
        order = list(rows)
        cost = np.zeros(width)
        came_from = []
        for row in order:
            here = cost + toll[row]
            shifted = np.stack(
                [
                    np.concatenate([[np.inf], here[:-1] + _DRIFT_COST]),
                    here,
                    np.concatenate([here[1:] + _DRIFT_COST, [np.inf]]),
                ]
            )
            step = shifted.argmin(0)
            cost = np.take_along_axis(shifted, step[None], 0)[0]
            came_from.append(np.clip(np.arange(width) + step - 1, 0, width - 1))
        total += cost
        way = np.arange(width)
        for row, back in zip(reversed(order), reversed(came_from), strict=True):
            way = back[way]
            ways[row] = way
    return ways, total


def _trim(piece: _Piece, ink: NDArray[np.uint8], cost: float) -> _Piece:
    """One side of a cut, cropped to its ink."""
    solid = (ink >= _SOLID).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(solid)
    rows, columns = slice(top, top + height), slice(left, left + width)
    return _Piece(
        piece.left + left,
        piece.top + top,
        ink[rows, columns],
        int(solid.sum()),
        cost,
        id(piece),
    )


def _divide(parts: list[_Piece], line_height: float, classify: Classify) -> list[list[_Piece]]:
    """Group the parts of one line into digits, so that the sum of costs is least."""
    groups: list[tuple[int, int, float]] = []
    for start in range(len(parts)):
        cost = 0.0
        for end in range(start + 1, min(start + _MOST_GROUPED, len(parts)) + 1):
            group = parts[start:end]
            if end - start > 1:
                newest = group[-1]
                if newest.source == group[-2].source != -1:
                    joined = 0.0
                else:
                    gap = min(_distance(newest, part) for part in group[:-1]) / line_height
                    if gap > _JOIN_GAP:
                        break
                    joined = _JOIN_COST * gap
                cost += joined
                _, _, width, height = _bounds(group)
                is_large = width > _WIDEST * line_height or height > 2 * line_height
                if is_large and not _is_one_piece(parts, start, end):
                    continue
            groups.append((start, end, cost + _shape_cost(group, line_height)))
    tiles = np.stack([frame(_merge(parts[start:end])) for start, end, _ in groups])
    probabilities = classify(tiles)[:, :10].max(axis=1)
    doubts = np.minimum(-np.log(np.maximum(probabilities, 1e-9)), _DOUBT_LIMIT)
    for index, (start, end, _) in enumerate(groups):
        unsure = probabilities[index] < _SURE
        if (unsure and _is_cut(parts, start, end)) or (
            _is_torn(parts, start, end, line_height) and _is_stump(parts, start, end)
        ):
            doubts[index] += _TEAR_COST

    best = [0.0] + [np.inf] * len(parts)
    choice: list[tuple[int, bool]] = [(0, False)] * (len(parts) + 1)
    ending: dict[int, list[tuple[int, float]]] = {}
    for (start, end, cost), doubt in zip(groups, doubts, strict=True):
        ending.setdefault(end, []).append((start, cost + float(doubt)))
    for end in range(1, len(parts) + 1):
        part = parts[end - 1]
        # What was cut off is no speck: it may not vanish to make its other side a digit.
        skip = _SKIP_COST * part.extent / line_height
        if _is_cut(parts, end - 1, end):
            skip += _TEAR_COST
        options = [(end - 1, skip, False)]
        options += [(start, cost, True) for start, cost in ending.get(end, [])]
        for start, cost, taken in options:
            begun_by_cut = parts[start].source != -1 and start > 0
            cut = parts[start].cut if begun_by_cut else 0.0
            if best[start] + cost + cut < best[end]:
                best[end] = best[start] + cost + cut
                choice[end] = (start, taken)
    found = []
    end = len(parts)
    while end > 0:
        start, taken = choice[end]
        if taken:
            found.append(parts[start:end])
        end = start
    return found[::-1]


def _join_stacked(groups: list[list[_Piece]], classify: Classify) -> list[list[_Piece]]:
    """Join neighbours that stand more above than beside each other, where they are one digit.

    The two strokes of an open 4 are each a good 1; but digits of one line stand side by side.
    """
    joined = groups[:1]
    for group in groups[1:]:
        together = [*joined[-1], *group] if joined else group
        if joined and _is_stacked(joined[-1], group):
            tile = frame(_merge(together))[np.newaxis]
            if classify(tile)[0, :10].max() >= _FAIR:
                joined[-1] = together
                continue
        joined.append(group)
    return joined


def _is_stacked(one: list[_Piece], other: list[_Piece]) -> bool:
    (x, y, width, height), (u, v, breadth, depth) = _bounds(one), _bounds(other)
    beside = min(x + width, u + breadth) - max(x, u)
    above = min(y + height, v + depth) - max(y, v)
    return beside > 0.4 * min(width, breadth) and above < 0.6 * min(height, depth)


def _is_cut(parts: list[_Piece], start: int, end: int) -> bool:
    """Whether a group begins or ends at a cut."""
    before = start > 0 and parts[start].source == parts[start - 1].source != -1
    after = end < len(parts) and parts[end - 1].source == parts[end].source != -1
    return before or after


def _is_one_piece(parts: list[_Piece], start: int, end: int) -> bool:
    """Whether a group holds all that one piece was cut into, and nothing else."""
    is_one = parts[start].source == parts[end - 1].source != -1
    return is_one and not _is_cut(parts, start, end)


def _is_torn(parts: list[_Piece], start: int, end: int, line_height: float) -> bool:
    """Whether a group holds one side of a cut through what could be one digit or letter."""
    if not _is_cut(parts, start, end):
        return False
    sources = {parts[start].source, parts[end - 1].source} - {-1}
    wholes = [[part for part in parts if part.source == source] for source in sources]
    return any(
        len(whole) > 1 and _bounds(whole)[2] <= _WIDEST_LETTER * line_height for whole in wholes
    )


def _is_stump(parts: list[_Piece], start: int, end: int) -> bool:
    """Whether a group is much lower than what it was cut from: digits that touch are as high."""
    sources = {part.source for part in parts[start:end]}
    whole = [part for part in parts if part.source in sources]
    return _bounds(parts[start:end])[3] < _LEAST_TORN * _bounds(whole)[3]


def _shape_cost(group: list[_Piece], line_height: float) -> float:
    """How unlikely a digit of this shape and size is on this line."""
    _, _, width, height = _bounds(group)
    wide = max(width / height - 1, 0) / 0.25
    low = max(0.6 - max(width, height) / line_height, 0) / 0.1
    return wide**2 / 2 + low**2 / 2


def _bounds(group: list[_Piece]) -> tuple[int, int, int, int]:
    """Left, top, width and height of pieces together."""
    left, top = min(piece.left for piece in group), min(piece.top for piece in group)
    right, bottom = max(piece.right for piece in group), max(piece.bottom for piece in group)
    return left, top, right - left, bottom - top


def _merge(group: list[_Piece]) -> NDArray[np.uint8]:
    """The ink of pieces together."""
    left, top, width, height = _bounds(group)
    ink = np.zeros((height, width), np.uint8)
    for piece in group:
        window = _window(ink, piece, left, top)
        np.maximum(window, piece.ink, out=window)
    return ink


def _as_region(group: list[_Piece], scale: float, line: int, shape: tuple[int, ...]) -> Region:
    """A region in the picture's pixels; its box holds the solid ink, without its fringe."""
    ink = _merge(group)
    left, top, _, _ = _bounds(group)
    column, row, width, height = cv2.boundingRect((ink > 127).astype(np.uint8))
    if width == 0:  # as pale as fringe all over
        column, row, height, width = 0, 0, *ink.shape
    x, y = int((left + column) * scale), int((top + row) * scale)
    right, bottom = (left + column + width) * scale, (top + row + height) * scale
    box = Box(
        x, y, max(min(round(right), shape[1]) - x, 1), max(min(round(bottom), shape[0]) - y, 1)
    )
    return Region(ink, box, line)
