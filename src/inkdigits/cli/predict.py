"""`inkdigits predict`: reads the digits in pictures."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import parse_picture_path
from inkdigits.cli.messages import print_message
from inkdigits.cli.models import load_recognizer
from inkdigits.cli.parser import Parser
from inkdigits.cli.picture_arguments import add_pictures, decode_one, list_pictures
from inkdigits.cli.shared_options import (
    add_digits,
    add_json,
    add_models,
    add_shifts,
    add_threshold,
)
from inkdigits.cli.tile_tables import is_table, predict_table
from inkdigits.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inkdigits.errors import PictureError
    from inkdigits.recognition import Reading
    from inkdigits.recognition.decoding import PictureSource

USAGE = "inkdigits predict PICTURE ... [options]"
EXAMPLES = (
    "inkdigits predict photo.jpg",
    "inkdigits predict photo.jpg --annotate boxes.png --tiles tiles.png",
    "inkdigits predict seven.png --digits one",
    "inkdigits predict date.jpg --separators --threshold 0.8",
    "inkdigits predict --image seven.png --model runs/quick",
    "inkdigits predict scans/*.jpg --csv readings.csv",
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
    pictures.add_argument(
        "--separators",
        action="store_true",
        help="read points, commas, dashes, slashes and plus signs too, as in 12-05-2024",
    )
    model = parser.add_argument_group("model")
    add_models(model)
    add_shifts(model)
    add_threshold(model)
    output = parser.add_argument_group("output")
    add_json(output)
    output.add_argument("--csv", type=Path, metavar="FILE", help="also write a row per picture")
    output.add_argument(
        "--probabilities",
        action="store_true",
        help="also print the probabilities of all classes for each digit",
    )
    output.add_argument(
        "--annotate",
        type=parse_picture_path,
        metavar="FILE",
        help="draw the picture with boxes, digits and confidences",
    )
    output.add_argument(
        "--tiles",
        type=parse_picture_path,
        metavar="FILE",
        help="draw the tiles that the network classified",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    # NumPy's linear algebra gets matrices of at most 3 × 3 here, so starting its threads would
    # only take time. The variable is read once, when NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from inkdigits.recognition.decoding import Picture
    from inkdigits.recognition.picture_lists import iterate_pictures
    from inkdigits.recognition.readings import to_row

    if is_table(named := [*options.pictures, *options.image]):
        return predict_table(named, options)
    pictures = list_pictures(named)
    if not pictures:
        raise UsageError("no picture given: name at least one, as in 'inkdigits predict seven.png'")
    outputs = {"--csv": options.csv, "--annotate": options.annotate, "--tiles": options.tiles}
    for name, path in outputs.items():
        if path is not None and path.exists():
            raise UsageError(f"{path} already exists: choose another file for {name}")
        if path is not None and name != "--csv" and len(pictures) > 1:
            raise UsageError(f"{name} draws one picture: expected 1 picture, not {len(pictures)}")
    recognizer = load_recognizer(*options.model, shifts=options.shifts)
    listed = iterate_pictures(pictures, recognizer.limits, allow_url=options.allow_url)
    drawn: PictureSource | PictureError | None = None
    for name, path in list(outputs.items())[1:]:
        if path is not None and drawn is None:
            only = decode_one(
                pictures[0], recognizer.limits, allow_url=options.allow_url, option=name
            )
            drawn, listed = only.picture, iter([only])
    readings = recognizer.read_listed(
        listed,
        one_digit=options.digits == "one",
        separators=options.separators,
        threshold=options.threshold,
    )
    status = exit_status.OK
    with contextlib.ExitStack() as stack:
        write_row = None if options.csv is None else stack.enter_context(_open_csv(options.csv))
        for number, reading in enumerate(readings):
            if reading.error is not None:
                status = exit_status.ERROR
                if not options.json:
                    print_message(str(reading.error))
            else:
                if isinstance(drawn, Picture):
                    _draw(drawn.pixels, reading, options)
                if not reading.text:
                    status = max(status, exit_status.NO_DIGIT)
                if not options.json:
                    is_one = len(pictures) == 1 and reading.page is None
                    prefix = "" if is_one else f"{_name_place(reading)}: "
                    _print_reading(prefix, reading, options.probabilities)
            row = to_row(reading)
            if options.json:  # one list, whose rows are printed as they come
                indented = textwrap.indent(json.dumps(row, indent=2), "  ")
                print(",\n" if number else "[\n", indented, sep="", end="")
            if write_row is not None:
                write_row(row)
    if options.json:
        print("\n]")
    return status


def _name_place(reading: Reading) -> str:
    page = "" if reading.page is None else f", page {reading.page}"
    return f"{reading.source or 'picture'}{page}"


def _print_reading(prefix: str, reading: Reading, with_probabilities: bool) -> None:
    if reading.reason is not None:
        print(f"{prefix}no digit: {reading.reason}")
    else:
        lines = reading.text.replace("\n", "\n" + " " * len(prefix))
        print(f"{prefix}{lines}  ({reading.confidence:.1%})")
    if with_probabilities:
        for digit in reading.digits:
            print(f"  {digit.character or 'no digit'}" + f": {digit.reason}" * bool(digit.reason))
            for name, share in digit.class_probabilities.items():
                print(f"  {name:5}  {share:7.2%}  {'█' * round(30 * share)}".rstrip())
    for note in reading.notes:
        print_message(f"{prefix}{note}")


def _draw(pixels: NDArray[np.uint8], reading: Reading, options: argparse.Namespace) -> None:
    """Writes the pictures of --annotate and --tiles."""
    from inkdigits.files import write_whole
    from inkdigits.recognition.drawing import draw_boxes, draw_tiles

    drawn = []
    if options.annotate is not None:
        drawn.append((options.annotate, draw_boxes(pixels, reading)))
    if options.tiles is not None:
        drawn.append((options.tiles, draw_tiles(reading)))
    for path, image in drawn:
        with write_whole(path, overwrite=False) as temporary:
            image.save(temporary)
        print_message(f"wrote {path}")


@contextlib.contextmanager
def _open_csv(path: Path) -> Iterator[Callable[[dict[str, Any]], object]]:
    """Yields a row writer. The file appears only after the last row is written."""
    from inkdigits.files import write_whole

    columns = ("file", "text", "confidence", "reason", "error", "page")
    with (
        write_whole(path, overwrite=False) as temporary,
        # File names that are not valid UTF-8 are written with their own bytes.
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        yield writer.writerow
