"""Training: a recipe and MNIST in, a finished run out."""

from __future__ import annotations

import hashlib
import importlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist, split_validation
from inkdigits.errors import MissingExtraError, RunError, TrainingInterrupted, UsageError
from inkdigits.evaluation import fit_temperature, plot_curves, save_figure, score
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import LABELS, NONE, Card
from inkdigits.recognition.network import OnnxNetwork
from inkdigits.synthesis.tile_augmentation import DISTORTIONS
from inkdigits.training.distillation import Teacher, encode_one_hot
from inkdigits.training.epochs import EpochFeed, draw_tiles
from inkdigits.training.export import export_model, save_keras
from inkdigits.training.frameworks import has_16_bit_arithmetic, load_keras, make_deterministic
from inkdigits.training.interruption import sigterm_as_interrupt
from inkdigits.training.networks import build_network, build_optimizer
from inkdigits.training.own_pictures import add_copies, load_tiles
from inkdigits.training.reader_recipes import ReaderRecipe, find_recipe, is_reader_run
from inkdigits.training.recipes import Recipe
from inkdigits.training.runs import Checkpoint, Run, Settings, list_versions

# Between two looks at the progress; PyTorch looks after each.
STEPS_AT_ONCE = 16
# Of the digits held out for validation, drawn harder than most pictures are, so many are refused.
REFUSED_SHARE = 0.01


def train(
    recipe: str | Recipe | ReaderRecipe = "quick",
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    seed: int = 0,
    data: Path | str | None = None,
    pictures: Path | str | None = None,
    teachers: Sequence[Path | str] = (),
    output: Path | str | None = None,
    progress: bool = True,
) -> Run:
    """Trains a recipe in a new run folder: a network for tiles on MNIST, a reader on drawn pages.

    On one machine with the same threads the same settings give the same weights: each epoch's
    order and dropout follow from the seed and the epoch's number alone.

    Args:
        recipe: A recipe, or the name of one.
        overrides: Fields to replace, field to value or texts `field=value`; for a name only.
        seed: Of weights, validation split, order and dropout; 0 to 2**32 - 1.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        pictures: A folder of labelled pictures, such as corrections, whose single digits are
            trained on as well, repeated to 2 % of the images; None: none. Not for readers.
        teachers: Folders of runs, or `.onnx` files, whose mean judgement of each tile is learnt
            beside its label (Hinton et al., 2015). Not for readers.
        output: The run folder, which must not exist; None: the first free `runs/<recipe>-…`.
        progress: Whether to report to stderr while training.

    Returns:
        The finished run.

    Raises:
        RecipeError: An unknown recipe, field or value, or a network that cannot be built.
        UsageError: Overrides for a recipe that is no name, more validation images than images,
            teachers that do not know what is no digit for a recipe that learns it, or pictures or
            teachers for a reader.
        ModelError: One of `teachers` is not there or damaged.
        DataFormatError, DataUnavailableError: No whole MNIST, or no digit in `pictures`.
        PictureError: One of `pictures` cannot be read.
        OutputExistsError, RunError, OutputError: The run folder is taken or cannot be written.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume` continues the run.
        MissingExtraError: Keras or matplotlib is not installed.
    """
    if isinstance(recipe, str):
        recipe = find_recipe(recipe, overrides)
    elif overrides:
        raise UsageError("overrides go with a recipe's name: use dataclasses.replace on a recipe")
    if isinstance(recipe, ReaderRecipe):
        if pictures is not None or teachers:
            raise UsageError(
                f"{recipe.name} learns from drawn pages alone: leave pictures and teachers out"
            )
        load_keras()  # which says what to install where it is missing
        from inkdigits.training.reader import train_reader  # loads onnx

        return train_reader(recipe, seed=seed, data=data, output=output, progress=progress)
    if not has_16_bit_arithmetic():
        recipe = replace(recipe, precision="float32")
    # What cannot be built, split, taught or drawn must not leave a folder behind.
    _check_matplotlib()
    build_network(recipe)
    teacher = Teacher(teachers, recipe.n_outputs) if teachers else None
    sets, sha256 = _gather(recipe, seed, data, pictures, teacher, progress=progress)
    run = Run.create(None if output is None else Path(output), recipe.name)
    with run.locked():
        settings = Settings(
            recipe=recipe,
            seed=seed,
            data_sha256=sha256,
            data=None if data is None else str(data),
            pictures=None if pictures is None else str(pictures),
            teachers=tuple(map(str, teachers)),
            backend=load_keras().backend.backend(),
            versions=dict(list_versions()),
        )
        run.save_settings(settings)
        return _fit(run, settings, sets, teacher, progress=progress)


