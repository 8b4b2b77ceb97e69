"""`inkdigits benchmark`: measures speed, size and growth, compared with Keras."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_json

BENCHMARK_NAMES = (
    *("fit", "fit-process", "cold-start", "throughput", "latency", "size", "growth", "machine"),
)
USAGE = "inkdigits benchmark [BENCHMARK ...] [options]"
EXAMPLES = (
    "inkdigits benchmark",
    "inkdigits benchmark cold-start latency",
    "inkdigits benchmark throughput --model runs/pictures --json",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "names",
        nargs="*",
        type=Name("benchmark", BENCHMARK_NAMES),
        metavar="BENCHMARK",
        help=f"{', '.join(BENCHMARK_NAMES)}; default: all, about half an hour",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="RUN",
        help="run whose network is measured; default: the recipe 'quick' is trained first",
    )
    parser.add_argument(
        "--slice",
        action="store_true",
        help="tiny amounts of data: shows that the benchmarks run, but measures nothing",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    import tempfile

    from inkdigits.benchmark import (
        BENCHMARKS,
        FULL,
        SLICE,
        Workplace,
        can_measure_memory,
        describe_machine,
    )
    from inkdigits.training import Run

    if options.model is not None:
        Run.open(options.model)  # fails before anything is measured
    machine = describe_machine()
    if not options.json:
        print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
        if options.slice:
            print("--slice: the amounts of data are tiny, ignore the figures", flush=True)
    possible = [name for name in BENCHMARKS if name != "growth" or can_measure_memory()]
    results = []
    with tempfile.TemporaryDirectory(prefix="inkdigits-benchmark-") as folder:
        place = Workplace(Path(folder), SLICE if options.slice else FULL, options.model)
        for name in options.names or possible:
            print_message(f"measuring {name}")
            result = BENCHMARKS[name](place)
            results.append(result.without_targets() if options.slice else result)
            if not options.json:
                print(f"\n{results[-1].to_table()}", flush=True)
    if options.json:
        rows = [result.to_json() for result in results]
        print(json.dumps({"machine": machine, "slice": options.slice, "results": rows}, indent=2))
    return exit_status.OK
