"""`inkdigits sweep`: trains a recipe with many values of its fields."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Integer, parse_count, parse_seeds
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import (
    add_data,
    add_json,
    add_quiet,
    add_ray,
    add_recipe,
    add_teacher,
    add_training_pictures,
)
from inkdigits.errors import UsageError
from inkdigits.percentages import format_share

USAGE = "inkdigits sweep [RECIPE] [options]"
EXAMPLES = (
    "inkdigits sweep quick --over learning_rate=1e-3..1e-2 --over batch_size=64,128,256",
    "inkdigits sweep quick --over optimizer=adam,adamw,lion --seeds 0..4",
    "inkdigits sweep my.toml --over epochs=5..20 --folds 5 --trials 10",
    "inkdigits sweep classic --over beta_2=0.9..0.999 --ray 10.0.0.1:6379",
    "inkdigits sweep --resume runs/quick-sweep",
    "inkdigits sweep --resume runs/quick-sweep --trials 40",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    recipe = parser.add_argument_group("recipe")
    add_recipe(recipe)
    recipe.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="FIELD=VALUES",
        help="a field of the recipe and its values; may be repeated. a..b is a range: of integers "
        "uniform; of floats log-uniform if both ends are positive and differ by a factor of 10 or "
        "more, otherwise uniform. a,b,c is a list of choices, each as in --set",
    )
    recipe.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of the recipe in all trials, as in 'inkdigits train'",
    )
    trials = parser.add_argument_group("trials")
    trials.add_argument(
        "--trials",
        type=parse_count,
        metavar="N",
        help="number of trials; default: 20, or all combinations of values if there are fewer; "
        "with --resume, all trials, those that are done included",
    )
    trials.add_argument(
        "--seeds",
        type=parse_seeds,
        metavar="SEEDS",
        help="train each trial once with each of these seeds, such as 0..4 or 0,3,7, and compare "
        "the means; default: 0",
    )
    trials.add_argument(
        "--folds",
        type=Integer("number of folds", 2),
        metavar="N",
        help="cross-validate each trial, as in 'inkdigits train'",
    )
    trials.add_argument(
        "--no-early-stopping",
        action="store_true",
        help="train every trial to its end; otherwise one that is worse than others after as many "
        "epochs is stopped",
    )
    data = parser.add_argument_group("data")
    add_data(data)
    add_training_pictures(data)
    add_teacher(data)
    processes = parser.add_argument_group("processes")
    add_ray(processes, work="train several trials at the same time")
    processes.add_argument(
        "--cores",
        type=parse_count,
        metavar="N",
        help="cores of each trial on Ray; default: 1",
    )
    folder = parser.add_argument_group("folder")
    folder.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the sweep; default: runs/RECIPE-sweep, with a number if that exists",
    )
    folder.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue a sweep that was interrupted, or add trials with --trials",
    )
    output = parser.add_argument_group("output")
    add_json(output)
    add_quiet(output)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.sweeps import resume_sweep, sweep

    if options.cores is not None and options.ray is None:
        raise UsageError("--cores requires --ray: without it, a trial takes all cores")
    cores = options.cores or 1
    if options.resume is not None:
        given = (options.recipe, options.seeds, options.folds, options.data, options.pictures)
        flags = (options.over, options.set, options.teacher, options.no_early_stopping)
        if any(flags) or any(value is not None for value in (*given, options.output)):
            raise UsageError(
                "--resume continues a sweep with the settings it was started with: leave out all "
                "but --trials, --ray, --cores, --json and --quiet"
            )
        result = resume_sweep(
            options.resume,
            trials=options.trials,
            ray=options.ray,
            cores=cores,
            progress=not options.quiet,
        )
    else:
        result = sweep(
            options.recipe or "quick",
            over=options.over,
            trials=options.trials or 20,
            overrides=options.set,
            seeds=options.seeds or (0,),
            folds=options.folds,
            data=options.data,
            pictures=options.pictures,
            teacher=options.teacher,
            early_stopping=not options.no_early_stopping,
            output=options.output,
            ray=options.ray,
            cores=cores,
            progress=not options.quiet,
        )
    if options.json:
        print(json.dumps(result.to_dict(), indent=2))
        return exit_status.OK
    print(f"{result.to_table()}\n")
    best = result.best
    rows: list[tuple[str, object]] = [("best", result.describe_best())]
    if best is not None and best.accuracy is not None:
        rows.append((result.figure.replace("_", " "), format_share(best.accuracy, 2)))
        rows += [("run", run.folder) for run in result.best_runs]
    rows += [("table", result.table), ("plot", result.plot)]
    for title, value in rows:
        print(f"{title:19}  {value}")
    return exit_status.OK
