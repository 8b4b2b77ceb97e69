"""Word context: corrects the probabilities of marks by the other marks of the same word.

A slanted stroke may be a 1, a slash or an l; at the end of a number it is a 1. The networks see
each mark with little context. Here, each word is either a number or letters, and each of these
kinds has its own class frequencies (a mixture of unigrams, Nigam et al., 2000).

A stroke in a number is likelier a mark if no other mark covers it, and likelier a part of another
mark if one does. The networks see this only in part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.lines import order_marks, split_words
from inkdigits.results.alphabet import (
    COMMA,
    DASH,
    DIGITS,
    N_CLASSES,
    NO_MARK,
    OTHER,
    PLUS,
    POINT,
    SLASH,
)

Probabilities = NDArray[np.float32]

_NUMBER_SHARE: Final = 0.86
"""Fraction of numbers among the words of several marks on 3,000 drawn pages; the others are
letters."""

_RARE: Final = 0.0005
"""Frequency of classes that were not observed: about the upper bound for the numbers counted."""
_COVER_BIAS: Final = -0.38
_COVER_SLOPE: Final = 2.04
"""How the log odds of no mark change with the fraction of a box that other marks cover. By these
odds, a logistic regression on the boxes in the numbers of drawn pages has a loss of 0.060 instead
of 0.073 (`measurements/number_cover.py`). Of 1,640 pictures by people, 1,474 instead of 1,469 are
exact."""
_LEAST_DIGITS: Final = 3
"""Number of digits that a word needs, for the boxes beside them to be judged by their cover. With
2, one fewer of these pictures is exact."""
_END: Final = 0.6
"""How far a number may go on beyond its first and last mark, in heights of a digit. With 1, as many
are exact."""
_HEIGHTS: Final = (0.5, 1.8)
"""Heights of the boxes in a number, relative to the median of its digits. With 0.6 and 1.6, as many
are exact."""
_GRID: Final = 16
"""Number of points across and down a box at which its cover is measured."""


def _class_frequencies(
    digits: float,
    point: float,
    comma: float,
    dash: float,
    slash: float,
    plus: float,
    other: float,
) -> NDArray[np.float64]:
    """Returns the frequencies of all classes, shape (16,); those of the ten digits are equal."""
    frequencies = np.full(N_CLASSES, digits / len(DIGITS))
    frequencies[[POINT, COMMA, DASH, SLASH, PLUS, OTHER]] = point, comma, dash, slash, plus, other
    return frequencies


# Counted in 40,000 numbers of `inkdigits.synthesis.texts`, and in all marks of 3,000 drawn pages.
_ALL: Final = _class_frequencies(0.722, 0.032, 0.013, 0.024, 0.005, 0.004, 0.200)
_NUMBER_ENDS: Final = _class_frequencies(0.806, 0.022, 0.009, 0.071, _RARE, _RARE, 0.091)
_NUMBER_INSIDE: Final = _class_frequencies(0.837, 0.076, 0.032, 0.024, 0.010, 0.003, 0.020)
_LETTERS: Final = _class_frequencies(0.007, _RARE, _RARE, _RARE, _RARE, _RARE, 0.990)


def weigh_by_words(
    boxes: NDArray[np.float32], probabilities: Probabilities, selected: NDArray[np.bool_]
) -> Probabilities:
    """Returns the probabilities of boxes, given the words that some of them form.

    Boxes that are not selected belong to the word that they lie in. Boxes outside of all words of
    several marks keep their probabilities.

    Args:
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        probabilities: float32, shape (n, 17), of the classes and of no mark; rows sum to 1.
        selected: Which boxes are taken for marks: bool, shape (n,).

    Returns:
        float32, shape (n, 17); rows sum to 1.
    """
    weighed = probabilities.copy()
    others = np.flatnonzero(~selected)
    for word in _list_words(boxes, selected):
        if len(word) > 1:
            inside = others[_lie_in(boxes[others], boxes[word])]
            weighed[word], weighed[inside] = _reweigh(
                probabilities[word],
                probabilities[inside],
                _find_nearest(boxes[inside], boxes[word]),
            )
    return weighed


def weigh_by_cover(probabilities: Probabilities, cover: NDArray[np.float64]) -> Probabilities:
    """Returns the probabilities of boxes, given how much of each other marks cover.

    Args:
        probabilities: As for `weigh_by_words`.
        cover: As `measure_cover` returns it.

    Returns:
        float32, shape (n, 17); rows sum to 1.
    """
    weighed = probabilities.astype(np.float64)
    known = np.isfinite(cover)
    weighed[known, NO_MARK] *= np.exp(_COVER_BIAS + _COVER_SLOPE * cover[known])
    weighed /= weighed.sum(axis=1, keepdims=True)
    return weighed.astype(np.float32)


def measure_cover(
    boxes: NDArray[np.float32], probabilities: Probabilities, selected: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Returns how much of each box in a number other marks cover.

    Args:
        boxes: As for `weigh_by_words`.
        probabilities: float32, shape (n, 17), given the words.
        selected: Which boxes are taken for marks: bool, shape (n,).

    Returns:
        float64, shape (n,), 0 to 1; NaN for boxes that are in no number.
    """
    cover = np.full(len(boxes), np.nan)
    marks = np.flatnonzero(selected)
    is_digit = probabilities[:, : len(DIGITS)].sum(axis=1) > 0.5
    for word in _list_words(boxes, selected):
        digits = word[is_digit[word]]
        if len(digits) < max(_LEAST_DIGITS, len(word) / 2):
            continue
        for index in np.flatnonzero(_are_in_number(boxes, boxes[word], boxes[digits])):
            cover[index] = _compute_cover(boxes[index], boxes[marks[marks != index]])
    return cover


