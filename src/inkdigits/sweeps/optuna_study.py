"""A sweep in this process, one trial after the other, with Optuna's search and early stopping.

The study is in memory. What counts is in the folder of the sweep: a sweep that was interrupted
shows Optuna the trials again, and the values of each further trial depend only on these, its number
and the seed. So it goes on as if it had not been interrupted.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np

from inkdigits.errors import MissingExtraError, ModelError, RecipeError
from inkdigits.sweeps.search_space import (
    Axis,
    Choices,
    SearchSpace,
    format_values,
    list_combinations,
)
from inkdigits.sweeps.sweep_folder import SweepFolder, SweepSettings
from inkdigits.sweeps.sweep_trial import State, SweepTrial
from inkdigits.sweeps.trial_runs import list_reported, measure_trial, train_trial

REDUCTION: Final = 3
"""At each comparison, the best trial in so many goes on."""
_ATTEMPTS: Final = 1_000
"""Most attempts to find values that no earlier trial has."""

Say = Callable[[str], None]


class TrialStopped(Exception):  # noqa: N818 - an event, not a fault
    """Ends the training of a trial that is worse than others."""


def load_optuna() -> Any:
    """Returns the module `optuna`, with its log silenced.

    Raises:
        MissingExtraError: Optuna is not installed.
    """
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise MissingExtraError(
            'Optuna is not installed, but sweeps need it: pip install "inkdigits[scale]"'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def choose_grace(settings: SweepSettings) -> int:
    """Returns the number of epochs after which trials are first compared: a quarter of them."""
    return max(1, round((settings.max_epochs or 1) / 4))


def build_distributions(space: SearchSpace) -> dict[str, Any]:
    """Returns the search space as Optuna's distributions. Choices are numbered from 0."""
    distributions = load_optuna().distributions
    built: dict[str, Any] = {}
    for field, axis in space.items():
        if isinstance(axis, Choices):
            built[field] = distributions.CategoricalDistribution(tuple(range(len(axis.values))))
        elif axis.is_integer:
            built[field] = distributions.IntDistribution(int(axis.low), int(axis.high))
        else:
            built[field] = distributions.FloatDistribution(axis.low, axis.high, log=axis.is_log)
    return built


