from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.evaluation.auroc import compute_auroc

SCORES = st.lists(st.integers(0, 8).map(lambda step: step / 8), min_size=1, max_size=40)


@given(digits=SCORES, others=SCORES)
def test_auroc_is_that_of_scikit_learn(digits: list[float], others: list[float]) -> None:
    expected = sklearn.metrics.roc_auc_score(
        [1] * len(digits) + [0] * len(others), [*digits, *others]
    )
    assert compute_auroc(np.array(digits), np.array(others)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("digits", "others", "expected"),
    [
        ([0.9, 0.8], [0.1, 0.7], 1.0),
        ([0.1], [0.2, 0.3], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.9, 0.2], [0.5], 0.5),
        ([np.inf], [-np.inf], 1.0),
    ],
)
def test_auroc_of_clear_cases(digits: list[float], others: list[float], expected: float) -> None:
    assert compute_auroc(np.array(digits), np.array(others)) == expected


@pytest.mark.parametrize(
    ("digits", "others", "named"),
    [
        (np.zeros(0), np.ones(3), "digits"),
        (np.ones(3), np.zeros(0), "outliers"),
        (np.array([0.5, np.nan]), np.ones(3), "digits"),
        (np.ones((3, 1)), np.ones(3), "digits"),
    ],
)
def test_invalid_scores_raise(
    digits: NDArray[np.float64], others: NDArray[np.float64], named: str
) -> None:
    with pytest.raises(UsageError, match=f"scores of the {named}"):
        compute_auroc(digits, others)