def resume(folder: Path | str, *, progress: bool = True) -> Run:
    """Continues an interrupted run in its folder, from its last whole epoch or, of a reader, step.

    A run that has finished is returned as it is.

    Args:
        folder: The run's folder.
        progress: Whether to report to stderr while training.

    Raises:
        RunError: No run there, a damaged one, one in use, or one of another backend, data or
            teachers.
        TrainingInterrupted: As in `train`, as the other errors are.
    """
    run = Run.open(folder)
    if is_reader_run(run.folder):
        load_keras()
        from inkdigits.training.reader import resume_reader

        return resume_reader(run, progress=progress)
    settings = run.load_settings()
    if run.is_finished:
        return run
    backend = load_keras().backend.backend()
    _check_matplotlib()
    with run.locked():
        if backend != settings.backend:
            raise RunError(
                f"{folder} was started on the {settings.backend} backend and this is {backend}: "
                f"set KERAS_BACKEND={settings.backend}"
            )
        recipe, teachers = settings.recipe, settings.teachers
        teacher = Teacher(teachers, recipe.n_outputs) if teachers else None
        sets, sha256 = _gather(
            recipe, settings.seed, settings.data, settings.pictures, teacher, progress=progress
        )
        if sha256 != settings.data_sha256:
            places = [settings.data or "the cache", *filter(None, [settings.pictures]), *teachers]
            raise RunError(
                f"{folder} was started on other images or teachers than those in "
                f"{' and '.join(places)} now: bring them back or start a new run"
            )
        return _fit(run, settings, sets, teacher, progress=progress)


def _check_matplotlib() -> None:
    """Finds out before the fit whether its curves can be drawn after it."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise MissingExtraError(
            'matplotlib is not installed, and a run draws curves: pip install "inkdigits[plot]"'
        ) from error


def _gather(
    recipe: Recipe,
    seed: int,
    data: Path | str | None,
    pictures: Path | str | None,
    teacher: Teacher | None,
    *,
    progress: bool,
) -> tuple[tuple[LabelledImages, LabelledImages], dict[str, str]]:
    """The images to train on and those to validate on, and the hashes of what is learnt from."""
    mnist = fetch_mnist(progress=progress) if data is None else load_mnist(data)
    sha256 = dict(mnist.sha256)
    training, validation = split_validation(mnist.train, recipe.validation_images, seed)
    if recipe.training_images is not None:
        training = training.take(np.arange(min(recipe.training_images, len(training))))
    if pictures is not None:
        own = load_tiles(pictures)
        training = add_copies(training, own)
        sha256["pictures"] = hashlib.sha256(own.images.tobytes() + own.labels.tobytes()).hexdigest()
    if teacher is not None:
        sha256 |= teacher.sha256
    return (training, validation), sha256


def _fit(
    run: Run,
    settings: Settings,
    sets: tuple[LabelledImages, LabelledImages],
    teacher: Teacher | None,
    *,
    progress: bool,
) -> Run:
    recipe, seed = settings.recipe, settings.seed
    training, validation = sets
    report = _Report(run, recipe, enabled=progress)
    feed: EpochFeed | None = None
    try:
        with sigterm_as_interrupt():
            make_deterministic(seed)
            n_tiles = len(training) + round(recipe.outliers * len(training))
            tiles, labels = judged = _draw_validation(recipe, validation, seed)
            targets = labels if teacher is None else encode_one_hot(labels, recipe.n_outputs)
            fit = _Fit.start(recipe, seed, n_tiles, (tiles, targets), run.load_checkpoint())
            feed = EpochFeed(recipe, training, seed, len(fit.noisy_layers), teacher)
            while not fit.is_over:
                fit.run_epoch(feed, report)
                run.save_checkpoint(fit.take_checkpoint())
            fit.restore_best()
            _finish(run, settings, fit, training, validation, judged)
    except KeyboardInterrupt:
        checkpoint = run.load_checkpoint()
        n_epochs = len(checkpoint.history) if checkpoint is not None else 0
        raise TrainingInterrupted(
            f"stopped after {n_epochs} of at most {recipe.epochs} whole epochs; nothing of them is "
            f"lost: continue with 'inkdigits train --resume {run.folder}'"
        ) from None
    finally:
        report.close()
        if feed is not None:
            feed.close()
    return run


def _draw_validation(
    recipe: Recipe, validation: LabelledImages, seed: int
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Tiles and labels to validate on: the same in each epoch.

    Pictures are drawn as in training, for they are what the network is for; distortions are only
    a means to learn from.
    """
    if recipe.augmentation in DISTORTIONS:
        recipe = replace(recipe, augmentation="none")
    random = np.random.default_rng([seed, 2**31])  # no epoch has this number
    return draw_tiles(recipe, validation.images, validation.labels, random)


