from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from sklearn.calibration import calibration_curve

from inkdigits.errors import (
    DataFormatError,
    InkdigitsError,
    MissingExtraError,
    ModelError,
    OutputError,
    UsageError,
)
from inkdigits.evaluation import (
    plot_confusion_matrix,
    plot_curves,
    plot_mistakes,
    plot_reliability,
    plot_sample_predictions,
    save_figure,
    score,
)

RNG = np.random.default_rng(0)
N = 400
LABELS = RNG.integers(0, 10, N).astype(np.uint8)
LOGITS = RNG.normal(size=(N, 10)) + 3 * np.eye(10)[LABELS]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
# Each tile carries its number in its first two pixels, so that a plot shows which one it drew.
IMAGES = np.zeros((N, 28, 28), np.uint8)
IMAGES[:, 0, 0], IMAGES[:, 0, 1] = np.divmod(np.arange(N), 256)
CERTAIN = np.eye(10)[LABELS]
HISTORY = [
    {"epoch": 1, "loss": 0.31, "accuracy": 0.72, "val_loss": 0.09, "val_accuracy": 0.975},
    {"epoch": 2, "loss": 0.09, "accuracy": 0.974, "val_loss": 0.07, "val_accuracy": 0.981},
    {"epoch": 3, "loss": 0.06, "accuracy": 0.982, "val_loss": 0.05, "val_accuracy": 0.986},
    {"epoch": 4, "loss": 0.05, "accuracy": 0.985, "val_loss": 0.06, "val_accuracy": 0.984},
]
TITLE = re.compile(r"(✗ )?Pred: (\d) \((> )?(\d+\.\d) %\)\nTrue: (\d)")


def render(figure: Figure, folder: Path) -> NDArray[np.uint8]:
    """What a figure looks like: uint8, shape (height, width, 3)."""
    save_figure(figure, folder / "figure.png")
    with Image.open(folder / "figure.png") as image:
        return np.asarray(image.convert("RGB"))


def find_tiles(figure: Figure) -> list[tuple[Axes, int]]:
    """The panels that show a tile, each with the number of the tile."""
    pixels = [(axes, axes.images[0].get_array()) for axes in figure.axes if axes.images]
    return [
        (axes, 256 * int(tile[0, 0]) + int(tile[0, 1])) for axes, tile in pixels if tile is not None
    ]


def read_text(figure: Figure) -> str:
    suptitle = figure.get_suptitle()
    return " ".join([suptitle, *(text.get_text() for text in figure.texts)])


@pytest.mark.parametrize("epoch_count", [1, 2, 4])
def test_the_curves_show_the_history(epoch_count: int, tmp_path: Path) -> None:
    history = HISTORY[:epoch_count]
    figure = plot_curves(history)
    render(figure, tmp_path)
    for axes, key, factor in zip(figure.axes, ("accuracy", "loss"), (100, 1), strict=True):
        training, validation = axes.get_lines()
        for line, name in ((training, key), (validation, f"val_{key}")):
            np.testing.assert_array_equal(np.asarray(line.get_xdata()), range(1, epoch_count + 1))
            np.testing.assert_allclose(
                np.asarray(line.get_ydata()), [factor * row[name] for row in history]
            )
            assert line.get_marker() in ("o", "s")
        left, right = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if left <= tick <= right]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)
        assert f"at epoch {epoch_count}" in axes.get_title()
    assert f"{100 * history[-1]['val_accuracy']:.2f} %" in figure.axes[0].get_title()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["training", "validation"]


@pytest.mark.parametrize("best", [0.986, 1.0])
def test_a_first_epoch_far_below_is_shown_and_does_not_squeeze_the_others(
    best: float, tmp_path: Path
) -> None:
    figure = plot_curves([*HISTORY, {**HISTORY[2], "epoch": 5, "val_accuracy": best}])
    render(figure, tmp_path)
    axes = figure.axes[0]
    frame = axes.get_window_extent()
    heights = []
    for line in axes.get_lines():
        points = axes.transData.transform(np.asarray(line.get_xydata()))
        assert ((points >= frame.min) & (points <= frame.max)).all()
        heights.append(points[:, 1])
    training = heights[0]
    # 72 to 97.4 is 25 times as much as 97.4 to 98.5, but a bit over 4 times as high.
    assert training[1] - training[0] < 5 * (training[3] - training[1])
    bottom, top = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if bottom <= tick <= top]
    assert {80, 90, 95, 98} <= set(shown)
    assert "logarithm" in axes.get_ylabel()


