"""The fit of the reader's two networks, step by step, so that it can go on where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import RunError
from inkdigits.files import write_whole
from inkdigits.training.frameworks import has_16_bit_arithmetic, load_keras
from inkdigits.training.reader_feed import Part, Source, draw_batches
from inkdigits.training.reader_networks import build_detector, build_judge
from inkdigits.training.reader_recipes import ReaderRecipe
from inkdigits.training.reader_targets import compute_detector_loss

HISTORY_COLUMNS: Final = ("part", "step", "samples", "loss", "samples_per_s")
CHECKPOINT_S: Final = 120.0
REPORT_STEPS: Final = 50
_WARMUP_STEPS: Final = 500
_DECAY: Final = 0.3
"""The rate rises over the first steps, falls to 0 over the last share of them, and is level in
between, so that a fit can be lengthened (Hägele et al., 2024)."""


@dataclass(eq=False)
class PartFit:
    """One of the two networks, and how far its fit has come."""

    part: Part
    recipe: ReaderRecipe
    network: Any
    step: int = 0

    @property
    def n_steps(self) -> int:
        """Steps of the whole fit."""
        recipe = self.recipe
        if self.part == "detector":
            return -(-recipe.detector_pages // recipe.page_batch)
        return -(-recipe.judge_windows // recipe.window_batch)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        rising = (self.step + 1) / _WARMUP_STEPS
        falling = (self.n_steps - self.step) / max(_DECAY * self.n_steps, 1)
        return self.recipe.learning_rate * min(1.0, rising, falling)

    @property
    def batch(self) -> int:
        """Samples for each step."""
        return self.recipe.page_batch if self.part == "detector" else self.recipe.window_batch

    @classmethod
    def start(cls, part: Part, recipe: ReaderRecipe, seed: int) -> PartFit:
        """Builds and compiles the network."""
        keras = load_keras()
        keras.utils.set_random_seed(seed)
        precision = recipe.precision if has_16_bit_arithmetic() else "float32"
        build = build_detector if part == "detector" else build_judge
        fit = cls(part, recipe, build(precision))
        optimizer = keras.optimizers.AdamW(
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            global_clipnorm=5.0,
            use_ema=True,
            ema_momentum=recipe.average,
        )
        loss: Any = compute_detector_loss
        if part == "judge":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        fit.network.compile(optimizer, loss)
        optimizer.build(fit.network.trainable_variables)
        return fit

    def run_step(self, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """One step on a batch; returns its loss."""
        self.network.optimizer.learning_rate = self.rate
        outputs = self.network.train_on_batch(inputs[..., np.newaxis].astype(np.float32), targets)
        self.step += 1
        return float(np.asarray(outputs).reshape(-1)[0])

    def save(self, path: Path) -> None:
        """Writes all that the fit goes on from; replaces `path`."""
        arrays = {
            f"{kind}-{index:03}": np.asarray(variable.numpy())
            for kind, variables in (
                ("weights", self.network.variables),
                ("optimizer", self.network.optimizer.variables),
            )
            for index, variable in enumerate(variables)
        }
        with write_whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, step=self.step, **arrays)

    def restore(self, path: Path) -> None:
        """Takes up what `save` wrote.

        Raises:
            RunError: The file is damaged, or of another network.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                for kind, variables in (
                    ("weights", self.network.variables),
                    ("optimizer", self.network.optimizer.variables),
                ):
                    for index, variable in enumerate(variables):
                        variable.assign(arrays[f"{kind}-{index:03}"])
                self.step = int(arrays["step"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RunError(
                f"{path} is not a checkpoint of this network ({error}): start a new run"
            ) from error

    def take_average(self) -> None:
        """Puts the running mean of the weights in the place of the weights."""
        self.network.optimizer.finalize_variable_values(self.network.trainable_variables)


def fit_part(
    part: Part,
    source: Source,
    folder: Path,
    *,
    n_processes: int,
    report: Callable[[dict[str, Any]], None],
) -> PartFit:
    """Fits one network to its end, or goes on with it.

    Args:
        part: Which.
        source: Of the pages.
        folder: Of the run; `<part>.npz` in it is the checkpoint.
        n_processes: Processes that draw pages.
        report: Is told a row of `HISTORY_COLUMNS` every 50 steps.

    Returns:
        The fit at its end, with averaged weights.
    """
    fit = PartFit.start(part, source.recipe, source.seed)
    checkpoint = folder / f"{part}.npz"
    if checkpoint.exists():
        fit.restore(checkpoint)
    saved = started = time.monotonic()
    losses: list[float] = []
    for batch in draw_batches(part, source, range(fit.step, fit.n_steps), n_processes):
        losses.append(fit.run_step(*batch))
        now = time.monotonic()
        if fit.step % REPORT_STEPS == 0 or fit.step == fit.n_steps:
            rate = len(losses) * fit.batch / max(now - started, 1e-9)
            report(
                {
                    "part": part,
                    "step": fit.step,
                    "samples": fit.step * fit.batch,
                    "loss": round(float(np.mean(losses)), 5),
                    "samples_per_s": round(rate, 1),
                }
            )
            started, losses = now, []
        if now - saved > CHECKPOINT_S or fit.step == fit.n_steps:
            fit.save(checkpoint)
            saved = now
    fit.take_average()
    return fit
