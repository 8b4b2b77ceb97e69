"""The result of reading a picture: its text, what it consists of, and ways to show and save it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, overload

from inkdigits.errors import PictureError
from inkdigits.results.marks import Digit, DigitOrMark, Mark
from inkdigits.results.reading_text import compose_text

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from pandas import DataFrame
    from PIL import Image

    from inkdigits.pictures.decoding import PictureSource
    from inkdigits.pictures.kept_pictures import KeptPicture

_SHOWN: Final = 40
"""Characters of a text in the representation of its reading."""


@dataclass(frozen=True, repr=False)
class Reading(Sequence[Digit]):
    """The digits and other marks of a picture; an immutable sequence of its digits.

    `str(reading)` is its text, `len(reading)` the number of its digits, including uncertain and
    rejected ones, and `bool(reading)` whether a digit was read. Readings are equal if all that was
    read is equal, and their sources and pages; their pictures are not compared. In a notebook, a
    reading shows itself with its picture.

        reading = inkdigits.predict("date.jpg")
        print(reading, [digit.confidence for digit in reading])
        reading.save("date-with-boxes.png")

    Attributes:
        found: Digits and other marks in reading order, including rejected digits.
        notes: Notes about the picture for the user, such as "only the first frame was read".
        reason: Why no digit was read; None if at least one was read.
        separators: Whether `text` includes points, commas, dashes, slashes and plus signs.
        source: Path or name of the picture's file; None if it is not a file.
        page: Number of the page in its document, from 1; None if it is not a page.
        error: Why the picture could not be read at all; None if it was. `reason` has its message.
            Only among the readings of several pictures; a single one raises it.
        picture: Where the picture is: `reading.picture.open()` opens it in its own colours. It
            refers to the path, bytes, image or array that was read and copies no pixels, so the
            file must still exist, and the array must not change. None: no picture is known.
    """

    found: tuple[DigitOrMark, ...]
    notes: tuple[str, ...] = ()
    reason: str | None = None
    separators: bool = False
    source: str | None = None
    page: int | None = None
    error: PictureError | None = field(default=None, compare=False)
    picture: KeptPicture | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if bool(self.text) == (self.reason is not None):
            raise ValueError("a reading has either text or a reason why it has none")

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[: _SHOWN - 1]}…"
        shown = [repr(text)]
        if self.reason is None:
            shown.append(f"confidence={round(self.confidence, 6)}")
            shown += [f"digits={len(self.digits)}", f"marks={len(self.marks)}"]
        for name in ("reason", "source", "page"):
            if getattr(self, name) is not None:
                shown.append(f"{name}={getattr(self, name)!r}")
        return f"Reading({', '.join(shown)})"

    def __str__(self) -> str:
        return self.text

    def __len__(self) -> int:
        return len(self.digits)

    def __bool__(self) -> bool:
        return bool(self.text)

    def __iter__(self) -> Iterator[Digit]:
        return iter(self.digits)

    @overload
    def __getitem__(self, index: int) -> Digit: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Digit, ...]: ...

    def __getitem__(self, index: int | slice) -> Digit | tuple[Digit, ...]:
        return self.digits[index]

    @property
    def digits(self) -> tuple[Digit, ...]:
        """The digits in reading order, including uncertain and rejected ones."""
        return tuple(item for item in self.found if isinstance(item, Digit))

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks that are not digits, in reading order."""
        return tuple(item for item in self.found if isinstance(item, Mark))

    @property
    def text(self) -> str:
        """The text, as returned by `to_text` with the `separators` of the reading."""
        return self.to_text(separators=self.separators)

    def to_text(self, *, separators: bool = False) -> str:
        """Returns the text of the reading, with "?" for each uncertain digit.

        Args:
            separators: Whether to include points, commas, dashes, slashes and plus signs between
                digits, and close to the first and last digit of a line.

        Returns:
            The lines that contain digits, separated by newlines; "" if no digit was read.
        """
        return compose_text(self.found, separators=separators)

    @property
    def confidence(self) -> float:
        """Probability that all digits were read correctly: the product of their confidences."""
        read = [digit.confidence for digit in self.digits if digit.digit is not None]
        return math.prod(read) if read else 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns the reading as plain numbers, strings and lists."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, 6),
            "digits": [digit.to_json() for digit in self.digits],
            "marks": [mark.to_json() for mark in self.marks],
            "notes": list(self.notes),
            "reason": self.reason,
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the reading as plain numbers, strings and lists, with its source.

        The first key is `file`, the source of the reading; a page of a document has its number as
        `page`. The others are those of `to_json`, or the message as `error`. `inkdigits predict
        --json` prints the same.
        """
        row: dict[str, Any] = {"file": self.source}
        if self.page is not None:
            row["page"] = self.page
        if self.error is not None:
            return {**row, "error": str(self.error)}
        return {**row, **self.to_json()}

    def to_pandas(self) -> DataFrame:
        """Returns a data frame with a row for each digit and mark, in reading order.

        Columns: `kind` ("digit", or the kind of the mark), `character`, `confidence`, the box as
        `x`, `y`, `width` and `height`, `line`, and `reason`. Characters are text.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        from inkdigits.results.reading_frames import frame_marks

        return frame_marks(self)

    def with_picture(self, picture: PictureSource, *, page: int | None = None) -> Reading:
        """Returns the reading with another reference to its picture, for one that kept none.

        Args:
            picture: The picture that was read, as in `Recognizer.read`.
            page: Number of the page, from 1, if the picture is a document.
        """
        from inkdigits.pictures.decoding import DecodingLimits
        from inkdigits.pictures.kept_pictures import hold_file, keep_picture

        limits = DecodingLimits() if self.picture is None else self.picture.limits
        size = None if self.picture is None else self.picture.size
        held = hold_file(picture, limits.max_bytes)
        return replace(self, picture=keep_picture(held, limits, page=page, size=size))

    def forget_pixels(self) -> Reading:
        """Returns the reading without its picture, unless that is a file to be opened again."""
        if self.picture is None:
            return self
        return replace(self, picture=self.picture.forget_pixels())

    def draw(self) -> Image.Image:
        """Draws the picture with boxes, digits and confidences.

        Returns:
            An RGB image of the size and in the colours of the picture. Boxes are blue for digits
            that were read, orange for uncertain and rejected ones, and grey for other marks.
            Labels that would cover a mark are left out.

        Raises:
            PictureError: The picture was not kept, or its file is missing by now.
        """
        from inkdigits.results.drawing import draw_boxes
        from inkdigits.results.reading_views import open_picture

        return draw_boxes(open_picture(self), self)

    def save(self, path: Path | str) -> Path:
        """Writes the picture with boxes, as `draw` returns it. An existing file is replaced.

        Args:
            path: A file name that ends in `.png`, `.jpg`, `.webp`, `.bmp` or `.tiff`. Missing
                folders are created.

        Returns:
            The path.

        Raises:
            UsageError: The file name has another suffix.
            OutputError: The file cannot be written.
            PictureError: As in `draw`.
        """
        from inkdigits.results.drawing import save_picture

        return save_picture(self.draw, path)

    def crops(self) -> list[Image.Image]:
        """Cuts each digit out of the picture, in its own colours, with a narrow margin.

        Returns:
            An RGB image for each digit of `digits`.

        Raises:
            PictureError: As in `draw`.
        """
        from inkdigits.results.drawing import crop_digits
        from inkdigits.results.reading_views import open_picture

        return crop_digits(open_picture(self), self)

    def show(self) -> None:
        """Shows the picture with boxes: in the notebook, or in the viewer of the system.

        Raises:
            UsageError: No picture viewer is installed.
            PictureError: As in `draw`.
        """
        from inkdigits.results.reading_views import show_reading

        show_reading(self)

    def plot(self) -> Figure:
        """Draws the picture with boxes, and the probabilities of each digit beside it.

        Returns:
            A matplotlib figure.

        Raises:
            MissingExtraError: matplotlib is not installed.
            PictureError: As in `draw`.
        """
        from inkdigits.results.reading_views import plot_reading

        return plot_reading(self)

    def _repr_html_(self) -> str:
        from inkdigits.results.reading_html import render_reading

        return render_reading(self)
