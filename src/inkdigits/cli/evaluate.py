"""`inkdigits evaluate`: measures models."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name, parse_count
from inkdigits.cli.messages import print_message
from inkdigits.cli.models import load_recognizer
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import (
    add_data,
    add_digits,
    add_json,
    add_shifts,
    add_threshold,
)
from inkdigits.errors import UsageError
from inkdigits.model_formats import is_run

SUITE_NAMES = ("corruptions", "digits8x8", "marks", "mnist", "pages")
USAGE = "inkdigits evaluate [MODEL ...] [options]"
EXAMPLES = (
    "inkdigits evaluate",
    "inkdigits evaluate runs/quick",
    "inkdigits evaluate runs/dropout runs/dropout-2 runs/dropout-3 --json",
    "inkdigits evaluate runs/best runs/best-2 runs/small --ensemble --shifts",
    "inkdigits evaluate model.h5 --output report",
    "inkdigits evaluate --data t10k.csv",
    "inkdigits evaluate --pictures my-pictures --output report",
    "inkdigits evaluate --suite corruptions --limit 1000",
)
_PROGRESS_PICTURES = 50
_PROGRESS_SUITE = 1_000


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    models = parser.add_argument_group("models")
    models.add_argument(
        "models",
        nargs="*",
        type=Path,
        metavar="MODEL",
        help="run folders or model files; several: mean and standard deviation of all; default: "
        "the model that comes with inkdigits",
    )
    models.add_argument(
        "--ensemble", action="store_true", help="evaluate the mean of all models as one model"
    )
    add_shifts(models)
    mnist = parser.add_argument_group("test images as tiles (MNIST's by default)")
    add_data(mnist)
    pictures = parser.add_argument_group("labelled pictures instead")
    pictures.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="folder with a manifest.csv, or with subfolders 0 to 9 and none",
    )
    add_digits(pictures)
    pictures.add_argument(
        "--target",
        type=float,
        metavar="SHARE",
        help="recommend the lowest threshold at which this share of the accepted pictures is read "
        "without a mistake; default: 0.99",
    )
    suite = parser.add_argument_group("a suite of pictures instead")
    suite.add_argument(
        "--suite",
        type=Name("suite", SUITE_NAMES),
        metavar="SUITE",
        help=", ".join(SUITE_NAMES),
    )
    suite.add_argument(
        "--limit", type=parse_count, metavar="N", help="read only N pictures for each row"
    )
    either = parser.add_argument_group("labelled pictures or a suite")
    add_threshold(either)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the report, not for --suite; default: RUN/evaluation for a run, else no "
        "report",
    )
    add_json(output)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    _check(options)
    if options.suite is not None:
        return _evaluate_suite(options)
    if options.pictures is not None:
        return _evaluate_pictures(options)
    return _evaluate_test_images(options)


def _check(options: argparse.Namespace) -> None:
    """Raises UsageError for options that do not go together."""
    if options.target is not None and options.pictures is None:
        raise UsageError("--target requires --pictures: name a folder of labelled pictures")
    if options.limit is not None and options.suite is None:
        raise UsageError("--limit requires --suite: name a suite")
    if options.digits == "one" and options.pictures is None:
        raise UsageError("--digits one requires --pictures: name a folder of labelled pictures")
    if options.pictures is None and options.suite is None:
        if options.threshold is not None:
            raise UsageError("--threshold requires --pictures or --suite")
        return
    if options.pictures is not None and options.suite is not None:
        raise UsageError("--pictures and --suite exclude each other: give one of them")
    if options.data is not None:
        raise UsageError("--data is for test images as tiles: leave --pictures and --suite out")
    if len(options.models) > 1 and not options.ensemble:
        raise UsageError(
            "--pictures and --suite evaluate one model at a time: add --ensemble to combine "
            f"these {len(options.models)}"
        )
    if options.suite is not None and options.output is not None:
        raise UsageError("--suite writes no report: use --json instead of --output")


def _evaluate_test_images(options: argparse.Namespace) -> int:
    """Evaluates each model, or all as one, on test images as tiles."""
    from inkdigits.evaluation import evaluate, summarise

    rows = []
    for models in [options.models] if options.ensemble else [[m] for m in options.models] or [[]]:
        name = " + ".join(map(str, models)) or "default model"
        output = options.output
        if output is not None and len(models) < len(options.models):
            # Models of several runs share a name, so the name of their folder goes first.
            output = output / "-".join(models[0].resolve().parts[-2:])
        elif output is None and len(models) == 1 and is_run(models[0]):
            output = models[0] / "evaluation"
        recognizer = load_recognizer(*models, shifts=options.shifts)
        if models and not recognizer.judges_tiles:
            raise UsageError(
                f"{name} reads whole pictures, not tiles: evaluate it with --suite mnist, "
                "another suite, or --pictures"
            )
        evaluation = evaluate(recognizer, data=options.data, output=output)
        card = recognizer.card
        rows.append(
            {
                "model": name,
                "recipe": card.recipe["name"],
                "seed": card.seed,
                "shifts": options.shifts,
                "figures": card.figures,
                "evaluation": evaluation.to_json(),
            }
        )
        if not options.json:
            print(f"{name} on {evaluation.measured_on}\n{evaluation.to_table()}\n")
        if output is not None:
            print_message(f"report in {output}")
    accuracies = summarise([row["evaluation"]["accuracy"] for row in rows])
    if options.json:
        summary = {"accuracy_mean": accuracies.mean, "accuracy_sd": accuracies.sd, "models": rows}
        print(json.dumps(summary, indent=2))
    elif len(rows) > 1:
        print(f"Accuracy over all: {accuracies}")
    return exit_status.OK


def _evaluate_pictures(options: argparse.Namespace) -> int:
    """Evaluates a model on a folder of labelled pictures."""
    from inkdigits.evaluation import evaluate_pictures, write_picture_report
    from inkdigits.evaluation.rejection_curve import DEFAULT_TARGET

    def report_progress(done: int, n: int) -> None:
        if done % _PROGRESS_PICTURES == 0 or done == n:
            print_message(f"{done} of {n} pictures read")

    recognizer = load_recognizer(*options.models, shifts=options.shifts)
    recognizer = recognizer.adapt(threshold=options.threshold)
    evaluation = evaluate_pictures(
        options.pictures,
        recognizer,
        one_digit=options.digits == "one",
        target=DEFAULT_TARGET if options.target is None else options.target,
        report_progress=report_progress,
    )
    print(json.dumps(evaluation.to_json(), indent=2) if options.json else evaluation.to_table())
    if options.output is not None:
        write_picture_report(evaluation, options.output, limits=recognizer.limits)
        print_message(f"report with a sheet of each kind of mistake in {options.output}")
    return exit_status.OK


def _evaluate_suite(options: argparse.Namespace) -> int:
    """Evaluates a model on a suite."""
    from inkdigits.evaluation import SUITES

    def report_progress(name: str, done: int, n: int) -> None:
        if done == n:
            print_message(f"{options.suite}: {name} finished")
        elif done % _PROGRESS_SUITE == 0:
            print_message(f"{options.suite}: {done} of {n} pictures of {name} read")

    recognizer = load_recognizer(*options.models, shifts=options.shifts)
    result = SUITES[options.suite](
        recognizer.adapt(threshold=options.threshold),
        limit=options.limit,
        report_progress=report_progress,
    )
    print(json.dumps(result.to_json(), indent=2) if options.json else result.to_table())
    return exit_status.OK
