"""`inkdigits export`: converts the model of a run to another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_force
from inkdigits.errors import UsageError

FORMAT_NAMES = ("keras", "h5", "onnx", "onnx-int8", "savedmodel", "litert")
FORMAT_ALIASES = {"tflite": "litert", "saved_model": "savedmodel", "tf": "savedmodel"}
USAGE = "inkdigits export MODEL --format FORMAT [options]"
EXAMPLES = (
    "inkdigits export runs/quick --format h5",
    "inkdigits export runs/quick --format savedmodel --output served/model.savedmodel",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "source", type=Path, metavar="MODEL", help="run folder, or a .keras or .h5 file"
    )
    parser.add_argument(
        "--format",
        required=True,
        type=Name("format", FORMAT_NAMES, FORMAT_ALIASES),
        metavar="FORMAT",
        help=f"{', '.join(FORMAT_NAMES)}; tflite stands for litert, saved_model and tf for "
        "savedmodel",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file or folder to write; default: next to the other models of the run, under a name "
        "that is free",
    )
    add_force(parser, replaced="the file or folder in --output")


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training import export

    if options.force and options.output is None:
        raise UsageError("--force replaces the file in --output: name it")
    print(export(options.source, options.format, output=options.output, overwrite=options.force))
    return exit_status.OK