@dataclass(eq=False)
class _Fit:
    """A fit under way, epoch by epoch, so that each epoch can be the last one before a crash."""

    recipe: Recipe
    seed: int
    network: Any
    validation: tuple[NDArray[np.uint8], NDArray[Any]]
    history: list[dict[str, float]]
    best_weights: list[Any] | None

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        seed: int,
        n_training: int,
        validation: tuple[NDArray[np.uint8], NDArray[Any]],
        checkpoint: Checkpoint | None,
    ) -> _Fit:
        tiles, targets = validation  # targets are labels, or probabilities where a teacher is
        network = build_network(recipe)
        n_steps = recipe.epochs * -(-n_training // recipe.batch_size)
        optimizer = build_optimizer(recipe, n_steps)
        network.compile(
            optimizer,
            "sparse_categorical_crossentropy" if targets.ndim == 1 else "categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=1 if load_keras().backend.backend() == "torch" else STEPS_AT_ONCE,
        )
        # Keras completes its metrics on first use, which on PyTorch draws a random number: left to
        # the first epoch, it would set a resumed run apart.
        network.evaluate(tiles[:1], targets[:1], verbose=0)
        if checkpoint is None:
            return cls(recipe, seed, network, validation, [], None)
        optimizer.build(network.trainable_variables)
        try:
            network.set_weights(checkpoint.weights)
            for variable, value in zip(optimizer.variables, checkpoint.optimizer, strict=True):
                variable.assign(value)
        except ValueError as error:
            raise RunError(
                "the run's checkpoint is of another network than its settings: start a new run"
            ) from error
        return cls(recipe, seed, network, validation, checkpoint.history, checkpoint.best_weights)

    @property
    def best_epoch(self) -> int:
        """Number of the epoch of the lowest validation loss, from 1."""
        return 1 + int(np.argmin([row["val_loss"] for row in self.history]))

    @property
    def noisy_layers(self) -> list[Any]:
        """The layers that draw noise, as dropout does."""
        return [layer for layer in self.network.layers if hasattr(layer, "seed_generator")]

    @property
    def is_over(self) -> bool:
        n_epochs, patience = len(self.history), self.recipe.patience
        if not n_epochs:
            return False
        waited_enough = patience is not None and n_epochs - self.best_epoch >= patience
        return n_epochs >= self.recipe.epochs or waited_enough

    def run_epoch(self, feed: EpochFeed, report: _Report) -> None:
        epoch = len(self.history)
        started = time.perf_counter()
        drawn = feed.draw(epoch)
        for layer, noise_seed in zip(self.noisy_layers, drawn.noise_seeds, strict=True):
            layer.seed_generator.state.assign([noise_seed, 0])
        # On PyTorch they draw their noise from the generator of the whole process instead.
        load_keras().utils.set_random_seed(drawn.process_seed)
        n_steps = -(-len(drawn.images) // self.recipe.batch_size)
        fitted = self.network.fit(
            drawn.images,
            drawn.targets,
            batch_size=self.recipe.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[report.follow_epoch(epoch + 1, n_steps)],
        )
        val_loss, val_accuracy = self.network.evaluate(
            *self.validation, batch_size=1_000, verbose=0
        )
        row = {
            "epoch": epoch + 1,
            "loss": fitted.history["loss"][0],
            "accuracy": fitted.history["accuracy"][0],
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "seconds": round(time.perf_counter() - started, 3),
        }
        self.history.append(row)
        if self.recipe.patience is not None and self.best_epoch == epoch + 1:
            self.best_weights = self.network.get_weights()
        report.end_epoch(row)

    def restore_best(self) -> None:
        if self.best_weights is not None:
            self.network.set_weights(self.best_weights)

    def take_checkpoint(self) -> Checkpoint:
        optimizer = [np.asarray(variable.numpy()) for variable in self.network.optimizer.variables]
        return Checkpoint(self.history, self.network.get_weights(), optimizer, self.best_weights)


def _finish(
    run: Run,
    settings: Settings,
    fit: _Fit,
    training: LabelledImages,
    validation: LabelledImages,
    judged: tuple[NDArray[np.uint8], NDArray[Any]],
) -> None:
    """Writes model, curves and, last of all, the card."""
    best_epoch = None if fit.best_weights is None else fit.best_epoch
    save_figure(plot_curves(fit.history, best_epoch=best_epoch), run.folder / "curves.png")
    finished = build_network(replace(settings.recipe, precision="float32"))
    finished.set_weights(fit.network.get_weights())
    # With the optimizer as it is, so that whoever loads the file may go on.
    finished.compile(fit.network.optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    save_keras(finished, run.keras_model)
    export_model(run.keras_model, "onnx", run.onnx_model)
    network = OnnxNetwork(run.onnx_model)
    trained = score(keep_digits(network(training.images)), training.labels)
    probabilities = network(validation.images)
    held_out = score(keep_digits(probabilities), validation.labels)
    temperature = fit_temperature(keep_digits(probabilities), validation.labels)
    card = Card(
        recipe=settings.recipe.to_json(),
        seed=settings.seed,
        data_sha256=settings.data_sha256,
        versions=settings.versions,
        figures={
            "training_accuracy": trained.accuracy,
            "validation_accuracy": held_out.accuracy,
            "validation_loss": held_out.loss,
            "epochs": len(fit.history),
            "fit_seconds": round(sum(row["seconds"] for row in fit.history), 3),
            "cores": os.cpu_count() or 1,
            "parameters": fit.network.count_params(),
        },
        temperature=temperature,
        labels=LABELS if probabilities.shape[1] == len(LABELS) else (*LABELS, NONE),
        refusal_threshold=_fix_threshold(settings.recipe, network, temperature, judged),
    )
    card.save(run.card)


def _fix_threshold(
    recipe: Recipe,
    network: OnnxNetwork,
    temperature: float,
    judged: tuple[NDArray[np.uint8], NDArray[Any]],
) -> float:
    """The certainty below which the least certain of the validation digits are refused."""
    if not recipe.outliers:
        return 0.0
    tiles, labels = judged
    certainties = calibrate(network(tiles[labels != NONE]), temperature)[:, : len(LABELS)]
    return float(np.quantile(certainties.max(axis=1), REFUSED_SHARE))


class _Report:
    """What a user sees of a fit on stderr: a live bar within the epoch, a line after it."""

    def __init__(self, run: Run, recipe: Recipe, *, enabled: bool) -> None:
        self._n_epochs = recipe.epochs
        self._console = Console(stderr=True, quiet=not enabled, highlight=False, markup=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not (enabled and self._console.is_terminal),
        )
        self._progress.start()
        self._console.print(f"training {recipe.name} in {run.folder}", soft_wrap=True)

    def follow_epoch(self, epoch: int, n_steps: int) -> Any:
        """A Keras callback that moves the bar of this epoch."""
        progress, label = self._progress, f"epoch {epoch}/{self._n_epochs}"
        task = progress.add_task(label, total=n_steps, figures="")

        class FollowSteps(load_keras().callbacks.Callback):  # type: ignore[misc]
            def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
                if not progress.disable:
                    figures = f"loss {logs['loss']:.4f}  accuracy {logs['accuracy']:.2%}"
                    progress.update(task, completed=batch + 1, figures=figures)

            def on_train_end(self, logs: dict[str, float]) -> None:
                progress.remove_task(task)

        return FollowSteps()

    def end_epoch(self, row: dict[str, float]) -> None:
        """The line of a whole epoch."""
        self._console.print(
            f"epoch {row['epoch']}/{self._n_epochs}  "
            f"loss {row['loss']:.4f}  accuracy {row['accuracy']:.2%}  "
            f"val_loss {row['val_loss']:.4f}  val_accuracy {row['val_accuracy']:.2%}  "
            f"{row['seconds']:.1f} s",
            soft_wrap=True,
        )

    def close(self) -> None:
        self._progress.stop()
