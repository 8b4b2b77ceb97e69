"""Selection of marks: which of the detected boxes show marks, together with the kind of each word.

Boxes compete: a 4 with an open top is also a 1 beside another 1, and a 0 with a loop also an o.
Which one is right often shows only in its word. So the set of boxes that do not overlap, and
whether a word is a number or letters, are chosen by the highest probability (maximum a posteriori):
first a set, then the words in it, then the set again. The reader's graph alone, without this
module, drops each box that a better one overlaps (greedy non-maximum suppression).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.detection import Candidates
from inkdigits.recognition.words import Probabilities, weigh_by_words
from inkdigits.results.alphabet import COMMA, DASH, NO_MARK, POINT

Mask = NDArray[np.bool_]

MAX_CONTAINED: Final = 0.7
MAX_OVERLAP: Final = 0.4
LEAST_DISTANCE: Final = 0.25
"""Two boxes are not both marks if they share more than the first fraction of the smaller one, if
their intersection over union is more than the second, or if their middles are closer than the third
fraction of the longer side of the smaller one. Chosen on people's pictures: of 400 cheques, 229
were exact without the first two, 233 with 0.7 and 0.35, 241 with 0.6 and 0.3, and 235 with 0.45 and
0.2. The context network, added later, finds most boxes that belong to one mark, so more overlap can
be allowed: of 1,640 pictures, 1,449 are exact with 0.6 and 0.3, 1,452 with 0.7 and 0.4. For the
third, 0.2 and 0.3 read 250 drawn pages equally well."""

FREE_CLASSES: Final = (POINT, COMMA, DASH)
FREE_SCORE: Final = 0.5
"""Marks of these classes with at least this probability may lie within others: a point in the bow
of a 2, a dash through a 7."""

_LEAST_NONE: Final = 1e-3
"""A box counts as a mark with odds of at most 1 to this, so that one sure box does not outweigh two
marks that it covers."""
_MAX_STEPS: Final = 2_000
"""Steps of the search per group of boxes that overlap each other. Those of 400 cheques
need at most 9; a hostile picture gets the best set found until then."""


def select_marks(candidates: Candidates) -> tuple[Mask, Probabilities]:
    """Selects the boxes that show marks.

    Args:
        candidates: n boxes.

    Returns:
        Which boxes are marks, bool, shape (n,); and the probabilities given the words, float32,
        shape (n, 17).
    """
    boxes, probabilities, fills = candidates.boxes, candidates.probabilities, candidates.fills
    conflicts = find_conflicts(candidates)
    beside = ~fills  # a mark that fills the picture is no part of a word
    selected = find_best_set(_measure_odds(probabilities) * beside, conflicts)
    # Once: the marks of 400 cheques are as often right after one round as after four.
    weighed = probabilities.copy()
    weighed[beside] = weigh_by_words(boxes[beside], probabilities[beside], selected[beside])
    return find_best_set(_measure_odds(weighed), conflicts), weighed


def find_conflicts(candidates: Candidates) -> Mask:
    """Returns which pairs of n boxes cannot both be marks: bool, shape (n, n), symmetric."""
    boxes, fills = candidates.boxes, candidates.fills
    first, last = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    inner = np.maximum(first[:, np.newaxis], first)
    outer = np.minimum(last[:, np.newaxis], last)
    common = np.maximum(outer - inner, 0).prod(axis=2)
    areas, sides = boxes[:, 2:].prod(axis=1), boxes[:, 2:].max(axis=1)
    middles = (first + last) / 2
    distances = np.abs(middles[:, np.newaxis] - middles).max(axis=2)
    conflicts: Mask = common > MAX_CONTAINED * np.minimum(areas[:, np.newaxis], areas)
    conflicts |= common > MAX_OVERLAP * (areas[:, np.newaxis] + areas - common)
    conflicts |= distances < LEAST_DISTANCE * np.minimum(sides[:, np.newaxis], sides)
    conflicts |= fills[:, np.newaxis] | fills
    is_free = candidates.probabilities[:, FREE_CLASSES].max(axis=1, initial=0) >= FREE_SCORE
    conflicts &= is_free[:, np.newaxis] == is_free
    np.fill_diagonal(conflicts, False)
    return conflicts


def find_best_set(weights: NDArray[np.float64], conflicts: Mask) -> Mask:
    """Returns the set of boxes without conflicts whose weights have the largest sum.

    The search is exact (branch and bound) within `_MAX_STEPS` steps per group, starting from the
    greedy choice.

    Args:
        weights: float64, shape (n,). Boxes with a weight of at most 0 are never chosen.
        conflicts: As `find_conflicts` returns them.
    """
    selected = np.zeros(len(weights), np.bool_)
    rest = [int(index) for index in np.argsort(-weights, kind="stable") if weights[index] > 0]
    while rest:
        group = {rest[0]}
        border = [rest[0]]
        while border:
            touched = conflicts[border.pop()]
            found = [index for index in rest if touched[index] and index not in group]
            group.update(found)
            border.extend(found)
        members = [index for index in rest if index in group]
        rest = [index for index in rest if index not in group]
        selected[_search(members, weights, conflicts)] = True
    return selected


def _search(members: list[int], weights: NDArray[np.float64], conflicts: Mask) -> list[int]:
    """Returns the best set of a group, whose members are sorted by weight in descending order."""
    best: list[int] = []
    best_total = 0.0
    # Each entry: members that may still be chosen, those chosen, and their total. The last entry
    # is tried first, which takes the heaviest member, so the first set found is the greedy one.
    open_sets: list[tuple[list[int], list[int], float]] = [(members, [], 0.0)]
    for _ in range(_MAX_STEPS):
        if not open_sets:
            break
        left, chosen, total = open_sets.pop()
        if total > best_total:
            best, best_total = chosen, total
        if not left or total + float(weights[left].sum()) <= best_total:
            continue
        heaviest, others = left[0], left[1:]
        open_sets.append((others, chosen, total))
        compatible = [index for index in others if not conflicts[heaviest, index]]
        open_sets.append((compatible, [*chosen, heaviest], total + float(weights[heaviest])))
    return best


def _measure_odds(probabilities: Probabilities) -> NDArray[np.float64]:
    """Returns the logarithms of the odds that boxes show a mark of any class: float64, (n,)."""
    none = np.clip(probabilities[:, NO_MARK].astype(np.float64), _LEAST_NONE, 1 - _LEAST_NONE)
    return np.log((1 - none) / none)
