"""What the marks of one word say of each other.

A slanted stroke may be a 1, a slash or an l: beside digits, and at the end of them, it is a 1. The
networks see each mark with little around it; here the kind of the word is weighed, a number or
letters, each with its own frequencies of classes (a mixture of unigrams, Nigam et al., 2000).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import COMMA, DASH, DIGITS, N_CLASSES, OTHER, PLUS, POINT, SLASH
from inkdigits.recognition.lines import order_marks, split_words

Probabilities = NDArray[np.float32]

_NUMBER_SHARE: Final = 0.86
"""Of the words of several marks, on 3,000 drawn pages; the others are letters."""

_RARE: Final = 0.0005
"""Share of what never came: about what the numbers counted could still hide."""


def _spread(
    digits: float,
    point: float,
    comma: float,
    dash: float,
    slash: float,
    plus: float,
    other: float,
) -> NDArray[np.float64]:
    """Shares of all classes, shape (16,), of which the ten digits are alike."""
    shares = np.full(N_CLASSES, digits / len(DIGITS))
    shares[[POINT, COMMA, DASH, SLASH, PLUS, OTHER]] = point, comma, dash, slash, plus, other
    return shares


# Counted in 40,000 numbers of `inkdigits.synthesis.texts`, and all marks of 3,000 drawn pages.
_ALL: Final = _spread(0.722, 0.032, 0.013, 0.024, 0.005, 0.004, 0.200)
_NUMBER_ENDS: Final = _spread(0.806, 0.022, 0.009, 0.071, _RARE, _RARE, 0.091)
_NUMBER_INSIDE: Final = _spread(0.837, 0.076, 0.032, 0.024, 0.010, 0.003, 0.020)
_LETTERS: Final = _spread(0.007, _RARE, _RARE, _RARE, _RARE, _RARE, 0.990)


def weigh_words(boxes: NDArray[np.float32], probabilities: Probabilities) -> Probabilities:
    """Probabilities of marks, given the word that each stands in; a mark by itself keeps its own.

    Args:
        boxes: float32, shape (n, 4): x, y, width, height in pixels.
        probabilities: float32, shape (n, 17), of the classes and of none; rows sum to 1.

    Returns:
        float32, shape (n, 17); rows sum to 1.
    """
    weighed = probabilities.copy()
    numbers, order = order_marks(boxes)
    for number in range(int(numbers.max(initial=-1)) + 1):
        line = order[numbers[order] == number]
        for word in split_words(boxes[line]):
            if len(word) > 1:
                weighed[line[word]] = _weigh(probabilities[line[word]])
    return weighed


def _weigh(probabilities: Probabilities) -> Probabilities:
    """The same for the marks of one word, in reading order."""
    n = len(probabilities)
    factors = np.ones((2, n, N_CLASSES + 1))
    factors[0, :, :N_CLASSES] = _NUMBER_INSIDE / _ALL
    factors[0, [0, -1], :N_CLASSES] = _NUMBER_ENDS / _ALL
    factors[1, :, :N_CLASSES] = _LETTERS / _ALL
    joint = factors * probabilities
    likelihoods = joint.sum(axis=2, keepdims=True)
    shares = np.log([_NUMBER_SHARE, 1 - _NUMBER_SHARE]) + np.log(likelihoods).sum(axis=(1, 2))
    kinds = np.exp(shares - shares.max())
    kinds /= kinds.sum()
    weighed: Probabilities = (kinds[:, None, None] * joint / likelihoods).sum(axis=0)
    return weighed.astype(np.float32)
