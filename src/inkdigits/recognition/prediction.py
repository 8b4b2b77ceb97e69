"""Reading pictures in one call, with a model that is loaded once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, overload

from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import PictureError
from inkdigits.recognition.decoding import PictureSource
from inkdigits.recognition.picture_lists import (
    PictureList,
    is_folder,
    is_list,
    iterate_pictures,
)
from inkdigits.recognition.reading import Reading
from inkdigits.recognition.readings import Readings
from inkdigits.recognition.recognizer import DEFAULT_MODEL, Recognizer


@overload
def predict(
    picture: NDArray[Any] | Image.Image,
    *,
    model: Path | str = ...,
    one_digit: bool = ...,
    separators: bool = ...,
    threshold: float | None = ...,
    allow_url: bool = ...,
) -> Reading: ...


# A path names one picture or several, so the type is not known. `Any` spares callers that know it a
# cast.
@overload
def predict(
    picture: PictureSource | PictureList,
    *,
    model: Path | str = ...,
    one_digit: bool = ...,
    separators: bool = ...,
    threshold: float | None = ...,
    allow_url: bool = ...,
) -> Any: ...


def predict(
    picture: PictureSource | PictureList,
    *,
    model: Path | str = DEFAULT_MODEL,
    one_digit: bool = False,
    separators: bool = False,
    threshold: float | None = None,
    allow_url: bool = False,
) -> Reading | Readings:
    """Reads the digits in a picture, or in each of several pictures.

    Args:
        picture: A picture, as in `Recognizer.read`; or several, as in `Recognizer.read_each`: a
            list or any other iterable of pictures, a folder, or a document of several pages.
        model: As in `Recognizer.load`.
        one_digit: As in `Recognizer.read`.
        separators: As in `Recognizer.read`.
        threshold: As in `Recognizer.read`.
        allow_url: Whether text such as https://example.org/seven.png is fetched.

    Returns:
        The reading of one picture; `Readings` for lists and other iterables, folders, PDF files,
        and TIFF files of several pages, even if they have a single picture.

    Raises:
        ModelError: As in `Recognizer.load`.
        PictureError, UsageError: As in `Recognizer.read`. Among several pictures, one that cannot
            be read does not raise its error, but has it as `Reading.error`.
    """
    recognizer = _load_once(Path(model))
    pages = iterate_pictures(picture, recognizer.limits, allow_url=allow_url)
    if not is_list(picture) and not is_folder(picture):
        first = next(pages)
        if first.page is None:
            if isinstance(first.picture, PictureError):
                raise first.picture
            reading = recognizer.read(
                first.picture, one_digit=one_digit, separators=separators, threshold=threshold
            )
            return replace(reading, source=first.source)
        pages = chain([first], pages)
    readings = recognizer.read_listed(
        pages, one_digit=one_digit, separators=separators, threshold=threshold
    )
    return Readings(readings)


def predict_digit(
    picture: PictureSource,
    *,
    model: Path | str = DEFAULT_MODEL,
    threshold: float | None = None,
) -> int:
    """Reads a picture of exactly one digit and returns it, 0 to 9.

    Use `predict` to get its confidence as well, or to read several pictures.

    Raises:
        NoInkError: The picture is blank.
        DigitCountError: The picture does not contain exactly one digit. Digits that the edge of the
            picture cuts are not counted.
        PictureFormatError, PictureTooLargeError, ModelError: As in `predict`.
    """
    return int(_load_once(Path(model)).read_digit(picture, threshold=threshold).character)


@cache
def _load_once(model: Path) -> Recognizer:
    return Recognizer.load(model)
