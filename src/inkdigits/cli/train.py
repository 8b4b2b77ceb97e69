"""`inkdigits train`: trains a network by a recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import parse_seed
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
        help="name of a recipe, see 'inkdigits recipes'; default: quick",
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
        if options.force or options.teacher or any(value is not None for value in given):
            raise UsageError(
                "--resume continues a run with the settings it was started with: leave the "
                "recipe, --seed, --data, --pictures, --teacher, --output and --force out"
            )
        if Run.open(options.resume).is_finished and not options.set:
            print_message(f"{options.resume} is finished already: nothing to train")
        trained = resume(options.resume, overrides=options.set, progress=not options.quiet)
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
