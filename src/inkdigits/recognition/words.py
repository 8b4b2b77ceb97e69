"""Word context: corrects the probabilities of marks by the other marks of the same word.

A slanted stroke may be a 1, a slash or an l; at the end of a number it is a 1. The networks see
each mark with little context. Here, each word is either a number or letters, and each of these
kinds has its own class frequencies (a mixture of unigrams, Nigam et al., 2000).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import COMMA, DASH, DIGITS, N_CLASSES, OTHER, PLUS, POINT, SLASH
from inkdigits.recognition.lines import order_marks, split_words

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


def apply_word_context(boxes: NDArray[np.float32], probabilities: Probabilities) -> Probabilities:
    """Returns the probabilities of marks, given the other marks of their words.

    Words of a single mark keep their probabilities.

    Args:
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        probabilities: float32, shape (n, 17), of the classes and of no mark; rows sum to 1.

    Returns:
        float32, shape (n, 17); rows sum to 1.
    """
    weighted = probabilities.copy()
    numbers, order = order_marks(boxes)
    for number in range(int(numbers.max(initial=-1)) + 1):
        line = order[numbers[order] == number]
        for word in split_words(boxes[line]):
            if len(word) > 1:
                weighted[line[word]] = _reweight(probabilities[line[word]])
    return weighted


def _reweight(probabilities: Probabilities) -> Probabilities:
    """Returns the probabilities of the marks of one word, which are in reading order."""
    n = len(probabilities)
    factors = np.ones((2, n, N_CLASSES + 1))
    factors[0, :, :N_CLASSES] = _NUMBER_INSIDE / _ALL
    factors[0, [0, -1], :N_CLASSES] = _NUMBER_ENDS / _ALL
    factors[1, :, :N_CLASSES] = _LETTERS / _ALL
    joint = factors * probabilities
    likelihoods = joint.sum(axis=2, keepdims=True)
    scores = np.log([_NUMBER_SHARE, 1 - _NUMBER_SHARE]) + np.log(likelihoods).sum(axis=(1, 2))
    kinds = np.exp(scores - scores.max())
    kinds /= kinds.sum()
    weighted: Probabilities = (kinds[:, None, None] * joint / likelihoods).sum(axis=0)
    return weighted.astype(np.float32)
