"""The training of the reader's networks, step by step, with checkpoints to continue from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import RunError
from inkdigits.files import write_whole
from inkdigits.training.fit.detector_loss import compute_detector_loss
from inkdigits.training.fit.interruption import interrupts_held_back
from inkdigits.training.networks.context_network import build_context
from inkdigits.training.networks.frameworks import has_16_bit_arithmetic, load_keras
from inkdigits.training.networks.reader_networks import build_detector, build_judge
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.samples.context_rows import NOT_COUNTED, vary_rows
from inkdigits.training.samples.light import vary_light
from inkdigits.training.samples.page_batches import Batch, Part, Source, draw_batches
from inkdigits.training.samples.warps import warp_windows

HISTORY_COLUMNS: Final = ("part", "step", "samples", "loss", "samples_per_s")
CHECKPOINT_S: Final = 120.0
"""Seconds between two checkpoints: at most this is lost if the machine stops. Writing one takes a
second."""
REPORT_STEPS: Final = 50
_WARMUP_STEPS: Final = 500
"""AdamW's estimates of squared gradients need some hundreds of steps to settle (β₂ = 0.999)."""
_DECAY: Final = 0.3
"""Fraction of the steps over which the learning rate falls to 0 at the end. It rises over the first
steps and is constant in between, so that training can be extended (Hägele et al., 2024)."""


_FURTHER_SHARE: Final = 1 / 3
"""Learning rate of a network that starts from trained weights, as a fraction of the others'."""
_KEPT_BATCHES: Final = 400
"""Number of batches from which those are chosen that are used again. 400 batches of 64 pages take 6
gigabytes."""


