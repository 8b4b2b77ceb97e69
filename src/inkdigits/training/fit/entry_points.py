"""`train` and `resume`: from a recipe, or an interrupted run, to a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inkdigits.errors import UsageError
from inkdigits.training.fit.tile_training import resume_tiles, train_tiles
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.lookup import find_recipe
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import Run, is_reader_run


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
    """Trains a network for tiles on MNIST, or a reader on drawn pages, in a new run folder.

    On one machine, with the same number of threads, the same settings give the same weights: the
    order of the images and dropout in each epoch depend only on the seed and the epoch's number.

    Args:
        recipe: A recipe, or the name of one.
        overrides: Fields to replace, as field names to values or as strings `field=value`. Only if
            `recipe` is a name.
        seed: Seed of the weights, the validation split, the order of the images and dropout; 0 to
            2**32 - 1.
        data: A path, as in `load_mnist`; None: MNIST from the cache, downloaded if missing.
        pictures: A folder of labelled pictures, such as corrections. Its single digits are trained
            on too, repeated up to 2 % of the images. None: no such pictures. Not for readers.
        teachers: Folders of runs, or `.onnx` files. Their mean probabilities for each tile are
            mixed with its label (Hinton et al., 2015). Not for readers.
        output: The run folder, which must not exist; None: the first of `runs/<recipe>`,
            `runs/<recipe>-2`, … that does not exist.
        progress: Whether to report progress on stderr.

    Returns:
        The finished run.

    Raises:
        RecipeError: An unknown recipe or field, an invalid value, or a network that cannot be
            built.
        UsageError: Overrides for a recipe that is not a name, more validation images than images,
            teachers without a not-a-digit class for a recipe with one, or pictures or teachers for
            a reader.
        ModelError: A teacher is missing or damaged.
        DataFormatError, DataUnavailableError: MNIST is incomplete or cannot be downloaded, or
            `pictures` has no single digit.
        PictureError: One of `pictures` cannot be read.
        OutputExistsError, RunError, OutputError: The run folder exists already or cannot be
            written.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume` continues the run.
        MissingExtraError: Keras or matplotlib is not installed.
    """
    if isinstance(recipe, str):
        recipe = find_recipe(recipe, overrides)
    elif overrides:
        raise UsageError(
            "overrides apply to the name of a recipe only: use dataclasses.replace on a recipe"
        )
    if isinstance(recipe, Recipe):
        return train_tiles(
            recipe,
            seed=seed,
            data=data,
            pictures=pictures,
            teachers=teachers,
            output=output,
            progress=progress,
        )
    if pictures is not None or teachers:
        raise UsageError(
            f"{recipe.name} is trained on drawn pages only: leave pictures and teachers out"
        )
    load_keras()  # raises MissingExtraError before the next import needs onnx
    from inkdigits.training.fit.reader_training import train_reader

    return train_reader(recipe, seed=seed, data=data, output=output, progress=progress)


def resume(folder: Path | str, *, progress: bool = True) -> Run:
    """Continues an interrupted run in its folder.

    A network for tiles continues after its last complete epoch, a reader after the last step of its
    last checkpoint. A finished run is returned unchanged.

    Args:
        folder: The run folder.
        progress: Whether to report progress on stderr.

    Returns:
        The finished run.

    Raises:
        RunError: The run is missing, damaged or in use by another process, or was started with
            another backend, other data or other teachers.
        TrainingInterrupted: Ctrl-C or SIGTERM, as in `train`, which lists the other errors.
    """
    run = Run.open(folder)
    if not is_reader_run(run.folder):
        return resume_tiles(run, progress=progress)
    load_keras()  # as in `train`
    from inkdigits.training.fit.reader_training import resume_reader

    return resume_reader(run, progress=progress)
