from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.evaluation import plot_rejection, save_figure
from inkdigits.evaluation.rejection_curve import trace_rejection

OUTCOMES = [
    *((0.95, True), (0.9, True), (0.87, False), (0.8, True)),
    *((0.7123, False), (0.71225, True), (None, False), (None, True)),
]

outcomes = st.lists(st.tuples(st.none() | st.floats(0.001, 1), st.booleans()), max_size=12)


@given(outcomes)
def test_each_point_counts_what_its_threshold_keeps(
    outcomes: list[tuple[float | None, bool]],
) -> None:
    curve = trace_rejection(outcomes)
    confidences = {confidence for confidence, _ in outcomes if confidence is not None}
    assert len(curve.points) == len(confidences)
    for point in curve.points:
        kept = [exact for found, exact in outcomes if found and found >= point.threshold]
        assert (point.n, point.kept, point.exact) == (len(outcomes), len(kept), sum(kept))
        assert point.rejected_share == pytest.approx(1 - len(kept) / len(outcomes))
    thresholds = [point.threshold for point in curve.points]
    assert thresholds == sorted(set(thresholds))


@pytest.mark.parametrize(
    ("target", "threshold", "kept", "exact"),
    [(0.6, 0.71, 6, 4), (0.75, 0.8, 4, 3), (0.99, 0.9, 2, 2), (1, 0.9, 2, 2)],
)
def test_recommended_is_the_lowest_threshold_that_reaches_the_target(
    target: float, threshold: float, kept: int, exact: int
) -> None:
    curve = trace_rejection(OUTCOMES, target)
    point = curve.recommended
    assert point is not None
    assert (point.threshold, point.kept, point.exact) == (threshold, kept, exact)
    assert f"{threshold}   rejects {1 - kept / 8:.1%}" in curve.describe()
    assert json.loads(json.dumps(curve.to_json()))["recommended"]["kept"] == kept


def test_thresholds_are_as_short_as_they_tell_apart() -> None:
    assert [p.threshold for p in trace_rejection(OUTCOMES).points] == [
        *(0.71, 0.7123, 0.8, 0.87, 0.9, 0.95)
    ]


def test_no_threshold_may_reach_the_target() -> None:
    curve = trace_rejection([(0.9, False), (0.8, True), (0.7, True)])
    assert curve.recommended is None
    assert curve.to_json()["recommended"] is None
    assert "the best is 0.7, where 66.7% of 3 kept" in curve.describe()


@pytest.mark.parametrize("target", [0, -0.1, 1.01, 99])
def test_a_target_is_a_share(target: float) -> None:
    with pytest.raises(UsageError, match="expected a share"):
        trace_rejection(OUTCOMES, target)


def test_the_plot_shows_the_curve(tmp_path: Path) -> None:
    curve = trace_rejection(OUTCOMES)
    figure = plot_rejection(curve)
    target, line, mark = figure.axes[0].get_lines()
    assert np.asarray(target.get_ydata())[0] == 99
    np.testing.assert_allclose(
        np.asarray(line.get_ydata()), [100 * p.exact / p.kept for p in curve.points]
    )
    np.testing.assert_allclose(
        np.asarray(line.get_xdata()), [100 * (8 - p.kept) / 8 for p in curve.points]
    )
    assert list(np.asarray(mark.get_xdata())) == [75]
    assert figure.axes[0].get_title().startswith("Threshold 0.9: rejects 75.0 %")
    save_figure(figure, tmp_path / "rejection.png")


@pytest.mark.parametrize(
    ("outcomes", "title"), [([], "Nothing was read"), ([(0.9, False)], "No threshold reaches 99 %")]
)
def test_a_curve_without_a_recommendation_is_drawn(
    outcomes: list[tuple[float | None, bool]], title: str
) -> None:
    figure = plot_rejection(trace_rejection(outcomes))
    assert figure.axes[0].get_title().startswith(title)
