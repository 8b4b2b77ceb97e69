"""`inkdigits batch`: reads everything in a folder, an archive or a bucket into a data set."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name, parse_count
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import (
    add_allow_url,
    add_device,
    add_digits,
    add_force,
    add_json,
    add_models,
    add_quiet,
    add_ray,
    add_separators,
    add_shifts,
    add_threshold,
)
from inkdigits.errors import InkdigitsError, UsageError

if TYPE_CHECKING:
    from inkdigits.bulk import BatchResult
    from inkdigits.bulk.batch_reading import ReportProgress

USAGE = "inkdigits batch SOURCE OUTPUT [options]"
EXAMPLES = (
    "inkdigits batch scans readings",
    "inkdigits batch 'scans/**/*.jpg' readings --format csv",
    "inkdigits batch paths.txt readings --digits one",
    "inkdigits batch scans.zip readings",
    "inkdigits batch scans.pdf readings",
    "inkdigits batch train.parquet readings --column image",
    "inkdigits batch scans readings --resume",
    "inkdigits batch scans readings --review to-review",
    "inkdigits batch readings --apply-review to-review",
    "inkdigits batch s3://archive/scans s3://archive/readings --ray auto",
    "inkdigits batch scans readings --ray",
)

FORMAT_NAMES: Final = ("parquet", "csv", "jsonl")
LINE_S: Final = 60.0
"""Seconds between two lines of progress where there is no terminal for a bar."""


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "source",
        metavar="SOURCE",
        help="folder with its subfolders, glob, .txt with a path in each line, zip, tar or Parquet "
        "file, PDF or TIFF; or any of them behind an address such as s3://bucket/scans",
    )
    pictures.add_argument(
        "output", nargs="?", metavar="OUTPUT", help="folder of the data set, or its address"
    )
    pictures.add_argument(
        "--column",
        metavar="NAME",
        help="column of a Parquet file with pictures or paths; default: the only one that fits",
    )
    add_allow_url(pictures)
    add_digits(pictures)
    add_separators(pictures)
    model = parser.add_argument_group("model")
    add_models(model)
    add_shifts(model)
    add_device(model)
    add_threshold(model)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        type=Name("format", FORMAT_NAMES),
        default="parquet",
        metavar="FORMAT",
        help="parquet, csv or jsonl; default: parquet",
    )
    output.add_argument(
        "--resume",
        action="store_true",
        help="continue a batch that was stopped or killed: read only what is missing in OUTPUT",
    )
    add_force(output, replaced="the earlier batch in OUTPUT")
    add_json(output)
    add_quiet(output)
    review = parser.add_argument_group("review")
    review.add_argument(
        "--review",
        type=Path,
        metavar="DIR",
        help="copy pictures without digits or with uncertain ones to this folder, which 'inkdigits "
        "serve --review DIR' shows one after the other",
    )
    review.add_argument(
        "--apply-review",
        type=Path,
        metavar="DIR",
        help="read nothing: write what people typed in this review folder into the data set that "
        "the only argument names",
    )
    processes = parser.add_argument_group("processes")
    processes.add_argument(
        "--workers",
        type=parse_count,
        metavar="N",
        help="number of threads, or of Ray's workers; default: one per core",
    )
    add_ray(processes, work="read on a Ray cluster")


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    if options.apply_review is not None:
        return _apply_review(options)
    if options.output is None:
        raise UsageError("OUTPUT is missing: name a folder for the data set")
    from inkdigits.bulk import batch
    from inkdigits.recognition import DEFAULT_MODEL
    from inkdigits.training.fit.interruption import sigterm_as_interrupt

    states: list[BatchResult] = []
    try:
        with sigterm_as_interrupt(), _follow(states, quiet=options.quiet) as report_progress:
            result = batch(
                options.source,
                options.output,
                model=options.model or DEFAULT_MODEL,
                digits=options.digits,
                separators=options.separators,
                threshold=options.threshold,
                shifts=options.shifts,
                device=options.device,
                allow_url=options.allow_url,
                column=options.column,
                format=options.format,
                resume=options.resume,
                overwrite=options.force,
                review=options.review,
                ray=options.ray,
                workers=options.workers,
                report_progress=report_progress,
            )
    except KeyboardInterrupt:
        print_message(f"stopped{_describe_rest(options.output, states)}")
        return exit_status.INTERRUPTED
    except InkdigitsError as error:
        if not states:
            raise
        kept = f"what {options.output} contains is complete: add --resume to go on"
        print_message(f"{error}; {kept}")
        return error.exit_code
    if options.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        print(_describe(result))
    return exit_status.OK


def _apply_review(options: argparse.Namespace) -> int:
    """Writes what people typed in a review folder into the data set."""
    from inkdigits.bulk import apply_review

    if options.output is not None or options.review is not None:
        raise UsageError(
            "--apply-review reads no pictures: name only the data set, as in 'inkdigits batch "
            "readings --apply-review to-review'"
        )
    n_changed = apply_review(options.apply_review, options.source)
    if options.json:
        print(json.dumps({"output": options.source, "changed": n_changed}, indent=2))
    else:
        rows = "1 row" if n_changed == 1 else f"{n_changed:,} rows"
        print(f"{options.source}: {rows} changed")
    return exit_status.OK


def _describe(result: BatchResult) -> str:
    before = f"; {result.n_before:,} were there already" if result.n_before else ""
    errors = f", {result.n_errors:,} with an error" if result.n_errors else ""
    return (
        f"{result.output}: {result.n_rows:,} rows{errors}, from {result.n_read:,} files in "
        f"{result.seconds:.1f} s, {result.files_per_second:.1f} per second{before}"
    )


def _describe_rest(output: str, states: list[BatchResult]) -> str:
    if not states:
        return ""
    state = states[-1]
    n_files = "" if state.n_files is None else f" of {state.n_files:,}"
    return (
        f" after {state.n_before + state.n_read:,}{n_files} files: what {output} contains is "
        "complete; add --resume to go on"
    )


@contextmanager
def _follow(states: list[BatchResult], *, quiet: bool) -> Iterator[ReportProgress]:
    """Yields a function that shows the progress: as a bar, or as a line each `LINE_S`.

    Args:
        states: Its last element becomes the last state.
        quiet: Whether to show nothing.
    """
    if quiet or not sys.stderr.isatty():
        last_line = time.monotonic()

        def print_lines(state: BatchResult) -> None:
            nonlocal last_line
            states[:] = [state]
            if not quiet and state.n_read and time.monotonic() - last_line >= LINE_S:
                last_line = time.monotonic()
                n_files = "" if state.n_files is None else f" of {state.n_files:,}"
                left = state.seconds_left
                rest = "" if left is None else f", {_format_time(left)} left"
                done = state.n_before + state.n_read
                rate = f"{state.files_per_second:.1f} per second"
                print_message(f"{done:,}{n_files} files, {rate}{rest}")

        yield print_lines
        return
    from inkdigits.cli.picture_progress import build_bar

    with build_bar() as bar:

        def move_bar(state: BatchResult) -> None:
            if not states:
                bar.add_task("reading", total=state.n_files, rate="", completed=state.n_before)
            states[:] = [state]
            bar.update(
                bar.task_ids[0],
                completed=state.n_before + state.n_read,
                rate=f"{state.files_per_second:.1f} per second",
            )

        yield move_bar


def _format_time(seconds: float) -> str:
    """Returns hours, minutes and seconds, such as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
