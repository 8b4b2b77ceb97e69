"""`train` and `resume`: from a recipe, or an interrupted run, to a finished run."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from inkdigits.errors import UsageError
from inkdigits.training.fit.tile_training import resume_tiles, train_tiles
from inkdigits.training.model_files.recipe_sources import RecipeFile, open_recipe
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.lookup import replace_fields
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.recipes.recipe_fields import RecipeFields
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import Run, is_reader_run

Model = str | os.PathLike[str]

_logger = logging.getLogger(__name__)


def train(
    recipe: str | os.PathLike[str] | Recipe | ReaderRecipe = "quick",
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    seed: int = 0,
    data: Path | str | None = None,
    dataset: str | Path | None = None,
    pictures: Path | str | None = None,
    teacher: Model | Sequence[Model] = (),
    output: Path | str | None = None,
    overwrite: bool = False,
    progress: bool = True,
    callbacks: Sequence[Any] = (),
    tensorboard: bool = False,
    mlflow: bool = False,
    live: bool | int = False,
    teachers: Sequence[Model] | None = None,
    **fields: Unpack[RecipeFields],
) -> Run:
    """Trains a network for tiles on MNIST, or a reader on drawn pages, in a new run folder.

    On one machine, with the same number of threads, the same settings give the same weights: the
    order of the images and dropout in each epoch depend only on the seed and the epoch's number.

        inkdigits.train("quick", epochs=3, batch_size=64)

    Args:
        recipe: A recipe, the name of one, or a `.toml` or `.py` file with one's own. A Python file
            is executed.
        overrides: Fields to replace, as a dictionary or as strings `field=value`, as on the command
            line. Only if `recipe` is a name or a file.
        seed: Seed of the weights, the validation split, the order of the images and dropout; 0 to
            2**32 - 1.
        data: A path, as in `load_mnist`; None: MNIST from the cache, downloaded if missing. MNIST's
            test images are left out, with a warning.
        dataset: What the images in `data` are, for the names of their classes: a key of
            `inkdigits.data.datasets.DATASETS`, such as "fashion-mnist" or "emnist-letters". Or a
            folder with a subfolder of 28 × 28 pictures for each class, instead of `data`. The
            network has an output for each class. None: digits. Not for readers.
        pictures: A folder of labelled pictures, such as corrections. Its single digits are trained
            on too, repeated up to 2 % of the images. None: no such pictures. Not for readers.
        teacher: A run or its folder, a model file, or several of them. Their mean probabilities for
            each tile are mixed with its label (Hinton et al., 2015). Not for readers.
        output: The run folder, which must not exist; None: the first of `runs/<recipe>`,
            `runs/<recipe>-2`, … that does not exist.
        overwrite: Whether `output` may be the folder of an earlier run. The files of that run are
            replaced, and other files in the folder are kept.
        progress: Whether to report progress on stderr.
        callbacks: Callbacks of Keras, which are told of the training as by `Model.fit`. Not for
            readers.
        tensorboard: Whether to write the folder `tensorboard` of the run, for `tensorboard
            --logdir`. Not for readers.
        mlflow: Whether to record the run with MLflow, where MLFLOW_TRACKING_URI or MLflow's own
            settings say. Not for readers.
        live: Whether to show the curves at a local address while training; a number is the port,
            and True is any free port. Not for readers.
        teachers: Deprecated: use `teacher`.
        fields: Fields of the recipe to replace, such as `epochs=3`.

    Returns:
        The finished run.

    Raises:
        RecipeError: An unknown recipe, keyword or field, an invalid value, or a network that cannot
            be built.
        UsageError: Overrides for a recipe that is not a name, more validation images than images,
            teachers without a not-a-digit class for a recipe with one, pictures, teachers or
            callbacks for a reader, callbacks that are none of Keras, or an invalid port.
        ModelError: A teacher is missing or damaged.
        DataFormatError, DataUnavailableError: MNIST is incomplete or cannot be downloaded, or
            `pictures` has no single digit.
        DataLeakageError: Some of `pictures`, or all images of `data`, are MNIST's test images.
        PictureError: One of `pictures` cannot be read.
        OutputExistsError, RunError, OutputError: The run folder exists already or cannot be
            written.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume` continues the run.
        MissingExtraError: Keras, matplotlib, TensorBoard or MLflow is not installed.
    """
    recipe, source = choose_recipe(recipe, overrides, fields, options=_list_options())
    if teachers is not None:
        warnings.warn("teachers is deprecated: use teacher", DeprecationWarning, stacklevel=2)
        teacher = teachers
    members = [teacher] if isinstance(teacher, str | os.PathLike) else teacher
    paths = [os.fspath(member) for member in members]
    if isinstance(recipe, Recipe):
        return train_tiles(
            recipe,
            seed=seed,
            data=data,
            pictures=pictures,
            teachers=paths,
            output=output,
            overwrite=overwrite,
            progress=progress,
            callbacks=callbacks,
            tensorboard=tensorboard,
            mlflow=mlflow,
            live=live,
            dataset=dataset,
            source=source,
        )
    if pictures is not None or paths:
        raise UsageError(
            f"{recipe.name} is trained on drawn pages only: leave pictures and teacher out"
        )
    if dataset is not None:
        raise UsageError(f"{recipe.name} reads digits: leave dataset out")
    if callbacks or tensorboard or mlflow or live is not False:
        raise UsageError(
            f"{recipe.name} is not trained by Model.fit: leave callbacks, tensorboard, mlflow and "
            "live out"
        )
    load_keras()  # raises MissingExtraError before the next import needs onnx
    from inkdigits.training.fit.reader_training import train_reader

    return train_reader(
        recipe, seed=seed, data=data, output=output, overwrite=overwrite, progress=progress
    )


def choose_recipe(
    recipe: str | os.PathLike[str] | Recipe | ReaderRecipe,
    overrides: Mapping[str, Any] | Sequence[str],
    fields: Mapping[str, Any],
    *,
    options: Sequence[str],
) -> tuple[Recipe | ReaderRecipe, RecipeFile | None]:
    """Returns the recipe that the arguments of `train` stand for, and the user's file with it.

    Args:
        recipe: As in `train`.
        overrides: As in `train`.
        fields: As in `train`.
        options: Other keywords of the caller, suggested when a keyword is unknown.

    Raises:
        RecipeError, UsageError: As in `train`.
    """
    source: RecipeFile | None = None
    if isinstance(recipe, str | os.PathLike):
        path = os.fspath(recipe)
        recipe, source = open_recipe(path, overrides)
        if source is not None and source.added:
            _logger.info("added to the network of %s: %s", path, "; ".join(source.added))
    elif overrides:
        raise UsageError(
            "overrides apply to the name of a recipe only: use dataclasses.replace on a recipe"
        )
    if fields:
        recipe = replace_fields(recipe, fields, options=options)
    return recipe, source


def _list_options() -> list[str]:
    """Returns the keywords of `train` that are not fields of a recipe."""
    parameters = inspect.signature(train).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "teachers"
    ]


def resume(
    folder: Path | str,
    *,
    epochs: int | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    progress: bool = True,
    callbacks: Sequence[Any] = (),
    live: bool | int = False,
) -> Run:
    """Continues an interrupted run in its folder.

    A network for tiles continues after its last complete epoch, a reader after the last step of its
    last checkpoint. A finished run is returned unchanged, unless it gets more epochs.

    Args:
        folder: The run folder.
        epochs: Another number of epochs. The weights are those of a run that was started with it.
            Only for networks for tiles whose schedule is not planned over all epochs, such as
            "constant". None: the number that the run was started with.
        overrides: The same as on the command line, such as `["epochs=20"]`.
        progress: Whether to report progress on stderr.
        callbacks: As in `train`; those that the run was started with are not kept.
        live: As in `train`.

    Returns:
        The finished run.

    Raises:
        RecipeError: `overrides` has an unknown field, or an invalid number of epochs.
        UsageError: The run cannot be continued with these overrides.
        RunError: The run is missing, damaged or in use by another process, or was started with
            another backend, other data or other teachers.
        TrainingInterrupted: Ctrl-C or SIGTERM, as in `train`, which lists the other errors.
    """
    if epochs is not None:
        overrides = {"epochs": epochs}
    run = Run.open(folder)
    if not is_reader_run(run.folder):
        return resume_tiles(
            run, overrides=overrides, progress=progress, callbacks=callbacks, live=live
        )
    if callbacks or live is not False:
        raise UsageError(f"{folder} is the run of a reader: leave callbacks and live out")
    if overrides:
        raise UsageError(
            f"{folder} cannot change its recipe: the learning rate of a reader falls to 0 over "
            "all of its pages; start a new run from its weights, with --set "
            f"start={Path(folder) / 'weights.npz'}"
        )
    load_keras()  # as in `train`
    from inkdigits.training.fit.reader_training import resume_reader

    return resume_reader(run, progress=progress)
