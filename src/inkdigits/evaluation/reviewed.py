"""MNIST's test labels after a review by people.

Fifteen of the 10,000 labels are doubtful. Northcutt et al. (2021) found these images and showed
them to people. For ten images, a majority read another digit than the label. For five images,
people did not agree. The majorities are those of the label errors published with cleanlab.
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
"""Index of a test image to the digit that most people read."""

UNDECIDED: Final = (2130, 2654, 3520, 8527, 9679)
"""Indices of the test images on which people did not agree."""


def score_reviewed(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> float:
    """Measures the accuracy on the reviewed labels, without the undecided images.

    Args:
        probabilities: Shape (10000, 10), 0 to 1, for MNIST's test images in their order.
        labels: Shape (10000,), MNIST's test labels, 0 to 9.

    Returns:
        Share of the 9,995 images whose most probable digit equals the reviewed label.

    Raises:
        DataFormatError: There are not exactly 10,000 labels.
    """
    if labels.shape != (10_000,):
        raise DataFormatError(
            f"labels have shape {labels.shape}: expected (10000,), "
            "because only MNIST's 10,000 test images were reviewed"
        )
    reviewed = labels.copy()
    for index, digit in RELABELLED.items():
        reviewed[index] = digit
    decided = np.ones(len(labels), np.bool_)
    decided[list(UNDECIDED)] = False
    return float(np.mean(probabilities.argmax(axis=1)[decided] == reviewed[decided]))
