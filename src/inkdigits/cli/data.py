"""`inkdigits data`: shows whether MNIST is complete, and fetches it; shows what other data are."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from inkdigits.cli import exit_status
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_json, add_quiet
from inkdigits.errors import DataUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inkdigits.data import FileStatus, Mnist

USAGE = "inkdigits data [options]"
EXAMPLES = (
    "inkdigits data",
    "inkdigits data --fetch",
    "inkdigits data --data ~/Downloads/mnist",
    "inkdigits data --data train.csv",
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
    from inkdigits.data.forms import describe_missing

    if options.fetch:
        fetch_mnist(directory=options.data, progress=not options.quiet)
    elif options.data is not None and not options.data.expanduser().exists():
        raise DataUnavailableError(describe_missing(options.data))
    files = check_mnist(options.data)
    is_complete = all(file.state == "whole" for file in files)
    if not is_complete and (data := _load_other(options.data, files)) is not None:
        return _show_other(data, as_json=options.json)
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
    return exit_status.OK if is_complete else exit_status.INPUT


def _load_other(path: Path | None, files: Sequence[FileStatus]) -> Mnist | None:
    """Loads data that are not MNIST's four files.

    Returns None where MNIST itself is incomplete: in the cache, in an empty folder, and beside
    files of MNIST.
    """
    from inkdigits.data import load_mnist

    if path is None or any(file.state in ("whole", "damaged") for file in files):
        return None
    path = path.expanduser()
    if path.is_dir() and not any(path.iterdir()):
        return None
    return load_mnist(path)


def _show_other(data: Mnist, *, as_json: bool) -> int:
    counts = {"training_images": len(data.train), "test_images": len(data.test)}
    if as_json:
        print(json.dumps({"whole": data.is_mnist, "source": data.source, **counts}, indent=2))
        return exit_status.OK
    print(data.source)
    for name, count in counts.items():
        print(f"  {name.replace('_', ' '):16} {count:>10,}")
    kind = "MNIST" if data.is_mnist else "own data, not MNIST"
    print(f"  these are {kind}")
    return exit_status.OK
