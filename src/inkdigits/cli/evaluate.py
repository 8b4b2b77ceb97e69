"""`inkdigits evaluate`: measures models."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name, parse_count
from inkdigits.cli.messages import print_message
from inkdigits.cli.models import load_recognizer
from inkdigits.cli.outputs import (
    check_file,
    check_report,
    describe_report,
    describe_write,
    list_states,
)
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import (
    add_data,
    add_digits,
    add_force,
    add_json,
    add_shifts,
    add_threshold,
)
from inkdigits.errors import UsageError
from inkdigits.model_formats import is_run

if TYPE_CHECKING:
    from inkdigits.evaluation import Evaluation
    from inkdigits.recognition import Card

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
        help="run folders or model files; several: side by side, and mean and standard deviation "
        "over the seeds of a recipe; default: the model that comes with inkdigits",
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
        help="folder of the report, not for --suite; default: RUN/evaluation for a run, with a "
        "number if that exists, else no report",
    )
    output.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write an HTML file about the model, with these test images; see 'inkdigits "
        "report --help'",
    )
    add_force(output, replaced="the report in --output and the file in --report")
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
    if options.report is not None:
        _check_report(options)
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


def _check_report(options: argparse.Namespace) -> None:
    """Raises an error if --report does not fit the other options, or its file exists."""
    if options.pictures is not None or options.suite is not None:
        raise UsageError("--report shows test images as tiles: leave --pictures and --suite out")
    if len(options.models) > 1 or options.shifts:
        raise UsageError("--report describes one network: name one model, and leave --shifts out")
    if options.models:
        from inkdigits.reporting.inner_network import find_onnx

        find_onnx(options.models[0])  # before anything is measured
    check_file(options.report, "--report", force=options.force, inputs=options.models)


def _choose_output(models: Sequence[Path], options: argparse.Namespace) -> Path | None:
    """Returns the folder of the report on some of the models; None: no report."""
    if options.output is None:
        if len(models) != 1 or not is_run(models[0]):
            return None
        from inkdigits.files import find_free_name

        return find_free_name(models[0] / "evaluation")
    if len(models) == len(options.models):
        return Path(options.output)
    # Models of several runs share a name, so the name of their folder goes first.
    return Path(options.output, "-".join(models[0].resolve().parts[-2:]))


def _evaluate_test_images(options: argparse.Namespace) -> int:
    """Evaluates each model, or all as one, on test images as tiles."""
    from inkdigits.evaluation import evaluate, summarise_seeds

    groups = [options.models] if options.ensemble else [[m] for m in options.models] or [[]]
    for models in groups:
        if options.output is not None and (output := _choose_output(models, options)) is not None:
            check_report(output, force=options.force)
    rows, cards, evaluations = [], [], []
    for models in groups:
        name = " + ".join(map(str, models)) or "default model"
        output = _choose_output(models, options)
        recognizer = load_recognizer(*models, shifts=options.shifts)
        if models and not recognizer.judges_tiles:
            raise UsageError(
                f"{name} reads whole pictures, not tiles: evaluate it with --suite mnist, "
                "another suite, or --pictures"
            )
        before = {} if output is None else list_states(output)
        evaluation = evaluate(recognizer, data=options.data, output=output)
        card = recognizer.card
        cards.append(card)
        evaluations.append(evaluation)
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
            print_message(describe_report(output, before))
    if options.report is not None:
        _write_report(options)
    recipes = summarise_seeds(cards, [evaluation.accuracy for evaluation in evaluations])
    # A mean and an SD over models of different recipes would say nothing.
    of_all = recipes[0].accuracy if len(recipes) == 1 else None
    if options.json:
        summary = {
            "accuracy_mean": None if of_all is None else of_all.mean,
            "accuracy_sd": None if of_all is None else of_all.sd,
            "recipes": [one.to_json() for one in recipes],
            "models": rows,
        }
        print(json.dumps(summary, indent=2))
    elif len(rows) > 1:
        if of_all is None:
            names = [row["model"] for row in rows]
            print("\n".join(_tabulate_models(names, cards, evaluations)), end="\n\n")
        for one in recipes:
            if len(one.seeds) > 1:
                over = "all" if of_all is not None else one.name_seeds()
                print(f"Accuracy over {over}: {one.accuracy}")
    return exit_status.OK


def _write_report(options: argparse.Namespace) -> None:
    """Writes the file of --report, after everything has been measured."""
    from inkdigits.recognition import DEFAULT_MODEL
    from inkdigits.reporting import report

    model = options.models[0] if options.models else DEFAULT_MODEL
    message = describe_write(options.report)
    report(model, output=options.report, images="test", data=options.data)
    print_message(message)


def _tabulate_models(
    names: Sequence[str], cards: Sequence[Card], evaluations: Sequence[Evaluation]
) -> list[str]:
    """Returns a table with one row for each model, as lines."""
    from inkdigits.text_tables import format_columns

    rows = [["Model", "Recipe", "Seed", "Accuracy", "95 % interval", "Mistakes"]]
    for name, card, evaluation in zip(names, cards, evaluations, strict=True):
        lower, upper = evaluation.accuracy_interval
        cells = [name, str(card.recipe["name"]), str(card.seed)]
        cells.append(f"{100 * evaluation.accuracy:.2f} %")
        cells.append(f"{100 * lower:.2f} to {100 * upper:.2f} %")
        cells.append(f"{evaluation.mistakes:,}")
        rows.append(cells)
    return format_columns([rows[0], None, *rows[1:]], "<<>>>>")


def _evaluate_pictures(options: argparse.Namespace) -> int:
    """Evaluates a model on a folder of labelled pictures."""
    from inkdigits.evaluation import evaluate_pictures, write_picture_report
    from inkdigits.evaluation.rejection_curve import DEFAULT_TARGET

    def report_progress(done: int, n: int) -> None:
        if done % _PROGRESS_PICTURES == 0 or done == n:
            print_message(f"{done} of {n} pictures read")

    recognizer = load_recognizer(*options.models, shifts=options.shifts)
    recognizer = recognizer.adapt(threshold=options.threshold)
    before = {}
    if options.output is not None:
        check_report(options.output, force=options.force)
        before = list_states(options.output)
    evaluation = evaluate_pictures(
        options.pictures,
        recognizer,
        digits=options.digits,
        target=DEFAULT_TARGET if options.target is None else options.target,
        report_progress=report_progress,
    )
    print(json.dumps(evaluation.to_json(), indent=2) if options.json else evaluation.to_table())
    if options.output is not None:
        write_picture_report(evaluation, options.output, limits=recognizer.limits)
        print_message(describe_report(options.output, before))
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
