"""Trains a network for tiles: from a recipe and MNIST to a finished run."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, split_validation
from inkdigits.data.class_names import choose_class_names
from inkdigits.data.datasets import find_classes
from inkdigits.data.labelled_images import split_fold
from inkdigits.data.leakage import load_training_data
from inkdigits.errors import MissingExtraError, RunError, TrainingInterrupted, UsageError
from inkdigits.evaluation import fit_temperature, plot_curves, save_figure, score
from inkdigits.evaluation.foreign_images import warn_of_foreign_images
from inkdigits.files import write_whole
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import LABELS, NONE, Card
from inkdigits.recognition.network import OnnxNetwork
from inkdigits.synthesis.tile_augmentation import DISTORTIONS
from inkdigits.training.fit.interruption import interrupts_held_back, sigterm_as_interrupt
from inkdigits.training.fit.live_curves import LiveCurves, check_port
from inkdigits.training.fit.mlflow_tracking import (
    check_mlflow,
    create_mlflow_run,
    log_figures,
    record_in_mlflow,
)
from inkdigits.training.fit.own_callbacks import (
    OwnCallbacks,
    build_tensorboard,
    check_callbacks,
    check_tensorboard,
)
from inkdigits.training.fit.tile_fit import TileFit, has_stopped_early
from inkdigits.training.fit.tile_report import TileReport
from inkdigits.training.model_files.conversion import export_model, save_keras
from inkdigits.training.model_files.recipe_sources import RecipeFile
from inkdigits.training.networks.frameworks import (
    has_16_bit_arithmetic,
    load_keras,
    make_deterministic,
)
from inkdigits.training.networks.optimizers import build_loss, build_optimizer
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.lookup import check_overrides
from inkdigits.training.recipes.tile_recipe import Recipe, set_classes
from inkdigits.training.runs import Run, Settings, list_versions
from inkdigits.training.samples.distillation import Teacher, encode_one_hot
from inkdigits.training.samples.own_pictures import add_copies, load_tiles
from inkdigits.training.samples.tile_epochs import EpochFeed, draw_tiles, encode_targets

# Fraction of the validation digits that the refusal threshold rejects. Validation digits are drawn
# harder to read than most pictures are.
REFUSED_SHARE = 0.01

_PLANNED_SCHEDULES = ("one-cycle", "cosine")
"""Schedules over all epochs, which therefore cannot change later."""


def train_tiles(
    recipe: Recipe,
    *,
    seed: int,
    data: Path | str | None,
    pictures: Path | str | None,
    teachers: Sequence[Path | str],
    output: Path | str | None,
    overwrite: bool,
    progress: bool,
    callbacks: Sequence[Any] = (),
    tensorboard: bool = False,
    mlflow: bool = False,
    live: bool | int = False,
    dataset: str | Path | None = None,
    source: RecipeFile | None = None,
    fold: tuple[int, int] | None = None,
) -> Run:
    """Trains a network for tiles; arguments, result and errors as in `train`.

    The run gets a copy of `source`, the user's own recipe file. `fold` is as in `Settings`.
    """
    if not has_16_bit_arithmetic():
        recipe = replace(recipe, precision="float32")
    # All that can fail because of wrong arguments comes before the folder is created.
    _check_matplotlib()
    check_callbacks(callbacks)
    if tensorboard:
        check_tensorboard()
    if mlflow:
        check_mlflow()
    check_port(int(live))
    names, data = choose_class_names(dataset, data)
    if names and pictures is not None:
        raise UsageError(f"pictures are of digits, not of {names[0]}, …: leave pictures out")
    recipe = set_classes(recipe, len(find_classes(names).names))
    build_network(recipe)
    build_optimizer(recipe, 1)
    build_loss(recipe, with_labels=True)
    teacher = Teacher(teachers, recipe.n_outputs, names) if teachers else None
    sets, sha256 = _gather(
        recipe, seed, data, pictures, teacher, fold, class_names=names, progress=progress
    )
    folder = None if output is None else Path(output)
    run = Run.create(folder, recipe.name, overwrite=overwrite)
    with run.locked():
        run.replace()
        settings = Settings(
            recipe=recipe,
            seed=seed,
            data_sha256=sha256,
            data=None if data is None else str(data),
            pictures=None if pictures is None else str(pictures),
            teachers=tuple(map(str, teachers)),
            backend=load_keras().backend.backend(),
            versions=dict(list_versions()),
            recipe_sha256=None if source is None else source.sha256,
            tensorboard=tensorboard,
            fold=fold,
            class_names=names,
        )
        if mlflow:
            run_id = create_mlflow_run(run.folder.name, recipe.to_json(), seed)
            settings = replace(settings, mlflow_run=run_id)
        run.save_settings(settings)
        if source is not None:
            with write_whole(run.folder / f"recipe{source.suffix}") as temporary:
                temporary.write_bytes(source.content)
        return _fit(run, settings, sets, teacher, callbacks, live=live, progress=progress)


def resume_tiles(
    run: Run,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    progress: bool,
    callbacks: Sequence[Any] = (),
    live: bool | int = False,
) -> Run:
    """Continues the run of a network for tiles; arguments and errors as in `resume`."""
    started_with = run.load_settings()
    settings = _extend(run, started_with, overrides)
    if run.is_finished and settings == started_with:
        return run
    backend = load_keras().backend.backend()
    _check_matplotlib()
    check_callbacks(callbacks)
    if settings.tensorboard:
        check_tensorboard()
    if settings.mlflow_run is not None:
        check_mlflow()
    check_port(int(live))
    with run.locked():
        if backend != settings.backend:
            raise RunError(
                f"{run.folder} was started on the {settings.backend} backend, but Keras now uses "
                f"{backend}: set KERAS_BACKEND={settings.backend}"
            )
        recipe, teachers = settings.recipe, settings.teachers
        teacher = Teacher(teachers, recipe.n_outputs, settings.class_names) if teachers else None
        sets, sha256 = _gather(
            recipe,
            settings.seed,
            settings.data,
            settings.pictures,
            teacher,
            settings.fold,
            class_names=settings.class_names,
            progress=progress,
        )
        if sha256 != settings.data_sha256:
            places = [settings.data or "the cache", *filter(None, [settings.pictures]), *teachers]
            raise RunError(
                f"the images or teachers in {' and '.join(places)} are not those that "
                f"{run.folder} was started with: restore them or start a new run"
            )
        if settings != started_with:
            run.reopen(settings)
        return _fit(run, settings, sets, teacher, callbacks, live=live, progress=progress)


def _extend(run: Run, settings: Settings, overrides: Mapping[str, Any] | Sequence[str]) -> Settings:
    """Returns the settings of a run with another number of epochs.

    Raises:
        RecipeError: An unknown field, or an invalid number.
        UsageError: Another field than `epochs`, fewer epochs than are complete, or a run that
            cannot be trained on: with a schedule over all epochs, or after early stopping.
        RunError: The checkpoint is missing or damaged.
    """
    values = check_overrides(overrides, Recipe)
    if others := sorted(values.keys() - {"epochs"}):
        raise UsageError(
            f"a run is continued with the recipe that it was started with: leave {others[0]} out, "
            "or start a new run; only the number of epochs can change"
        )
    recipe = replace(settings.recipe, **values)
    if recipe == settings.recipe:
        return settings
    if recipe.schedule in _PLANNED_SCHEDULES:
        raise UsageError(
            f"{run.folder} cannot change its number of epochs: with the schedule "
            f"'{recipe.schedule}', its learning rate falls to 0 over the {settings.recipe.epochs} "
            f"epochs that it was started with; start a new run with --set epochs={recipe.epochs}"
        )
    checkpoint = run.load_checkpoint()
    history = [] if checkpoint is None else checkpoint.history
    if run.is_finished and checkpoint is None:
        raise RunError(f"{run.folder} has no checkpoint.npz to continue from: start a new run")
    if recipe.epochs < len(history) + run.is_finished:
        raise UsageError(
            f"{run.folder} has {len(history)} epochs already: expected more than that, not "
            f"{recipe.epochs}"
        )
    if has_stopped_early(history, recipe.patience):
        raise UsageError(
            f"{run.folder} stopped early after epoch {len(history)}, because its validation loss "
            f"had not fallen for {recipe.patience} epochs: start a new run with a higher patience"
        )
    return replace(settings, recipe=recipe)


def _check_matplotlib() -> None:
    """Raises MissingExtraError before training if its curves could not be drawn afterwards."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise MissingExtraError(
            "matplotlib is not installed, but training draws its curves with it: "
            'pip install "inkdigits[plot]"'
        ) from error


