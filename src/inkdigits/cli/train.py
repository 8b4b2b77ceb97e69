"""`inkdigits train`: trains a network by a recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import DatasetName, Integer, parse_port, parse_seed
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import (
    add_data,
    add_force,
    add_json,
    add_quiet,
    add_recipe,
    add_teacher,
    add_training_pictures,
)
from inkdigits.errors import UsageError
from inkdigits.percentages import format_share

DATASET_NAMES = (
    *("mnist", "qmnist", "emnist-digits", "fashion-mnist", "kmnist"),
    *("emnist-letters", "emnist-balanced", "emnist-bymerge", "emnist-byclass"),
)
USAGE = "inkdigits train [RECIPE] [options]"
EXAMPLES = (
    "inkdigits train quick",
    "inkdigits train reader",
    "inkdigits train dropout --seed 1 --output runs/mine",
    "inkdigits train classic --set epochs=3 --set batch_size=64",
    "inkdigits train my.toml",
    "inkdigits train quick --folds 5",
    "inkdigits train my.toml --find-learning-rate",
    "inkdigits train quick --live",
    "inkdigits train pictures --pictures my-corrections",
    "inkdigits train small --teacher runs/pictures",
    "inkdigits train --resume runs/classic",
    "inkdigits train --resume runs/mine --set epochs=20",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    recipe = parser.add_argument_group("recipe")
    add_recipe(recipe)
    recipe.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of the recipe, with a value as 'inkdigits recipes RECIPE' prints "
        "it; may be repeated; null or none: no value",
    )
    recipe.add_argument("--seed", type=parse_seed, help="seed of the random numbers; default: 0")
    add_teacher(recipe)
    recipe.add_argument(
        "--folds",
        type=Integer("number of folds", 2),
        metavar="N",
        help="cross-validation: train N networks, each validated on another Nth of the images, and "
        "print mean and SD of their accuracy; repeated with --output, it continues",
    )
    recipe.add_argument(
        "--find-learning-rate",
        action="store_true",
        help="do not train, but propose a learning rate: train a few steps while it rises, and "
        "draw the loss",
    )
    data = parser.add_argument_group("data")
    add_data(data)
    data.add_argument(
        "--dataset",
        type=DatasetName("dataset", DATASET_NAMES),
        metavar="NAME",
        help=f"what the images in --data are, for the names of their classes: "
        f"{', '.join(DATASET_NAMES)}; or, without --data, a folder with a subfolder of 28 × 28 "
        "pictures for each class; default: digits",
    )
    add_training_pictures(data)
    run_folder = parser.add_argument_group("run")
    run_folder.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the run; default: runs/RECIPE, with a number if that exists",
    )
    add_force(run_folder, replaced="the run in --output")
    run_folder.add_argument(
        "--tensorboard",
        action="store_true",
        help="write the run for TensorBoard, too: tensorboard --logdir RUN",
    )
    run_folder.add_argument(
        "--mlflow",
        action="store_true",
        help="record the run with MLflow, where MLFLOW_TRACKING_URI says",
    )
    run_folder.add_argument(
        "--live",
        type=parse_port,
        nargs="?",
        const=True,
        default=False,
        metavar="PORT",
        help="while training, show the curves at an address of this machine; default: a free port",
    )
    run_folder.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue a run that was interrupted; with --set epochs=N also a finished one, unless "
        "its schedule is planned over all epochs",
    )
    output = parser.add_argument_group("output")
    add_json(output)
    add_quiet(output)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training import Run, resume, train

    if options.resume is not None:
        given = [options.recipe, options.seed, options.data, options.dataset]
        given += [options.pictures, options.output]
        flags = [options.force, options.teacher, options.folds, options.find_learning_rate]
        flags += [options.tensorboard, options.mlflow]
        if any(flags) or any(value is not None for value in given):
            raise UsageError(
                "--resume continues a run with the settings it was started with: leave the "
                "recipe, --seed, --data, --dataset, --pictures, --teacher, --output, --force, "
                "--folds, --find-learning-rate, --tensorboard and --mlflow out"
            )
        if Run.open(options.resume).is_finished and not options.set:
            print_message(f"{options.resume} is finished already: nothing to train")
        trained = resume(
            options.resume,
            overrides=options.set,
            progress=not options.quiet,
            live=options.live,
        )
    elif options.find_learning_rate:
        return _find_learning_rate(options)
    elif options.folds is not None:
        return _cross_validate(options)
    else:
        if options.force and options.output is None:
            raise UsageError("--force replaces the run in --output: name its folder")
        trained = train(
            options.recipe or "quick",
            overrides=options.set,
            seed=options.seed or 0,
            data=options.data,
            dataset=options.dataset,
            pictures=options.pictures,
            teacher=options.teacher,
            output=options.output,
            overwrite=options.force,
            tensorboard=options.tensorboard,
            mlflow=options.mlflow,
            live=options.live,
            progress=not options.quiet,
        )
    figures = json.loads(trained.card.read_bytes())["figures"]
    if options.json:
        print(json.dumps({"run": str(trained.folder), "figures": figures}, indent=2))
        return exit_status.OK
    rows: list[tuple[str, object]] = [("run", trained.folder)]
    if "digits_right" in figures:  # a reader, validated on pages
        shown = ["digits_right", "digits_wrong", "digits_missed", "digits_invented"]
    else:
        shown = ["training_accuracy", "validation_accuracy"]
    rows += [(name.replace("_", " "), format_share(figures[name], 2)) for name in shown]
    rows.append(("fitting", f"{figures['fit_seconds']:.1f} s on {figures['cores']} cores"))
    if (curves := trained.folder / "curves.png").exists():
        rows.append(("curves", curves))
    rows.append(("model", trained.onnx_model))
    for title, value in rows:
        print(f"{title:19}  {value}")
    return exit_status.OK


def _find_unused(options: argparse.Namespace) -> bool:
    """Returns whether an option is given that needs one training to a finished run."""
    given = (options.force, options.teacher, options.pictures, options.tensorboard, options.mlflow)
    return any(given) or options.live is not False


def _find_learning_rate(options: argparse.Namespace) -> int:
    from inkdigits.training import find_learning_rate

    if _find_unused(options) or options.folds is not None:
        raise UsageError(
            "--find-learning-rate trains a few steps only: leave --force, --teacher, --pictures, "
            "--tensorboard, --mlflow, --live and --folds out"
        )
    found = find_learning_rate(
        options.recipe or "quick",
        overrides=options.set,
        seed=options.seed or 0,
        data=options.data,
        dataset=options.dataset,
        output=options.output,
        progress=not options.quiet,
    )
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
        return exit_status.OK
    for title, value in (
        ("learning rate", f"{found.suggestion:g}"),
        ("steepest", f"{found.steepest:.2g}"),
        ("lowest loss", f"{found.lowest:.2g}"),
        ("curve", found.folder / "learning_rate.png"),
        ("use it", f"--set learning_rate={found.suggestion:g}"),
    ):
        print(f"{title:19}  {value}")
    return exit_status.OK


def _cross_validate(options: argparse.Namespace) -> int:
    from inkdigits.training import cross_validate

    if _find_unused(options):
        raise UsageError(
            "--folds compares networks that learn parts of the training images: leave --force, "
            "--teacher, --pictures, --tensorboard, --mlflow and --live out"
        )
    result = cross_validate(
        options.recipe or "quick",
        folds=options.folds,
        overrides=options.set,
        seed=options.seed or 0,
        data=options.data,
        dataset=options.dataset,
        output=options.output,
        progress=not options.quiet,
    )
    if options.json:
        print(json.dumps(result.to_dict(), indent=2))
        return exit_status.OK
    for run, accuracy in zip(result.runs, result.accuracies, strict=True):
        print(f"{run.folder.name:19}  {format_share(accuracy, 2)}")
    print(f"{'validation accuracy':19}  {result.accuracy}")
    print(f"{'runs':19}  {result.folder}")
    return exit_status.OK
