"""The readings of several pictures: of a list, a folder, or the pages of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from inkdigits.errors import PictureError
from inkdigits.recognition.reading import Reading


@dataclass(frozen=True, repr=False, init=False)
class Readings(Sequence[Reading]):
    """The readings of several pictures, in their order; an immutable sequence.

    Every picture has its place. The reading of a picture that could not be read has no text; its
    `error` says why, and `errors` lists them all. So a loop over the readings is not ended by a
    broken picture:

        readings = inkdigits.predict("scans")
        for reading in readings:
            print(reading.source, reading.page, reading.text or reading.reason)
        if readings.errors:
            print(f"{len(readings.errors)} pictures could not be read")

    Attributes:
        items: The readings. The sequence has the same ones: `readings[0]`, `len(readings)`.
    """

    items: tuple[Reading, ...] = ()

    def __init__(self, readings: Iterable[Reading] = ()) -> None:
        """Creates a sequence of readings."""
        object.__setattr__(self, "items", tuple(readings))

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Reading: ...

    @overload
    def __getitem__(self, index: slice) -> Readings: ...

    def __getitem__(self, index: int | slice) -> Reading | Readings:
        if isinstance(index, slice):
            return Readings(self.items[index])
        return self.items[index]

    def __repr__(self) -> str:
        texts = [reading.text if reading.error is None else reading.error for reading in self[:3]]
        more = ", …" if len(self) > len(texts) else ""
        return f"Readings([{', '.join(map(repr, texts))}{more}], {len(self.errors)} errors)"

    def __getattr__(self, name: str) -> Any:
        if name in Reading.__dataclass_fields__ or hasattr(Reading, name):
            raise AttributeError(
                f"Readings of {len(self)} pictures have no {name!r}: take it from one of them, as "
                f"in readings[0].{name}"
            )
        raise AttributeError(f"'Readings' object has no attribute {name!r}")

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each picture; "" if no digit was read."""
        return tuple(reading.text for reading in self)

    @property
    def text(self) -> str:
        """The texts of all pictures with digits, separated by newlines."""
        return "\n".join(text for text in self.texts if text)

    @property
    def errors(self) -> dict[int, PictureError]:
        """Why pictures could not be read, by their positions; empty if all were read."""
        return {n: reading.error for n, reading in enumerate(self) if reading.error is not None}

    def to_json(self) -> list[dict[str, Any]]:
        """Returns a row for each picture, as `to_row` does."""
        return [to_row(reading) for reading in self]


def to_row(reading: Reading) -> dict[str, Any]:
    """Returns a reading as plain numbers, strings and lists, as in `inkdigits predict --json`.

    The first key is `file`, the source of the reading; a page of a document has its number as
    `page`. The others are those of `Reading.to_json`, or the message as `error`.
    """
    row: dict[str, Any] = {"file": reading.source}
    if reading.page is not None:
        row["page"] = reading.page
    if reading.error is not None:
        return {**row, "error": str(reading.error)}
    return {**row, **reading.to_json()}