def _list_words(
    boxes: NDArray[np.float32], selected: NDArray[np.bool_]
) -> Iterator[NDArray[np.int64]]:
    """Yields the indices of the marks of each word, in reading order."""
    marks = np.flatnonzero(selected)
    numbers, order = order_marks(boxes[marks])
    for number in range(int(numbers.max(initial=-1)) + 1):
        line = marks[order[numbers[order] == number]]
        for indices in split_words(boxes[line]):
            yield line[indices]


def _are_in_number(
    boxes: NDArray[np.float32], word: NDArray[np.float32], digits: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Returns which boxes have the size and place of a mark of a number: bool, shape (n,)."""
    height = np.median(digits[:, 3])
    first, last = word[:, 0].min() - _END * height, (word[:, 0] + word[:, 2]).max() + _END * height
    top, bottom = digits[:, 1].min(), (digits[:, 1] + digits[:, 3]).max()
    across, down = (boxes[:, :2] + boxes[:, 2:] / 2).T
    least, most = _HEIGHTS
    found: NDArray[np.bool_] = (across > first) & (across < last) & (down > top) & (down < bottom)
    return found & (boxes[:, 3] > least * height) & (boxes[:, 3] < most * height)


def _compute_cover(box: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Returns the fraction of a box that others cover."""
    starts, ends = others[:, :2], others[:, :2] + others[:, 2:]
    near = ((starts < box[:2] + box[2:]) & (ends > box[:2])).all(axis=1)
    if not near.any():
        return 0.0
    points = (np.arange(_GRID) + 0.5) / _GRID
    first, last = starts[near, :, np.newaxis], ends[near, :, np.newaxis]
    places = box[:2, np.newaxis] + points * box[2:, np.newaxis]
    across, down = ((places >= first) & (places <= last)).transpose(1, 0, 2)
    return float((down[:, :, np.newaxis] & across[:, np.newaxis]).any(axis=0).mean())


def _find_nearest(boxes: NDArray[np.float32], word: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the index of the mark of a word whose middle is nearest to each box: int64, (n,)."""
    middles, marks = (given[:, :2] + given[:, 2:] / 2 for given in (boxes, word))
    distances = np.abs(middles[:, np.newaxis] - marks).max(axis=2)
    nearest: NDArray[np.int64] = distances.argmin(axis=1)
    return nearest


def _lie_in(boxes: NDArray[np.float32], word: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns which boxes have their middle within the marks of a word: bool, shape (n,)."""
    first, last = word[:, :2].min(axis=0), (word[:, :2] + word[:, 2:]).max(axis=0)
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    inside: NDArray[np.bool_] = ((middles >= first) & (middles <= last)).all(axis=1)
    return inside


def _reweigh(
    word: Probabilities, inside: Probabilities, nearest: NDArray[np.int64]
) -> tuple[Probabilities, Probabilities]:
    """Returns the probabilities of the marks of one word, and of other boxes inside of it.

    Args:
        word: The marks in reading order.
        inside: The boxes that compete with them. They do not tell which kind of word it is.
        nearest: Index of the mark that each of them competes with, whose place it would take.
    """
    factors = np.ones((2, len(word), N_CLASSES + 1))
    factors[0, :, :N_CLASSES] = _NUMBER_INSIDE / _ALL
    factors[0, [0, -1], :N_CLASSES] = _NUMBER_ENDS / _ALL
    factors[1, :, :N_CLASSES] = _LETTERS / _ALL
    joint = factors * word
    likelihoods = joint.sum(axis=2, keepdims=True)
    scores = np.log([_NUMBER_SHARE, 1 - _NUMBER_SHARE]) + np.log(likelihoods).sum(axis=(1, 2))
    kinds = np.exp(scores - scores.max())
    kinds = (kinds / kinds.sum())[:, np.newaxis, np.newaxis]
    competing = factors[:, nearest]
    weighed = kinds * joint / likelihoods
    rest = kinds * competing * inside / (competing * inside).sum(axis=2, keepdims=True)
    return weighed.sum(axis=0).astype(np.float32), rest.sum(axis=0).astype(np.float32)
