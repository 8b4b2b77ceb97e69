from __future__ import annotations

import math

import numpy as np
import pytest

from inkdigits.evaluation.mcnemar import PairedTest, compare_pair, compute_mcnemar


@pytest.mark.parametrize(
    ("only_first", "only_second"),
    [(0, 0), (1, 0), (0, 6), (3, 3), (2, 11), (40, 41), (60, 95), (1_000, 1_090), (9, 4_000)],
)
def test_the_p_value_is_that_of_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    n = only_first + only_second
    expected = stats.binomtest(only_first, n, 0.5).pvalue if n else 1.0

    assert compute_mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)
    assert compute_mcnemar(only_second, only_first) == compute_mcnemar(only_first, only_second)


def test_many_pictures_take_no_approximation() -> None:
    """With 20,000 pictures, powers of 1/2 are too small for a float."""
    n, least = 20_000, 9_800
    z = (n / 2 - least - 0.5) / math.sqrt(n / 4)
    assert compute_mcnemar(least, n - least) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)


def test_pictures_are_counted_by_who_reads_them() -> None:
    first = np.array([True, True, True, False, False, True])
    second = np.array([True, False, False, True, False, True])

    assert compare_pair("A", "B", first, second) == PairedTest("A", "B", 2, 2, 1, 1, 1.0)
