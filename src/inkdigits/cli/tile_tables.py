"""`inkdigits predict` for tables of tiles, such as Kaggle's test.csv."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from inkdigits.cli import exit_status
from inkdigits.cli.messages import print_message
from inkdigits.cli.models import load_recognizer
from inkdigits.cli.outputs import check_file, describe_write
from inkdigits.errors import UsageError

_SUFFIX = ".csv"
_STDOUT = Path("-")
_COLUMNS = ("ImageId", "Label")
_BATCH = 4_096
# Options of `inkdigits predict` that are about pictures, and their defaults.
_PICTURE_OPTIONS = {
    "annotate": None,
    "digits": "all",
    "json": False,
    "output": None,
    "probabilities": False,
    "save": False,
    "separators": False,
    "threshold": None,
    "tiles": None,
}


def is_table(names: Sequence[str]) -> bool:
    """Whether a table of tiles is among the arguments."""
    return any(Path(name).suffix.lower() == _SUFFIX for name in names)


def predict_table(names: Sequence[str], options: argparse.Namespace) -> int:
    """Writes the label of each row of a table, numbered from 1, as Kaggle expects it.

    Each row gets its most likely digit, also one that shows none, because a submission needs a
    digit in each row. A network for other classes writes their labels.

    Args:
        names: The arguments, which must be one table.
        options: All options of the command. --csv names the file to write; without it, or with
            "-", the rows are printed.

    Raises:
        UsageError: There are several arguments, or options that are about pictures; or the model
            does not classify tiles.
        DataFormatError, DataUnavailableError: The table is damaged or missing.
        OutputError, OutputExistsError: The file cannot be written, or exists.
    """
    from inkdigits.data.datasets import find_classes
    from inkdigits.data.forms import load_table
    from inkdigits.files import write_whole

    if len(names) > 1:
        raise UsageError(f"a table of tiles is read alone: expected 1 argument, not {len(names)}")
    table = Path(names[0])
    for name, default in _PICTURE_OPTIONS.items():
        if getattr(options, name) != default:
            raise UsageError(f"--{name} is for pictures, not for a table of tiles: leave it out")
    path = None if options.csv == _STDOUT else options.csv
    if path is not None:
        check_file(path, "--csv", force=options.force, inputs=names)
    recognizer = load_recognizer(*options.model, shifts=options.shifts, device=options.device)
    if options.model and not recognizer.judges_tiles:
        raise UsageError(
            f"{options.model[0]} reads whole pictures, not tiles: leave --model out, or name a "
            "network for tiles"
        )
    classes = find_classes(recognizer.card.class_names)
    images, _ = load_table(table, classes)
    with ExitStack() as stack:
        file = sys.stdout
        if path is not None:
            message = describe_write(path)
            temporary = stack.enter_context(write_whole(path, overwrite=options.force))
            file = stack.enter_context(temporary.open("w", newline="", encoding="utf-8"))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for start in range(0, len(images), _BATCH):
            labels = recognizer.classify(images[start : start + _BATCH]).argmax(axis=1)
            labels += classes.first_label  # as in the table that the network was trained on
            writer.writerows(enumerate(labels.tolist(), start + 1))
    if path is not None:
        print_message(f"{message}: {len(images):,} rows")
    return exit_status.OK
