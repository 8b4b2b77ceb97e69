"""Folders of labelled pictures, with a manifest or sorted into subfolders."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from inkdigits.errors import DataFormatError, DataUnavailableError

MANIFEST = "manifest.csv"
NO_DIGIT = "none"


@dataclass(frozen=True)
class LabelledPicture:
    """A picture file and its label.

    Attributes:
        path: The picture file.
        label: The digits in reading order, lines from top to bottom; "" if there are none.
        kind: Kind of picture, such as "single-photo". Scores are reported for each kind.
        source: Origin, such as the name of the writer. Scores are reported for each source.
    """

    path: Path
    label: str
    kind: str
    source: str


def load_labelled_pictures(directory: Path | str) -> list[LabelledPicture]:
    """Lists the labelled pictures of a folder without opening them.

    Args:
        directory: A folder with a `manifest.csv`, which has the columns `file` and `label` and
            optionally `kind` and `source` (or `group`); or a folder with the subfolders 0 to 9 and
            `none`. A label consists of the written digits, or is `none`.

    Raises:
        DataUnavailableError: The folder is missing, or has neither a manifest nor such subfolders.
        DataFormatError: The manifest lacks a column, contains an invalid label, or names a file
            that is missing or outside the folder.
    """
    folder = Path(directory)
    if not folder.exists():
        raise DataUnavailableError(f"no such folder: {folder}; expected a folder of pictures")
    if not folder.is_dir():
        raise DataUnavailableError(f"{folder} is not a folder: expected a folder of pictures")
    if (folder / MANIFEST).is_file():
        return _load_manifest(folder)
    pictures = [
        LabelledPicture(path, _parse_label(label, path), _name_kind(label), folder.name)
        for label in [*map(str, range(10)), NO_DIGIT]
        for path in sorted((folder / label).glob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    if not pictures:
        raise DataUnavailableError(
            f"{folder} contains no labelled pictures: expected a {MANIFEST}, or subfolders 0 to 9 "
            f"and {NO_DIGIT}"
        )
    return pictures


def _load_manifest(folder: Path) -> list[LabelledPicture]:
    path = folder / MANIFEST
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            missing = [name for name in ("file", "label") if name not in columns]
            if missing:
                raise DataFormatError(
                    f"{path} lacks the column {' and '.join(missing)}: found {', '.join(columns)}"
                )
            pictures = [_parse_row(folder, row, rows.line_num) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFormatError(f"{path} cannot be read as a CSV file ({error})") from error
    if not pictures:
        raise DataFormatError(f"{path} lists no pictures: expected one row per picture")
    return pictures


def _parse_row(folder: Path, row: dict[str, str], line: int) -> LabelledPicture:
    where = f"{folder / MANIFEST}, line {line}"
    if row["file"] is None or row["label"] is None:
        raise DataFormatError(f"{where}: too few values, expected at least file and label")
    path = folder / row["file"]
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise DataFormatError(f"{where}: {row['file']} is not a file in {folder}")
    label = row["label"].strip()
    source = row.get("source") or row.get("group") or folder.name
    return LabelledPicture(
        path, _parse_label(label, where), row.get("kind") or _name_kind(label), source
    )


def _parse_label(label: str, where: object) -> str:
    if label == NO_DIGIT:
        return ""
    if not re.fullmatch("[0-9]+", label):
        raise DataFormatError(f"{where}: invalid label {label!r}, expected digits or {NO_DIGIT!r}")
    return label


def _name_kind(label: str) -> str:
    if label == NO_DIGIT:
        return NO_DIGIT
    return "single" if len(label) == 1 else "several"
