"""Which of several boxes on top of each other are marks, on probabilities that are written here."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.detection import Candidates
from inkdigits.recognition.selection import find_best_set, find_conflicts, select_marks
from inkdigits.results.alphabet import DASH, NO_MARK, OTHER, POINT

Boxes = NDArray[np.float32]
Rows = NDArray[np.float32]


def make_rows(*marks: dict[int, float]) -> NDArray[np.float32]:
    """Probabilities of marks; the remaining probability is "no mark"."""
    rows = np.zeros((len(marks), NO_MARK + 1), np.float32)
    for row, shares in zip(rows, marks, strict=True):
        row[list(shares)] = list(shares.values())
        row[NO_MARK] = 1 - row.sum()
    return rows


def make_boxes(*boxes: tuple[int, int, int, int]) -> Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)


def select(boxes: Boxes, rows: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Rows]:
    return select_marks(Candidates(boxes, rows, np.zeros(len(rows), np.bool_)))


def test_two_likely_digits_beat_a_likelier_box_over_both() -> None:
    boxes = make_boxes((0, 0, 40, 30), (0, 0, 18, 30), (22, 0, 18, 30))
    rows = make_rows({4: 0.93}, {1: 0.9}, {1: 0.9})

    selected, _ = select(boxes, rows)

    assert selected.tolist() == [False, True, True]


def test_a_likely_box_beats_two_unlikely_parts() -> None:
    boxes = make_boxes((0, 0, 40, 30), (0, 0, 18, 30), (22, 0, 18, 30))
    rows = make_rows({4: 0.97}, {1: 0.6}, {1: 0.6})

    selected, _ = select(boxes, rows)

    assert selected.tolist() == [True, False, False]


def test_the_word_decides_between_boxes_on_top_of_each_other() -> None:
    """The whole 8 looks like a letter, its lower half like a 0."""
    boxes = make_boxes((0, 0, 24, 40), (30, 0, 24, 40), (30, 18, 24, 22), (60, 0, 24, 40))
    digit, letter = {5: 0.99}, {OTHER: 0.99}
    rows = make_rows(digit, {8: 0.19, OTHER: 0.8}, {0: 0.93}, digit)
    selected, weighed = select(boxes, rows)
    assert selected.tolist() == [True, True, False, True]
    assert weighed[1].argmax() == 8

    selected, weighed = select(boxes, make_rows(letter, {8: 0.19, OTHER: 0.8}, {0: 0.93}, letter))
    assert selected.tolist() == [True, True, False, True]
    assert weighed[1].argmax() == OTHER


def test_a_box_that_lies_in_a_number_is_weighed_as_a_part_of_it() -> None:
    boxes = make_boxes((0, 0, 24, 40), (30, 0, 24, 40), (30, 4, 24, 40), (60, 0, 24, 40))
    rows = make_rows({5: 0.99}, {OTHER: 0.8}, {8: 0.4, OTHER: 0.35}, {5: 0.99})

    selected, weighed = select(boxes, rows)

    assert selected.tolist() == [True, False, True, True]
    assert weighed[2, 8] / weighed[2, OTHER] > 5 * rows[2, 8] / rows[2, OTHER]


def test_points_and_dashes_may_lie_within_digits() -> None:
    boxes = make_boxes((0, 0, 30, 40), (10, 18, 4, 4), (2, 17, 26, 5), (10, 19, 4, 4))
    rows = make_rows({2: 0.99}, {POINT: 0.9}, {DASH: 0.6}, {POINT: 0.8})

    selected, _ = select(boxes, rows)

    assert selected[0]
    assert selected[1]
    assert not selected[3]  # Two points at one place are one.


def test_boxes_without_a_mark_are_not_selected() -> None:
    selected, weighed = select(make_boxes((0, 0, 9, 9)), make_rows({3: 0.4}))
    assert not selected.any()
    assert weighed.shape == (1, NO_MARK + 1)
    assert select(make_boxes(), make_rows())[0].shape == (0,)


def test_a_mark_that_fills_the_picture_has_none_beside_it() -> None:
    """It may be a digit crossed by a line, of which the detector sees some parts."""
    boxes = make_boxes((0, 0, 8, 9), (18, 10, 9, 9), (20, 2, 3, 3), (0, 0, 28, 28))
    rows = make_rows({1: 0.8}, {7: 0.8}, {POINT: 0.9}, {5: 0.99})
    fills = np.array([False, False, False, True])

    selected, weighed = select_marks(Candidates(boxes, rows, fills))
    assert selected.tolist() == [False, False, True, True]  # A point may stand beside it.
    np.testing.assert_array_equal(weighed[3], rows[3])  # It is no part of a word.

    sure = make_rows({1: 0.99}, {7: 0.99}, {POINT: 0.9}, {5: 0.99})
    selected, _ = select_marks(Candidates(boxes, sure, fills))
    assert selected.tolist() == [True, True, True, False]


def test_the_best_set_is_that_of_all_sets() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        n = int(random.integers(1, 11))
        weights = random.normal(1, 2, n)
        conflicts = np.triu(random.random((n, n)) < 0.3, 1)
        conflicts |= conflicts.T

        selected = find_best_set(weights, conflicts)

        assert not conflicts[np.ix_(selected, selected)].any()
        best = max(
            weights[list(chosen)].sum()
            for size in range(n + 1)
            for chosen in itertools.combinations(range(n), size)
            if not conflicts[np.ix_(chosen, chosen)].any()
        )
        assert weights[selected].sum() == pytest.approx(best)


def test_hundreds_of_boxes_on_top_of_each_other_take_little_time() -> None:
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.uniform(0, 200, (400, 2)), random.uniform(20, 60, (400, 2))], 1)
    rows = np.zeros((400, NO_MARK + 1), np.float32)
    rows[:, :10] = random.uniform(0.5, 0.99, (400, 1)) / 10
    rows[:, NO_MARK] = 1 - rows.sum(axis=1)
    begin_s = time.process_time()

    selected, _ = select(boxes.astype(np.float32), rows)

    assert time.process_time() - begin_s < 2
    conflicts = find_conflicts(Candidates(boxes.astype(np.float32), rows, np.zeros(400, np.bool_)))
    assert selected.any()
    assert not conflicts[np.ix_(selected, selected)].any()
