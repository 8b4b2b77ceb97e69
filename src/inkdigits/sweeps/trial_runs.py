"""Trains the runs of a trial, and reads from their folders what they reached."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inkdigits.errors import RunError
from inkdigits.sweeps.sweep_folder import SweepSettings
from inkdigits.sweeps.sweep_trial import SweepTrial
from inkdigits.training import Run, cross_validate, resume, train
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.lookup import replace_fields
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.run_views import list_history

Report = Callable[[int, float], None]
"""Told the number of an epoch, from 1, and the validation accuracy after it, once its checkpoint is
saved. To stop the trial, it raises an exception."""


def train_trial(
    settings: SweepSettings,
    trial: SweepTrial,
    folder: Path,
    *,
    report: Report | None = None,
    progress: bool = False,
) -> None:
    """Trains all runs of a trial, or continues them.

    Args:
        settings: The settings of the sweep.
        trial: The trial.
        folder: Its folder.
        report: Told of each epoch of the first run but the last. None: nobody.
        progress: Whether to report the progress of each run on stderr.

    Raises:
        InkdigitsError: As in `train` and `cross_validate`.
        Exception: What `report` raises.
    """
    recipe = replace_fields(settings.recipe, trial.values)
    own: dict[str, Any] = {"data": settings.data, "progress": progress}
    if isinstance(recipe, ReaderRecipe):
        report = None
    elif settings.folds is None:
        own |= {"pictures": settings.pictures, "teacher": settings.teachers}
    for number, (seed, place) in enumerate(_list_places(settings, folder)):
        for part in (place, *place.glob("fold-*")):
            _discard_empty(part)
        callbacks = [] if report is None or number else _follow(report, _find_first(place))
        if settings.folds is not None and isinstance(recipe, Recipe):
            cross_validate(
                recipe, folds=settings.folds, seed=seed, output=place, callbacks=callbacks, **own
            )
        elif place.exists():
            resume(place, progress=progress, callbacks=callbacks)
        else:
            train(recipe, seed=seed, output=place, callbacks=callbacks, **own)


def measure_trial(settings: SweepSettings, trial: SweepTrial, folder: Path) -> SweepTrial:
    """Returns a trial with what its runs have reached; its state stays.

    Raises:
        RunError: The card of a run is damaged.
    """
    accuracies, losses, seconds = [], [], 0.0
    for run in list_runs(settings, folder):
        if not run.is_finished:
            seconds += sum(row.get("seconds", 0.0) for row in list_history(run.folder))
            continue
        try:
            figures = json.loads(run.card.read_bytes())["figures"]
            accuracies.append(float(figures[settings.figure]))
            if "validation_loss" in figures:
                losses.append(float(figures["validation_loss"]))
            seconds += float(figures["fit_seconds"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(f"{run.card} cannot be read ({error}): remove its folder") from error
    history = _list_epochs(list_runs(settings, folder)[0])
    return replace(
        trial,
        accuracies=tuple(accuracies),
        losses=tuple(losses),
        reached=history[-1][1] if history and not accuracies else None,
        epochs=len(history),
        seconds=round(seconds, 3),
    )


def list_reported(
    settings: SweepSettings, trial: SweepTrial, folder: Path
) -> list[tuple[int, float]]:
    """Returns the epochs of a trial that has ended that were reported, as to `Report`."""
    epochs = _list_epochs(list_runs(settings, folder)[0])
    return epochs[: trial.epochs if trial.state == "stopped" else trial.epochs - 1]


def list_runs(settings: SweepSettings, folder: Path) -> list[Run]:
    """Returns all runs of a trial, of which some may not exist yet."""
    places = [place for _, place in _list_places(settings, folder)]
    if settings.folds is None:
        return list(map(Run, places))
    return [
        Run(place / f"fold-{number}") for place in places for number in range(1, settings.folds + 1)
    ]


def _list_places(settings: SweepSettings, folder: Path) -> Sequence[tuple[int, Path]]:
    """Returns each seed with the folder of its run, or of the runs of its folds."""
    if len(settings.seeds) == 1:
        return [(settings.seeds[0], folder)]
    return [(seed, folder / f"seed-{seed}") for seed in settings.seeds]


def _find_first(place: Path) -> Path:
    """Returns the folder of the first run at a place, which may have folds."""
    return place / "fold-1" if (place / "fold-1").is_dir() else place


def _discard_empty(place: Path) -> None:
    """Removes the folder of a run that was killed before it wrote its settings."""
    if place.is_dir() and {path.name for path in place.iterdir()} <= {".lock"}:
        Run(place).discard()


def _follow(report: Report, first: Path) -> list[Any]:
    """Returns the Keras callbacks that report the epochs of the first run, one or none.

    An epoch is reported when the next one begins, because its checkpoint is saved by then. The
    epochs from before an interruption are reported again.

    Args:
        report: The function to tell.
        first: The folder of the run; one that has not begun has none yet.
    """
    earlier = _list_epochs(Run(first))
    for epoch, accuracy in earlier[:-1]:
        report(epoch, accuracy)
    if Run(first).is_finished:
        return []
    waiting = earlier[-1:]

    class FollowEpochs(load_keras().callbacks.Callback):  # type: ignore[misc]
        is_first = True

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            while self.is_first and waiting:
                report(*waiting.pop(0))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            waiting.append((epoch + 1, float(logs["val_accuracy"])))

        def on_train_end(self, logs: Any = None) -> None:
            self.is_first = False

    return [FollowEpochs()]


def _list_epochs(run: Run) -> list[tuple[int, float]]:
    """Returns number and validation accuracy of each complete epoch of a run."""
    return [
        (int(row["epoch"]), float(row["val_accuracy"]))
        for row in list_history(run.folder)
        if isinstance(row.get("val_accuracy"), int | float)
    ]