def encode_values(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a trial as Optuna's parameters."""

    def encode(axis: Axis, value: Any) -> Any:
        return axis.values.index(value) if isinstance(axis, Choices) else value

    return {field: encode(axis, values[field]) for field, axis in space.items()}


def decode_values(space: SearchSpace, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a trial from Optuna's parameters."""

    def decode(axis: Axis, parameter: Any) -> Any:
        return axis.values[parameter] if isinstance(axis, Choices) else parameter

    return {field: decode(axis, parameters[field]) for field, axis in space.items()}


def build_sampler(settings: SweepSettings, number: int, attempt: int = 0) -> Any:
    """Returns the sampler that chooses the values of a trial.

    It is the tree-structured Parzen estimator (Bergstra et al., 2011), which begins at random. A
    further attempt, after values that an earlier trial has, is random.
    """
    samplers = load_optuna().samplers
    entropy = np.random.SeedSequence([settings.seeds[0], number, attempt])
    seed = int(entropy.generate_state(1)[0])
    if attempt:
        return samplers.RandomSampler(seed=seed)
    return samplers.TPESampler(seed=seed)


@contextmanager
def _retracing_silenced() -> Iterator[None]:
    """Hides TensorFlow's warning that many networks are built in one process, which is the aim."""

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def run_in_process(folder: SweepFolder, *, say: Say, progress: bool) -> None:
    """Trains the trials that a sweep still lacks.

    Args:
        folder: The locked folder of the sweep. A trial that was interrupted is continued.
        say: Prints a line about the progress.
        progress: Whether to report the progress of each run on stderr.

    Raises:
        MissingExtraError: Optuna is not installed.
        InkdigitsError: As in `train`, apart from RecipeError and ModelError, which fail only the
            trial.
    """
    optuna = load_optuna()
    settings = folder.settings
    pruner = optuna.pruners.NopPruner()
    if settings.stops_early:
        # ASHA (Li et al., 2020)
        pruner = optuna.pruners.SuccessiveHalvingPruner(
            min_resource=choose_grace(settings), reduction_factor=REDUCTION
        )
    study = optuna.create_study(direction="maximize", pruner=pruner)
    grid = list_combinations(settings.space, settings.trials)
    n_trials = settings.trials if grid is None else min(settings.trials, len(grid))
    for trial in folder.trials:
        if trial.state != "running":
            _show_again(optuna, study, folder, trial)
    for number in range(1, n_trials + 1):
        if number > len(folder.trials):
            _add_trial(study, folder, None if grid is None else grid[number - 1])
        trial = folder.trials[number - 1]
        if trial.state == "running":
            say(f"trial {number} of {n_trials}: {format_values(trial.values)}")
            with _retracing_silenced():
                _run_trial(optuna, study, folder, trial, progress=progress)
            say(describe_outcome(folder.trials[number - 1], n_trials))


def describe_outcome(trial: SweepTrial, n_trials: int) -> str:
    """Returns a line on how a trial ended."""
    beginning = f"trial {trial.number} of {n_trials}:"
    if trial.state == "failed":
        return f"{beginning} failed: {trial.error}"
    if trial.accuracy is not None:
        return f"{beginning} {100 * trial.accuracy:.2f} %, {trial.seconds:.0f} s"
    reached = "" if trial.reached is None else f" at {100 * trial.reached:.2f} %"
    return f"{beginning} stopped after epoch {trial.epochs}{reached}"


def _add_trial(study: Any, folder: SweepFolder, values: Mapping[str, Any] | None) -> None:
    """Chooses the values of a new trial, which no earlier one has, and writes them down."""
    settings = folder.settings
    number = len(folder.trials) + 1
    distributions = build_distributions(settings.space)
    attempt = 0
    while values is None or (folder.find(values) is not None and attempt < _ATTEMPTS):
        study.sampler = build_sampler(settings, number, attempt)
        asked = study.ask(distributions)
        values = decode_values(settings.space, asked.params)
        study.tell(asked, state=load_optuna().trial.TrialState.FAIL)  # only asked for its values
        attempt += 1
    folder.start(values)


def _run_trial(
    optuna: Any, study: Any, folder: SweepFolder, trial: SweepTrial, *, progress: bool
) -> None:
    settings, place = folder.settings, folder.locate(trial)
    asked = _ask_for(study, settings, trial)

    def report(epoch: int, accuracy: float) -> None:
        asked.report(accuracy, epoch)
        if asked.should_prune():
            raise TrialStopped

    own_report = report if settings.stops_early else None
    try:
        train_trial(settings, trial, place, report=own_report, progress=progress)
        ended = end_trial(settings, trial, folder, "finished")
    except TrialStopped:
        ended = end_trial(settings, trial, folder, "stopped")
    except (RecipeError, ModelError) as error:
        ended = end_trial(settings, trial, folder, "failed", error=str(error))
    folder.update(ended)
    _tell(optuna, study, asked, ended)


def end_trial(
    settings: SweepSettings,
    trial: SweepTrial,
    folder: SweepFolder,
    state: State,
    error: str | None = None,
) -> SweepTrial:
    """Returns a trial in its last state, with what its runs have reached."""
    measured = measure_trial(settings, trial, folder.locate(trial))
    return replace(measured, state=state, error=error)


def _ask_for(study: Any, settings: SweepSettings, trial: SweepTrial) -> Any:
    """Returns Optuna's trial with the values of a trial."""
    study.enqueue_trial(encode_values(settings.space, trial.values))
    return study.ask(build_distributions(settings.space))


def _show_again(optuna: Any, study: Any, folder: SweepFolder, trial: SweepTrial) -> None:
    """Shows Optuna a trial that has ended, as it saw it the first time."""
    asked = _ask_for(study, folder.settings, trial)
    if folder.settings.stops_early:
        for epoch, accuracy in list_reported(folder.settings, trial, folder.locate(trial)):
            asked.report(accuracy, epoch)
            asked.should_prune()  # which also records the trial's place among the others
    _tell(optuna, study, asked, trial)


def _tell(optuna: Any, study: Any, asked: Any, trial: SweepTrial) -> None:
    states = optuna.trial.TrialState
    if trial.accuracy is not None:
        study.tell(asked, trial.accuracy)
    else:
        study.tell(asked, state=states.PRUNED if trial.state == "stopped" else states.FAIL)
