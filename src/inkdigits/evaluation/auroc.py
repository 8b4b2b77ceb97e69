"""Area under the ROC curve: how well a score separates digits from outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError


def compute_auroc(
    digit_scores: NDArray[np.floating[Any]], outlier_scores: NDArray[np.floating[Any]]
) -> float:
    """Returns the AUROC of a score that should be high for digits and low for outliers.

    It is the probability that a random digit has a higher score than a random outlier; a tie
    counts half (Mann and Whitney, 1947). 1 is perfect separation, 0.5 is guessing.

    Args:
        digit_scores: Shape (n,), n at least 1, such as the highest probability of each tile.
        outlier_scores: Shape (m,), m at least 1.

    Raises:
        UsageError: An array is empty, has another number of dimensions, or contains NaN.
    """
    for name, scores in (("digits", digit_scores), ("outliers", outlier_scores)):
        if scores.ndim != 1 or scores.size == 0 or np.isnan(scores).any():
            raise UsageError(
                f"the scores of the {name} have shape {scores.shape} and "
                f"{np.count_nonzero(np.isnan(scores))} NaN: expected one number for each tile; "
                "leave out tiles without a score"
            )
    ranked = np.sort(outlier_scores)
    below = np.searchsorted(ranked, digit_scores, side="left")
    not_above = np.searchsorted(ranked, digit_scores, side="right")
    return float(np.mean(below + not_above) / (2 * len(ranked)))
