"""K-fold cross-validation: how much a recipe's accuracy depends on the images that it learns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from inkdigits.data.class_names import choose_class_names
from inkdigits.data.datasets import find_classes
from inkdigits.errors import OutputExistsError, RunError, TrainingInterrupted, UsageError
from inkdigits.evaluation import summarise
from inkdigits.evaluation.metrics import Summary
from inkdigits.files import iterate_names
from inkdigits.training.fit.entry_points import choose_recipe
from inkdigits.training.fit.tile_training import resume_tiles, train_tiles
from inkdigits.training.recipes.recipe_fields import TileFields
from inkdigits.training.recipes.tile_recipe import Recipe, set_classes
from inkdigits.training.runs import Run

_OPTIONS = ("folds", "seed", "data", "dataset", "output", "progress", "callbacks")
"""Keywords of `cross_validate` that are not fields of a recipe."""


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """The runs of a cross-validation, each validated on images that the others learn.

    Attributes:
        folder: The folder with the folders of the runs.
        runs: The run of each fold.
        accuracies: The accuracy of each run on its own fold, 0 to 1, of the ONNX model.
    """

    folder: Path
    runs: tuple[Run, ...]
    accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> Summary:
        """Mean and standard deviation of the accuracies."""
        return summarise(self.accuracies)

    def __repr__(self) -> str:
        return f"CrossValidation({str(self.folder)!r}, accuracy={str(self.accuracy)!r})"

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        return {
            "folder": str(self.folder),
            "runs": [str(run.folder) for run in self.runs],
            "accuracies": list(self.accuracies),
            "accuracy_mean": self.accuracy.mean,
            "accuracy_sd": self.accuracy.sd,
        }


def cross_validate(
    recipe: str | os.PathLike[str] | Recipe = "quick",
    *,
    folds: int = 5,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    seed: int = 0,
    data: Path | str | None = None,
    dataset: str | Path | None = None,
    output: Path | str | None = None,
    progress: bool = True,
    callbacks: Sequence[Any] = (),
    **fields: Unpack[TileFields],
) -> CrossValidation:
    """Trains a network for tiles once for each fold of the training images.

    Every image is validated on once, by the run that has not learned it. The test images are not
    touched. The field `validation_images` has no effect.

    Args:
        recipe: As in `train`, for tiles.
        folds: Number of folds, at least 2.
        overrides: As in `train`.
        seed: Seed of the folds and of each run.
        data: As in `train`.
        dataset: As in `train`.
        output: The folder of the runs `fold-1`, `fold-2`, …; None: the first of
            `runs/<recipe>-folds`, `runs/<recipe>-folds-2`, … that does not exist. If it has runs of
            the same cross-validation, finished ones are kept and the others are continued.
        progress: Whether to report progress on stderr.
        callbacks: As in `train`; they are told of each run.
        fields: Fields of the recipe to replace, such as `epochs=3`.

    Returns:
        The runs and their accuracies.

    Raises:
        UsageError: Fewer than two folds, or a recipe of a reader.
        OutputExistsError: `output` holds something else.
        RunError: `output` has runs with other settings.
        TrainingInterrupted: Ctrl-C or SIGTERM; the same call with `output` continues.
    """
    chosen, source = choose_recipe(recipe, overrides, fields, options=_OPTIONS)
    if not isinstance(chosen, Recipe):
        raise UsageError(f"{chosen.name} is trained on drawn pages: it has no folds to validate on")
    if folds < 2:
        raise UsageError(f"invalid number of folds {folds}: expected 2 or more")
    class_names, _ = choose_class_names(dataset, data)
    chosen = set_classes(chosen, len(find_classes(class_names).names))
    if output is None:
        names = iterate_names(Path("runs") / f"{chosen.name}-folds")
        folder = next(name for name in names if not name.exists())
    else:
        folder = Path(output)
    places = [folder / f"fold-{number}" for number in range(1, folds + 1)]
    _check_folder(folder, places)
    runs = []
    for number, place in enumerate(places):
        try:
            if place.exists():
                run = Run.open(place)
                _check_same(run, chosen, seed, (number, folds))
                runs.append(resume_tiles(run, progress=progress, callbacks=callbacks))
                continue
            runs.append(
                train_tiles(
                    chosen,
                    seed=seed,
                    data=data,
                    pictures=None,
                    teachers=(),
                    output=place,
                    overwrite=False,
                    progress=progress,
                    callbacks=callbacks,
                    dataset=dataset,
                    source=source,
                    fold=(number, folds),
                )
            )
        except TrainingInterrupted as error:
            raise TrainingInterrupted(
                f"stopped in fold {number + 1} of {folds}: repeat the command with --output "
                f"{folder} to continue"
            ) from error
    figures = [json.loads(run.card.read_bytes())["figures"] for run in runs]
    accuracies = tuple(float(values["validation_accuracy"]) for values in figures)
    return CrossValidation(folder, tuple(runs), accuracies)


def _check_folder(folder: Path, places: Sequence[Path]) -> None:
    """Raises OutputExistsError if a folder holds anything but the runs of these folds."""
    if not folder.exists():
        return
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= {
        path.name for path in places
    }:
        raise OutputExistsError(
            f"{folder} exists already and is not the folder of these folds: choose another one"
        )


def _check_same(run: Run, recipe: Recipe, seed: int, fold: tuple[int, int]) -> None:
    """Raises RunError if a run is not the one that these settings would start."""
    settings = run.load_settings()
    # A processor without 16-bit arithmetic changes the precision.
    same = {**settings.recipe.to_json(), "precision": recipe.precision} == recipe.to_json()
    if not same or (settings.seed, settings.fold) != (seed, fold):
        raise RunError(
            f"{run.folder} was started with another recipe, seed or number of folds: choose "
            "another folder with --output"
        )
