"""`inkdigits compare`: compares models on the same pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name, parse_count
from inkdigits.cli.evaluate import SUITE_NAMES
from inkdigits.cli.messages import print_message
from inkdigits.cli.outputs import check_report, describe_report, list_states
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_digits, add_force, add_json
from inkdigits.errors import UsageError

USAGE = "inkdigits compare MODEL [MODEL ...] [options]"
EXAMPLES = (
    "inkdigits compare runs/quick",
    "inkdigits compare runs/quick runs/small model.h5 --output comparison",
    "inkdigits compare runs/quick runs/quick+runs/quick-2 default --json",
    "inkdigits compare runs/quick knn svm random-forest",
    "inkdigits compare runs/quick default --suite digits8x8 mnist --limit 500",
    "inkdigits compare runs/reader default --pictures my-pictures",
)
_TOLD = 10
"""Number of messages on the progress of each set of pictures."""


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument_group("models").add_argument(
        "models",
        nargs="+",
        type=Path,
        metavar="MODEL",
        help="run folder or model file; 'default' is the model that comes with inkdigits; knn, svm "
        "and random-forest are baselines of scikit-learn; A+B is the mean of two models; a single "
        "model is compared with the default",
    )
    add_data(parser.add_argument_group("test images as tiles (MNIST's by default)"))
    pictures = parser.add_argument_group("labelled pictures or suites instead")
    pictures.add_argument(
        "--suite",
        nargs="+",
        action="extend",
        default=[],
        type=Name("suite", SUITE_NAMES),
        metavar="SUITE",
        help=", ".join(SUITE_NAMES),
    )
    pictures.add_argument(
        "--pictures",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder with a manifest.csv, or with subfolders 0 to 9 and none",
    )
    add_digits(pictures)
    parser.add_argument_group("amount").add_argument(
        "--limit",
        type=parse_count,
        metavar="N",
        help="take only N test images, and N pictures for each row of a suite",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the report: a sheet of the pictures that are read differently, the curves "
        "of the runs, and what each model reads on each picture as CSV",
    )
    add_force(output, replaced="the report in --output")
    add_json(output)


def _check(options: argparse.Namespace) -> None:
    """Raises an error for options that do not go together, and for an existing report."""
    if options.digits == "one" and not options.pictures:
        raise UsageError("--digits one requires --pictures: name a folder of labelled pictures")
    if options.limit is not None and options.pictures and not (options.suite or options.data):
        raise UsageError("--limit does not apply to --pictures: leave it out, or name a suite")
    if options.output is not None:
        check_report(options.output, force=options.force)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    _check(options)
    from inkdigits.evaluation import compare

    told: dict[str, int] = {}

    def report_progress(name: str, done: int, n: int) -> None:
        part = done * _TOLD // n
        if part > told.get(name, 0):
            told[name] = part
            print_message(f"{name}: {done:,} of {n:,} read by all models")

    before = {} if options.output is None else list_states(options.output)
    comparison = compare(
        *options.models,
        suite=options.suite,
        pictures=options.pictures,
        data=options.data,
        digits=options.digits,
        limit=options.limit,
        output=options.output,
        report_progress=report_progress,
    )
    print(json.dumps(comparison.to_json(), indent=2) if options.json else comparison.to_table())
    if options.output is not None:
        print_message(describe_report(options.output, before))
    return exit_status.OK