@dataclass(eq=False)
class PartFit:
    """One of the networks, with the progress of its training.

    Attributes:
        part: Which network.
        recipe: How it is trained.
        network: The compiled Keras model.
        step: Number of the next step, counted from 0.
        seconds: Training time so far, in seconds, without steps that were lost by interruptions.
    """

    part: Part
    recipe: ReaderRecipe
    network: Any
    step: int = 0
    seconds: float = 0.0

    @property
    def n_steps(self) -> int:
        """Number of steps of the whole training."""
        recipe = self.recipe
        samples = {
            "detector": recipe.detector_pages,
            "picture-judge": recipe.picture_windows,
            "context": recipe.context_pages,
        }
        n = samples.get(self.part, recipe.judge_windows)
        return -(-n // self.batch) * self.repeats

    @property
    def repeats(self) -> int:
        """Number of times that each sample is used."""
        recipe = self.recipe
        repeats = {"picture-judge": recipe.picture_repeats, "context": recipe.context_repeats}
        return repeats.get(self.part, recipe.repeats)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        rising = (self.step + 1) / _WARMUP_STEPS
        falling = (self.n_steps - self.step) / max(_DECAY * self.n_steps, 1)
        highest = self.recipe.learning_rate
        if self.part == "picture-judge":
            highest *= _FURTHER_SHARE
        return highest * min(1.0, rising, falling)

    @property
    def batch(self) -> int:
        """Number of samples per step."""
        recipe = self.recipe
        batches = {"detector": recipe.page_batch, "context": recipe.context_batch}
        return batches.get(self.part, recipe.window_batch)

    @classmethod
    def start(cls, part: Part, recipe: ReaderRecipe, seed: int, first: Any = None) -> PartFit:
        """Builds and compiles the network.

        Args:
            part: Which network.
            recipe: How it is trained. Its precision applies if the processor supports it.
            seed: Seed of the weights and of dropout.
            first: A network with the same layers, whose weights this one starts from; None: random
                weights, or those that the recipe says.

        Raises:
            RunError: The weights to start from are damaged, or belong to another network.
        """
        keras = load_keras()
        keras.utils.set_random_seed(seed)
        precision = recipe.precision if has_16_bit_arithmetic() else "float32"
        if part == "detector":
            network = build_detector(precision, recipe.detector_size)
        elif part == "context":
            network = build_context()
        else:
            network = build_judge(precision, "large" if part == "second-judge" else "small")
        fit = cls(part, recipe, network)
        optimizer = keras.optimizers.AdamW(
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            global_clipnorm=5.0,
            use_ema=True,
            ema_momentum=recipe.average,
        )
        loss: Any = compute_detector_loss
        if part != "detector":
            ignored = NOT_COUNTED if part == "context" else None
            loss = keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, ignore_class=ignored
            )
        if first is not None:
            network.set_weights(first.get_weights())
        # The others are trained in minutes, and anew for other networks before them.
        starts = part not in ("picture-judge", "context") and recipe.start_parts in ("both", part)
        if recipe.start is not None and starts:
            load_weights(part, fit.network, Path(recipe.start))
        fit.network.compile(optimizer, loss)
        optimizer.build(fit.network.trainable_variables)
        return fit

    def run_step(self, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """Trains on one batch.

        Args:
            inputs: Pictures, windows or rows, as `draw_batch` returns them. They are converted to
                float32.
            targets: Their targets or classes, as `draw_batch` returns them.

        Returns:
            The loss before the step.
        """
        self.network.optimizer.learning_rate = self.rate
        if self.part != "context":
            inputs = inputs[..., np.newaxis]
        # TensorFlow reports on stderr if it has no fast kernels for 16-bit numbers.
        inputs, targets = (
            array.astype(np.float32) if array.dtype == np.float16 else array
            for array in (inputs, targets)
        )
        outputs = self.network.train_on_batch(inputs, targets)
        self.step += 1
        return float(np.asarray(outputs).reshape(-1)[0])

    def save(self, path: Path) -> None:
        """Writes a checkpoint, and replaces `path`.

        Raises:
            OutputError: The disk is full, or the folder cannot be written.
        """
        arrays = {name: np.asarray(variable.numpy()) for name, variable in self._list_variables()}
        with write_whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, step=self.step, seconds=self.seconds, **arrays)  # type: ignore[arg-type]

    def restore(self, path: Path) -> None:
        """Restores a checkpoint that `save` wrote.

        Raises:
            RunError: The file is damaged, or belongs to another network.
        """
        variables = dict(self._list_variables())
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                # Checkpoints of early versions have no seconds.
                if set(arrays) - {"seconds"} != {"step", *variables}:
                    raise ValueError("other variables")
                for name, variable in variables.items():
                    variable.assign(arrays[name])
                self.step = int(arrays["step"])
                self.seconds = float(arrays["seconds"]) if "seconds" in arrays else 0.0
        except Exception as error:  # zipfile, NumPy and backends have no common error class
            reason = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise RunError(
                f"{path} is not a checkpoint of this network ({reason}): start a new run"
            ) from error

    def _list_variables(self) -> Iterator[tuple[str, Any]]:
        """Yields all variables of network and optimizer with their names in checkpoints."""
        for kind, variables in (
            ("weights", self.network.variables),
            ("optimizer", self.network.optimizer.variables),
        ):
            for index, variable in enumerate(variables):
                yield f"{kind}-{index:03}", variable

    def take_average(self) -> None:
        """Replaces the weights by their running mean."""
        self.network.optimizer.finalize_variable_values(self.network.trainable_variables)


