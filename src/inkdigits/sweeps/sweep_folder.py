"""The folder of a sweep.

sweep.json       the settings: recipe, search space, number of trials, seeds, folds, data
trials.json      the values and the state of every trial; replaced whenever one changes
trials.csv       the same as a table, best first
trials.png       the same as a plot
trial-001, …     the run of each trial; with several seeds or folds, the runs of each trial
recipe.toml, .py the user's own recipe file; never read again
ray              what Ray Tune keeps
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import InkdigitsError, OutputExistsError, RunError
from inkdigits.files import find_free_name, write_text_whole, write_whole
from inkdigits.sweeps.search_space import Axis, Range, SearchSpace, load_space
from inkdigits.sweeps.sweep_trial import SweepTrial, rank_trials
from inkdigits.training import Run
from inkdigits.training.model_files.recipe_sources import RecipeFile
from inkdigits.training.recipes.reader_recipe import KIND, ReaderRecipe, load_reader_recipe
from inkdigits.training.recipes.tile_recipe import Recipe

SETTINGS: Final = "sweep.json"
TRIALS: Final = "trials.json"
TABLE: Final = "trials.csv"
PLOT: Final = "trials.png"

_CHANGE_VALIDATION: Final = {"augmentation", "outliers", "validation_images"}
"""Fields that change what an epoch is validated on, so that epochs cannot be compared."""


@dataclass(frozen=True)
class SweepSettings:
    """What a sweep was started with.

    Attributes:
        recipe: The recipe whose fields are swept.
        space: The swept fields and their ranges or choices.
        trials: Number of trials, those that fail or stop early included.
        seeds: Seeds of the runs of each trial. The first one also seeds the search.
        folds: Number of folds of each trial; None: no cross-validation.
        data: As in `train`.
        pictures: As in `train`.
        teachers: As in `train`.
        early_stopping: Whether to stop trials that are worse than others.
        recipe_sha256: SHA-256 of the user's own recipe file; None for a recipe of the catalogue.
        versions: Package name to version.
    """

    recipe: Recipe | ReaderRecipe
    space: SearchSpace
    trials: int
    seeds: tuple[int, ...]
    folds: int | None
    data: str | None
    pictures: str | None
    teachers: tuple[str, ...]
    early_stopping: bool
    recipe_sha256: str | None
    versions: Mapping[str, str]

    @property
    def max_epochs(self) -> int | None:
        """The largest number of epochs of a trial; None for a reader."""
        if isinstance(self.recipe, ReaderRecipe):
            return None
        axis: Axis | None = self.space.get("epochs")
        if axis is None:
            return self.recipe.epochs
        return int(axis.high if isinstance(axis, Range) else max(axis.values))

    @property
    def stops_early(self) -> bool:
        """Whether trials are compared after each epoch.

        Those of a reader, which is validated at the end, are not, nor are those whose epochs are
        validated on other images.
        """
        return (
            self.early_stopping
            and (self.max_epochs or 1) > 1
            and not _CHANGE_VALIDATION & set(self.space)
        )

    @property
    def figure(self) -> str:
        """Name of the figure that trials are compared by, in the cards of their runs."""
        return "digits_right" if isinstance(self.recipe, ReaderRecipe) else "validation_accuracy"

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as plain values, which `load_settings` reads."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "recipe": self.recipe.to_json(),
            "space": {field: axis.to_json() for field, axis in self.space.items()},
            "versions": dict(self.versions),
        }


class SweepFolder:
    """The folder of a sweep, and the state of its trials.

    Attributes:
        folder: The folder.
        settings: What the sweep was started with.
        trials: All trials so far, by number.
    """

    def __init__(self, folder: Path, settings: SweepSettings, trials: list[SweepTrial]) -> None:
        """Use `create` or `open` instead."""
        self.folder = folder
        self.settings = settings
        self.trials = trials

    @classmethod
    def create(
        cls, folder: Path | None, settings: SweepSettings, source: RecipeFile | None
    ) -> SweepFolder:
        """Creates a new folder and writes its settings.

        Args:
            folder: The folder, which must not exist; None: the first of `runs/<recipe>-sweep`,
                `runs/<recipe>-sweep-2`, … that does not exist.
            settings: The settings.
            source: The user's own recipe file.

        Raises:
            OutputExistsError: The folder exists already.
            RunError: The folder cannot be created.
            OutputError: A file cannot be written.
        """
        chosen = folder or find_free_name(Path("runs") / f"{settings.recipe.name}-sweep")
        try:
            chosen.mkdir(parents=True)
        except FileExistsError:
            raise OutputExistsError(
                f"{chosen} exists already: continue it with 'inkdigits sweep --resume {chosen}', "
                "or choose another folder with --output"
            ) from None
        except OSError as error:
            raise RunError(
                f"the folder {chosen} cannot be created ({error.strerror}): choose another one "
                "with --output"
            ) from error
        if source is not None:
            with write_whole(chosen / f"recipe{source.suffix}") as temporary:
                temporary.write_bytes(source.content)
        opened = cls(chosen, settings, [])
        opened.save_settings()
        return opened

    @classmethod
    def open(cls, folder: Path | str) -> SweepFolder:
        """Opens the folder of an earlier sweep.

        Raises:
            RunError: There is no sweep in the folder, or its files are damaged.
        """
        folder = Path(folder)
        path = folder / SETTINGS
        if not path.is_file():
            raise RunError(
                f"no {SETTINGS} in {folder}: expected the folder of a sweep, such as "
                "runs/quick-sweep"
            )
        try:
            settings = load_settings(json.loads(path.read_bytes()))
            path = folder / TRIALS
            rows = json.loads(path.read_bytes()) if path.exists() else []
            trials = [SweepTrial.from_dict(row) for row in rows]
            if [trial.number for trial in trials] != list(range(1, len(trials) + 1)):
                raise ValueError("trials are missing")
        except (
            *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
            InkdigitsError,
        ) as error:
            raise RunError(f"{path} cannot be read ({error}): start a new sweep") from error
        return cls(folder, settings, trials)

    def locked(self) -> AbstractContextManager[None]:
        """Locks the folder, so that only one process sweeps in it. Raises as `Run.locked`."""
        return Run(self.folder).locked()

    def save_settings(self) -> None:
        """Writes `sweep.json`."""
        text = json.dumps(self.settings.to_json(), indent=2)
        write_text_whole(self.folder / SETTINGS, f"{text}\n")

    def locate(self, trial: SweepTrial) -> Path:
        """Returns the folder of a trial."""
        return self.folder / trial.folder

    def start(self, values: Mapping[str, Any]) -> SweepTrial:
        """Adds a trial that is running, and writes it down before any of its files exist."""
        number = len(self.trials) + 1
        trial = SweepTrial(number, dict(values), "running", f"trial-{number:03}")
        self.trials.append(trial)
        self._save_trials()
        return trial

    def update(self, trial: SweepTrial) -> None:
        """Replaces the trial of the same number, and writes the tables."""
        self.trials[trial.number - 1] = trial
        self._save_trials()
        self._save_table()

    def find(self, values: Mapping[str, Any]) -> SweepTrial | None:
        """Returns the trial with these values, if there is one."""
        return next((trial for trial in self.trials if trial.values == values), None)

    def set_trials(self, trials: int) -> None:
        """Changes the number of trials, and writes it down."""
        if trials != self.settings.trials:
            self.settings = replace(self.settings, trials=trials)
            self.save_settings()

    def _save_trials(self) -> None:
        text = json.dumps([trial.to_dict() for trial in self.trials], indent=2)
        write_text_whole(self.folder / TRIALS, f"{text}\n")

    def _save_table(self) -> None:
        text = io.StringIO()
        columns = list_columns(self.settings.figure, self.settings.space)
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for trial in rank_trials(self.trials):
            row = build_row(trial, self.settings.figure)
            writer.writerow({name: _format_cell(row[name], name, trial) for name in columns})
        write_text_whole(self.folder / TABLE, text.getvalue())


def load_settings(values: Mapping[str, Any]) -> SweepSettings:
    """Returns the settings of the result of `SweepSettings.to_json`.

    Raises:
        RecipeError, KeyError, TypeError, AttributeError: The values are not such a result.
    """
    recipe = values["recipe"]
    is_reader = recipe.get("kind") == KIND
    return SweepSettings(
        **{
            **values,
            "recipe": load_reader_recipe(recipe) if is_reader else Recipe.from_json(recipe),
            "space": load_space(values["space"]),
            "seeds": tuple(values["seeds"]),
            "teachers": tuple(values["teachers"]),
        }
    )


def list_columns(figure: str, space: Mapping[str, Any]) -> list[str]:
    """Returns the columns of the table of trials."""
    return [
        *("trial", "state", *space, figure, f"{figure}_sd", "validation_loss", "reached"),
        *("complete_epochs", "fit_seconds", "folder", "error"),
    ]


def build_row(trial: SweepTrial, figure: str) -> dict[str, Any]:
    """Returns a trial as a row with the columns of `list_columns`."""
    from inkdigits.evaluation import summarise

    return {
        **trial.values,
        "trial": trial.number,
        "state": trial.state,
        figure: trial.accuracy,
        f"{figure}_sd": summarise(trial.accuracies).sd if trial.accuracies else None,
        "validation_loss": trial.loss,
        "reached": trial.reached,
        "complete_epochs": trial.epochs,
        "fit_seconds": round(trial.seconds, 3),
        "folder": trial.folder,
        "error": trial.error,
    }


def _format_cell(value: Any, name: str, trial: SweepTrial) -> Any:
    if name in trial.values:
        return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return "" if value is None else value
