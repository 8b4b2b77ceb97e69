"""`inkdigits train`: trains a network by a recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Integer, parse_seed
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_force, add_json, add_quiet
from inkdigits.errors import UsageError
from inkdigits.percentages import format_share

USAGE = "inkdigits train [RECIPE] [options]"
EXAMPLES = (
    "inkdigits train quick",
    "inkdigits train reader",
    "inkdigits train dropout --seed 1 --output runs/mine",
    "inkdigits train classic --set epochs=3 --set batch_size=64",
    "inkdigits train my.toml",
    "inkdigits train quick --folds 5",
    "inkdigits train pictures --pictures my-corrections",
    "inkdigits train small --teacher runs/pictures",
    "inkdigits train --resume runs/classic",
    "inkdigits train --resume runs/mine --set epochs=20",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="name of a recipe, see 'inkdigits recipes', or your own .toml or .py file, which is "
        "executed; default: quick",
    )
    recipe.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of the recipe, with a value as 'inkdigits recipes RECIPE' prints "
        "it; may be repeated; null or none: no value",
    )
    recipe.add_argument("--seed", type=parse_seed, help="seed of the random numbers; default: 0")
    recipe.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        metavar="MODEL",
        help="learn from the outputs of these trained models too, not from labels alone",
    )
    recipe.add_argument(
        "--folds",
        type=Integer("number of folds", 2),
        metavar="N",
        help="cross-validation: train N networks, each validated on another Nth of the images, and "
        "print mean and SD of their accuracy; repeated with --output, it continues",
    )
    data = parser.add_argument_group("data")
    add_data(data)
    data.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="train on the single digits of these labelled pictures too, such as corrections",
    )
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
        given = (options.recipe, options.seed, options.data, options.pictures, options.output)
        flags = (options.force, options.teacher, options.tensorboard, options.folds)
        if any(flags) or any(value is not None for value in given):
            raise UsageError(
                "--resume continues a run with the settings it was started with: leave the "
                "recipe, --seed, --data, --pictures, --teacher, --output, --force, --folds and "
                "--tensorboard out"
            )
        if Run.open(options.resume).is_finished and not options.set:
            print_message(f"{options.resume} is finished already: nothing to train")
        trained = resume(options.resume, overrides=options.set, progress=not options.quiet)
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
            pictures=options.pictures,
            teacher=options.teacher,
            output=options.output,
            overwrite=options.force,
            tensorboard=options.tensorboard,
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


def _cross_validate(options: argparse.Namespace) -> int:
    from inkdigits.training import cross_validate

    if options.force or options.teacher or options.pictures or options.tensorboard:
        raise UsageError(
            "--folds compares networks that learn parts of the training images: leave --force, "
            "--teacher, --pictures and --tensorboard out"
        )
    result = cross_validate(
        options.recipe or "quick",
        folds=options.folds,
        overrides=options.set,
        seed=options.seed or 0,
        data=options.data,
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
