"""A sweep on Ray: Ray Tune with Optuna's search and ASHA's early stopping.

The trials run at the same time, in processes of one machine or of a cluster whose nodes share the
folder of the sweep. A process that dies is replaced, and continues its run.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import ModelError, RecipeError, TrainingInterrupted
from inkdigits.ray_clusters import THREADS, connect_ray
from inkdigits.sweeps.optuna_study import (
    REDUCTION,
    Say,
    build_distributions,
    build_sampler,
    choose_grace,
    decode_values,
    describe_outcome,
    encode_values,
    end_trial,
    load_optuna,
)
from inkdigits.sweeps.search_space import format_values, list_combinations
from inkdigits.sweeps.sweep_folder import SweepFolder, SweepSettings
from inkdigits.sweeps.sweep_trial import State, SweepTrial
from inkdigits.sweeps.trial_runs import list_reported, list_runs, measure_trial, train_trial

FOLDER: Final = "ray"
_MAX_FAILURES: Final = 3
"""Number of times that a trial whose process dies is started again."""
_ACCURACY: Final = "accuracy"
_EPOCH: Final = "epoch"
_FAILURE: Final = "failure"


def run_on_ray(folder: SweepFolder, *, address: str, cores: int, say: Say) -> None:
    """Trains the trials that a sweep still lacks.

    Args:
        folder: The locked folder of the sweep. Trials that were interrupted are continued.
        address: As in `check_address`.
        cores: Number of cores of each trial.
        say: Prints a line about the progress.

    Raises:
        MissingExtraError: Ray or Optuna is not installed.
        UsageError: The address is invalid, or no cluster answers there.
        TrainingInterrupted: Ctrl-C.
    """
    load_optuna()
    settings = folder.settings
    waiting = [trial for trial in folder.trials if trial.state == "running"]
    grid = list_combinations(settings.space, settings.trials)
    n_trials = settings.trials if grid is None else min(settings.trials, len(grid))
    n_missing = n_trials - (len(folder.trials) - len(waiting))
    if n_missing <= 0:
        return
    points = [trial.values for trial in waiting]
    points += [values for values in grid or [] if folder.find(values) is None]
    environment = dict.fromkeys(THREADS, str(cores))
    if "KERAS_BACKEND" in os.environ:
        environment["KERAS_BACKEND"] = os.environ["KERAS_BACKEND"]
    with connect_ray(address, environment=environment):
        tune = importlib.import_module("ray.tune")
        follower = _Follower(folder, n_trials, say)
        shutil.rmtree(folder.folder / FOLDER, ignore_errors=True)  # of an earlier connection
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(
                    _train_on_worker, settings=settings, sweep=str(folder.folder.resolve())
                ),
                {"cpu": cores},
            ),
            tune_config=tune.TuneConfig(
                metric=_ACCURACY,
                mode="max",
                search_alg=_build_searcher(folder, points),
                scheduler=_build_scheduler(settings),
                num_samples=n_missing,
                trial_name_creator=follower.name_trial,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=FOLDER,
                storage_path=str(folder.folder.resolve()),
                callbacks=[follower.build_callback(tune)],
                failure_config=tune.FailureConfig(max_failures=_MAX_FAILURES),
                verbose=0,
            ),
        )
        tuner.fit()
    if any(trial.state == "running" for trial in folder.trials):
        raise TrainingInterrupted("stopped")


def _build_searcher(folder: SweepFolder, points: list[Mapping[str, Any]]) -> Any:
    """Returns Optuna's search, which knows the trials that have ended."""
    settings = folder.settings
    searcher = importlib.import_module("ray.tune.search.optuna").OptunaSearch(
        space=build_distributions(settings.space),
        metric=_ACCURACY,
        mode="max",
        sampler=build_sampler(settings, len(folder.trials) + 1),
        points_to_evaluate=[encode_values(settings.space, values) for values in points] or None,
    )
    for trial in folder.trials:
        value = trial.reached if trial.accuracy is None else trial.accuracy
        if trial.state in ("finished", "stopped") and value is not None:
            reported = list_reported(settings, trial, folder.locate(trial))
            searcher.add_evaluated_point(
                encode_values(settings.space, trial.values),
                value,
                pruned=trial.state == "stopped",
                intermediate_values=[accuracy for _, accuracy in reported],
            )
    return searcher


