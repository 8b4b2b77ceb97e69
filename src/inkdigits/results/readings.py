"""The readings of several pictures: of a list, a folder, or the pages of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from inkdigits.errors import PictureError
from inkdigits.results.reading import Reading

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame


@dataclass(frozen=True, repr=False, init=False)
class Readings(Sequence[Reading]):
    """The readings of several pictures, in their order; an immutable sequence.

    Every picture has its place. The reading of a picture that could not be read has no text; its
    `error` says why, and `errors` lists them all. So a loop over the readings is not ended by a
    broken picture.

    Attributes:
        items: The readings. The sequence has the same ones: `readings[0]`, `len(readings)`.
        folder: The folder whose pictures were read; None for other pictures.

    Examples:
        >>> import inkdigits
        >>> readings = inkdigits.predict(["samples/7-canvas.png", "samples/missing.png"])
        >>> for reading in readings:
        ...     print(reading.source, reading.text or reading.reason)
        samples/7-canvas.png 7
        samples/missing.png samples/missing.png: no such file; check the name and the folder
        >>> len(readings.errors)
        1
    """

    items: tuple[Reading, ...] = ()
    folder: str | None = field(default=None, compare=False)

    def __init__(self, readings: Iterable[Reading] = (), *, folder: str | None = None) -> None:
        """Creates a sequence of readings."""
        object.__setattr__(self, "items", tuple(readings))
        object.__setattr__(self, "folder", folder)

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Reading: ...

    @overload
    def __getitem__(self, index: slice) -> Readings: ...

    def __getitem__(self, index: int | slice) -> Reading | Readings:
        if isinstance(index, slice):
            return Readings(self.items[index], folder=self.folder)
        return self.items[index]

    def __repr__(self) -> str:
        texts = [reading.text if reading.error is None else reading.error for reading in self[:3]]
        more = ", …" if len(self) > len(texts) else ""
        n, n_errors = len(self), len(self.errors)
        return (
            f"Readings([{', '.join(map(repr, texts))}{more}], {n} picture{'s' * (n != 1)}, "
            f"{n_errors} error{'s' * (n_errors != 1)})"
        )

    def __str__(self) -> str:
        return self.text

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
        """Returns a row for each picture, as `Reading.to_dict` does."""
        return [reading.to_dict() for reading in self]

    def to_pandas(self) -> DataFrame:
        """Returns a data frame with a row for each picture.

        Columns: `file`, `page`, `text`, `confidence`, `digits` (their number), `reason`, `error`.
        Texts such as "007" stay text.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        from inkdigits.results.reading_frames import frame_pictures

        return frame_pictures(self)

    def save(self, folder: Path | str, *, overwrite: bool = False) -> Path:
        """Writes all results into a folder: see `inkdigits.results.prediction_folder`.

        Args:
            folder: The folder, which must not exist or be empty.
            overwrite: Whether files in an existing folder may be replaced.

        Returns:
            The folder.

        Raises:
            OutputExistsError: The folder contains files, and `overwrite` is False.
            OutputError: A file cannot be written.
            PictureError: A picture was not kept, or its file is missing by now.
        """
        from inkdigits.results.prediction_folder import write_folder

        return write_folder(self, folder, overwrite=overwrite)

    def _repr_html_(self) -> str:
        from inkdigits.results.reading_html import render_readings

        return render_readings(self)
