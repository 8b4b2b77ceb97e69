"""`inkdigits predict`: reads the digits in pictures."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import parse_picture_path
from inkdigits.cli.messages import print_message
from inkdigits.cli.models import load_recognizer
from inkdigits.cli.outputs import check_file, check_report, describe_write
from inkdigits.cli.parser import Parser
from inkdigits.cli.picture_arguments import STDIN, add_pictures, list_one, list_pictures
from inkdigits.cli.picture_progress import follow_readings
from inkdigits.cli.shared_options import (
    add_device,
    add_digits,
    add_force,
    add_json,
    add_models,
    add_separators,
    add_shifts,
    add_threshold,
)
from inkdigits.cli.tile_tables import is_table, predict_table
from inkdigits.errors import UsageError
from inkdigits.percentages import format_confidence

if TYPE_CHECKING:
    from inkdigits.pictures.decoding import PictureSource
    from inkdigits.recognition import Reading
    from inkdigits.results.prediction_folder import PredictionFolder
    from inkdigits.results.reading_rows import CsvRows

STDOUT = Path("-")
SAVED = Path("predictions")
"""Where --save writes; if it exists, the name gets the next free number."""

USAGE = "inkdigits predict PICTURE ... [options]"
EXAMPLES = (
    "inkdigits predict photo.jpg",
    "inkdigits predict photo.jpg --annotate boxes.png --tiles tiles.png",
    "inkdigits predict seven.png --digits one",
    "inkdigits predict date.jpg --separators --threshold 0.8",
    "inkdigits predict --image seven.png --model runs/quick",
    "inkdigits predict scans/*.jpg --csv readings.csv",
    "inkdigits predict scans --save",
    "inkdigits predict scans --output results",
    "inkdigits predict scans --csv -",
    "inkdigits predict scans --json",
    "inkdigits predict scan.pdf --json",
    "inkdigits predict - < seven.png",
    "inkdigits predict --allow-url https://example.org/seven.png",
    "inkdigits predict test.csv --csv submission.csv",
    "inkdigits predict seven.png --json",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    pictures = add_pictures(parser)
    add_digits(pictures)
    add_separators(pictures)
    model = parser.add_argument_group("model")
    add_models(model)
    add_shifts(model)
    add_device(model)
    add_threshold(model)
    output = parser.add_argument_group("output")
    add_json(output)
    output.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="also write a row per picture; - prints the rows instead of the readings",
    )
    output.add_argument(
        "--probabilities",
        action="store_true",
        help="also print the probabilities of all classes for each digit; the confidence of a "
        "reading is the product of those of its digits",
    )
    output.add_argument(
        "--annotate",
        type=parse_picture_path,
        metavar="FILE",
        help="draw the picture with boxes, digits and confidences, at its size and in its colours",
    )
    output.add_argument(
        "--tiles",
        type=parse_picture_path,
        metavar="FILE",
        help="draw the tiles that the network classified",
    )
    output.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write a folder with a copy of each picture with boxes, a picture of each digit, "
        "readings.csv and readings.json",
    )
    output.add_argument(
        "--save",
        action="store_true",
        help=f"the same in a new folder: {SAVED}, {SAVED}-2, ...",
    )
    add_force(
        output, replaced="the files in --csv, --annotate and --tiles and the results in --output"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    # NumPy's linear algebra gets matrices of at most 3 × 3 here, so starting its threads would
    # only take time. The variable is read once, when NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from inkdigits.recognition.picture_lists import iterate_pictures
    from inkdigits.results.reading_rows import CsvRows, JsonRows

    if is_table(named := [*options.pictures, *options.image]):
        return predict_table(named, options)
    pictures = list_pictures(named)
    if not pictures:
        raise UsageError("no picture given: name at least one, as in 'inkdigits predict seven.png'")
    _check_outputs(options, pictures)
    recognizer = load_recognizer(*options.model, shifts=options.shifts, device=options.device)
    listed = iterate_pictures(pictures, recognizer.limits, allow_url=options.allow_url)
    for name, path in (("--annotate", options.annotate), ("--tiles", options.tiles)):
        if path is not None:
            only = list_one(
                pictures[0], recognizer.limits, allow_url=options.allow_url, option=name
            )
            listed = iter([only])
            break
    readings = recognizer.read_listed(
        listed,
        digits=options.digits,
        separators=options.separators,
        threshold=options.threshold,
        keep_pictures=True,  # one at a time
    )
    status = exit_status.OK
    with contextlib.ExitStack() as stack:
        rows: list[CsvRows | JsonRows] = []
        if options.csv == STDOUT:
            rows.append(CsvRows(sys.stdout))
        elif options.csv is not None:
            rows.append(stack.enter_context(_open_csv(options)))
        printed = JsonRows(sys.stdout)
        if options.json:  # one list, whose rows are printed as they come
            rows.append(printed)
        folder = stack.enter_context(_open_folder(options, named))
        for reading in follow_readings(readings, len(pictures)):
            is_one = len(pictures) == 1 and reading.page is None
            if not options.json and options.csv != STDOUT:
                _print_reading("" if is_one else f"{_name_place(reading)}: ", reading, options)
            if reading.error is not None:
                status = exit_status.INPUT
            else:
                _draw(reading, options)
                if not reading.text:
                    status = max(status, exit_status.NO_DIGIT)
            for writer in rows:
                writer.write(reading.to_dict())
            if folder is not None:
                folder.write(reading)
        if options.json:
            printed.finish()
    return status


def _check_outputs(options: argparse.Namespace, pictures: Sequence[PictureSource]) -> None:
    """Checks the options that name outputs, before anything is read.

    Raises:
        OutputExistsError: One of them exists already.
        UsageError: Options do not go together.
    """
    if options.csv == STDOUT and options.json:
        raise UsageError("--json and --csv - both print: leave one out, or name a file for --csv")
    outputs = {"--csv": options.csv, "--annotate": options.annotate, "--tiles": options.tiles}
    for name, path in outputs.items():
        if path is None or (name, path) == ("--csv", STDOUT):
            continue
        check_file(path, name, force=options.force, inputs=pictures)
        if name != "--csv" and len(pictures) > 1:
            raise UsageError(
                f"{name} draws one picture: expected 1 picture, not {len(pictures)}; --output "
                "draws all of them"
            )
    if options.output is not None:
        from inkdigits.results.prediction_folder import JSON_NAME

        check_report(options.output, force=options.force, marks=(JSON_NAME,))


def _name_place(reading: Reading) -> str:
    page = "" if reading.page is None else f", page {reading.page}"
    return f"{reading.source or 'picture'}{page}"


def _print_reading(prefix: str, reading: Reading, options: argparse.Namespace) -> None:
    if reading.error is not None:
        print_message(str(reading.error))
        return
    if reading.reason is not None:
        print(f"{prefix}no digit: {reading.reason}")
    else:
        lines = reading.text.replace("\n", "\n" + " " * len(prefix))
        print(f"{prefix}{lines}  ({format_confidence(reading.confidence)})")
    if options.probabilities:
        _print_probabilities(reading)
    for note in reading.notes:
        print_message(f"{prefix}{note}")


def _print_probabilities(reading: Reading) -> None:
    n = len(reading.digits)
    for number, digit in enumerate(reading.digits, 1):
        why = digit.reason or f"{format_confidence(digit.confidence)} sure"
        print(f"  {number} of {n}  {digit.character or 'no digit'}: {why}")
        for name, share in digit.class_probabilities.items():
            shown = format_confidence(share, 2)
            print(f"  {name:5}  {shown:>8}  {'█' * round(30 * share)}".rstrip())


def _draw(reading: Reading, options: argparse.Namespace) -> None:
    """Writes the pictures of --annotate and --tiles."""
    if options.annotate is None and options.tiles is None:
        return
    from inkdigits.results.drawing import draw_tiles, save_picture

    for path, draw in (
        (options.annotate, reading.draw),
        (options.tiles, lambda: draw_tiles(reading)),
    ):
        if path is not None:
            message = describe_write(path)
            save_picture(draw, path, overwrite=options.force)
            print_message(message)


@contextlib.contextmanager
def _open_csv(options: argparse.Namespace) -> Iterator[CsvRows]:
    """Yields the writer of --csv. The file appears only after the last row is written."""
    from inkdigits.files import write_whole
    from inkdigits.results.reading_rows import CsvRows

    is_replaced = options.csv.exists()
    with (
        write_whole(options.csv, overwrite=options.force) as temporary,
        # File names that are not valid UTF-8 are written with their own bytes.
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        yield CsvRows(file)
    if is_replaced:
        print_message(f"replaced {options.csv}")


@contextlib.contextmanager
def _open_folder(
    options: argparse.Namespace, named: list[str]
) -> Iterator[PredictionFolder | None]:
    """Yields the folder of --output or --save; None without these options."""
    if options.output is None and not options.save:
        yield None
        return
    from inkdigits.files import iterate_names
    from inkdigits.recognition.picture_lists import name_source
    from inkdigits.results.prediction_folder import open_folder

    folder = options.output
    if folder is None:
        for folder in iterate_names(SAVED):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                break
    roots = [source for name in named if name != STDIN and (source := name_source(name))]
    with open_folder(folder, roots=roots, overwrite=options.force) as opened:
        yield opened
    print_message(f"pictures with boxes, digits, readings.csv and readings.json in {folder}")
