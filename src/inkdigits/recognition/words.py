"""Word context: corrects the probabilities of marks by the other marks of the same word.

A slanted stroke may be a 1, a slash or an l; at the end of a number it is a 1. The networks see
each mark with little context. Here, each word is either a number or letters, and each of these
kinds has its own class frequencies (a mixture of unigrams, Nigam et al., 2000).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.lines import order_marks, split_words
from inkdigits.results.alphabet import COMMA, DASH, DIGITS, N_CLASSES, OTHER, PLUS, POINT, SLASH

Probabilities = NDArray[np.float32]

_NUMBER_SHARE: Final = 0.86
"""Fraction of numbers among the words of several marks on 3,000 drawn pages; the others are
letters."""

_RARE: Final = 0.0005
"""Frequency of classes that were not observed: about the upper bound for the numbers counted."""


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
    marks = np.flatnonzero(selected)
    numbers, order = order_marks(boxes[marks])
    others = np.flatnonzero(~selected)
    for number in range(int(numbers.max(initial=-1)) + 1):
        line = marks[order[numbers[order] == number]]
        for indices in split_words(boxes[line]):
            word = line[indices]
            if len(word) > 1:
                inside = others[_lie_in(boxes[others], boxes[word])]
                weighed[word], weighed[inside] = _reweigh(
                    probabilities[word],
                    probabilities[inside],
                    _find_nearest(boxes[inside], boxes[word]),
                )
    return weighed


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
