"""`inkdigits report`: writes one HTML file about a network for tiles."""

from __future__ import annotations

import argparse
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name
from inkdigits.cli.outputs import check_file
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_force
from inkdigits.errors import UsageError

IMAGE_NAMES = ("validation", "test")
USAGE = "inkdigits report [RUN] [options]"
EXAMPLES = (
    "inkdigits report runs/quick",
    "inkdigits report runs/quick --output quick.html --images test",
    "inkdigits report --map-digits 0",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="RUN",
        help="run folder or .onnx file; default: the network for tiles that comes with inkdigits",
    )
    images = parser.add_argument_group("images")
    images.add_argument(
        "--images",
        type=Name("value of --images", IMAGE_NAMES),
        default="validation",
        metavar="IMAGES",
        help="validation: those that the run held out; test: test images, which are for figures "
        "rather than for choices; default: validation",
    )
    add_data(images)
    images.add_argument(
        "--map-digits",
        type=int,
        default=10_000,
        metavar="N",
        help="most images on the map; 0: no map; default: 10000",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write; default: RUN/report.html, with a number if that exists",
    )
    add_force(output, replaced="the file in --output")


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    if options.force and options.output is None:
        raise UsageError("--force replaces the file in --output: name it")
    if options.output is not None:
        check_file(options.output, "--output", force=options.force, inputs=[options.model])
    from inkdigits.recognition import DEFAULT_MODEL
    from inkdigits.reporting import report

    written = report(
        DEFAULT_MODEL if options.model is None else options.model,
        output=options.output,
        images=options.images,
        data=options.data,
        map_digits=options.map_digits,
    )
    print(written)
    return exit_status.OK
