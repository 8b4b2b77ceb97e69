"""Figures of a comparison: curves of several runs, and pictures that models read differently."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.evaluation.lockstep import ComparedPicture
from inkdigits.presentation.figures import BLUE, GREY, RED, build_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: Final = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito (2008). More runs than colours differ in their dashes."""
_DASHES: Final = ("-", "--", ":", "-.")
_COLUMNS: Final = 4
_LONGEST_TEXT: Final = 24
_ANSWER_PT: Final = 14
"""Height of a line below a picture, in points."""


def plot_validation(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draws validation accuracy and validation loss of several runs over their epochs.

    Args:
        curves: Names of the runs to their rows, one for each epoch, with the keys "epoch",
            "val_accuracy" (0 to 1) and "val_loss" (nats).

    Returns:
        A figure with two panels.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: No run is given, or a run has no epochs.
    """
    if not curves or not all(curves.values()):
        raise UsageError("a run without epochs has no curves: expected at least one epoch of each")
    figure = build_figure(12, 5.4 + 0.3 * math.ceil(len(curves) / 3))
    accuracy_axes, loss_axes = figure.subplots(1, 2)
    for number, (name, rows) in enumerate(curves.items()):
        epochs = [row["epoch"] for row in rows]
        for axes, values in (
            (accuracy_axes, [100 * row["val_accuracy"] for row in rows]),
            (loss_axes, [row["val_loss"] for row in rows]),
        ):
            axes.plot(
                epochs,
                values,
                marker="o",
                markersize=6 if len(epochs) <= 20 else 3,
                linewidth=2.5,
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_DASHES[number // len(_COLOURS) % len(_DASHES)],
                label=name,
            )
    accuracy_axes.set_ylabel("Validation accuracy (%)", fontsize=13)
    loss_axes.set_ylabel("Validation loss (nats)", fontsize=13)
    for axes in (accuracy_axes, loss_axes):
        axes.set_xlabel("Epoch", fontsize=13)
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
        axes.tick_params(labelsize=12)
        axes.grid(color="#DDDDDD")
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = accuracy_axes.get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=min(len(names), 3),
        fontsize=13,
        frameon=False,
    )
    return figure


def plot_disagreements(
    title: str,
    models: Sequence[str],
    shown: Sequence[tuple[ComparedPicture, NDArray[np.uint8] | None]],
    *,
    n_disputed: int,
    n: int,
) -> Figure:
    """Draws pictures that models read differently, with the answer of each model.

    Args:
        title: What the pictures are.
        models: Names of the models, in the order of the answers.
        shown: The pictures and their pixels, uint8, shape (height, width) or (height, width, 3);
            None for a file that cannot be decoded.
        n_disputed: Number of pictures that the models read differently, at least `len(shown)`.
        n: Number of all pictures.

    Returns:
        A figure with a grid of pictures: above each what is written on it, below each what the
        models read, with a red cross if it is wrong. If there is no such picture, the figure says
        so.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if not shown:
        figure = build_figure(8, 3)
        text = f"{title}\nall {n:,} are read alike"
        figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=18, color=BLUE)
        return figure
    letters = [_name_letter(number) for number in range(len(models))]
    which = ""
    if len(shown) < n_disputed:
        which = f"\n{len(shown):,} at random, first those that some models read correctly"
    key = "   ".join(f"{letter} {name}" for letter, name in zip(letters, models, strict=True))
    rows = math.ceil(len(shown) / _COLUMNS)
    panel_in = 2.4 + len(models) * _ANSWER_PT / 72
    figure = build_figure(3.2 * _COLUMNS, panel_in * rows + 1.1)
    figure.suptitle(
        f"{title}: {n_disputed:,} of {n:,} are read differently{which}\n{key}",
        fontsize=15,
        fontweight="bold",
    )
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, (picture, pixels) in zip(grid, shown, strict=False):
        _draw_panel(axes, picture, pixels, letters)
    return figure


def _draw_panel(
    axes: Axes, picture: ComparedPicture, pixels: NDArray[np.uint8] | None, letters: Sequence[str]
) -> None:
    axes.set_title(_describe(picture.true, "no digit"), fontsize=13, fontweight="bold")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color="#BBBBBB")
    if pixels is None:
        axes.set_box_aspect(0.6)
    else:
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    for place, (letter, answer) in enumerate(zip(letters, picture.answers, strict=True)):
        sign = "✓" if answer.is_right else "✗"
        axes.annotate(
            f"{sign} {letter}  {_describe(answer.text, 'nothing')}",
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -4 - place * _ANSWER_PT),
            textcoords="offset points",
            va="top",
            fontsize=11,
            color=GREY if answer.is_right else RED,
            fontweight="normal" if answer.is_right else "bold",
        )


def _name_letter(number: int) -> str:
    """Returns the letter of a model: A to Z, then A1, B1 and so on."""
    turn, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(turn) if turn else "")


def _describe(text: str, empty: str) -> str:
    """Returns a text in one line, short enough for a panel."""
    line = " / ".join(text.split("\n")) or empty
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"
