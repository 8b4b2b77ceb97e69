"""Figures of the inside of a network for tiles: feature maps, filters, a map of digits, a batch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.data import fetch_mnist
from inkdigits.data.class_names import choose_class_names
from inkdigits.data.datasets import find_classes
from inkdigits.errors import UsageError
from inkdigits.evaluation.plots import set_title
from inkdigits.model_formats import is_run
from inkdigits.pictures.arrays import arrange_tiles
from inkdigits.presentation.figures import RED, build_figure
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.card import Card, locate_card
from inkdigits.reporting.embedding import embed_points
from inkdigits.reporting.inner_network import InnerNetwork, find_onnx
from inkdigits.reporting.shown_images import choose_images, choose_signs, draw_batch
from inkdigits.training.recipes.lookup import get_recipe
from inkdigits.training.recipes.tile_recipe import set_classes
from inkdigits.training.runs import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_COLUMNS: Final = 8


def plot_activations(tile: ArrayLike, model: Any = DEFAULT_MODEL, *, n: int = 16) -> Figure:
    """Draws what each layer of a network for tiles makes of one digit.

        inkdigits.plot_activations(inkdigits.predict("seven.png")[0].tile)

    Args:
        tile: uint8, shape (28, 28), 0 background, 255 full ink, or another array of one tile, as
            `Recognizer.classify` takes them.
        model: A run or its folder, or an `.onnx` file. Default: the network for tiles that comes
            with inkdigits.
        n: Maximum number of feature maps of each layer; those that answer most.

    Returns:
        A figure with a row of panels for each layer with feature maps, and the probabilities.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ModelError: The model is missing, damaged, or that of a reader.
        PictureFormatError: The array is not a tile.
        UsageError: Several tiles, or `n` is less than 1.
    """
    _check_n(n)
    tiles = arrange_tiles(tile)
    if len(tiles) != 1:
        raise UsageError(f"{len(tiles)} tiles: expected one; draw them one at a time")
    path = find_onnx(model)
    network = InnerNetwork(path)
    card = Card.load(locate_card(path))
    numbers = [number for number, layer in enumerate(network.layers) if layer.has_maps]
    outputs = network.run(tiles, numbers)
    stacks = []
    for number in numbers:
        maps = outputs[number][0].transpose(2, 0, 1)
        strongest = np.argsort(-np.abs(maps).sum(axis=(1, 2)), kind="stable")[:n]
        layer = network.layers[number]
        title = f"{number + 1}: {layer.describe()}: {len(strongest)} of {len(maps)} maps"
        stacks.append((title, maps[strongest]))
    heights = [1.5, *(math.ceil(len(maps) / _COLUMNS) + 0.5 for _, maps in stacks)]
    figure = build_figure(9, 1.2 * sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    left, right = parts[0].subplots(1, 2, width_ratios=(1, 4))
    _show(left, tiles[0], "gray_r", 255)
    probabilities = network.classify(tiles)[0]
    right.bar([card.name_label(label) for label in range(len(probabilities))], 100 * probabilities)
    right.set_ylabel("Probability (%)")
    right.set_ylim(0, 100)
    for part, (title, maps) in zip(parts[1:], stacks, strict=True):
        _draw_grid(part, title, maps, "viridis", (float(maps.min()), float(maps.max()) or 1.0))
    return figure


def plot_filters(model: Any = DEFAULT_MODEL, *, n: int = 64) -> Figure:
    """Draws the filters of the first layer of a network for tiles.

    Args:
        model: As in `plot_activations`.
        n: Maximum number of filters.

    Returns:
        A figure with a panel for each filter, each scaled by its largest weight: red weights answer
        to ink, blue ones to its absence.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ModelError: The model is missing, damaged, that of a reader, or without weights for pixels.
        UsageError: `n` is less than 1.
    """
    _check_n(n)
    filters = InnerNetwork(find_onnx(model)).get_filters()
    shown = filters[:n]
    highest = np.abs(shown).max(axis=(1, 2), keepdims=True)
    scaled = shown / np.where(highest > 0, highest, 1)
    figure = build_figure(9, 1.15 * math.ceil(len(shown) / _COLUMNS) + 0.8)
    size = " × ".join(map(str, shown.shape[1:]))
    title = f"{len(shown)} of {len(filters)} filters of the first layer, {size}"
    _draw_grid(figure, title, scaled, "RdBu_r", (-1.0, 1.0))
    return figure


def plot_embedding(
    model: Any = DEFAULT_MODEL,
    *,
    images: str = "validation",
    data: Path | str | None = None,
    n: int = 1_000,
    seed: int = 0,
) -> Figure:
    """Draws a map of digits: those that the network finds similar lie close together.

    Args:
        model: As in `plot_activations`, with its card.
        images: As in `report`.
        data: As in `report`.
        n: Number of images, chosen at random, at least 10; 1,000 take about five seconds.
        seed: Seed of the choice and of the map.

    Returns:
        A figure with one panel: each image is its true digit, circled if it was misread. Of other
        classes, it is the name, or the label if names are long.

    Raises:
        MissingExtraError: matplotlib or scikit-learn is not installed.
        ModelError: The model is missing, damaged, or that of a reader.
        UsageError: As in `report`, or `n` is less than 10.
        DataFormatError, DataUnavailableError: The images are missing or damaged.
    """
    path = find_onnx(model)
    recognizer = Recognizer.load(path)
    shown = choose_images(recognizer.card, images, data)
    order = np.random.default_rng(seed).permutation(len(shown.labelled))[:n]
    labelled = shown.labelled.take(order)
    wrong = recognizer.classify(labelled.images).argmax(axis=1) != labelled.labels
    places = embed_points(InnerNetwork(path).embed(labelled.images), seed)
    figure = build_figure(9, 9)
    axes = figure.subplots()
    from matplotlib import colormaps

    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    signs = choose_signs(recognizer.card)
    for (x, y), label in zip(places, labelled.labels.tolist(), strict=True):
        colour = colours[label % len(colours)]
        axes.text(x, y, signs[label], color=colour, fontsize=8, ha="center", va="center")
    axes.plot(*places[wrong].T, "o", markersize=12, fillstyle="none", color=RED)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[], yticks=[])
    set_title(axes, f"{len(labelled):,} of {shown.description}\n{wrong.sum():,} misread (circled)")
    return figure


def plot_batch(
    recipe: Any = "pictures",
    *,
    data: Path | str | None = None,
    dataset: str | Path | None = None,
    n: int = 40,
    seed: int = 0,
) -> Figure:
    """Draws images as a recipe draws them for training, with augmentation and labels.

    Args:
        recipe: Name of a recipe for tiles, or a run or its folder.
        data: Images to train on, as in `train`. None: MNIST; of a run for other classes than
            digits, the images that it was trained on.
        dataset: As in `train`, for the names of the classes; a run knows them.
        n: Number of images.
        seed: Seed of the choice and of the augmentation.

    Returns:
        A figure with a panel for each image.

    Raises:
        MissingExtraError: matplotlib is not installed.
        RecipeError: The recipe is unknown, or not one for tiles.
        RunError: The settings of the run are damaged.
        UsageError: `n` is less than 1, or the data set is unknown or not that of the run.
        DataFormatError, DataUnavailableError: The images are missing or damaged.
    """
    _check_n(n)
    from inkdigits.data.leakage import load_training_data

    class_names, data = choose_class_names(dataset, data)
    if isinstance(recipe, str) and not is_run(Path(recipe)):
        found = set_classes(get_recipe(recipe), len(find_classes(class_names).names))
    else:
        settings = Run.open(recipe).load_settings()
        found = settings.recipe
        if dataset is not None and class_names != settings.class_names:
            raise UsageError(f"{recipe} was trained on other classes: leave dataset out")
        class_names = settings.class_names
        if data is None and class_names:
            data = settings.data
    training = (
        fetch_mnist() if data is None else load_training_data(data, class_names=class_names)
    ).train
    tiles, labels = draw_batch(found, training, n, seed)
    figure = build_figure(9, 1.35 * math.ceil(len(tiles) / _COLUMNS) + 0.8)
    shown = [*find_classes(class_names).names, "none"]
    names = [shown[label] for label in labels.tolist()]
    title = f"As “{found.name}” trains on them: augmentation “{found.augmentation}”"
    _draw_grid(figure, title, tiles, "gray_r", (0, 255), names)
    return figure


def _check_n(n: int) -> None:
    if n < 1:
        raise UsageError(f"n is {n}: expected 1 or more to draw")


def _draw_grid(
    figure: Figure | SubFigure,
    title: str,
    arrays: NDArray[Any],
    colours: str,
    limits: tuple[float, float],
    names: Sequence[str] = (),
) -> None:
    rows = math.ceil(len(arrays) / _COLUMNS)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(arrays):
            axes.set_axis_off()
            continue
        _show(axes, arrays[number], colours, limits[1], limits[0])
        if names:
            axes.set_xlabel(names[number], fontsize=10)


def _show(axes: Axes, pixels: NDArray[Any], colours: str, high: float, low: float = 0) -> None:
    axes.imshow(pixels, cmap=colours, vmin=low, vmax=high)
    axes.set_xticks([])
    axes.set_yticks([])
