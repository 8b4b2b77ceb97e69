"""MNIST's test labels as people have reviewed them.

Fifteen of the 10,000 labels are doubtful. Shown to people, a majority read ten of those images as
another digit than their label says, and could not agree on five (Northcutt et al., 2021, found them
and asked; the majorities are those of the label errors published with cleanlab).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError

RELABELLED: Final[Mapping[int, int]] = {
    947: 9, 1621: 6, 1901: 4, 2462: 0, 2597: 3, 3558: 0, 5937: 3, 6651: 6, 6783: 6, 9729: 6,
}  # fmt: skip
"""Index among the test images to the digit that most people read there."""

UNDECIDED: Final = (2130, 2654, 3520, 8527, 9679)
"""Indices of the test images that people could not agree on."""


def score_reviewed(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> float:
    """Measures accuracy on the labels as reviewed, without the undecided images.

    Args:
        probabilities: Shape (10000, 10), 0 to 1, for MNIST's test images in their order.
        labels: Shape (10000,), MNIST's test labels, 0 to 9.

    Returns:
        Share of the 9,995 images whose most likely digit is the one that people read.

    Raises:
        DataFormatError: Not 10,000 labels.
    """
    if labels.shape != (10_000,):
        raise DataFormatError(
            f"labels have shape {labels.shape}; the review is of MNIST's 10,000 test images"
        )
    reviewed = labels.copy()
    for index, digit in RELABELLED.items():
        reviewed[index] = digit
    decided = np.ones(len(labels), np.bool_)
    decided[list(UNDECIDED)] = False
    return float(np.mean(probabilities.argmax(axis=1)[decided] == reviewed[decided]))
