"""Stores corrections of readings in a folder that `inkdigits evaluate --pictures` reads."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import OutputError
from inkdigits.files import FULL, describe_write_error, read_limited, write_text_whole, write_whole

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("file", "label", "tile", "read", "saved")
NO_DIGIT: Final = "none"
MAX_MANIFEST_BYTES: Final = 50_000_000
"""About 300,000 corrections; the whole manifest is in memory while one is saved."""
LOCK_S: Final = 2.0
"""Timeout for the lock, which another process holds for milliseconds while it saves or deletes."""
_TILES = "tiles"
_LOCK = ".lock"


@dataclass(frozen=True)
class Correction:
    """The correct label of a picture.

    Attributes:
        id: 32 hexadecimal digits.
        label: The correct digits; "" if the picture contains no digit.
        read: The digits that the model read; "" if it read none.
        saved: Time of saving, ISO 8601 with UTC offset.
    """

    id: str
    label: str
    read: str
    saved: str


class CorrectionStore:
    """A folder of corrections, which several processes may share.

    `manifest.csv` lists them. A picture is written before its row and deleted after it, so every
    file that the manifest names exists.

    The manifest is replaced as a whole, so a process that is killed leaves the old or the new one.
    Only if the disk is too full for that, deletion overwrites the deleted rows in place with empty
    lines, which CSV readers skip. No byte of another row is written, and a process that is killed
    in between leaves at worst a damaged row of a deleted correction.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the folder, and creates it if it is missing.

        Raises:
            OutputError: The folder cannot be written, is locked by another process, or contains a
                manifest of something else.
        """
        self.folder = folder
        self._lock = FileLock(folder / _LOCK, timeout=LOCK_S)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _describe(folder, "cannot keep corrections", error) from error
        with self._locked():
            self._load_rows()

    def save(self, *, picture: bytes, tile: NDArray[np.uint8], label: str, read: str) -> str:
        """Saves a correction.

        Args:
            picture: The bytes of a PNG file.
            tile: Input of the network: uint8, shape (28, 28), 0 background, 255 full ink.
            label: The correct digits; "" if the picture contains no digit.
            read: The digits that the model read; "" if it read none.

        Returns:
            The id of the correction.

        Raises:
            OutputError: The files cannot be written, or as for the folder. No file is left behind.
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
            with self._locked():
                self._write_rows([*self._load_rows(), row])
        except BaseException:
            self._remove_files(name)
            raise
        return name

    def list_all(self) -> list[Correction]:
        """Returns all corrections, oldest first.

        Raises:
            OutputError: The manifest cannot be read, or is one of something else.
        """
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
        """Deletes a correction, even on a full disk.

        Returns:
            True if the correction existed.

        Raises:
            OutputError: The manifest cannot be written, or as for the folder.
        """
        return bool(self._delete(lambda row: Path(row["file"]).stem == name))

    def delete_all(self) -> int:
        """Deletes all corrections and returns their number. Raises the errors of `delete`."""
        return self._delete(lambda row: True)

    def _delete(self, is_selected: Callable[[dict[str, str]], bool]) -> int:
        with self._locked():
            rows = self._load_rows()
            deleted = [row for row in rows if is_selected(row)]
            if deleted:
                try:
                    self._write_rows([row for row in rows if not is_selected(row)])
                except OutputError as error:
                    if getattr(error.__cause__, "errno", None) not in FULL:
                        raise
                    self._blank_rows(is_selected)
        for row in deleted:
            self._remove_files(Path(row["file"]).stem)
        return len(deleted)

    def _picture(self, name: str) -> Path:
        return self.folder / f"{name}.png"

    def _tile(self, name: str) -> Path:
        return self.folder / _TILES / f"{name}.png"

    def _remove_files(self, name: str) -> None:
        # A row added by hand may name a user's own file, which is not deleted.
        if re.fullmatch("[0-9a-f]{32}", name):
            for path in (self._picture(name), self._tile(name)):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Locks the folder against other threads and processes."""
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(
                f"{self.folder} is locked by another process: try again, or stop that process",
                reason="the folder is locked by another process; try again",
            ) from None
        except (OSError, NotImplementedError) as error:
            raise _describe(self.folder, "cannot keep corrections", error) from error
        try:
            yield
        finally:
            self._lock.release()

    def _load_rows(self) -> list[dict[str, str]]:
        return [row for row, _, _ in self._parse_manifest()]

    def _parse_manifest(self) -> list[tuple[dict[str, str], int, int]]:
        """Returns each row of the manifest, with the offsets of its first byte and of its end.

        Raises:
            OutputError: The manifest cannot be read, or is one of something else.
        """
        path = self.folder / MANIFEST
        try:
            content = read_limited(path, MAX_MANIFEST_BYTES)
            content.decode("utf-8")
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            raise self._manifest_error("is not in UTF-8") from None
        except ValueError as error:
            raise self._manifest_error(f"is {error}") from None
        except OSError as error:
            raise self._manifest_error(
                f"cannot be read: {(error.strerror or 'input/output error').lower()}"
            ) from error
        lines = content.splitlines(keepends=True)
        starts = [0, *itertools.accumulate(map(len, lines))]
        reader = csv.reader(line.decode("utf-8") for line in lines)
        rows = []
        try:
            if tuple(next(reader, ())) != COLUMNS:
                raise self._manifest_error(f"has other columns than {', '.join(COLUMNS)}")
            first_line = reader.line_num
            for cells in reader:
                if len(cells) > len(COLUMNS):
                    raise self._manifest_error(f"has too many cells in line {reader.line_num}")
                if cells:
                    cells += [""] * (len(COLUMNS) - len(cells))
                    row = dict(zip(COLUMNS, cells, strict=True))
                    rows.append((row, starts[first_line], starts[reader.line_num]))
                first_line = reader.line_num
        except csv.Error as error:
            raise self._manifest_error(f"is damaged in line {reader.line_num}: {error}") from None
        return rows

    def _manifest_error(self, fault: str) -> OutputError:
        return OutputError(
            f"{self.folder / MANIFEST} {fault}: repair it, or choose another folder for "
            "corrections",
            reason=f"the list of corrections, {MANIFEST}, {fault}",
        )

    def _write_rows(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        if len(text.getvalue().encode()) > MAX_MANIFEST_BYTES:
            raise self._manifest_error(f"would be larger than {MAX_MANIFEST_BYTES:,} bytes")
        write_text_whole(self.folder / MANIFEST, text.getvalue())

    def _blank_rows(self, is_selected: Callable[[dict[str, str]], bool]) -> None:
        """Overwrites rows in place, which needs no free space. Raises the errors of `delete`."""
        path = self.folder / MANIFEST
        try:
            with path.open("r+b") as file:
                for row, start, end in self._parse_manifest():
                    if is_selected(row):
                        file.seek(start)
                        file.write(b"\n" * (end - start))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise _describe(path, "cannot be written", error) from error


def _describe(path: Path, fault: str, error: Exception) -> OutputError:
    """Builds the error for a folder; its message has the path for the log, its reason has not."""
    reason = str(error)
    if isinstance(error, OSError):
        reason = describe_write_error(error)
    return OutputError(
        f"{path} {fault} ({reason}): choose a folder that can be written", reason=reason
    )


def _parse_label(label: str) -> str:
    return "" if label == NO_DIGIT else label