def save_weights(networks: Mapping[Part, Any], path: Path) -> None:
    """Writes the weights of all networks, as float16 arrays `<part>-<number>`; replaces `path`.

    Raises:
        OutputError: The file cannot be written.
    """
    arrays = {
        f"{part}-{index:03}": np.asarray(value).astype(np.float16)
        for part, network in networks.items()
        for index, value in enumerate(network.get_weights())
    }
    with write_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_weights(part: Part, network: Any, path: Path) -> None:
    """Loads weights that `save_weights` wrote into a network.

    Raises:
        RunError: The file is damaged, or belongs to another network.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = sorted(name for name in arrays if name.startswith(f"{part}-"))
            network.set_weights([arrays[name].astype(np.float32) for name in names])
    except Exception as error:  # zipfile, NumPy and backends have no common error class
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise RunError(
            f"{path} does not contain weights of this {part} ({reason}): expected the weights.npz "
            "of a finished reader"
        ) from error


def fit_part(
    part: Part,
    source: Source,
    folder: Path,
    *,
    n_processes: int,
    report: Callable[[dict[str, Any]], None],
    first: Any = None,
) -> PartFit:
    """Trains one network to the end, from its checkpoint if there is one.

    Args:
        part: Which network.
        source: The settings and data that pages are drawn from.
        folder: The run folder; `<part>.npz` in it is the checkpoint.
        n_processes: Number of processes that draw pages.
        report: Called every 50 steps with a row of `HISTORY_COLUMNS`.
        first: As in `PartFit.start`.

    Returns:
        The finished fit, with averaged weights.

    Raises:
        RunError: The checkpoint is damaged, or a process that draws pages died.
        OutputError: The checkpoint cannot be written.
        KeyboardInterrupt: Ctrl-C or SIGTERM. The checkpoint then includes the last complete step.
    """
    fit = PartFit.start(part, source.recipe, source.seed, first)
    checkpoint = folder / f"{part}.npz"
    if checkpoint.exists():
        fit.restore(checkpoint)
    first, losses = fit.step, list[float]()
    saved = reported = counted = time.monotonic()
    repeats = fit.repeats
    numbers = range(first // repeats, fit.n_steps // repeats)
    with closing(draw_batches(part, source, numbers, n_processes)) as batches:
        try:
            # A run that stopped between the uses of a batch draws that batch again.
            for batch in islice(_repeat(batches, fit), fit.n_steps - first):
                with interrupts_held_back():
                    losses.append(fit.run_step(*batch))
                    now = time.monotonic()
                    fit.seconds, counted = fit.seconds + now - counted, now
                if fit.step % REPORT_STEPS == 0 or fit.step == fit.n_steps:
                    report(_describe(fit, losses, now - reported))
                    losses, reported = [], now
                if now - saved > CHECKPOINT_S:
                    fit.save(checkpoint)
                    saved = now
        except (KeyboardInterrupt, RunError):
            if fit.step > first:
                with interrupts_held_back():
                    fit.save(checkpoint)
            raise
    if fit.step > first:
        fit.save(checkpoint)
    fit.take_average()
    return fit


def _repeat(batches: Iterable[Batch], fit: PartFit) -> Iterator[Batch]:
    """Yields each new batch, and after it varied earlier ones, until all steps are made.

    On average each batch is used `repeats` times. A resumed run repeats other batches than one that
    was not interrupted.
    """
    random = np.random.default_rng([fit.step])
    kept: list[Batch] = []
    for batch in batches:
        yield batch
        if fit.repeats == 1:
            continue
        if len(kept) < _KEPT_BATCHES:
            kept.append(batch)
        else:
            kept[random.integers(len(kept))] = batch
        for _ in range(fit.repeats - 1):
            inputs, targets = kept[random.integers(len(kept))]
            yield _vary(fit.part, inputs, targets, random), targets


def _vary(
    part: Part, inputs: NDArray[Any], targets: NDArray[Any], random: np.random.Generator
) -> NDArray[Any]:
    """Returns the inputs of a batch in another form that has the same targets."""
    if part == "context":
        return vary_rows(inputs, random)
    if part in ("judge", "second-judge"):
        inputs = warp_windows(inputs, targets, random)
    return vary_light(inputs, random)


def _describe(fit: PartFit, losses: list[float], seconds: float) -> dict[str, Any]:
    """Returns a row of `HISTORY_COLUMNS` for the last steps."""
    return {
        "part": fit.part,
        "step": fit.step,
        "samples": fit.step * fit.batch,
        "loss": round(float(np.mean(losses)), 5),
        "samples_per_s": round(len(losses) * fit.batch / max(seconds, 1e-9), 1),
    }