def _gather(
    recipe: Recipe,
    seed: int,
    data: Path | str | None,
    pictures: Path | str | None,
    teacher: Teacher | None,
    fold: tuple[int, int] | None,
    *,
    class_names: tuple[str, ...],
    progress: bool,
) -> tuple[tuple[LabelledImages, LabelledImages], dict[str, str]]:
    """Returns the training and validation sets, and the SHA-256 of every data source."""
    mnist = load_training_data(data, class_names=class_names, progress=progress)
    sha256 = dict(mnist.sha256)
    if data is not None and not mnist.is_mnist and not class_names:
        warn_of_foreign_images(mnist.train, mnist.source)
    if fold is None:
        training, validation = split_validation(mnist.train, recipe.validation_images, seed)
    else:
        training, validation = split_fold(mnist.train, *fold, seed)
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
    callbacks: Sequence[Any],
    *,
    live: bool | int,
    progress: bool,
) -> Run:
    recipe, seed = settings.recipe, settings.seed
    training, validation = sets
    title = f"training {recipe.name} in {run.folder}"
    report = TileReport(title, recipe, enabled=progress)
    feed: EpochFeed | None = None
    try:
        with (
            sigterm_as_interrupt(),
            _serve_curves(run, report, live),
            record_in_mlflow(settings.mlflow_run) as recorders,
        ):
            make_deterministic(seed)
            n_tiles = len(training) + round(recipe.outliers * len(training))
            tiles, labels = validated = _draw_validation(recipe, validation, seed)
            targets = encode_targets(recipe, labels)
            if teacher is not None:
                targets = encode_one_hot(labels, recipe.n_outputs)
            fit = TileFit.start(recipe, seed, n_tiles, (tiles, targets), run.load_checkpoint())
            feed = EpochFeed(recipe, training, seed, len(fit.noisy_layers), teacher)
            own = [*callbacks, *recorders]
            if settings.tensorboard:
                own.append(build_tensorboard(run.folder))
            if own:
                n_steps = -(-n_tiles // recipe.batch_size)
                fit.callbacks = OwnCallbacks(
                    own, fit.network, n_epochs=recipe.epochs, n_steps=n_steps
                )
                fit.callbacks.start()
            while not fit.is_over:
                fit.run_epoch(feed, report)
                # Ctrl-C after the line of an epoch must not lose the epoch.
                with interrupts_held_back():
                    run.save_checkpoint(fit.take_checkpoint())
                    report.end_epoch(fit.history)
            if fit.callbacks is not None:
                fit.callbacks.end()
            fit.restore_best()
            card = _finish(run, settings, fit, training, validation, validated)
            log_figures(settings.mlflow_run, card.figures)
    except KeyboardInterrupt:
        checkpoint = run.load_checkpoint()
        n_epochs = len(checkpoint.history) if checkpoint is not None else 0
        raise TrainingInterrupted(
            f"stopped after {n_epochs} of at most {recipe.epochs} epochs, which are saved: "
            f"continue with 'inkdigits train --resume {run.folder}'"
        ) from None
    finally:
        report.close()
        if feed is not None:
            feed.close()
    return run


def _serve_curves(
    run: Run, report: TileReport, live: bool | int
) -> AbstractContextManager[LiveCurves | None]:
    """Returns what serves the live curves, if they are wanted; says where they are."""
    if live is False:
        return nullcontext()
    curves = LiveCurves(run.folder, port=0 if live is True else live)
    report.say(f"live curves: {curves.address}")
    return curves


def _draw_validation(
    recipe: Recipe, validation: LabelledImages, seed: int
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Returns the tiles and labels to validate on, which are the same in each epoch.

    With the augmentation "pictures", they are drawn as in training, because the network is meant
    for such pictures. Distortions are for training only.
    """
    if recipe.augmentation in DISTORTIONS:
        recipe = replace(recipe, augmentation="none")
    random = np.random.default_rng([seed, 2**31])  # no epoch has this number
    return draw_tiles(recipe, validation.images, validation.labels, random)


def _finish(
    run: Run,
    settings: Settings,
    fit: TileFit,
    training: LabelledImages,
    validation: LabelledImages,
    validated: tuple[NDArray[np.uint8], NDArray[Any]],
) -> Card:
    """Writes the curves, the models and, last, the card, which it returns."""
    best_epoch = None if fit.best_weights is None else fit.best_epoch
    save_figure(plot_curves(fit.history, best_epoch=best_epoch), run.folder / "curves.png")
    finished = build_network(replace(settings.recipe, precision="float32"))
    finished.set_weights(fit.network.get_weights())
    # With the state of the optimizer, so that training can be continued from the file.
    loss = build_loss(settings.recipe, with_labels=True)
    finished.compile(fit.network.optimizer, loss, metrics=["accuracy"])
    save_keras(finished, run.keras_model)
    export_model(run.keras_model, "onnx", run.onnx_model)
    network = OnnxNetwork(run.onnx_model)
    n_classes = settings.recipe.n_classes
    trained = score(keep_digits(network(training.images), n_classes), training.labels)
    probabilities = network(validation.images)
    validated_as = keep_digits(probabilities, n_classes)
    held_out = score(validated_as, validation.labels)
    temperature = fit_temperature(validated_as, validation.labels)
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
        labels=tuple(range(settings.recipe.n_outputs)),
        class_names=settings.class_names,
        refusal_threshold=_choose_threshold(settings.recipe, network, temperature, validated),
    )
    card.save(run.card)
    return card


def _choose_threshold(
    recipe: Recipe,
    network: OnnxNetwork,
    temperature: float,
    validated: tuple[NDArray[np.uint8], NDArray[Any]],
) -> float:
    """Returns the confidence below which `REFUSED_SHARE` of the validation digits lie."""
    if not recipe.outliers:
        return 0.0
    tiles, labels = validated
    confidences = calibrate(network(tiles[labels != NONE]), temperature)[:, : len(LABELS)]
    return float(np.quantile(confidences.max(axis=1), REFUSED_SHARE))
