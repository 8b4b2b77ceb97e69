"""A folder with all results of reading pictures.

readings.csv     a row for each picture
readings.json    the same with boxes, other marks and probabilities; written last
annotated/       a copy of each picture, with boxes, at its size and in its colours
crops/           a folder for each picture, with a picture for each of its digits

The pictures keep their paths relative to the folder that was read: `scans/may/7.jpg` becomes
`annotated/may/7.jpg`, and its digits are in `crops/may/7.jpg/`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import OutputExistsError
from inkdigits.files import PICTURE_SUFFIXES, iterate_names, write_whole
from inkdigits.pictures.picture_sources import is_address
from inkdigits.results.drawing import crop_digits, draw_boxes, save_picture
from inkdigits.results.marks import Digit
from inkdigits.results.reading import Reading
from inkdigits.results.reading_rows import ANNOTATED, CsvRows, JsonRows
from inkdigits.results.reading_views import open_picture
from inkdigits.results.readings import Readings

JSON_NAME: Final = "readings.json"
"""The file by which a folder of results is known."""
_CSV_NAME: Final = "readings.csv"
_CROPS: Final = "crops"
_INVALID: Final = re.compile(r'[\x00-\x1f<>:"|?*\\]')
"""Characters that a file name cannot have on some system."""
_MAX_NAME_LENGTH: Final = 120


class PredictionFolder:
    """Writes the results of pictures into a folder, one picture after the other."""

    def __init__(self, folder: Path, rows: tuple[CsvRows, JsonRows], root: str | None) -> None:
        """Use `open_folder` instead.

        Args:
            folder: The folder.
            rows: Writers of the tables.
            root: The folder that the paths of pictures are relative to; None leaves only names.
        """
        self._folder = folder
        self._rows = rows
        self._root = root
        self._taken: set[str] = set()

    def write(self, reading: Reading) -> None:
        """Writes the results of a picture.

        Raises:
            PictureError: The picture was not kept, or its file is missing by now.
            OutputError: A file cannot be written.
        """
        row = reading.to_dict()
        if reading.error is None:
            row |= self._write_pictures(reading, row["digits"])
        for rows in self._rows:
            rows.write(row)

    def _write_pictures(self, reading: Reading, digit_rows: list[dict[str, Any]]) -> dict[str, str]:
        """Writes the annotated copy and the crops, and adds the names of these to their rows."""
        picture = open_picture(reading)
        name = self._choose_name(reading)
        annotated = f"{ANNOTATED}/{_name_drawn(name)}"
        save_picture(lambda: draw_boxes(picture, reading), self._folder / annotated)
        for number, (digit, crop) in enumerate(
            zip(reading.digits, crop_digits(picture, reading), strict=True), 1
        ):
            path = f"{_CROPS}/{name}/{number:03}-{_describe(digit)}.png"
            save_picture(lambda crop=crop: crop, self._folder / path)  # type: ignore[misc]
            digit_rows[number - 1]["crop"] = path
        return {ANNOTATED: annotated}

    def _choose_name(self, reading: Reading) -> str:
        """Returns a relative path for a picture, which no other picture has."""
        name = _make_relative(reading.source, self._root)
        if reading.page is not None:
            name = f"{name}-page-{reading.page}"
        names = (path.as_posix() for path in iterate_names(Path(name), Path(name).suffix))
        # Some file systems do not tell upper and lower case apart.
        free = next(name for name in names if _name_drawn(name).casefold() not in self._taken)
        self._taken.add(_name_drawn(free).casefold())
        return free


@contextmanager
def open_folder(
    folder: Path | str, *, roots: Iterable[str] = (), overwrite: bool = False
) -> Iterator[PredictionFolder]:
    """Creates a folder for the results of pictures, to be written in the block.

    The tables appear at the end of the block. If the block fails, they do not.

    Args:
        folder: The folder, which must not exist or be empty.
        roots: The folders and files that were read. Paths in the results are relative to the
            folder that contains all of them.
        overwrite: Whether the results of an earlier call may be replaced. Other files stay.

    Raises:
        OutputExistsError: The folder contains files and `overwrite` is False.
        OutputError: A file cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file: choose another folder")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise OutputExistsError(
            f"{folder} exists already and is not empty: choose another folder, or replace the "
            "results in it with overwrite=True"
        )
    _remove_earlier(folder)
    with ExitStack() as stack:
        files = []
        for name in (JSON_NAME, _CSV_NAME):  # at the end of the block, the first comes last
            temporary = stack.enter_context(write_whole(folder / name))
            # File names that are not valid UTF-8 are written with their own bytes.
            opened = temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape")
            files.append(stack.enter_context(opened))
        json_rows, csv_rows = JsonRows(files[0]), CsvRows(files[1], annotated=True)
        yield PredictionFolder(folder, (csv_rows, json_rows), _find_root(roots))
        json_rows.finish()


def write_folder(readings: Readings, folder: Path | str, *, overwrite: bool = False) -> Path:
    """Writes the results of pictures into a folder, as `Readings.save` describes it."""
    roots = [reading.source for reading in readings if reading.source is not None]
    if readings.folder is not None:
        roots = [readings.folder]
    with open_folder(folder, roots=roots, overwrite=overwrite) as opened:
        for reading in readings:
            opened.write(reading)
    return Path(folder)


def _remove_earlier(folder: Path) -> None:
    """Removes the pictures that the table of an earlier call lists, and folders left empty."""
    try:
        rows = json.loads((folder / JSON_NAME).read_bytes())
        listed = [row[ANNOTATED] for row in rows if ANNOTATED in row]
        listed += [digit["crop"] for row in rows for digit in row.get("digits", ())]
        paths = [folder / name for name in listed]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # no table, or not of this program
    inside = [(folder / part).resolve() for part in (ANNOTATED, _CROPS)]
    for path in paths:
        parents = path.resolve().parents
        if any(part in parents for part in inside):
            with suppress(OSError):
                path.unlink()
                for parent in path.parents:
                    if parent == folder:
                        break
                    parent.rmdir()  # raises for a folder that is not empty


def _find_root(roots: Iterable[str]) -> str | None:
    """Returns the folder that contains all paths; None if there is none, as on several drives."""
    folders = [
        str(path if path.is_dir() else path.parent)
        for path in (Path(root).absolute() for root in roots if not is_address(root))
    ]
    try:
        return os.path.commonpath(folders) if folders else None
    except ValueError:
        return None


def _make_relative(source: str | None, root: str | None) -> str:
    """Returns a valid relative path for the results of a picture."""
    if source is None:
        return "picture"
    if is_address(source):
        source = source.partition("?")[0].rstrip("/").rpartition("/")[2]
    elif root is not None and Path(source).absolute().is_relative_to(root):
        source = Path(source).absolute().relative_to(root).as_posix()
    else:
        source = Path(source).name
    parts = [_INVALID.sub("_", part) for part in source.split("/") if part not in ("", "..", ".")]
    return "/".join(_shorten(part) for part in parts) or "picture"


def _name_drawn(name: str) -> str:
    """Returns the name of the picture with boxes: .png is added to formats that are not written."""
    return name if Path(name).suffix.lower() in PICTURE_SUFFIXES else f"{name}.png"


def _shorten(name: str) -> str:
    """Returns a name that has room for a suffix and a number, with its own suffix."""
    suffix = Path(name).suffix[:10]
    return name if len(name) <= _MAX_NAME_LENGTH else name[: _MAX_NAME_LENGTH - 10] + suffix


def _describe(digit: Digit) -> str:
    if digit.digit is not None:
        return str(digit.digit)
    return "uncertain" if digit.is_uncertain else "rejected"
