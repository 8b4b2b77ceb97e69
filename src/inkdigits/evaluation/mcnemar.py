"""McNemar's test: whether one model reads more of the same pictures correctly than another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PairedTest:
    """Two models on the same pictures.

    Attributes:
        first: Name of the first model.
        second: Name of the second model.
        both_right: Number of pictures that both models read correctly.
        only_first_right: Number of pictures that only the first model read correctly.
        only_second_right: Number of pictures that only the second model read correctly.
        both_wrong: Number of pictures that neither model read correctly.
        p_value: Probability of a difference at least as large between two equally good models, 0
            to 1, by McNemar's exact test. It is not adjusted for the number of pairs.
    """

    first: str
    second: str
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Returns the test as numbers and strings."""
        return dict(vars(self))


def compare_pair(
    first: str, second: str, first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]
) -> PairedTest:
    """Compares two models on the same pictures.

    Args:
        first: Name of the first model.
        second: Name of the second model.
        first_right: Whether the first model read each picture correctly, shape (n,).
        second_right: The same for the second model, in the same order.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    return PairedTest(
        first=first,
        second=second,
        both_right=int((first_right & second_right).sum()),
        only_first_right=only_first,
        only_second_right=only_second,
        both_wrong=int((~first_right & ~second_right).sum()),
        p_value=compute_mcnemar(only_first, only_second),
    )


def compute_mcnemar(only_first_right: int, only_second_right: int) -> float:
    """Returns the p-value of McNemar's test (McNemar, 1947), exact and two-sided.

    Only the pictures that exactly one of two models read correctly count. Between equally good
    models, each of these is as likely to be one model's as the other's, so their number follows a
    binomial distribution with the share 1/2. It is computed exactly for any number of pictures,
    without the approximation by the chi-squared distribution.

    Args:
        only_first_right: Number of pictures that only the first model read correctly.
        only_second_right: Number of pictures that only the second model read correctly.

    Returns:
        0 to 1; 1 if both numbers are equal.
    """
    n = only_first_right + only_second_right
    coefficient = total = 1  # of n over 0
    for k in range(1, min(only_first_right, only_second_right) + 1):
        coefficient = coefficient * (n - k + 1) // k
        total += coefficient
    # Integers of any size, so no power underflows.
    return min(1.0, float(2 * total / 2**n))
