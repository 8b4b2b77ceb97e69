"""Folders of labelled pictures: with a manifest, or sorted into subfolders."""

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
    """A picture and what is written on it.

    Attributes:
        path: The picture's file.
        label: The digits in reading order, lines from top to bottom; "" where no digit is.
        kind: What sort of picture it is, such as "single-photo"; scores are given for each.
        source: By whom or from where it is, such as a writer's name; likewise.
    """

    path: Path
    label: str
    kind: str
    source: str


def load_labelled_pictures(directory: Path | str) -> list[LabelledPicture]:
    """Lists the labelled pictures of a folder; the pictures themselves are not opened.

    Args:
        directory: A folder with a `manifest.csv` of the columns `file` and `label`, and, if you
            like, `kind` and `group` (or `source`); or one with the subfolders 0 to 9 and `none`.
            A label is the digits that are written, or `none`.

    Raises:
        DataUnavailableError: The folder is missing, or neither manifest nor subfolders are there.
        DataFormatError: A manifest that lacks a column, holds a label that is no digits, or names
            a file that is missing or outside the folder.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise DataUnavailableError(f"{folder} is no folder: expected one with labelled pictures")
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
            f"{folder} holds neither a {MANIFEST} nor pictures in subfolders 0 to 9 or {NO_DIGIT}"
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
                    f"{path} lacks the column {' and '.join(missing)}; it has {', '.join(columns)}"
                )
            pictures = [_parse_row(folder, row, rows.line_num) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFormatError(f"{path} is no readable CSV file ({error})") from error
    if not pictures:
        raise DataFormatError(f"{path} lists no picture: expected a row for each")
    return pictures


def _parse_row(folder: Path, row: dict[str, str], line: int) -> LabelledPicture:
    where = f"{folder / MANIFEST}, line {line}"
    if row["file"] is None or row["label"] is None:
        raise DataFormatError(f"{where} has too few values: expected file and label")
    path = folder / row["file"]
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise DataFormatError(f"{where} names {row['file']}, which is no file in {folder}")
    label = row["label"].strip()
    source = row.get("source") or row.get("group") or folder.name
    return LabelledPicture(
        path, _parse_label(label, where), row.get("kind") or _name_kind(label), source
    )


def _parse_label(label: str, where: object) -> str:
    if label == NO_DIGIT:
        return ""
    if not re.fullmatch("[0-9]+", label):
        raise DataFormatError(f"{where} has the label {label!r}: expected digits or {NO_DIGIT!r}")
    return label


def _name_kind(label: str) -> str:
    if label == NO_DIGIT:
        return NO_DIGIT
    return "single" if len(label) == 1 else "several"
