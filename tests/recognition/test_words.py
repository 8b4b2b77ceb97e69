"""What the marks of one word say of each other, on probabilities that are written here."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition import words
from inkdigits.recognition.words import weigh_by_words
from inkdigits.results.alphabet import CLASS_NAMES, NO_MARK, OTHER, SLASH
from inkdigits.synthesis.scribes import LABELS
from inkdigits.synthesis.texts import compose_number

ONE, SEVEN = 1, 7


def weigh(*marks: dict[int, float], gap: float = 4) -> NDArray[np.float32]:
    """Marks of 20 x 30 pixels in a row; the remaining probability is "no mark"."""
    rows = np.zeros((len(marks), NO_MARK + 1), np.float32)
    for row, shares in zip(rows, marks, strict=True):
        row[list(shares)] = list(shares.values())
        row[NO_MARK] = 1 - row.sum()
    lefts = (20 + gap) * np.arange(len(marks))
    boxes = np.stack([lefts, 0 * lefts, 0 * lefts + 20, 0 * lefts + 30], axis=1)
    weighed = weigh_by_words(boxes.astype(np.float32), rows, np.ones(len(rows), np.bool_))
    assert weighed.shape == rows.shape
    assert weighed.sum(axis=1) == pytest.approx(1)
    return weighed


SURE = {SEVEN: 0.99}
STROKE = {ONE: 0.3, SLASH: 0.6}
LETTER = {OTHER: 0.99}


def test_a_single_mark_keeps_its_probabilities() -> None:
    assert weigh(STROKE)[0, SLASH] == pytest.approx(0.6)
    assert weigh(STROKE, SURE, gap=100)[0, SLASH] == pytest.approx(0.6)


def test_a_stroke_at_the_end_of_digits_is_a_one_and_between_them_may_be_a_slash() -> None:
    assert weigh(STROKE, SURE, SURE)[0].argmax() == ONE
    assert weigh(SURE, SURE, STROKE)[2].argmax() == ONE
    assert weigh(SURE, STROKE, SURE)[1].argmax() == SLASH


def test_an_ambiguous_mark_is_a_digit_among_digits_and_a_letter_among_letters() -> None:
    doubtful = {ONE: 0.5, OTHER: 0.45}
    assert weigh(SURE, doubtful, SURE)[1, ONE] > 0.8
    assert weigh(LETTER, doubtful, LETTER)[1, OTHER] > 0.8
    # What is sure stays: a unit beside a number, a digit beside letters.
    assert weigh(SURE, SURE, LETTER)[2].argmax() == OTHER
    assert weigh(SURE, LETTER)[0].argmax() == SEVEN


def test_context_never_raises_the_probability_of_no_mark() -> None:
    weighed = weigh({SEVEN: 0.01}, SURE, SURE)
    assert weighed[0, NO_MARK] == pytest.approx(0.99, abs=0.01)


def test_no_marks_give_no_probabilities() -> None:
    boxes, rows = np.zeros((0, 4), np.float32), np.zeros((0, 17), np.float32)
    assert weigh_by_words(boxes, rows, np.zeros(0, np.bool_)).shape == (0, 17)


def test_the_class_frequencies_match_drawn_numbers() -> None:
    random = np.random.default_rng(0)
    counts = np.zeros((2, len(CLASS_NAMES)))
    for _ in range(4000):
        for word in compose_number(random).split(" "):
            labels = [LABELS.get(character, OTHER) for character in word]
            for index, label in enumerate(labels if len(labels) > 1 else []):
                counts[int(0 < index < len(labels) - 1), label] += 1
    shares = counts / counts.sum(axis=1, keepdims=True)
    shares[:, :10] = shares[:, :10].mean(axis=1, keepdims=True)
    for found, stated in zip(shares, (words._NUMBER_ENDS, words._NUMBER_INSIDE), strict=True):
        assert found == pytest.approx(stated, abs=0.01)
        assert stated.sum() == pytest.approx(1, abs=0.01)
