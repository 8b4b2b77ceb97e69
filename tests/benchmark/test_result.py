from __future__ import annotations

import json

import numpy as np
import pytest

from inkdigits.benchmark import Figure, Result, Timing


@pytest.mark.parametrize(
    ("least", "most", "value", "expected"),
    [
        (None, None, 3.0, None),
        (3.0, None, 3.0, True),
        (3.0, None, 2.999, False),
        (None, 0.25, 0.25, True),
        (None, 0.25, 0.2501, False),
        (1.0, 2.0, 1.5, True),
        (1.0, 2.0, 0.5, False),
        (1.0, 2.0, 2.5, False),
        (3.0, None, float("nan"), False),
    ],
)
def test_what_was_asked(
    least: float | None, most: float | None, value: float, expected: bool | None
) -> None:
    assert Figure("ratio", value, "×", least, most).is_met is expected


@pytest.mark.parametrize("n", [1, 2, 99, 100, 101, 1_000])
def test_quantiles(n: int) -> None:
    seconds = np.random.default_rng(n).exponential(size=n)
    timing = Timing("ours", tuple(seconds))

    ordered = sorted(seconds)
    assert timing.median_s == pytest.approx((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    if n < 100:
        assert timing.p99_s is None
    else:
        assert timing.p99_s is not None
        assert sum(second <= timing.p99_s for second in seconds) >= 0.99 * n
        assert sum(second < timing.p99_s for second in seconds) <= 0.99 * n


RESULT = Result(
    "latency",
    "one tile",
    (
        Timing("ours", (0.000123,) * 100, {"accuracy": "99.30 %"}),
        Timing("theirs", (2.5, 0.0456, 0.0456)),
    ),
    (Figure("theirs against ours", 371.2345, "×", least=20), Figure("size", 3.0, "MB", most=2)),
)


def test_table() -> None:
    title, header, ours, theirs, ratio, size = RESULT.to_table().splitlines()

    assert title == "latency: one tile"
    assert header.split() == ["median", "p99", "n"]
    assert ours.split() == ["ours", "123", "µs", "123", "µs", "100", "accuracy", "99.30", "%"]
    assert theirs.split() == ["theirs", "45.6", "ms", "3"]
    assert ratio.endswith("371.2 ×  asked: at least 20: met")
    assert size.endswith("3 MB  asked: at most 2: NOT MET")


def test_a_result_without_targets_says_nothing_about_them() -> None:
    *_, ratio, size = RESULT.without_targets().to_table().splitlines()

    assert ratio.endswith("371.2 ×")
    assert size.endswith("3 MB")
    figures = RESULT.without_targets().to_json()["figures"]
    assert [(figure["least"], figure["most"], figure["is_met"]) for figure in figures] == [
        (None, None, None)
    ] * 2
    assert RESULT.figures[0].least == 20


def test_json() -> None:
    found = json.loads(json.dumps(RESULT.to_json()))

    assert [(row["n"], row["p99_s"]) for row in found["timings"]] == [(100, 0.000123), (3, None)]
    assert [figure["is_met"] for figure in found["figures"]] == [True, False]
    assert found["figures"][0]["least"] == 20
