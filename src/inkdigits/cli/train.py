"""`inkdigits train`: trains a network by a recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import parse_seed
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_json, add_quiet
from inkdigits.errors import UsageError

USAGE = "inkdigits train [RECIPE] [options]"
EXAMPLES = (
    "inkdigits train quick",
    "inkdigits train reader",
    "inkdigits train dropout --seed 1 --output runs/mine",
    "inkdigits train classic --set epochs=3 --set batch_size=64",
    "inkdigits train pictures --pictures my-corrections",
    "inkdigits train small --teacher runs/pictures",
    "inkdigits train --resume runs/classic",
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
        "--output", type=Path, metavar="DIR", help="folder of the run; default: runs/RECIPE"
    )
    run_folder.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue a run that was interrupted"
    )
    output = parser.add_argument_group("output")
    add_json(output)
    add_quiet(output)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training import resume, train

    if options.resume is not None:
        given = (options.recipe, options.seed, options.data, options.pictures, options.output)
        if options.set or options.teacher or any(value is not None for value in given):
            raise UsageError(
                "--resume continues a run with the settings it was started with: leave the "
                "recipe, --seed, --set, --data, --pictures, --teacher and --output out"
            )
        trained = resume(options.resume, progress=not options.quiet)
    else:
        trained = train(
            options.recipe or "quick",
            overrides=options.set,
            seed=options.seed or 0,
            data=options.data,
            pictures=options.pictures,
            teachers=options.teacher,
            output=options.output,
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
    rows += [(name.replace("_", " "), f"{figures[name]:.2%}") for name in shown]
    rows.append(("fitting", f"{figures['fit_seconds']:.1f} s on {figures['cores']} cores"))
    if (curves := trained.folder / "curves.png").exists():
        rows.append(("curves", curves))
    rows.append(("model", trained.onnx_model))
    for title, value in rows:
        print(f"{title:19}  {value}")
    return exit_status.OK
