"""The learning-rate range test: the loss while the learning rate rises (Smith, 2017).

A network is trained for a few hundred steps. From step to step, the learning rate grows by the same
factor, from far too low to far too high: the loss stays, falls, and at last explodes. A good rate
lies where it falls, below the rate with the lowest loss.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import split_validation
from inkdigits.data.class_names import choose_class_names
from inkdigits.data.datasets import find_classes
from inkdigits.data.leakage import load_training_data
from inkdigits.errors import OutputExistsError, TrainingInterrupted, UsageError
from inkdigits.evaluation.learning_rate_plot import plot_learning_rates
from inkdigits.evaluation.plots import save_figure
from inkdigits.files import find_free_name, write_text_whole
from inkdigits.training.fit.entry_points import choose_recipe
from inkdigits.training.fit.interruption import sigterm_as_interrupt
from inkdigits.training.fit.own_callbacks import OwnCallbacks
from inkdigits.training.fit.tile_fit import TileFit
from inkdigits.training.fit.tile_report import TileReport
from inkdigits.training.networks.frameworks import (
    has_16_bit_arithmetic,
    load_keras,
    make_deterministic,
)
from inkdigits.training.recipes.recipe_fields import TileFields
from inkdigits.training.recipes.tile_recipe import Recipe, set_classes
from inkdigits.training.samples.tile_epochs import EpochFeed, draw_tiles, encode_targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST: Final = 1e-6
HIGHEST: Final = 10.0
"""The rates of the first and the last step; recipes allow no higher one."""
STEPS: Final = 300
_DIVERGED: Final = 4.0
"""The test ends when the smoothed loss is so many times the lowest one."""
_SMOOTHING: Final = 0.95
"""Share of the running mean of losses that each step keeps."""
_MARGIN: Final = 10.0
"""The proposed rate is the one with the lowest loss, divided by this."""


@dataclass(frozen=True, eq=False, repr=False)
class LearningRateTest:
    """The result of a learning-rate range test.

    Attributes:
        folder: The folder with `learning_rate.csv` and `learning_rate.png`.
        recipe: The recipe that was tested.
        rates: Learning rate of each step, float64, shape (n,), rising.
        losses: Loss of each step, of its batch alone, float64, shape (n,).
        smoothed: Running mean of the losses, float64, shape (n,).
    """

    folder: Path
    recipe: Recipe
    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest, over the logarithm of the rate."""
        end = int(np.argmin(self.smoothed)) + 1
        if end < 3:
            return float(self.rates[0])
        slopes = np.gradient(self.smoothed[:end], np.log(self.rates[:end]))
        return float(self.rates[int(np.argmin(slopes))])

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest."""
        return float(self.rates[int(np.argmin(self.smoothed))])

    @property
    def suggestion(self) -> float:
        """The proposed learning rate, of two digits: a tenth of the rate with the lowest loss."""
        return float(f"{self.lowest / _MARGIN:.1e}")

    def __repr__(self) -> str:
        return f"LearningRateTest({self.recipe.name!r}, suggestion={self.suggestion:g})"

    def to_dict(self) -> dict[str, Any]:
        """Returns the test as plain values."""
        return {
            "folder": str(self.folder),
            "recipe": self.recipe.name,
            "suggestion": self.suggestion,
            "steepest": self.steepest,
            "lowest": self.lowest,
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
        }

    def plot(self) -> Figure:
        """Draws the loss against the learning rate; raises as `plot_curves` does."""
        return plot_learning_rates(
            self.rates, self.losses, self.smoothed, self.suggestion, self.recipe.learning_rate
        )


def find_learning_rate(
    recipe: str | os.PathLike[str] | Recipe = "quick",
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    seed: int = 0,
    data: Path | str | None = None,
    dataset: str | Path | None = None,
    output: Path | str | None = None,
    progress: bool = True,
    **fields: Unpack[TileFields],
) -> LearningRateTest:
    """Proposes a learning rate: trains for 300 steps while the rate rises (Smith, 2017).

        test = inkdigits.find_learning_rate("quick", optimizer="lion")
        inkdigits.train("quick", optimizer="lion", learning_rate=test.suggestion)

    The steps are those of the recipe, with its augmentation, loss and batches, and without its
    schedule. The proposal is a tenth of the rate with the lowest loss. It is a start, not the best
    rate: with a schedule such as "one-cycle", a few times as much can be better.

    Args:
        recipe: As in `train`, for tiles.
        overrides: As in `train`.
        seed: Seed of the weights and of the images.
        data: As in `train`.
        dataset: As in `train`.
        output: The folder for `learning_rate.csv` and `learning_rate.png`, which must not exist;
            None: the first of `runs/<recipe>-learning-rate`, … that does not exist.
        progress: Whether to report progress on stderr.
        fields: Fields of the recipe to replace, such as `batch_size=64`.

    Returns:
        The rates, the losses and the proposal.

    Raises:
        UsageError: A recipe of a reader, or a loss that is not finite at the lowest rate.
        OutputExistsError: `output` exists.
        TrainingInterrupted: Ctrl-C or SIGTERM; nothing is written.
        RecipeError, DataFormatError, DataUnavailableError, MissingExtraError: As in `train`.
    """
    chosen, _ = choose_recipe(
        recipe, overrides, fields, options=["seed", "data", "dataset", "output", "progress"]
    )
    if not isinstance(chosen, Recipe):
        raise UsageError(
            f"{chosen.name} is trained on drawn pages: --find-learning-rate tests networks for "
            "tiles, such as quick"
        )
    folder = Path(output) if output is not None else None
    if folder is not None and folder.exists():
        raise OutputExistsError(f"{folder} exists already: choose another folder")
    names, data = choose_class_names(dataset, data)
    chosen = set_classes(chosen, len(find_classes(names).names))
    rates, losses = _measure(chosen, seed, data, names, progress=progress)
    if not len(losses):
        raise UsageError(
            f"the loss of {chosen.name} is not finite even at the learning rate {LOWEST:g}: check "
            "the network and the loss of the recipe"
        )
    folder = folder or find_free_name(Path("runs") / f"{chosen.name}-learning-rate")
    test = LearningRateTest(folder, chosen, rates, losses, smooth_losses(losses))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learning_rate", "loss", "smoothed"])
    writer.writerows(zip(rates, losses, test.smoothed, strict=True))
    save_figure(test.plot(), folder / "learning_rate.png")
    write_text_whole(folder / "learning_rate.csv", text.getvalue())
    return test


def smooth_losses(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the exponential running mean of losses, corrected for its start at 0.

    The correction is that of Adam's means (Kingma and Ba, 2015).

    Args:
        losses: float64, shape (n,).

    Returns:
        float64, shape (n,).
    """
    mean, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * float(loss)
        smoothed.append(mean / (1 - _SMOOTHING**step))
    return np.array(smoothed, np.float64)


