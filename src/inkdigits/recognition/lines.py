"""Reading order: grouping of marks into lines, from top to bottom and from left to right.

First, the slope that most neighbours share is removed. Then neighbours are joined into lines, the
closest and best aligned first (a minimum spanning forest, Kruskal, 1956), unless the joined line
would contain two marks on top of each other. So lines may bend, and close lines stay separate. A
line extends over the whole width of the picture: columns of numbers are read row by row.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Indices = NDArray[np.int64]

_MAX_SLOPE: Final = 20
"""Maximum slope of lines in degrees. With more, the neighbour on the right is just as often a mark
of the line above or below."""

_MIDDLE_DEVIATION: Final = 0.25
"""Standard deviation of the vertical distance between the middles of two neighbours on a line, as a
fraction of the smaller height. A 4 or a 9 that extends below the line, or a 6 that extends above
it, differs by a quarter."""

_SLOPE_DEVIATION: Final = 20.0
"""Standard deviation of the prior distribution of slopes, in degrees. It matters when the
neighbours give little evidence, for example when there are only two marks."""

_MIN_HEIGHT_RATIO: Final = 0.45
"""Marks lower than this fraction of the marks around them are points, commas or dashes, whose
middle says nothing about their line. Digits of one writer are all more than half as high as the
others."""

_MIN_OVERLAP: Final = 0.45
"""Minimum vertical overlap of marks on the same line, as a fraction of the smaller height."""

_STACKED: Final = 0.4
"""Marks are on top of each other if their horizontal overlap exceeds this fraction of the smaller
width, and their vertical overlap is less than `_MIN_OVERLAP`."""

_NEIGHBOURS: Final = 4
"""Number of marks on the right that a mark may be joined to."""

_WORD_GAP: Final = 0.6
"""Gaps wider than this separate words, as a fraction of the height of the adjacent marks. Letters
and digits of one writer are at most a third of their height apart, and a space is about as wide as
a letter."""


def order_marks(boxes: NDArray[np.floating]) -> tuple[Indices, Indices]:
    """Groups marks into lines and sorts them into reading order.

    Args:
        boxes: Shape (n, 4): left, top, width and height in pixels.

    Returns:
        The line number of each mark, counted from 0 at the top, int64, shape (n,); and the indices
        of the marks in reading order, int64, shape (n,).
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
    """Splits a line into words at gaps that are as wide as a space.

    Args:
        boxes: Shape (n, 4): the marks of one line in reading order.

    Returns:
        For each word, the indices of its marks in `boxes`, in reading order.
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
    """Estimates the slope of the lines in degrees; negative slopes rise to the right.

    Args:
        x: Centres of the marks in pixels from the left, shape (n,).
        y: Centres of the marks in pixels from the top, shape (n,).
        widths: Widths of the marks in pixels, shape (n,).
        heights: Heights of the marks in pixels, shape (n,).
    """
    first, second = _pair_neighbours(x, y, widths, heights)
    if not len(first):
        return 0.0
    across, down = x[second] - x[first], y[second] - y[first]
    height = np.minimum(heights[first], heights[second])
    gap = np.maximum(across - (widths[first] + widths[second]) / 2, 0)
    weights = 1 / (1 + gap / height)
    angles = np.arange(-_MAX_SLOPE, _MAX_SLOPE + 0.5, 0.5)
    misses = down - np.tan(np.deg2rad(angles))[:, np.newaxis] * across
    votes = weights * np.exp(-((misses / (_MIDDLE_DEVIATION * height)) ** 2) / 2)
    prior = np.exp(-((angles / _SLOPE_DEVIATION) ** 2) / 2)
    chosen = votes[np.argmax(votes.sum(axis=1) * prior)]
    # Between distant columns half a degree matters, so the slope is refined by least squares over
    # the pairs that voted for it.
    return float(np.rad2deg(np.arctan2((chosen * across * down).sum(), (chosen * across**2).sum())))


def _pair_neighbours(
    x: Values, y: Values, widths: Values, heights: Values
) -> tuple[Indices, Indices]:
    """Pairs each mark with the nearest one of similar size on its right that may be on its line."""
    firsts, seconds = [], []
    steepest = np.tan(np.deg2rad(_MAX_SLOPE))
    for index in range(len(x)):
        across, down = x - x[index], y - y[index]
        smaller = np.minimum(heights, heights[index])
        is_alike = smaller >= _MIN_HEIGHT_RATIO * np.maximum(heights, heights[index])
        is_beside = (across > 0) & (np.abs(down) <= steepest * across + _MIDDLE_DEVIATION * smaller)
        is_beside &= across > (1 - _STACKED) * np.minimum(widths, widths[index])
        candidates = np.flatnonzero(is_alike & is_beside)
        if len(candidates):
            distances = np.hypot(across[candidates], down[candidates])
            firsts.append(index)
            seconds.append(int(candidates[np.argmin(distances)]))
    return np.array(firsts, np.int64), np.array(seconds, np.int64)


def _join(along: Values, across: Values, sizes: Values) -> list[Indices]:
    """Joins marks into lines, by their coordinates along and across the lines."""
    members: list[Indices] = [np.array([index], np.int64) for index in range(len(along))]
    line_of = np.arange(len(along))
    for first, second in _list_candidate_pairs(along, across, sizes):
        one, other = int(line_of[first]), int(line_of[second])
        if one == other or _is_stacked(members[one], members[other], along, across, sizes):
            continue
        members[one] = np.concatenate([members[one], members[other]])
        line_of[members[other]] = one
        members[other] = np.zeros(0, np.int64)
    return [line for line in members if len(line)]


def _list_candidate_pairs(along: Values, across: Values, sizes: Values) -> list[tuple[int, int]]:
    """Lists pairs of marks that may be on the same line, the most likely pairs first.

    Pairs of similar size come first and form the lines. Then small marks join the nearest line.
    """
    found: list[tuple[bool, float, int, int]] = []
    widths, heights = sizes.T
    for index in range(len(along)):
        gap_across = np.abs(across - across[index])
        smaller = np.minimum(heights, heights[index])
        larger = np.maximum(heights, heights[index])
        shared = np.minimum((heights + heights[index]) / 2 - gap_across, smaller) / smaller
        gap = np.abs(along - along[index]) - (widths + widths[index]) / 2
        is_small = smaller < _MIN_HEIGHT_RATIO * larger
        # A point or comma may extend below its line, so any vertical overlap is enough.
        is_beside = np.where(is_small, shared > 0, shared >= _MIN_OVERLAP)
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
    """Whether a mark of one line is on top of a mark of the other."""
    widths, heights = sizes[:, 0], sizes[:, 1]
    beside = (widths[one, None] + widths[other]) / 2 - np.abs(along[one, None] - along[other])
    above = (heights[one, None] + heights[other]) / 2 - np.abs(across[one, None] - across[other])
    lower, narrower = (np.minimum(size[one, None], size[other]) for size in (heights, widths))
    higher = np.maximum(heights[one, None], heights[other])
    # A small mark is on another line only if there is no vertical overlap at all.
    least = np.where(lower < _MIN_HEIGHT_RATIO * higher, 0, _MIN_OVERLAP * lower)
    return bool(((beside > _STACKED * narrower) & (above < least)).any())
