"""`inkdigits data`: shows whether MNIST is complete on this machine, and fetches it."""

from __future__ import annotations

import argparse
import json

from inkdigits.cli import exit_status
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_json, add_quiet

USAGE = "inkdigits data [options]"
EXAMPLES = (
    "inkdigits data",
    "inkdigits data --fetch",
    "inkdigits data --data ~/Downloads/mnist",
)


def add_options(parser: Parser) -> None:
    """Adds the options of the command."""
    parser.add_argument(
        "--fetch", action="store_true", help="download the files that are missing or damaged"
    )
    add_data(parser)
    add_json(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.data import check_mnist, fetch_mnist

    if options.fetch:
        fetch_mnist(directory=options.data, progress=not options.quiet)
    files = check_mnist(options.data)
    is_complete = all(file.state == "whole" for file in files)
    if options.json:
        rows = [{**vars(file), "path": str(file.path)} for file in files]
        print(json.dumps({"whole": is_complete, "files": rows}, indent=2))
    else:
        print(f"MNIST in {files[0].path.parent}")
        for file in files:
            size = f"{file.size_bytes:>12,} bytes" if file.size_bytes else ""
            print(f"  {file.state:8} {file.name:26}{size}")
        if not is_complete:
            folder = "" if options.data is None else f" --data {options.data}"
            print_message(f"MNIST is incomplete: download it with 'inkdigits data --fetch{folder}'")
    return exit_status.OK if is_complete else exit_status.DATA_INCOMPLETE
