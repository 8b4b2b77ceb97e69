"""Tables of tiles as CSV files: a label and 784 pixels a row, as in Kaggle's "Digit Recognizer".

A header is optional. The label comes first; a header can name it at another place. Tables without
labels, such as Kaggle's test.csv, have pixels only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.datasets import DIGITS, Classes
from inkdigits.data.folder import MAX_IMAGES
from inkdigits.data.forms.form import Form, Part, assign_parts, check_count, find_part
from inkdigits.data.idx import SIDE, check_labels
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError, DataUnavailableError

N_PIXELS = SIDE * SIDE
_LABEL_NAMES = ("label", "class")
# A row of 785 numbers has at most 3,140 characters, a header a little more.
_MAX_LINE = 32_768
_EXPECTED = f"expected {N_PIXELS} pixels, or a label and {N_PIXELS} pixels"


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        has_header: Whether the first line has names instead of numbers.
        label_column: Index of the column of labels, or None.
    """

    has_header: bool
    label_column: int | None

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return N_PIXELS + (self.label_column is not None)


def find_csv_tables(path: Path, classes: Classes = DIGITS) -> list[Form]:
    """Finds tables: the path itself, or the files of a folder whose names say train or test.

    Raises:
        DataFormatError: A table has other columns, or a folder has two tables of one part.
        DataUnavailableError: A file cannot be read.
    """
    if path.is_file():
        tables = [path] if path.suffix.lower() == ".csv" else []
        parts: dict[Part, Path] = {part: table for table in tables for part in assign_parts(table)}
    else:
        parts = {}
        for table in sorted(path.glob("*.csv")):
            part = find_part(table.stem)
            if part is None:
                continue  # such as Kaggle's sample_submission.csv
            if part in parts:
                raise DataFormatError(
                    f"{path} contains {parts[part].name} and {table.name}, expected one table for "
                    f"each of train and test: give one of them"
                )
            parts[part] = table
    if not parts:
        return []
    layouts = {part: inspect_table(table) for part, table in parts.items()}
    labelled = {part for part, layout in layouts.items() if layout.label_column is not None}
    names = " and ".join(dict.fromkeys(table.name for table in parts.values()))
    return [
        Form(
            f"table {names}",
            path,
            {
                part: partial(_read_labelled, parts[part], classes)
                for part in parts
                if part in labelled
            },
            {part: parts[part] for part in parts if part not in labelled},
        )
    ]


def load_table(
    path: Path, classes: Classes = DIGITS
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Loads a table of tiles.

    Args:
        path: The CSV file. If its name starts with "emnist", the images are transposed back.
        classes: What the labels stand for.

    Returns:
        The images, uint8, shape (n, 28, 28), 0 background, 255 full ink; and the labels, uint8,
        shape (n,), counted from 0, or None if there are none.

    Raises:
        DataFormatError: The file is not such a table, or has too many rows.
        DataUnavailableError: The file cannot be read.
    """
    layout = inspect_table(path)
    rows = bytearray()
    with _open(path) as file:
        for number, line in _list_lines(file, path):
            if number == 1 and layout.has_header:
                continue
            rows += _parse_row(line, layout.n_columns, f"{path}, line {number}")
            if len(rows) > MAX_IMAGES * layout.n_columns:
                raise DataFormatError(f"{path} has more than {MAX_IMAGES:,} rows: split it")
    table = np.frombuffer(rows, np.uint8).reshape(-1, layout.n_columns)
    check_count(len(table), str(path))
    labels = None
    if layout.label_column is not None:
        labels = check_labels(table[:, layout.label_column], str(path), classes)
        table = np.delete(table, layout.label_column, axis=1)
    images = table.reshape(-1, SIDE, SIDE)
    if path.name.lower().startswith("emnist"):
        images = images.transpose(0, 2, 1)
    return np.ascontiguousarray(images), labels


def inspect_table(path: Path) -> Layout:
    """Reads the columns of a table from its first line.

    Raises:
        DataFormatError: The file is not a table of tiles.
        DataUnavailableError: The file cannot be read.
    """
    with _open(path) as file:
        first = next(_list_lines(file, path), None)
    if first is None:
        raise DataFormatError(f"{path} is empty, {_EXPECTED} in each row")
    fields = [field.strip().strip('"').lower() for field in first[1].split(",")]
    has_header = not all(field.isdecimal() for field in fields)
    named = [fields.index(name) for name in _LABEL_NAMES if name in fields]
    if len(fields) == N_PIXELS and not named:
        return Layout(has_header, None)
    if len(fields) == N_PIXELS + 1 and (named or not has_header):
        return Layout(has_header, named[0] if named else 0)
    shown = ",".join(fields[:3])[:60]
    raise DataFormatError(
        f"{path} has {len(fields)} columns ({shown}{',…' * (len(fields) > 3)}), {_EXPECTED}; a "
        "header must name the label 'label'"
    )


def _read_labelled(path: Path, classes: Classes) -> LabelledImages:
    images, labels = load_table(path, classes)
    if labels is None:
        raise DataFormatError(f"{path} changed while it was read: try again")
    return LabelledImages(images, labels, n_classes=len(classes.names))


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", newline=None) as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataFormatError(f"{path} is not a CSV file in UTF-8 ({error.reason})") from error
    except OSError as error:
        if isinstance(error, DataUnavailableError):
            raise
        raise DataUnavailableError(
            f"{path} cannot be read ({error.strerror or error}): check the file and its permissions"
        ) from error


def _list_lines(file: TextIO, path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines that are not empty, each with its number, without their ends."""
    number = 0
    while line := file.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise DataFormatError(
                f"{path}, line {number} has more than {_MAX_LINE:,} characters, {_EXPECTED}"
            )
        if stripped := line.strip():
            yield number, stripped


def _parse_row(line: str, n_columns: int, where: str) -> bytes:
    fields = line.split(",")
    if len(fields) != n_columns:
        raise DataFormatError(
            f"{where} has {len(fields)} columns, expected {n_columns}: the file may be truncated, "
            "download it again"
        )
    try:
        return bytes(map(int, fields))
    except ValueError:
        wrong = next(field for field in fields if not _is_byte(field))
        raise DataFormatError(
            f"{where} contains {wrong[:20]!r}, expected whole numbers 0 to 255"
        ) from None


def _is_byte(field: str) -> bool:
    try:
        return 0 <= int(field) <= 255
    except ValueError:
        return False