def _build_scheduler(settings: SweepSettings) -> Any:
    schedulers = importlib.import_module("ray.tune.schedulers")
    if not settings.stops_early:
        return schedulers.FIFOScheduler()
    return schedulers.ASHAScheduler(
        time_attr=_EPOCH,
        max_t=(settings.max_epochs or 1) + 1,  # the last report is of the finished trial
        grace_period=choose_grace(settings),
        reduction_factor=REDUCTION,
    )


def _train_on_worker(parameters: Mapping[str, Any], settings: SweepSettings, sweep: str) -> None:
    """Trains a trial in a process of Ray, which Ray ends if the trial is worse than others."""
    tune = importlib.import_module("ray.tune")
    number = _parse_name(tune.get_context().get_trial_name())
    values = decode_values(settings.space, parameters)
    trial = SweepTrial(number, values, "running", f"trial-{number:03}")
    place = Path(sweep) / trial.folder

    def report(epoch: int, accuracy: float) -> None:
        tune.report({_ACCURACY: accuracy, _EPOCH: epoch})

    last = (settings.max_epochs or 1) + 1
    try:
        train_trial(settings, trial, place, report=report if settings.stops_early else None)
    except (RecipeError, ModelError) as error:
        tune.report({_ACCURACY: 0.0, _EPOCH: last, _FAILURE: str(error)})
        return
    accuracies = measure_trial(settings, trial, place).accuracies
    tune.report({_ACCURACY: sum(accuracies) / len(accuracies), _EPOCH: last})


class _Follower:
    """Numbers the trials of Ray Tune, and writes down how they end."""

    def __init__(self, folder: SweepFolder, n_trials: int, say: Say) -> None:
        self._folder = folder
        self._n_trials = n_trials
        self._say = say
        self._waiting = [trial for trial in folder.trials if trial.state == "running"]

    def __deepcopy__(self, memo: Any) -> _Follower:
        """Returns itself: Ray Tune copies its settings."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Returns no state: Ray Tune pickles its callbacks for a restore that is not used."""
        return {}

    def name_trial(self, ray_trial: Any) -> str:
        """Returns the name of a new trial of Ray Tune, which holds its number."""
        settings = self._folder.settings
        values = decode_values(settings.space, ray_trial.config)
        same = next((trial for trial in self._waiting if trial.values == values), None)
        if same is not None:
            self._waiting.remove(same)
        trial = same or self._folder.start(values)
        return f"trial-{trial.number:03}"

    def build_callback(self, tune: Any) -> Any:
        """Returns the callback of Ray Tune that follows the trials."""
        follower = self

        class Follow(tune.Callback):  # type: ignore[misc]
            def on_trial_start(
                self, iteration: int, trials: list[Any], trial: Any, **info: Any
            ) -> None:
                follower.tell_start(trial)

            def on_trial_complete(
                self, iteration: int, trials: list[Any], trial: Any, **info: Any
            ) -> None:
                follower.end(trial, trial.last_result.get(_FAILURE))

            def on_trial_error(
                self, iteration: int, trials: list[Any], trial: Any, **info: Any
            ) -> None:
                follower.end(trial, _explain(trial))

        return Follow()

    def tell_start(self, ray_trial: Any) -> None:
        trial = self._find(ray_trial)
        self._say(f"trial {trial.number} of {self._n_trials}: {format_values(trial.values)}")

    def end(self, ray_trial: Any, failure: str | None) -> None:
        trial = self._find(ray_trial)
        settings = self._folder.settings
        runs = list_runs(settings, self._folder.locate(trial))
        state: State = "finished" if all(run.is_finished for run in runs) else "stopped"
        if failure is not None:
            state = "failed"
        self._folder.update(end_trial(settings, trial, self._folder, state, failure))
        self._say(describe_outcome(self._find(ray_trial), self._n_trials))

    def _find(self, ray_trial: Any) -> SweepTrial:
        return self._folder.trials[_parse_name(str(ray_trial)) - 1]


def _parse_name(name: str) -> int:
    return int(name.removeprefix("trial-"))


def _explain(ray_trial: Any) -> str:
    """Returns the last line of the error of a trial."""
    error = ray_trial.get_error()
    lines = str(error or "").strip().splitlines()
    return lines[-1] if lines else "its process died"
