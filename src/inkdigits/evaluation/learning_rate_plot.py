"""The figure of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inkdigits.evaluation.plots import set_title
from inkdigits.presentation.figures import BLUE, GREY, RED, build_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_rates(
    rates: NDArray[np.float64],
    losses: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    suggestion: float,
    current: float,
) -> Figure:
    """Draws the loss against the learning rate.

    Args:
        rates: Learning rate of each step, float64, shape (n,), rising.
        losses: Loss of each step, float64, shape (n,).
        smoothed: Their running mean, float64, shape (n,).
        suggestion: The proposed learning rate.
        current: The learning rate of the recipe.

    Returns:
        A figure with one panel.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = build_figure(9, 5.6)
    axes = figure.subplots()
    axes.plot(rates, losses, ".", color=GREY, alpha=0.35, markersize=5, label="loss of a step")
    axes.plot(rates, smoothed, color=BLUE, linewidth=2.5, label="running mean")
    axes.axvline(suggestion, color=RED, linewidth=2, label=f"proposed: {suggestion:g}")
    axes.axvline(
        current, color=GREY, linestyle=":", linewidth=2, label=f"of the recipe: {current:g}"
    )
    axes.set_xscale("log")
    # The last steps explode, and would squeeze all others into a line.
    low, high = float(smoothed.min()), float(np.max(smoothed[: int(smoothed.argmin()) + 1]))
    margin = 0.15 * max(high - low, 0.01)
    axes.set_ylim(max(0.0, low - 2 * margin), high + 2 * margin)
    axes.set_xlabel("Learning rate", fontsize=13)
    axes.set_ylabel("Loss", fontsize=13)
    axes.tick_params(labelsize=12)
    axes.grid(color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, fontsize=12, frameon=False)
    set_title(axes, f"Proposed learning rate {suggestion:g}")
    return figure