def test_epochs_all_alike_in_range_are_shown_whole(tmp_path: Path) -> None:
    figure = plot_curves(HISTORY[1:])
    render(figure, tmp_path)
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < 97.4
    assert top > 98.6
    assert not figure.axes[0].texts


def test_the_kept_epoch_is_marked() -> None:
    figure = plot_curves(HISTORY, best_epoch=3)
    for axes in figure.axes:
        kept = [line for line in axes.get_lines() if line.get_label() == "weights kept"]
        assert len(kept) == 1
        assert list(np.asarray(kept[0].get_xdata())) == [3, 3]
        assert axes.get_title().endswith("at epoch 3")
    assert "98.60 %" in figure.axes[0].get_title()


@pytest.mark.parametrize("keys", [("loss", "val_loss"), ("val_accuracy",), tuple(HISTORY[0])[1:]])
def test_a_run_that_diverged_is_drawn_too(keys: tuple[str, ...], tmp_path: Path) -> None:
    history = [row | dict.fromkeys(keys, math.nan) for row in HISTORY]
    assert render(plot_curves(history), tmp_path).std() > 0


@pytest.mark.parametrize(
    ("history", "best_epoch", "message"),
    [
        ([], None, "the history is empty"),
        ([{"epoch": 1, "loss": 0.1}], None, "lacks accuracy, val_loss, val_accuracy"),
        (HISTORY, 5, "best_epoch is 5: expected one of the epochs 1 to 4"),
    ],
)
def test_an_invalid_history_raises(
    history: list[dict[str, float]], best_epoch: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plot_curves(history, best_epoch=best_epoch)


def test_the_confusion_matrix_shows_every_count(tmp_path: Path) -> None:
    evaluation = score(PROBABILITIES, LABELS)
    figure = plot_confusion_matrix(evaluation.confusion_matrix)
    render(figure, tmp_path)
    axes = figure.axes[0]
    shown = np.full((10, 10), -1)
    for text in axes.texts:
        predicted, truth = text.get_position()
        count = text.get_text()
        shown[int(truth), int(predicted)] = 0 if count == "·" else int(count.replace(",", ""))
    np.testing.assert_array_equal(shown, evaluation.confusion_matrix)
    assert axes.get_xlabel().startswith("Predicted")
    assert axes.get_ylabel().startswith("True")
    expected = f"Accuracy {100 * evaluation.accuracy:.2f} %: {evaluation.mistakes} mistakes in 400"
    assert axes.get_title() == expected


def test_a_rare_error_stands_out_beside_a_large_diagonal(tmp_path: Path) -> None:
    matrix = 1000 * np.eye(10, dtype=np.int64)
    matrix[4, 9] = 8
    figure = plot_confusion_matrix(matrix)
    pixels = render(figure, tmp_path)
    axes = figure.axes[0]

    def colour_at(truth: int, predicted: int) -> NDArray[np.int64]:
        # A corner of the cell, clear of the number in its middle.
        column, row = axes.transData.transform((predicted - 0.4, truth - 0.4)) * 150 / figure.dpi
        return np.asarray(pixels[len(pixels) - 1 - int(row), int(column)], np.int64)

    empty, error, diagonal = colour_at(2, 3), colour_at(4, 9), colour_at(4, 4)
    assert np.abs(error - empty).max() > 100
    assert np.abs(error - diagonal).max() > 100
    assert np.abs(diagonal - empty).max() > 30


@pytest.mark.parametrize(
    ("matrix", "title"),
    [
        (np.eye(10, dtype=np.int64), "Accuracy 100.00 %: 0 mistakes in 10"),
        (np.diag([0, 12_345] + [0] * 8), "Accuracy 100.00 %: 0 mistakes in 12,345"),
        (np.eye(10, k=9, dtype=np.int64), "Accuracy 0.00 %: 1 mistake in 1"),
    ],
)
def test_matrices_at_the_edge_are_drawn(
    matrix: NDArray[np.int64], title: str, tmp_path: Path
) -> None:
    figure = plot_confusion_matrix(matrix)
    assert render(figure, tmp_path).std() > 0
    assert figure.axes[0].get_title() == title


@pytest.mark.parametrize(
    "matrix",
    [np.eye(9, dtype=np.int64), np.eye(10), np.zeros((10, 10), np.int64), -np.eye(10, dtype=int)],
)
def test_an_invalid_confusion_matrix_raises(matrix: NDArray[Any]) -> None:
    with pytest.raises(UsageError, match="confusion matrix"):
        plot_confusion_matrix(matrix)


@pytest.mark.parametrize("n", [1, 3, 25, 30])
def test_each_sample_says_what_was_predicted_and_what_is_true(n: int, tmp_path: Path) -> None:
    figure = plot_sample_predictions(IMAGES, LABELS, PROBABILITIES, n=n)
    render(figure, tmp_path)
    tiles = find_tiles(figure)
    assert len({number for _, number in tiles}) == n
    right = 0
    for axes, number in tiles:
        found = TITLE.fullmatch(axes.get_title())
        assert found
        cross, predicted, above, confidence, truth = found.groups()
        assert int(predicted) == PROBABILITIES[number].argmax()
        assert int(truth) == LABELS[number]
        assert above or float(confidence) == pytest.approx(
            100 * PROBABILITIES[number].max(), abs=0.06
        )
        right += predicted == truth
        assert bool(cross) == (predicted != truth)
        assert (to_rgb(axes.title.get_color()) == to_rgb("black")) == (predicted == truth)
    assert read_text(figure).startswith(f"{n} of 400 tiles at random: {right} read correctly")


@pytest.mark.parametrize("n", [1, 7, 30])
def test_long_names_neither_touch_nor_leave_the_figure(n: int) -> None:
    names = ["extraordinarily long", *(f"a longer name {digit}" for digit in range(1, 10))]
    figure = plot_sample_predictions(IMAGES, LABELS, PROBABILITIES, n=n, names=names)
    figure.draw_without_rendering()

    places = [axes.title.get_window_extent() for axes, _ in find_tiles(figure)]

    assert not any(one.overlaps(other) for one, other in itertools.combinations(places, 2))
    assert min(place.x0 for place in places) >= 0
    assert max(place.x1 for place in places) <= figure.bbox.x1


def test_the_seed_chooses_the_samples() -> None:
    def choose(seed: int) -> list[int]:
        figure = plot_sample_predictions(IMAGES, LABELS, PROBABILITIES, n=9, seed=seed)
        return [number for _, number in find_tiles(figure)]

    assert choose(1) == choose(1)
    assert choose(1) != choose(2)


def test_fewer_tiles_than_asked_for_are_all_drawn(tmp_path: Path) -> None:
    figure = plot_sample_predictions(IMAGES[:7], LABELS[:7], PROBABILITIES[:7])
    assert render(figure, tmp_path).std() > 0
    assert sorted(number for _, number in find_tiles(figure)) == list(range(7))


@pytest.mark.parametrize(("confidence", "text"), [(0.99949, "(99.9 %)"), (0.99951, "(> 99.9 %)")])
def test_a_confidence_is_never_rounded_up_to_certainty(confidence: float, text: str) -> None:
    probabilities = np.full((1, 10), (1 - confidence) / 9)
    probabilities[0, 3] = confidence
    figure = plot_sample_predictions(IMAGES[:1], np.array([3]), probabilities)
    assert text in figure.axes[0].get_title()


@pytest.mark.parametrize("n", [1, 4, 1000])
def test_the_mistakes_come_most_confident_first(n: int, tmp_path: Path) -> None:
    wrong = [i for i in range(N) if PROBABILITIES[i].argmax() != LABELS[i]]
    assert len(wrong) > 4
    expected = sorted(wrong, key=lambda i: -PROBABILITIES[i].max())[:n]
    figure = plot_mistakes(IMAGES, LABELS, PROBABILITIES, n=n)
    render(figure, tmp_path)
    assert [number for _, number in find_tiles(figure)] == expected
    assert all("✗" in axes.get_title() for axes, _ in find_tiles(figure))
    assert read_text(figure).startswith(f"{len(wrong)} mistakes in 400 tiles")
    assert (f"the {n} most confident" in read_text(figure)) == (n < len(wrong))


def test_no_mistake_is_good_news(tmp_path: Path) -> None:
    figure = plot_mistakes(IMAGES, LABELS, CERTAIN)
    assert render(figure, tmp_path).std() > 0
    assert "No mistakes" in read_text(figure)
    assert "all 400 tiles" in read_text(figure)


@pytest.mark.parametrize(
    ("images", "labels", "probabilities", "n", "error", "message"),
    [
        (IMAGES[:5], LABELS, PROBABILITIES, 9, DataFormatError, r"images are uint8 of shape \(5,"),
        (IMAGES / 255, LABELS, PROBABILITIES, 9, DataFormatError, "images are float64"),
        (IMAGES[..., None], LABELS, PROBABILITIES, 9, DataFormatError, r"28, 28, 1\)"),
        (IMAGES, LABELS, PROBABILITIES[:5], 9, ModelError, r"shape \(5, 10\)"),
        (IMAGES[:0], LABELS[:0], PROBABILITIES[:0], 9, DataFormatError, "no labelled tile"),
        (IMAGES, LABELS, PROBABILITIES, 0, UsageError, "n is 0: expected 1 or more tiles"),
    ],
)
@pytest.mark.parametrize("plot", [plot_sample_predictions, plot_mistakes])
def test_arrays_of_other_shapes_or_types_raise(
    plot: Callable[..., Figure],
    images: NDArray[Any],
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    n: int,
    error: type[InkdigitsError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        plot(images, labels, probabilities, n=n)


def test_the_reliability_agrees_with_scikit_learn(tmp_path: Path) -> None:
    figure = plot_reliability(PROBABILITIES, LABELS)
    render(figure, tmp_path)
    axes, count_axes = figure.axes
    confidences = PROBABILITIES.max(axis=1)
    right = PROBABILITIES.argmax(axis=1) == LABELS
    accuracy, confidence = calibration_curve(right, confidences, n_bins=15)
    points = axes.get_lines()[1]
    np.testing.assert_allclose(np.asarray(points.get_xdata(), np.float64), 100 * confidence)
    np.testing.assert_allclose(np.asarray(points.get_ydata(), np.float64), 100 * accuracy)
    counts = [bar.get_height() for bar in count_axes.patches]  # type: ignore[attr-defined]
    assert sorted(counts) == sorted(c for c in np.histogram(confidences, 15, (0, 1))[0] if c)
    error = 100 * score(PROBABILITIES, LABELS).expected_calibration_error
    assert axes.get_title().startswith(f"Calibration error {error:.2f} %")


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (CERTAIN, LABELS),
        (CERTAIN, (LABELS + 1) % 10),
        (PROBABILITIES[:1], LABELS[:1]),
        (np.full((3, 10), 0.1), np.array([0, 1, 2])),
    ],
)
def test_reliability_at_the_edge_is_drawn(
    probabilities: NDArray[np.float64], labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    assert render(plot_reliability(probabilities, labels), tmp_path).std() > 0


def test_a_figure_is_saved_at_150_dots_per_inch_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "curves.png"
    figure = plot_mistakes(IMAGES, LABELS, CERTAIN)
    save_figure(figure, path)
    figure = plot_curves(HISTORY)
    save_figure(figure, str(path))
    with Image.open(path) as image:
        assert image.format == "PNG"
        expected = [150 * inches for inches in figure.get_size_inches()]
        np.testing.assert_allclose(image.size, expected, atol=1)
    assert list(path.parent.iterdir()) == [path]


def test_a_figure_that_cannot_be_saved_leaves_nothing_behind(tmp_path: Path) -> None:
    figure = plot_curves(HISTORY)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "a.png", tmp_path / "folder.png"):
        with pytest.raises(OutputError, match="cannot be written") as caught:
            save_figure(figure, path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize("name", ["curves", "curves.jpg", "curves.svg"])
def test_a_name_that_is_no_png_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a file name that ends in \.png"):
        save_figure(plot_curves(HISTORY), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules makes Python treat a module as one that is not installed.
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "inkdigits\[plot\]"'):
        plot_curves(HISTORY)


def test_the_import_loads_no_matplotlib_and_a_plot_no_pyplot() -> None:
    program = f"""
import sys
import inkdigits.evaluation
assert not any(name.startswith("matplotlib") for name in sys.modules)
inkdigits.evaluation.plot_curves({HISTORY!r}).savefig("/dev/null", format="png")
assert "matplotlib.figure" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
