"""`inkdigits export`: converts the model of a run to another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_force
from inkdigits.errors import UsageError

FORMAT_NAMES = ("keras", "h5", "onnx", "onnx-int8", "savedmodel", "litert", "hub")
FORMAT_ALIASES = {"tflite": "litert", "saved_model": "savedmodel", "tf": "savedmodel"}
USAGE = "inkdigits export MODEL --format FORMAT [options]"
EXAMPLES = (
    "inkdigits export runs/quick --format h5",
    "inkdigits export runs/quick --format savedmodel --output served/model.savedmodel",
    "inkdigits export reader --format hub --output hub/reader --results results",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "source",
        type=Path,
        metavar="MODEL",
        help="run folder, or a .keras or .h5 file; for "
        "hub, a run folder, an .onnx file, or reader or tiles, which come with inkdigits",
    )
    parser.add_argument(
        "--format",
        required=True,
        type=Name("format", FORMAT_NAMES, FORMAT_ALIASES),
        metavar="FORMAT",
        help=f"{', '.join(FORMAT_NAMES)}; tflite stands for litert, saved_model and tf for "
        "savedmodel; hub is a folder for the Hugging Face hub: model, model card and examples",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file or folder to write; default: next to the other models of the run, under a name "
        "that is free",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="for hub: folder of suite-NAME.json, as 'inkdigits evaluate --suite NAME --json' "
        "prints, whose figures the model card shows",
    )
    parser.add_argument(
        "--limits",
        type=Path,
        metavar="FILE",
        help="for hub: Markdown file that says what the model cannot do, for the model card",
    )
    add_force(parser, replaced="the file or folder in --output")


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training import export

    if options.force and options.output is None:
        raise UsageError("--force replaces the file in --output: name it")
    if options.format == "hub":
        return _write_hub_folder(options)
    if options.results is not None or options.limits is not None:
        raise UsageError("--results and --limits are for --format hub")
    print(export(options.source, options.format, output=options.output, overwrite=options.force))
    return exit_status.OK


def _write_hub_folder(options: argparse.Namespace) -> int:
    from inkdigits.reporting import write_hub_folder

    if options.output is None:
        raise UsageError("--format hub writes a folder: name it with --output")
    folder = write_hub_folder(
        options.source,
        options.output,
        results=options.results,
        limits=options.limits,
        overwrite=options.force,
    )
    print(folder)
    return exit_status.OK
