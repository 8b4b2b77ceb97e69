"""The plot of a sweep: what each trial reached, over each swept field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from inkdigits.evaluation import summarise
from inkdigits.presentation.figures import BLUE, GREY, RED, build_figure
from inkdigits.sweeps.search_space import Choices, Range, SearchSpace, format_value, format_values
from inkdigits.sweeps.sweep_trial import SweepTrial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS: Final = 3
_MAX_ERROR: Final = 4.0
"""Trials with more than this many times the median error are drawn at the lower edge."""
_LABELS: Final = {
    "validation_accuracy": "Validation accuracy (%)",
    "digits_right": "Validation digits read correctly (%)",
}


def plot_trials(trials: Sequence[SweepTrial], space: SearchSpace, figure_name: str) -> Figure:
    """Draws what each trial reached, with a panel for each swept field.

    Trials that were stopped early are crosses at what they had reached. The best trial has a ring.
    Trials far below the others are arrows at the lower edge.

    Args:
        trials: The trials, best first.
        space: The swept fields.
        figure_name: Name of the figure that trials are compared by.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    n_columns = min(len(space), _COLUMNS)
    n_rows = math.ceil(len(space) / n_columns)
    figure = build_figure(max(5.2 * n_columns, 7), 4.4 * n_rows + 0.9)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(space) :]:
        axes.set_axis_off()
    finished = [trial for trial in trials if trial.accuracy is not None]
    stopped = [trial for trial in trials if trial.state == "stopped" and trial.reached is not None]
    lowest = _choose_lowest([*finished, *stopped])
    for axes, field in zip(grid.flat, space, strict=False):
        _draw_panel(axes, field, space, finished, stopped, lowest)
    for row in grid:
        row[0].set_ylabel(_LABELS[figure_name], fontsize=13)
    figure.suptitle(_describe(finished, stopped, len(trials)), fontsize=15, fontweight="bold")
    handles, names = grid[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            names,
            loc="outside lower center",
            ncols=len(names),
            fontsize=12,
            frameon=False,
        )
    return figure


def _describe(finished: Sequence[SweepTrial], stopped: Sequence[SweepTrial], n_trials: int) -> str:
    counts = f"{n_trials} trials, {len(stopped)} of them stopped early"
    if not stopped:
        counts = f"{n_trials} trials"
    best = finished[0] if finished else None
    if best is None or best.accuracy is None:
        return f"{counts}: none is finished"
    return f"{counts}\nBest: {100 * best.accuracy:.2f} % with {format_values(best.values)}"


def _draw_panel(
    axes: Axes,
    field: str,
    space: SearchSpace,
    finished: Sequence[SweepTrial],
    stopped: Sequence[SweepTrial],
    lowest: float,
) -> None:
    axis = space[field]
    for group, marker, colour, name in (
        (stopped, "x", GREY, "stopped early"),
        (finished, "o", BLUE, "finished"),
    ):
        if not group:
            continue
        places = [_place(axis, trial.values[field]) for trial in group]
        reached = [100 * _get_figure(trial) for trial in group]
        axes.plot(
            places,
            np.maximum(reached, lowest),
            marker,
            color=colour,
            markersize=8,
            markeredgewidth=2 if marker == "x" else 0,
            alpha=0.8,
            label=name,
        )
        low = [place for place, value in zip(places, reached, strict=True) if value < lowest]
        if low:
            axes.plot(low, [lowest] * len(low), "v", color=colour, markersize=9)
    for trial in finished:
        spread = summarise(trial.accuracies).sd
        if spread is not None and trial.accuracy is not None:
            axes.errorbar(
                _place(axis, trial.values[field]),
                100 * trial.accuracy,
                yerr=100 * spread,
                color=BLUE,
                linewidth=1,
                capsize=3,
            )
    if finished:
        best = finished[0]
        axes.plot(
            _place(axis, best.values[field]),
            100 * _get_figure(best),
            "o",
            markersize=15,
            markerfacecolor="none",
            markeredgecolor=RED,
            markeredgewidth=2.5,
            label="best",
        )
    _scale(axes, axis)
    axes.set_xlabel(field, fontsize=13)
    axes.tick_params(labelsize=12)
    axes.grid(color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)


def _scale(axes: Axes, axis: Range | Choices) -> None:
    if isinstance(axis, Choices):
        axes.set_xticks(range(len(axis.values)), [format_value(value) for value in axis.values])
        axes.set_xlim(-0.5, len(axis.values) - 0.5)
        if max(len(format_value(value)) for value in axis.values) > 12:
            axes.tick_params(axis="x", rotation=20)
        return
    if axis.is_log:
        axes.set_xscale("log")
        margin = (axis.high / axis.low) ** 0.04
        axes.set_xlim(axis.low / margin, axis.high * margin)
        return
    margin = 0.04 * (axis.high - axis.low)
    axes.set_xlim(axis.low - margin, axis.high + margin)


def _place(axis: Range | Choices, value: Any) -> float:
    return float(axis.values.index(value)) if isinstance(axis, Choices) else float(value)


def _get_figure(trial: SweepTrial) -> float:
    figure = trial.reached if trial.accuracy is None else trial.accuracy
    return figure or 0.0


def _choose_lowest(trials: Sequence[SweepTrial]) -> float:
    """Returns the lowest accuracy to draw in per cent, so that bad trials squeeze no others."""
    errors = sorted(100 - 100 * _get_figure(trial) for trial in trials)
    if not errors:
        return 0.0
    return 100 - min(errors[-1], max(_MAX_ERROR * errors[len(errors) // 2], errors[0] + 0.1))