def _measure(
    recipe: Recipe,
    seed: int,
    data: Path | str | None,
    class_names: tuple[str, ...],
    *,
    progress: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trains while the rate rises, and returns rate and loss of each step."""
    if not has_16_bit_arithmetic():
        recipe = replace(recipe, precision="float32")
    images = load_training_data(data, class_names=class_names, progress=progress).train
    training, validation = split_validation(images, recipe.validation_images, seed)
    n_images = min(len(training), STEPS * recipe.batch_size)
    training = training.take(np.arange(min(n_images, recipe.training_images or n_images)))
    n_tiles = len(training) + round(recipe.outliers * len(training))
    n_steps = -(-n_tiles // recipe.batch_size)
    # Few images are repeated, as in the epochs of training.
    recipe = replace(
        recipe,
        schedule="constant",
        learning_rate=LOWEST,
        epochs=-(-STEPS // n_steps),
        patience=None,
    )
    few, labels = draw_tiles(
        recipe, validation.images[:1], validation.labels[:1], np.random.default_rng(seed)
    )
    report = TileReport(f"testing learning rates of {recipe.name}", recipe, enabled=progress)
    feed: EpochFeed | None = None
    try:
        with sigterm_as_interrupt():
            make_deterministic(seed)
            validated = few, encode_targets(recipe, labels)
            fit = TileFit.start(recipe, seed, n_tiles, validated, None, steps_at_once=1)
            # A schedule is computed within a step, which every backend can do.
            fit.network.optimizer.learning_rate = (
                load_keras().optimizers.schedules.ExponentialDecay(
                    LOWEST, decay_steps=STEPS, decay_rate=HIGHEST / LOWEST
                )
            )
            losses: list[float] = []
            watch = _build_watch(losses)
            fit.callbacks = OwnCallbacks(
                [watch], fit.network, n_epochs=recipe.epochs, n_steps=n_steps
            )
            fit.callbacks.start()
            feed = EpochFeed(recipe, training, seed, len(fit.noisy_layers))
            while not fit.is_over:
                fit.run_epoch(feed, report)
    except KeyboardInterrupt:
        raise TrainingInterrupted("stopped before a learning rate was found") from None
    finally:
        report.close()
        if feed is not None:
            feed.close()
    steps = np.arange(len(losses))
    return LOWEST * (HIGHEST / LOWEST) ** (steps / STEPS), np.array(losses, np.float64)


def _build_watch(losses: list[float]) -> Any:
    """Returns a Keras callback that notes the loss of each step, and ends when it explodes."""

    class Watch(load_keras().callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.total = 0.0

        def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
            # Keras reports the mean over the epoch so far.
            total = float(logs["loss"]) * (batch + 1)
            loss, self.total = total - self.total, total
            if len(losses) < STEPS and math.isfinite(loss):
                losses.append(loss)
                smoothed = smooth_losses(np.array(losses))
                if smoothed[-1] <= _DIVERGED * smoothed.min():
                    return
            self.model.stop_training = True

    return Watch()
