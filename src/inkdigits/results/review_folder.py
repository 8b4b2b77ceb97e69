"""A folder of pictures whose digits were not read for certain, for people to review.

pictures/ID.png  the picture or page, grey, upright, scaled down if it is large
items/ID.json    where it comes from, and what was read
manifest.csv     what people read: a row for each reviewed picture, and for each of its digits
digits/ID-N.png  the digits of reviewed pictures, each with a row of the manifest

The manifest makes it a folder of labelled pictures, for `inkdigits train --pictures` and `inkdigits
evaluate --pictures`. Several processes may add pictures while others are reviewed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import DataFormatError, MissingExtraError, OutputError
from inkdigits.files import describe_write_error, write_text_whole, write_whole
from inkdigits.results.marks import UNCERTAIN, Box, Digit
from inkdigits.results.reading import Reading

COLUMNS: Final = ("file", "label", "kind", "source", "text", "read", "address", "page", "saved")
TEXT: Final = re.compile(r"([ .,/+\-\n]*[0-9][0-9 .,/+\-\n]*)?")
"""What people may read: lines of digits, with separators between them; or nothing."""
_ID: Final = re.compile(r"[0-9a-f]{32}")
_MANIFEST: Final = "manifest.csv"
_LOCK: Final = ".lock"
_LOCK_S: Final = 5.0
_NO_DIGIT: Final = "none"
_PICTURE_KIND: Final = "reviewed"
_DIGIT_KIND: Final = "reviewed-digit"
_DOUBT: Final = "too uncertain"
"""Beginning of the reason of a digit that is uncertain, or may be none."""
_MAX_SIDE: Final = 2_000
"""Larger pictures are scaled down to this many pixels."""
_MARGIN: Final = 0.25
"""Margin around a digit that is cut out, as a fraction of the longer side of its box."""


@dataclass(frozen=True)
class ReviewItem:
    """A picture to review.

    Attributes:
        id: 32 hexadecimal digits, the same for the same address and page.
        address: Path or address of its file.
        page: Number of the page in its document, from 1; None if it is not a page.
        text: What was read, with "?" for each digit that is uncertain or may be none.
        reason: Why no digit was read; None if one was.
        width: Width of the stored picture in pixels.
        height: Height of the stored picture in pixels.
        digits: For each digit, `character` as in `text` ("" if it is rejected), `confidence`,
            `box` (left, top, width, height in pixels of the stored picture) and `reason`.
    """

    id: str
    address: str
    page: int | None
    text: str
    reason: str | None
    width: int
    height: int
    digits: tuple[Mapping[str, Any], ...]


def needs_review(reading: Reading) -> bool:
    """Returns whether a picture was read, but without any digit or with an uncertain one.

    Uncertain are also marks of which it is uncertain whether they are digits, and which the text
    leaves out.
    """
    if reading.error is not None:
        return False
    return not reading.text or any(map(_is_uncertain, reading.digits))


class ReviewFolder:
    """A folder of pictures to review."""

    def __init__(self, folder: Path | str) -> None:
        """Opens the folder, and creates it if it is missing.

        Raises:
            MissingExtraError: filelock is not installed.
            OutputError: The folder cannot be written.
            DataFormatError: The manifest is damaged, or one of something else.
        """
        self.folder = Path(folder)
        self._index: dict[str, tuple[str, int]] = {}
        try:
            import filelock
        except ImportError as error:
            raise MissingExtraError(
                'filelock is not installed, but reviews need it: pip install "inkdigits[serve]"'
            ) from error
        self._lock = filelock.FileLock(self.folder / _LOCK, timeout=_LOCK_S)
        self._timeout = filelock.Timeout
        try:
            for name in ("items", "pictures"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._write_error(error) from error
        self._load_rows()

    def add(
        self, address: str, page: int | None, pixels: NDArray[np.uint8], reading: Reading
    ) -> str:
        """Adds a picture, or replaces the one of the same address and page.

        Safe for several processes at the same time. The item appears once all of it is written.

        Args:
            address: Path or address of the file.
            page: Number of the page, from 1; None for pictures without pages.
            pixels: The upright picture: uint8, shape (height, width), 0 black.
            reading: What was read in it.

        Returns:
            The id of the item.

        Raises:
            OutputError: A file cannot be written.
        """
        name = _build_id(address, page)
        picture = Image.fromarray(pixels)
        scale = min(1.0, _MAX_SIDE / max(picture.size))
        if scale < 1:
            size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2)
        item = ReviewItem(
            id=name,
            address=address,
            page=page,
            text=_compose_text(reading),
            reason=reading.reason,
            width=picture.width,
            height=picture.height,
            digits=tuple(
                {
                    "character": UNCERTAIN if _is_uncertain(digit) else digit.character,
                    "confidence": round(digit.confidence, 4),
                    "box": _scale_box(digit.box, scale),
                    "reason": digit.reason,
                }
                for digit in _order_digits(reading)
            ),
        )
        with write_whole(self._locate_picture(name)) as temporary:
            picture.save(temporary, "PNG")
        write_text_whole(self._locate_item(name), json.dumps(asdict(item)))
        return name

    def list_open(self, limit: int) -> tuple[list[str], int, int]:
        """Lists the pictures that nobody has reviewed, by address and page.

        Args:
            limit: Largest number of ids to return.

        Returns:
            Their ids, the number of all of them, and the number of all pictures.

        Raises:
            DataFormatError: The manifest or an item is damaged.
        """
        names = {path.stem for path in (self.folder / "items").glob("*.json")}
        names = {name for name in names if _ID.fullmatch(name)}
        for name in names - self._index.keys():
            item = self.load_item(name)
            self._index[name] = (item.address, item.page or 0)
        done = {Path(row["file"]).stem for row in self._load_rows()}
        open_names = sorted(names - done, key=lambda name: self._index[name])
        return open_names[:limit], len(open_names), len(names)

    def load_item(self, name: str) -> ReviewItem:
        """Returns a picture to review.

        Raises:
            KeyError: There is none of this id.
            DataFormatError: The item is damaged.
        """
        path = self._locate_item(name)
        try:
            values = json.loads(path.read_bytes())
            return ReviewItem(**{**values, "digits": tuple(values["digits"])})
        except FileNotFoundError:
            raise KeyError(name) from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataFormatError(f"{path} is damaged ({error}): remove it") from error

    def read_picture(self, name: str) -> bytes:
        """Returns the PNG file of a picture; raises KeyError if there is none of this id."""
        try:
            return self._locate_picture(name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None

    def find_text(self, name: str) -> str | None:
        """Returns what a person has read in a picture; None if nobody has."""
        file = f"pictures/{name}.png"
        return next((row["text"] for row in self._load_rows() if row["file"] == file), None)

    def save(self, name: str, text: str) -> None:
        """Saves what a person reads in a picture, and replaces what was saved before.

        If the reader's certain digits agree with the text, each digit is also cut out, because
        networks for tiles are trained on pictures of single digits.

        Args:
            name: The id.
            text: Lines of digits, as in `TEXT`; "" if there are none.

        Raises:
            KeyError: There is no picture of this id.
            ValueError: The text is anything else.
            DataFormatError, OutputError: The files cannot be read or written.
        """
        if not TEXT.fullmatch(text):
            raise ValueError(f"text is {text[:40]!r}: expected digits, or nothing")
        item = self.load_item(name)
        shared = {
            "source": "review",
            "text": text,
            "read": item.text,
            "address": item.address,
            "page": "" if item.page is None else str(item.page),
            "saved": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        label = re.sub(r"[^0-9]", "", text)
        file = f"pictures/{name}.png"
        rows = [{"file": file, "label": label or _NO_DIGIT, "kind": _PICTURE_KIND, **shared}]
        rows += [
            {"file": file, "label": digit, "kind": _DIGIT_KIND, **shared}
            for digit, file in self._cut_digits(item, label)
        ]
        self._replace_rows(name, rows)

    def remove(self, name: str) -> bool:
        """Removes what a person has read in a picture, which is then open again.

        Returns:
            True if there was something to remove.

        Raises:
            DataFormatError, OutputError: The files cannot be read or written.
        """
        return self._replace_rows(name, [])

    def load_texts(self) -> dict[tuple[str, int | None], str]:
        """Returns what people have read, by address and page.

        Raises:
            DataFormatError: The manifest is damaged.
        """
        return {
            (row["address"], int(row["page"]) if row["page"] else None): row["text"]
            for row in self._load_rows()
            if row["kind"] == _PICTURE_KIND
        }

    def _cut_digits(self, item: ReviewItem, label: str) -> list[tuple[str, str]]:
        """Writes a picture of each digit; returns their labels and files, or nothing."""
        digits = [digit for digit in item.digits if digit["character"]]
        read = [digit["character"] for digit in digits]
        agrees = len(read) == len(label) and all(
            character in (UNCERTAIN, right) for character, right in zip(read, label, strict=False)
        )
        if not agrees or len(label) < 2:  # a single digit is the picture itself
            return []
        written = []
        with Image.open(self._locate_picture(item.id)) as picture:
            for number, (digit, right) in enumerate(zip(digits, label, strict=True), 1):
                left, top, width, height = digit["box"]
                margin = round(_MARGIN * max(width, height))
                edges = (left - margin, top - margin, left + width + margin, top + height + margin)
                limits = (0, 0, picture.width, picture.height)
                inside = [
                    max(edge, limit) if index < 2 else min(edge, limit)
                    for index, (edge, limit) in enumerate(zip(edges, limits, strict=True))
                ]
                file = f"digits/{item.id}-{number}.png"
                with write_whole(self.folder / file) as temporary:
                    picture.crop((inside[0], inside[1], inside[2], inside[3])).save(
                        temporary, "PNG"
                    )
                written.append((right, file))
        return written

    def _replace_rows(self, name: str, new: list[dict[str, str]]) -> bool:
        try:
            self._lock.acquire()
        except self._timeout:
            raise OutputError(
                f"{self.folder} is locked by another process: try again, or stop that process",
                reason="the folder is locked by another process; try again",
            ) from None
        except OSError as error:
            raise self._write_error(error) from error
        try:
            rows = self._load_rows()
            kept = [row for row in rows if row["file"] != f"pictures/{name}.png"]
            kept = [row for row in kept if not row["file"].startswith(f"digits/{name}-")]
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows([*kept, *new])
            write_text_whole(self.folder / _MANIFEST, text.getvalue())
        finally:
            self._lock.release()
        files = {row["file"] for row in new}
        for row in rows:
            if row["file"].startswith(f"digits/{name}-") and row["file"] not in files:
                with suppress(OSError):
                    (self.folder / row["file"]).unlink()
        return len(kept) < len(rows)

    def _load_rows(self) -> list[dict[str, str]]:
        path = self.folder / _MANIFEST
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != COLUMNS:
                    raise DataFormatError(
                        f"{path} has other columns than {', '.join(COLUMNS)}: choose another "
                        "folder for the review"
                    )
                return [{name: row[name] or "" for name in COLUMNS} for row in reader]
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataFormatError(f"{path} cannot be read ({error}): repair it") from error

    def _locate_item(self, name: str) -> Path:
        return self.folder / "items" / f"{_check_id(name)}.json"

    def _locate_picture(self, name: str) -> Path:
        return self.folder / "pictures" / f"{_check_id(name)}.png"

    def _write_error(self, error: OSError) -> OutputError:
        reason = describe_write_error(error)
        return OutputError(
            f"{self.folder} cannot be written ({reason}): choose another folder", reason=reason
        )


def _is_uncertain(digit: Digit) -> bool:
    return digit.is_uncertain or (digit.reason or "").startswith(_DOUBT)


def _order_digits(reading: Reading) -> list[Digit]:
    """Returns the digits line by line from left to right, those that the text leaves out, too."""
    return sorted(reading.digits, key=lambda digit: (digit.line, digit.box.x))


def _compose_text(reading: Reading) -> str:
    """Returns the text, with "?" also for marks that may be no digits."""
    if all(digit.character or not _is_uncertain(digit) for digit in reading.digits):
        return reading.text
    lines: dict[int, str] = {}
    for digit in _order_digits(reading):
        character = UNCERTAIN if _is_uncertain(digit) else digit.character
        lines[digit.line] = lines.get(digit.line, "") + character
    return "\n".join(line for line in lines.values() if line)


def _scale_box(box: Box, scale: float) -> list[int]:
    left, top = round(box.x * scale), round(box.y * scale)
    return [left, top, max(round(box.width * scale), 1), max(round(box.height * scale), 1)]


def _build_id(address: str, page: int | None) -> str:
    text = f"{address}\n{page or ''}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _check_id(name: str) -> str:
    if not _ID.fullmatch(name):
        raise KeyError(name)
    return name
