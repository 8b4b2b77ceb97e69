"""Figures: training curves, confusion matrix, mistakes and calibration of a network.

Each function returns a new matplotlib `Figure`. The functions do not use pyplot, so they work in a
server or a thread, and no window opens. The colours are those of Okabe and Ito (2008), which
colour-blind people can distinguish.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError, UsageError
from inkdigits.evaluation.metrics import bin_confidences, check_predictions, compute_interval
from inkdigits.files import write_whole
from inkdigits.percentages import format_confidence
from inkdigits.presentation.figures import BLUE, GREY, RED, build_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PALE: Final = "#CCE3F0"
_HISTORY_KEYS: Final = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
_DPI: Final = 150
_CELL: Final = (2.0, 2.35)
_SIDE: Final = 1.6
_MARGIN: Final = 0.1
_TITLE: Final = 0.6
"""In inches: width and height of a tile with its text, which is wider for long names; side of the
tile; space below it and beside its text; and height of the title above all tiles."""
_POINTS: Final = 12
"""Size of the text of a tile."""
_FAR: Final = 3.0
"""An error is far from the others if it is more than this many times their median."""


def plot_curves(history: Sequence[Mapping[str, float]], *, best_epoch: int | None = None) -> Figure:
    """Draws accuracy and loss over the epochs of a run, for training and validation.

    Args:
        history: One row for each epoch, with the keys `epoch`, `loss`, `accuracy`, `val_loss` and
            `val_accuracy`; accuracies 0 to 1, losses in nats.
        best_epoch: The epoch whose weights were kept. Both panels mark it.

    Returns:
        A figure with two panels.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: The history is empty, a row lacks a key, or no row has the epoch
            `best_epoch`.
    """
    if not history:
        raise UsageError("the history is empty: expected at least one epoch")
    for row in history:
        missing = [key for key in _HISTORY_KEYS if key not in row]
        if missing:
            raise UsageError(
                f"a row of the history lacks {', '.join(missing)}: "
                f"expected {', '.join(_HISTORY_KEYS)}"
            )
    columns = {key: np.array([float(row[key]) for row in history]) for key in _HISTORY_KEYS}
    epochs = columns["epoch"]
    if best_epoch is not None and best_epoch not in epochs:
        raise UsageError(
            f"best_epoch is {best_epoch}: expected one of the epochs "
            f"{epochs[0]:g} to {epochs[-1]:g}"
        )
    shown = len(history) - 1 if best_epoch is None else int(np.argmax(epochs == best_epoch))
    when = f"epoch {epochs[shown]:g}"
    training, validation = 100 * columns["accuracy"], 100 * columns["val_accuracy"]
    figure = build_figure(12, 5.4)
    accuracy_axes, loss_axes = figure.subplots(1, 2)

    _draw_curves(accuracy_axes, epochs, training, validation)
    accuracy_axes.set_ylabel("Accuracy (%)", fontsize=13)
    _scale_accuracy(accuracy_axes, training, validation)
    set_title(accuracy_axes, f"Validation accuracy {validation[shown]:.2f} % at {when}")

    _draw_curves(loss_axes, epochs, columns["loss"], columns["val_loss"])
    loss_axes.set_ylabel("Loss (nats)", fontsize=13)
    loss_axes.set_ylim(bottom=0)
    set_title(loss_axes, f"Validation loss {columns['val_loss'][shown]:.4f} at {when}")

    margin = max(0.5, 0.06 * len(history))
    for axes in (accuracy_axes, loss_axes):
        axes.set_xlabel("Epoch", fontsize=13)
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
        axes.set_xlim(epochs.min() - margin, epochs.max() + margin)
        if best_epoch is not None:
            axes.axvline(best_epoch, color=GREY, linestyle=":", linewidth=2, label="weights kept")
    _add_legend(figure, *accuracy_axes.get_legend_handles_labels())
    return figure


def plot_confusion_matrix(
    confusion_matrix: NDArray[np.integer[Any]], *, names: Sequence[str] = ()
) -> Figure:
    """Draws a confusion matrix. More frequent errors are darker.

    The colour of an error shows its share of the tiles of the true digit. The diagonal has its own
    colour, because its counts would make all errors look pale on a common scale.

    Args:
        confusion_matrix: Shape (10, 10), counts by true digit (row) and predicted digit (column);
            or of as many rows and columns as there are names.
        names: Names of the classes; empty for digits.

    Returns:
        A figure with one panel.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: The array has another shape, is not of integers, has a negative count, or is
            all 0.
    """
    k = len(names) or 10
    if confusion_matrix.shape != (k, k) or not np.issubdtype(confusion_matrix.dtype, np.integer):
        raise UsageError(
            f"the confusion matrix is {confusion_matrix.dtype} of shape {confusion_matrix.shape}: "
            f"expected integers of shape ({k}, {k})"
        )
    if confusion_matrix.min() < 0 or not confusion_matrix.any():
        raise UsageError(
            "the confusion matrix has a negative count or only zeros: "
            "expected counts of at least one tile"
        )
    n = int(confusion_matrix.sum())
    mistakes = n - int(np.trace(confusion_matrix))
    support = confusion_matrix.sum(axis=1, keepdims=True)
    off_diagonal = ~np.eye(k, dtype=bool)
    shares = 100 * confusion_matrix / np.maximum(support, 1)
    # Without mistakes the largest share is 0, and the colour scale would be empty.
    worst = float(shares[off_diagonal].max()) or 1.0

    # Many classes share a larger figure, and their counts are written smaller.
    growth = max(1.0, min(k / 16, 3.0))
    size = max(12 * min(1.0, 16 * growth / k), 4.5)
    figure = build_figure(9.5 * growth, 8 * growth)
    axes = figure.subplots()
    mesh = axes.imshow(np.where(off_diagonal, shares, np.nan), cmap="Oranges", vmin=0, vmax=worst)
    axes.set_facecolor(_PALE)
    for truth in range(k):
        for predicted in range(k):
            count = int(confusion_matrix[truth, predicted])
            dark = truth != predicted and shares[truth, predicted] > 0.6 * worst
            axes.text(
                predicted,
                truth,
                f"{count:,}" if count else "·",
                ha="center",
                va="center",
                fontsize=size,
                color="white" if dark else "black" if count else GREY,
                fontweight="bold" if truth == predicted else "normal",
            )
    kind = "class" if names else "digit"
    axes.set_xticks(range(k), names or None)
    is_wide = any(len(name) > 2 for name in names)
    axes.tick_params(axis="x", labelrotation=(90 if k > 16 else 40) if is_wide else 0)
    axes.set_yticks(range(k), names or None)
    axes.tick_params(labelsize=11 if names else 13, length=0)
    axes.set_xlabel(f"Predicted {kind}", fontsize=14)
    axes.set_ylabel(f"True {kind}", fontsize=14)
    set_title(
        axes, f"Accuracy {100 * (n - mistakes) / n:.2f} %: {_count_mistakes(mistakes)} in {n:,}"
    )
    colorbar = figure.colorbar(mesh, ax=axes, shrink=0.8, format="{x:g} %")
    colorbar.set_label(f"Misread, as a share of the true {kind}'s tiles", fontsize=12)
    return figure


def plot_sample_predictions(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    *,
    n: int = 25,
    seed: int = 0,
    names: Sequence[str] = (),
) -> Figure:
    """Draws random tiles, each with the predicted and the true digit.

    Args:
        images: Tiles, uint8, shape (m, 28, 28), 0 background, 255 full ink.
        labels: Shape (m,), 0 to 9.
        probabilities: Shape (m, 10), 0 to 1; each row sums to 1.
        n: Maximum number of tiles to draw.
        seed: Seed for choosing the tiles; the same seed chooses the same tiles.
        names: As in `plot_confusion_matrix`.

    Returns:
        A figure with a grid of tiles. Misread tiles have a red frame and a cross.

    Raises:
        DataFormatError: The images or labels are invalid or differ in number.
        MissingExtraError: matplotlib is not installed.
        ModelError: The probabilities are invalid or have another number of rows than labels.
        UsageError: `n` is less than 1.
    """
    _check_images(images, labels, probabilities, n)
    chosen = np.random.default_rng(seed).permutation(len(labels))[:n]
    right = int((probabilities[chosen].argmax(axis=1) == labels[chosen]).sum())
    return _draw_tiles(
        images[chosen],
        labels[chosen],
        probabilities[chosen],
        f"{len(chosen):,} of {len(labels):,} tiles at random: {right:,} read correctly",
        names,
    )


def plot_mistakes(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    *,
    n: int = 25,
    names: Sequence[str] = (),
) -> Figure:
    """Draws the misread tiles with the highest confidence, highest first.

    Args:
        images: Tiles, uint8, shape (m, 28, 28), 0 background, 255 full ink.
        labels: Shape (m,), 0 to 9.
        probabilities: Shape (m, 10), 0 to 1; each row sums to 1.
        n: Maximum number of tiles to draw.
        names: As in `plot_confusion_matrix`.

    Returns:
        A figure with a grid of tiles. If there are no mistakes, the figure says so.

    Raises:
        DataFormatError: The images or labels are invalid or differ in number.
        MissingExtraError: matplotlib is not installed.
        ModelError: The probabilities are invalid or have another number of rows than labels.
        UsageError: `n` is less than 1.
    """
    _check_images(images, labels, probabilities, n)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidences = probabilities[wrong].max(axis=1)
    chosen = wrong[np.argsort(-confidences, kind="stable")][:n]
    if not len(chosen):
        figure = build_figure(8, 3)
        figure.text(
            0.5,
            0.5,
            f"No mistakes\nall {len(labels):,} tiles were read correctly",
            ha="center",
            va="center",
            fontsize=20,
            color=BLUE,
        )
        return figure
    which = f": the {len(chosen):,} most confident" if len(chosen) < len(wrong) else ""
    return _draw_tiles(
        images[chosen],
        labels[chosen],
        probabilities[chosen],
        f"{_count_mistakes(len(wrong))} in {len(labels):,} tiles{which}",
        names,
    )


def plot_reliability(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> Figure:
    """Draws the reliability diagram: accuracy as a function of confidence (Guo et al. 2017).

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        A figure with two panels: accuracy by confidence, and the number of tiles by confidence.

    Raises:
        DataFormatError: The labels are not a non-empty vector of digits.
        MissingExtraError: matplotlib is not installed.
        ModelError: The probabilities are invalid or have another number of rows than labels.
    """
    bins = bin_confidences(probabilities, labels)
    n = len(labels)
    accuracy = 1 - sum(bin_.mistakes for bin_ in bins) / n
    confidence = sum(bin_.count * bin_.confidence for bin_ in bins) / n
    error = sum(bin_.count / n * abs(bin_.accuracy - bin_.confidence) for bin_ in bins)
    figure = build_figure(9, 8)
    axes, count_axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))

    confidences = [100 * bin_.confidence for bin_ in bins]
    accuracies = [100 * bin_.accuracy for bin_ in bins]
    intervals = [compute_interval(bin_.count - bin_.mistakes, bin_.count) for bin_ in bins]
    lefts = [100 * bin_.lower for bin_ in bins]
    width = 100 * (bins[0].upper - bins[0].lower)
    axes.plot(
        [0, 100],
        [0, 100],
        color=GREY,
        linestyle="--",
        linewidth=2,
        label="perfect calibration (below: too sure)",
    )
    axes.bar(lefts, accuracies, width, align="edge", color=_PALE, edgecolor="white")
    axes.errorbar(
        confidences,
        accuracies,
        yerr=[
            [value - 100 * low for value, (low, _) in zip(accuracies, intervals, strict=True)],
            [100 * high - value for value, (_, high) in zip(accuracies, intervals, strict=True)],
        ],
        fmt="o",
        color=BLUE,
        markersize=8,
        capsize=4,
        linewidth=2,
        label="accuracy with its 95 % interval",
    )
    axes.set_ylim(0, 103)
    axes.set_ylabel("Accuracy (%)", fontsize=14)
    _add_legend(figure, *axes.get_legend_handles_labels())
    set_title(
        axes,
        f"Calibration error {100 * error:.2f} %\n"
        f"{100 * confidence:.2f} % sure on average, {100 * accuracy:.2f} % right",
    )

    count_axes.bar(
        lefts, [bin_.count for bin_ in bins], width, align="edge", color=BLUE, edgecolor="white"
    )
    count_axes.set_yscale("log")
    # The axis begins below 1, so that a bar of one tile is visible.
    count_axes.set_ylim(bottom=0.5)
    count_axes.yaxis.set_major_formatter("{x:,.0f}")
    count_axes.set_ylabel("Tiles", fontsize=14)
    count_axes.set_xlabel("Confidence (%)", fontsize=14)
    count_axes.set_xlim(0, 101)
    for panel in (axes, count_axes):
        panel.tick_params(labelsize=12)
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure as a PNG of 150 dots per inch. An existing file is replaced.

    Args:
        figure: The figure.
        path: A file name that ends in `.png`. Missing folders are created.

    Raises:
        OutputError: The file cannot be written.
        UsageError: The file name does not end in `.png`.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"cannot save a figure as {path}: expected a file name that ends in .png")
    with write_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def set_title(axes: Axes, title: str) -> None:
    """Sets the title of a panel in the style that all figures share."""
    axes.set_title(title, fontsize=15, fontweight="bold", pad=12)


def _add_legend(figure: Figure, handles: list[Artist], names: list[Any]) -> None:
    # Below the panels the legend hides no data.
    figure.legend(
        handles, names, loc="outside lower center", ncols=len(names), fontsize=13, frameon=False
    )


def _draw_curves(
    axes: Axes,
    epochs: NDArray[np.float64],
    training: NDArray[np.float64],
    validation: NDArray[np.float64],
) -> None:
    # Markers make a single epoch visible. Many epochs get small ones, which do not touch.
    size = 6 if len(epochs) <= 20 else 3
    axes.plot(epochs, training, "o--", color=RED, linewidth=2, markersize=size, label="training")
    axes.plot(
        epochs, validation, "s-", color=BLUE, linewidth=2.5, markersize=size, label="validation"
    )
    axes.tick_params(labelsize=12)
    axes.grid(color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)


def _scale_accuracy(axes: Axes, *curves: NDArray[np.float64]) -> None:
    """Fits the axis to all points.

    If the worst point is far below the others, as the first epoch often is, a linear axis would
    squeeze the others into a line. Accuracies are then spaced by the logarithm of the error.

    Args:
        axes: The panel.
        curves: Accuracies in percent.
    """
    values = np.concatenate(curves)
    errors = 100 - values[np.isfinite(values)]
    if not len(errors):
        return
    least, most = float(errors.min()), float(errors.max())
    if most <= _FAR * float(np.median(errors)):
        margin = 0.05 * (most - least) or 0.5
        axes.set_ylim(100 - most - margin, 100 - least + margin)
        return
    # An error of 0 has no logarithm. It is drawn at half of the smallest other error.
    floor = least or float(errors[errors > 0].min()) / 2

    def place(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
        errors = 100 - accuracies
        return -np.log10(np.where(errors > 0, errors, floor))

    axes.set_yscale("function", functions=(place, lambda places: 100 - 10.0**-places))
    margin = (most / floor) ** 0.05
    axes.set_ylim(100 - most * margin, 100 - floor / margin)
    steps = [100 - step * 10.0**power for power in range(1, -4, -1) for step in (10, 5, 2)]
    axes.set_yticks([tick for tick in steps if most * margin >= 100 - tick >= floor / margin])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("Accuracy (%), logarithmic in the error", fontsize=13)


def _draw_tiles(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    title: str,
    names: Sequence[str],
) -> Figure:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    rights = probabilities.argmax(axis=1) == labels
    texts = [
        f"{'' if right else '✗ '}Pred: {names[prediction] if names else prediction} "
        f"({format_confidence(float(confidence), unit=' %')})\n"
        f"True: {names[label] if names else label}"
        for right, prediction, confidence, label in zip(
            rights, probabilities.argmax(axis=1), probabilities.max(axis=1), labels, strict=True
        )
    ]
    bold = FontProperties(weight="bold")
    lines = {line for text in texts for line in text.splitlines()}
    longest = max(TextPath((0, 0), line, _POINTS, bold).get_extents().width for line in lines)
    cell = max(_CELL[0], longest / 72 + _MARGIN)
    column_count = min(len(images), max(5, math.ceil(math.sqrt(len(images)))))
    row_count = math.ceil(len(images) / column_count)
    width, height = max(cell * column_count, 8), _TITLE + _CELL[1] * row_count
    figure = build_figure(width, height)
    # The places follow from the grid. Looking for them takes a second longer.
    figure.set_layout_engine("none")
    figure.suptitle(title, fontsize=17, fontweight="bold", y=1 - _TITLE / 2 / height, va="center")
    for number, (image, text, right) in enumerate(zip(images, texts, rights, strict=True)):
        row, column = divmod(number, column_count)
        left = width * (column + 0.5) / column_count - _SIDE / 2
        bottom = height - _TITLE - _CELL[1] * (row + 1) + _MARGIN
        axes = figure.add_axes((left / width, bottom / height, _SIDE / width, _SIDE / height))
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(
            text,
            fontsize=_POINTS,
            color="black" if right else RED,
            fontweight="normal" if right else "bold",
        )
        axes.spines[:].set(color="#BBBBBB" if right else RED, linewidth=1 if right else 3)
    return figure


def _check_images(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    n: int,
) -> None:
    check_predictions(probabilities, labels)
    if images.dtype != np.uint8 or images.shape != (len(labels), 28, 28):
        raise DataFormatError(
            f"images are {images.dtype} of shape {images.shape}: "
            f"expected uint8 of shape {(len(labels), 28, 28)}"
        )
    if n < 1:
        raise UsageError(f"n is {n}: expected 1 or more tiles to draw")


def _count_mistakes(mistakes: int) -> str:
    return f"{mistakes:,} {'mistake' if mistakes == 1 else 'mistakes'}"
