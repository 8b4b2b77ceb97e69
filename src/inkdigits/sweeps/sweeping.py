"""`sweep` and `resume_sweep`: train one recipe with many values of its fields."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from inkdigits.errors import TrainingInterrupted, UsageError
from inkdigits.evaluation import save_figure
from inkdigits.ray_clusters import check_address, load_ray
from inkdigits.sweeps.optuna_study import load_optuna, run_in_process
from inkdigits.sweeps.search_space import Over, SearchSpace, parse_space
from inkdigits.sweeps.sweep_folder import SweepFolder, SweepSettings
from inkdigits.sweeps.sweep_result import Sweep
from inkdigits.training.fit.entry_points import Model, choose_recipe
from inkdigits.training.fit.interruption import sigterm_as_interrupt
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.optimizers import build_loss, build_optimizer
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.lookup import replace_fields
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import list_versions

DEFAULT_TRIALS = 20


def sweep(
    recipe: str | os.PathLike[str] | Recipe | ReaderRecipe = "quick",
    *,
    over: Over,
    trials: int = DEFAULT_TRIALS,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    folds: int | None = None,
    data: Path | str | None = None,
    pictures: Path | str | None = None,
    teacher: Model | Sequence[Model] = (),
    early_stopping: bool = True,
    output: Path | str | None = None,
    ray: str | None = None,
    cores: int = 1,
    progress: bool = True,
) -> Sweep:
    """Trains a recipe with many values of some of its fields, and compares them by validation.

    Values are proposed by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011). If
    there are no more combinations of values than trials, each is trained once. A trial that is
    worse than others after as many epochs is stopped (ASHA: Li et al., 2020). The test images are
    not touched.

        inkdigits.sweep("quick", over={"learning_rate": (1e-3, 1e-2), "batch_size": [64, 128]})

    Args:
        recipe: As in `train`.
        over: The fields to change, as texts "learning_rate=1e-3..1e-2" or as a dictionary from
            names to ranges and choices. A range of integers is uniform, one of floats log-uniform
            if its ends are positive and differ by a factor of 10 or more, and otherwise uniform.
        trials: Number of trials, those that fail or stop early included.
        overrides: As in `train`, for fields that all trials share.
        seeds: Seeds: each trial is trained once with each of them, and its accuracy is the mean.
            The first one also seeds the search.
        folds: Number of folds of a cross-validation of each trial, as in `cross_validate`; None:
            none.
        data: As in `train`.
        pictures: As in `train`.
        teacher: As in `train`.
        early_stopping: Whether to stop trials early. Those of a reader, and those of a sweep over
            `augmentation`, `outliers` or `validation_images`, never are.
        output: The folder of the sweep, which must not exist; None: the first of
            `runs/<recipe>-sweep`, `runs/<recipe>-sweep-2`, … that does not exist.
        ray: None: one trial after the other, in this process. "local": on Ray on this machine; or
            the address of a cluster, "auto", "HOST:PORT" or "ray://HOST:PORT", whose nodes share
            the folder.
        cores: Number of cores of each trial on Ray.
        progress: Whether to report progress on stderr.

    Returns:
        The trials, best first. Each is an ordinary run folder.

    Raises:
        RecipeError: As in `train`, or `over` has an unknown field or an invalid value.
        UsageError: As in `train`; an invalid number, or no cluster at the address.
        OutputExistsError, RunError, OutputError: The folder exists already or cannot be written.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume_sweep` continues.
        MissingExtraError: Optuna, Ray or Keras is not installed.
    """
    chosen, source = choose_recipe(recipe, overrides, {}, options=())
    space = parse_space(over, chosen)
    members = [teacher] if isinstance(teacher, str | os.PathLike) else list(teacher)
    is_reader = isinstance(chosen, ReaderRecipe)
    _check_numbers(trials, seeds, folds, cores)
    if is_reader and (folds is not None or pictures is not None or members):
        raise UsageError(
            f"{chosen.name} is trained on drawn pages only: leave folds, pictures and teacher out"
        )
    if folds is not None and (pictures is not None or members):
        raise UsageError(
            "folds compare networks that learn parts of the training images: leave pictures and "
            "teacher out"
        )
    settings = SweepSettings(
        recipe=chosen,
        space=space,
        trials=trials,
        seeds=tuple(seeds),
        folds=folds,
        data=_find(data),
        pictures=_find(pictures),
        teachers=tuple(str(_find(member)) for member in members),
        early_stopping=early_stopping,
        recipe_sha256=None if source is None else source.sha256,
        versions=dict(list_versions()),
    )
    _check_installed(ray)
    _check_choices(chosen, space)
    folder = SweepFolder.create(None if output is None else Path(output), settings, source)
    return _run(folder, ray=ray, cores=cores, progress=progress)


def resume_sweep(
    folder: Path | str,
    *,
    trials: int | None = None,
    ray: str | None = None,
    cores: int = 1,
    progress: bool = True,
) -> Sweep:
    """Continues a sweep that was interrupted, or adds trials to a finished one.

    Trials that were running go on from their checkpoints. Without Ray, the values and weights are
    those of a sweep that was not interrupted.

    Args:
        folder: The folder of the sweep.
        trials: Another number of trials, at least as many as there are; None: the same.
        ray: As in `sweep`, whichever way the sweep was started.
        cores: As in `sweep`.
        progress: Whether to report progress on stderr.

    Raises:
        RunError: There is no sweep in the folder, its files are damaged, or another process works
            in it.
        UsageError, TrainingInterrupted, MissingExtraError: As in `sweep`.
    """
    opened = SweepFolder.open(folder)
    _check_numbers(trials or 1, (0,), None, cores)
    if trials is not None and trials < len(opened.trials):
        raise UsageError(
            f"{folder} has {len(opened.trials)} trials already: expected at least as many, not "
            f"{trials}"
        )
    _check_installed(ray)
    return _run(opened, ray=ray, cores=cores, progress=progress, trials=trials)


def _run(
    opened: SweepFolder, *, ray: str | None, cores: int, progress: bool, trials: int | None = None
) -> Sweep:
    """Trains the trials that are missing, and writes the plot."""
    say = _build_say(progress)
    with opened.locked():
        folder = SweepFolder.open(opened.folder)  # as it is now that no other process works in it
        if trials is not None:
            folder.set_trials(trials)
        say(f"sweeping {folder.settings.recipe.name} in {folder.folder}")
        try:
            with sigterm_as_interrupt():
                if ray is None:
                    run_in_process(folder, say=say, progress=progress)
                else:
                    from inkdigits.sweeps.ray_tuning import run_on_ray

                    run_on_ray(folder, address=ray, cores=cores, say=say)
        except (KeyboardInterrupt, TrainingInterrupted):
            n_ended = sum(trial.state != "running" for trial in folder.trials)
            raise TrainingInterrupted(
                f"stopped after {n_ended} of {folder.settings.trials} trials: continue with "
                f"'inkdigits sweep --resume {folder.folder}'"
            ) from None
        finally:
            result = Sweep.from_folder(folder)
            if any(trial.state != "running" for trial in folder.trials):
                save_figure(result.plot_trials(), result.plot)
    return result


def _build_say(progress: bool) -> Callable[[str], None]:
    console = Console(stderr=True, quiet=not progress, highlight=False, markup=False)
    return lambda line: console.print(line, soft_wrap=True)


def _check_numbers(trials: int, seeds: Sequence[int], folds: int | None, cores: int) -> None:
    for name, value, least in (("trials", trials, 1), ("folds", folds, 2), ("cores", cores, 1)):
        if value is not None and value < least:
            raise UsageError(f"invalid number of {name} {value}: expected {least} or more")
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise UsageError(
            f"invalid seeds {list(seeds)}: expected different integers from 0 to {2**32 - 1}"
        )


def _check_installed(ray: str | None) -> None:
    """Raises MissingExtraError or UsageError before the folder is created."""
    load_optuna()
    if ray is not None:
        check_address(ray)
        load_ray()
    load_keras()


def _check_choices(recipe: Recipe | ReaderRecipe, space: SearchSpace) -> None:
    """Raises RecipeError for a network, optimizer or loss that cannot be built."""
    for field in {"network", "optimizer", "loss"} & set(space):
        for value in space[field].list_values():
            changed = replace_fields(recipe, {field: value})
            if isinstance(changed, Recipe):
                build_network(changed)
                build_optimizer(changed, 1)
                build_loss(changed, with_labels=True)


def _find(path: Path | str | os.PathLike[str] | None) -> str | None:
    """Returns the absolute path of what exists, which processes elsewhere find, too."""
    if path is None:
        return None
    return str(Path(path).resolve()) if Path(path).exists() else os.fspath(path)
