"""Corrections of readings, kept as a folder that `inkdigits evaluate --pictures` reads."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import OutputError
from inkdigits.files import write_text_whole, write_whole

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("file", "label", "tile", "read", "saved")
NO_DIGIT: Final = "none"
_TILES = "tiles"
_LOCK = ".lock"


@dataclass(frozen=True)
class Correction:
    """What a picture really shows.

    Attributes:
        id: 32 hexadecimal digits.
        label: The digits that are written; "" where none is.
        read: What was read; "" where nothing was.
        saved: When, in ISO 8601 with its offset from UTC.
    """

    id: str
    label: str
    read: str
    saved: str


class CorrectionStore:
    """A folder of corrections, which several processes may share.

    `manifest.csv` lists them. A picture lies beside it before it is listed, and is deleted after
    it is no longer listed, so that whoever reads the folder finds all that the manifest names.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder where it is missing.

        Raises:
            OutputError: It cannot be written, or holds a manifest that is not of corrections.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / _LOCK)
            with self._lock:
                self._load_rows()
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(
                f"{folder} cannot keep corrections ({error.strerror or error}): choose a folder "
                "that can be written"
            ) from error

    def save(self, *, picture: bytes, tile: NDArray[np.uint8], label: str, read: str) -> str:
        """Keeps a correction.

        Args:
            picture: The bytes of a PNG file.
            tile: What the network saw: uint8, shape (28, 28), 0 background, 255 full ink.
            label: The digits that are written; "" where none is.
            read: What was read; "" where nothing was.

        Returns:
            Its id.

        Raises:
            OutputError: It cannot be written; nothing of it is then kept.
        """
        name = uuid.uuid4().hex
        saved = datetime.now(UTC).isoformat(timespec="milliseconds")
        encoded = io.BytesIO()
        Image.fromarray(tile).save(encoded, "PNG")
        try:
            for path, content in (
                (self._picture(name), picture),
                (self._tile(name), encoded.getvalue()),
            ):
                with write_whole(path, overwrite=False) as temporary:
                    temporary.write_bytes(content)
            row = {
                "file": self._picture(name).name,
                "label": label or NO_DIGIT,
                "tile": f"{_TILES}/{name}.png",
                "read": read or NO_DIGIT,
                "saved": saved,
            }
            with self._lock:
                self._write_rows([*self._load_rows(), row])
        except BaseException:
            self._remove_files(name)
            raise
        return name

    def list_all(self) -> list[Correction]:
        """All corrections, in the order in which they were saved."""
        return [
            Correction(
                id=Path(row["file"]).stem,
                label=_parse_label(row["label"]),
                read=_parse_label(row["read"]),
                saved=row["saved"],
            )
            for row in self._load_rows()
        ]

    def delete(self, name: str) -> bool:
        """Deletes a correction.

        Returns:
            Whether it was there.

        Raises:
            OutputError: The manifest cannot be written.
        """
        return bool(self._delete(lambda row: Path(row["file"]).stem == name))

    def delete_all(self) -> int:
        """Deletes all, and says how many they were; errors as in `delete`."""
        return self._delete(lambda row: True)

    def _delete(self, is_meant: Callable[[dict[str, str]], bool]) -> int:
        with self._lock:
            rows = self._load_rows()
            leaving = [row for row in rows if is_meant(row)]
            if leaving:
                self._write_rows([row for row in rows if not is_meant(row)])
        for row in leaving:
            self._remove_files(Path(row["file"]).stem)
        return len(leaving)

    def _picture(self, name: str) -> Path:
        return self.folder / f"{name}.png"

    def _tile(self, name: str) -> Path:
        return self.folder / _TILES / f"{name}.png"

    def _remove_files(self, name: str) -> None:
        # A row that somebody wrote by hand may name a file of theirs, which stays.
        if re.fullmatch("[0-9a-f]{32}", name):
            for path in (self._picture(name), self._tile(name)):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _load_rows(self) -> list[dict[str, str]]:
        path = self.folder / MANIFEST
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = csv.DictReader(file)
                if tuple(rows.fieldnames or ()) != COLUMNS:
                    raise OutputError(
                        f"{path} has other columns than {', '.join(COLUMNS)}: choose another "
                        "folder for corrections"
                    )
                return [{name: row[name] or "" for name in COLUMNS} for row in rows]
        except FileNotFoundError:
            return []

    def _write_rows(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text_whole(self.folder / MANIFEST, text.getvalue())


def _parse_label(label: str) -> str:
    return "" if label == NO_DIGIT else label
