"""Rows of readings in CSV and JSON, written as they come.

Spreadsheets and `pandas.read_csv` take a text of digits for a number, whether it is quoted or not,
so that 007 becomes 7. So the CSV also has the digits as a JSON list, such as [0, 0, 7], which every
program keeps.
"""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final, TextIO

COLUMNS: Final = ("file", "text", "confidence", "reason", "error", "page", "digit_list")
"""Columns of the CSV: the keys of `Reading.to_dict` that are no lists; and `digit_list`, the digits
of the text, with null for uncertain ones."""

ANNOTATED: Final = "annotated"
"""Column of the file with boxes, in a folder of results."""


class CsvRows:
    """Writes rows of readings as CSV."""

    def __init__(self, file: TextIO, *, annotated: bool = False) -> None:
        """Writes the header.

        Args:
            file: Opened with `newline=""`.
            annotated: Whether rows have the column `ANNOTATED`.
        """
        columns = (*COLUMNS, ANNOTATED) if annotated else COLUMNS
        self._writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes a row of `Reading.to_dict`."""
        digits = [digit["digit"] for digit in row.get("digits", ()) if digit["character"]]
        self._writer.writerow({**row, "digit_list": json.dumps(digits)})


class JsonRows:
    """Writes rows of readings as one JSON list."""

    def __init__(self, file: TextIO) -> None:
        """Writes nothing yet."""
        self._file = file
        self._beginning = "[\n"

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes a row of `Reading.to_dict`."""
        self._file.write(self._beginning + textwrap.indent(json.dumps(row, indent=2), "  "))
        self._beginning = ",\n"

    def finish(self) -> None:
        """Ends the list."""
        self._file.write("[]\n" if self._beginning == "[\n" else "\n]\n")
