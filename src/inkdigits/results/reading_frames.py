"""Readings as data frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from inkdigits.presentation.data_frames import REAL, TEXT, WHOLE, build_frame
from inkdigits.results.marks import Mark

if TYPE_CHECKING:
    from pandas import DataFrame

    from inkdigits.results.reading import Reading

_MARK_COLUMNS: Final = {
    "kind": TEXT,
    "character": TEXT,
    "confidence": REAL,
    "x": WHOLE,
    "y": WHOLE,
    "width": WHOLE,
    "height": WHOLE,
    "line": WHOLE,
    "reason": TEXT,
}
_PICTURE_COLUMNS: Final = {
    "file": TEXT,
    "page": WHOLE,
    "text": TEXT,
    "confidence": REAL,
    "digits": WHOLE,
    "reason": TEXT,
    "error": TEXT,
}


def frame_marks(reading: Reading) -> DataFrame:
    """Returns a row for each digit and mark of a reading, as `Reading.to_pandas` describes it."""
    rows = [
        {
            "kind": item.kind if isinstance(item, Mark) else "digit",
            "character": item.character,
            "confidence": item.confidence,
            **item.box.to_json(),
            "line": item.line,
            "reason": None if isinstance(item, Mark) else item.reason,
        }
        for item in reading.found
    ]
    return build_frame(rows, _MARK_COLUMNS)


def frame_pictures(readings: Iterable[Reading]) -> DataFrame:
    """Returns a row for each picture, as `Readings.to_pandas` describes it."""
    rows = [
        {
            "file": reading.source,
            "page": reading.page,
            "text": None if reading.error else reading.text,
            "confidence": None if reading.error else reading.confidence,
            "digits": None if reading.error else len(reading),
            "reason": None if reading.error else reading.reason,
            "error": None if reading.error is None else str(reading.error),
        }
        for reading in readings
    ]
    return build_frame(rows, _PICTURE_COLUMNS)
