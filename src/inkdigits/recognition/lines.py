"""Reading order: which marks stand on one line, lines from the top, marks from the left.

First the slope that most neighbours share is turned away. Then neighbours are joined, the closest
and best aligned first (a minimum spanning forest, Kruskal, 1956), unless two marks of the joined
line would stand above each other: so each line follows its own writing, however it bends, and
lines that come close stay apart. A line runs over the whole width of the picture: columns of
numbers are read row by row.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Indices = NDArray[np.int64]

_STEEPEST: Final = 20
"""Degrees to which lines may rise or fall; beyond, a neighbour on the right is as often one of the
line above or below."""

_SPREAD: Final = 0.25
"""Of the smaller height: how far the middles of two neighbours on a line differ, as a standard
deviation. A 4 and a 9 that hang below the line, or a 6 that rises above it, do by a quarter."""

_FLATNESS: Final = 20.0
"""Degrees, a standard deviation: how steep lines are believed to be before any is seen. It decides
where the neighbours say next to nothing, as two marks alone do."""

_LARGE: Final = 0.45
"""Of the height of the marks around it: what is lower is a point, a comma or a dash, whose middle
says nothing of its line. Of the digits of a hand, none is half as high as the others."""

_SHARED: Final = 0.45
"""Of the lower height: marks of one line share this much of their heights."""

_STACKED: Final = 0.4
"""Of the smaller width: marks that share more of it, and less than `_SHARED` of their heights,
stand above each other."""

_NEIGHBOURS: Final = 4
"""Marks on the right of each that it may be joined to."""

_WORD_GAP: Final = 0.6
"""Of the height of the marks beside it: a wider gap parts words. Letters and digits of a hand are
a third of their height apart or less, and a space is about as wide as a letter."""


def order_marks(boxes: NDArray[np.floating]) -> tuple[Indices, Indices]:
    """Find the lines and the reading order of marks.

    Args:
        boxes: Shape (n, 4): left, top, width and height in pixels.

    Returns:
        The number of each mark's line, int64, shape (n,), lines counted from 0 at the top; and
        the indices of the marks in reading order, int64, shape (n,).
    """
    values = np.asarray(boxes, np.float64).reshape(-1, 4)
    n = len(values)
    if n == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    x, y = values[:, 0] + values[:, 2] / 2, values[:, 1] + values[:, 3] / 2
    slope = np.deg2rad(_find_slope(x, y, values[:, 2], values[:, 3]))
    along = x * np.cos(slope) + y * np.sin(slope)
    across = y * np.cos(slope) - x * np.sin(slope)
    sizes = values[:, 2:]
    members = _join(along, across, sizes)
    firsts = np.array([np.average(across[line], weights=sizes[line, 1]) for line in members])
    numbers = np.zeros(n, np.int64)
    order: list[int] = []
    for number, which in enumerate(np.argsort(firsts, kind="stable")):
        line = members[which]
        numbers[line] = number
        order.extend(int(index) for index in line[np.argsort(along[line], kind="stable")])
    return numbers, np.array(order, np.int64)


def split_words(boxes: NDArray[np.floating]) -> list[Indices]:
    """Split one line where its gaps are as wide as a space.

    Args:
        boxes: Shape (n, 4), of the marks of one line in reading order.

    Returns:
        Indices into `boxes` of the marks of each word, in reading order.
    """
    values = np.asarray(boxes, np.float64).reshape(-1, 4)
    words: list[list[int]] = []
    for index, (x, _, _, height) in enumerate(values):
        if words:
            before = values[words[-1]]
            gap = x - (before[:, 0] + before[:, 2]).max()
            if gap <= _WORD_GAP * max(height, before[:, 3].max()):
                words[-1].append(index)
                continue
        words.append([index])
    return [np.array(word, np.int64) for word in words]


def _find_slope(x: Values, y: Values, widths: Values, heights: Values) -> float:
    """The angle at which most neighbours stand beside each other, in degrees; less than 0 rises.

    Args:
        x: Middles of the marks in pixels, shape (n,).
        y: The same from the top.
        widths: In pixels, shape (n,).
        heights: In pixels, shape (n,).
    """
    first, second = _pair_neighbours(x, y, widths, heights)
    if not len(first):
        return 0.0
    across, down = x[second] - x[first], y[second] - y[first]
    height = np.minimum(heights[first], heights[second])
    gap = np.maximum(across - (widths[first] + widths[second]) / 2, 0)
    weights = 1 / (1 + gap / height)
    angles = np.arange(-_STEEPEST, _STEEPEST + 0.5, 0.5)
    misses = down - np.tan(np.deg2rad(angles))[:, np.newaxis] * across
    votes = weights * np.exp(-((misses / (_SPREAD * height)) ** 2) / 2)
    belief = np.exp(-((angles / _FLATNESS) ** 2) / 2)
    chosen = votes[np.argmax(votes.sum(axis=1) * belief)]
    # Between far columns half a degree counts: the line of least squares through those that agree.
    return float(np.rad2deg(np.arctan2((chosen * across * down).sum(), (chosen * across**2).sum())))


def _pair_neighbours(
    x: Values, y: Values, widths: Values, heights: Values
) -> tuple[Indices, Indices]:
    """Each mark with the nearest of its size that could stand on its right on the same line."""
    firsts, seconds = [], []
    steepest = np.tan(np.deg2rad(_STEEPEST))
    for index in range(len(x)):
        across, down = x - x[index], y - y[index]
        smaller = np.minimum(heights, heights[index])
        is_alike = smaller >= _LARGE * np.maximum(heights, heights[index])
        is_beside = (across > 0) & (np.abs(down) <= steepest * across + _SPREAD * smaller)
        is_beside &= across > (1 - _STACKED) * np.minimum(widths, widths[index])
        candidates = np.flatnonzero(is_alike & is_beside)
        if len(candidates):
            distances = np.hypot(across[candidates], down[candidates])
            firsts.append(index)
            seconds.append(int(candidates[np.argmin(distances)]))
    return np.array(firsts, np.int64), np.array(seconds, np.int64)


def _join(along: Values, across: Values, sizes: Values) -> list[Indices]:
    """The marks of each line, by their places along and across the lines."""
    members: list[Indices] = [np.array([index], np.int64) for index in range(len(along))]
    line_of = np.arange(len(along))
    for first, second in _list_joints(along, across, sizes):
        one, other = int(line_of[first]), int(line_of[second])
        if one == other or _is_stacked(members[one], members[other], along, across, sizes):
            continue
        members[one] = np.concatenate([members[one], members[other]])
        line_of[members[other]] = one
        members[other] = np.zeros(0, np.int64)
    return [line for line in members if len(line)]


def _list_joints(along: Values, across: Values, sizes: Values) -> list[tuple[int, int]]:
    """Pairs of marks that may stand on one line, the surest first.

    First come marks of like size, which make the lines; then what is smaller joins the nearest.
    """
    found: list[tuple[bool, float, int, int]] = []
    widths, heights = sizes.T
    for index in range(len(along)):
        gap_across = np.abs(across - across[index])
        smaller = np.minimum(heights, heights[index])
        larger = np.maximum(heights, heights[index])
        shared = np.minimum((heights + heights[index]) / 2 - gap_across, smaller) / smaller
        gap = np.abs(along - along[index]) - (widths + widths[index]) / 2
        is_small = smaller < _LARGE * larger
        # A point or comma may hang below its line: it need only begin beside what it follows.
        is_beside = np.where(is_small, shared > 0, shared >= _SHARED)
        is_beside &= (along > along[index]) | (
            (along == along[index]) & (index < np.arange(len(along)))
        )
        costs = np.maximum(gap, 0) / larger + gap_across / np.where(is_small, larger, smaller)
        for kind in (False, True):
            candidates = np.flatnonzero(is_beside & (is_small == kind))
            nearest = candidates[np.argsort(costs[candidates], kind="stable")[:_NEIGHBOURS]]
            found.extend((kind, float(costs[other]), index, int(other)) for other in nearest)
    return [(first, second) for _, _, first, second in sorted(found)]


def _is_stacked(one: Indices, other: Indices, along: Values, across: Values, sizes: Values) -> bool:
    """Whether a mark of one line stands above a mark of the other."""
    widths, heights = sizes[:, 0], sizes[:, 1]
    beside = (widths[one, None] + widths[other]) / 2 - np.abs(along[one, None] - along[other])
    above = (heights[one, None] + heights[other]) / 2 - np.abs(across[one, None] - across[other])
    lower, narrower = (np.minimum(size[one, None], size[other]) for size in (heights, widths))
    higher = np.maximum(heights[one, None], heights[other])
    # What is small begins another line only where it lies clear above or below.
    least = np.where(lower < _LARGE * higher, 0, _SHARED * lower)
    return bool(((beside > _STACKED * narrower) & (above < least)).any())
