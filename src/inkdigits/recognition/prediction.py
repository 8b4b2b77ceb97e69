"""Reading pictures in one call, with a model that is loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, overload

from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import PictureError
from inkdigits.pictures.decoding import PictureSource
from inkdigits.pictures.picture_sources import is_address
from inkdigits.recognition.devices import Device
from inkdigits.recognition.model_sources import ModelSource, load_model_once
from inkdigits.recognition.picture_lists import (
    PictureList,
    is_folder,
    is_list,
    iterate_pictures,
)
from inkdigits.recognition.reading_options import Digits, expects_one_digit
from inkdigits.recognition.recognizer import DEFAULT_MODEL
from inkdigits.results.reading import Reading
from inkdigits.results.readings import Readings


@overload
def predict(
    picture: NDArray[Any] | Image.Image,
    *,
    model: ModelSource = ...,
    digits: Digits = ...,
    separators: bool = ...,
    shifts: bool = ...,
    threshold: float | None = ...,
    device: Device = ...,
    allow_url: bool = ...,
    one_digit: bool | None = ...,
) -> Reading: ...


# A path names one picture or several, so the type is not known. `Any` spares callers that know it a
# cast.
@overload
def predict(
    picture: PictureSource | PictureList,
    *,
    model: ModelSource = ...,
    digits: Digits = ...,
    separators: bool = ...,
    shifts: bool = ...,
    threshold: float | None = ...,
    device: Device = ...,
    allow_url: bool = ...,
    one_digit: bool | None = ...,
) -> Any: ...


def predict(
    picture: PictureSource | PictureList,
    *,
    model: ModelSource = DEFAULT_MODEL,
    digits: Digits = "all",
    separators: bool = False,
    shifts: bool = False,
    threshold: float | None = None,
    device: Device = "cpu",
    allow_url: bool = False,
    one_digit: bool | None = None,
) -> Reading | Readings:
    """Reads the digits in a picture, or in each of several pictures.

    Args:
        picture: A picture, as in `Recognizer.read`; or several, as in `Recognizer.read_each`: a
            list or any other iterable of pictures, a folder, or a document of several pages.
        model: As in `Recognizer.load`. Models that are given by their paths are loaded once, and
            kept for the next calls.
        digits: As in `Recognizer.read`: "all", or "one" for pictures of exactly one digit.
        separators: As in `Recognizer.read`.
        shifts: As in `Recognizer.load`.
        threshold: As in `Recognizer.read`.
        device: As in `Recognizer.load`.
        allow_url: Whether text such as https://example.org/seven.png is fetched.
        one_digit: Deprecated: use `digits="one"`.

    Returns:
        The reading of one picture; `Readings` for lists and other iterables, folders, PDF files,
        and TIFF files of several pages, even if they have a single picture. A reading refers to
        its picture, without a copy, so that it can draw it; pictures of generators that are not
        files are not kept.

    Raises:
        ModelError, MissingExtraError: As in `Recognizer.load`.
        PictureError, UsageError: As in `Recognizer.read`. Among several pictures, one that cannot
            be read does not raise its error, but has it as `Reading.error`.

    Examples:
        >>> import inkdigits
        >>> inkdigits.predict("samples/1984-on-ruled-paper.jpg").text
        '1984'
        >>> inkdigits.predict(["samples/7-canvas.png", "samples/missing.png"]).texts
        ('7', '')
    """
    digits = "one" if expects_one_digit(digits, one_digit) else "all"
    recognizer = load_model_once(model, shifts=shifts, device=device)
    pages = iterate_pictures(picture, recognizer.limits, allow_url=allow_url)
    if not is_list(picture) and not is_folder(picture):
        first = next(pages)
        if first.page is None:
            if isinstance(first.picture, PictureError):
                raise first.picture
            reading = recognizer.read(
                first.picture, digits=digits, separators=separators, threshold=threshold
            )
            return first.complete(reading, recognizer.limits)
        pages = chain([first], pages)
    readings = recognizer.read_listed(
        pages,
        digits=digits,
        separators=separators,
        threshold=threshold,
        # The caller has all pictures of a list in memory anyway, unlike those of a generator.
        keep_pictures=isinstance(picture, Sequence) or not is_list(picture),
    )
    return Readings(readings, folder=str(picture) if is_folder(picture) else None)


def predict_digit(
    picture: PictureSource,
    *,
    model: ModelSource = DEFAULT_MODEL,
    shifts: bool = False,
    threshold: float | None = None,
    device: Device = "cpu",
    allow_url: bool = False,
) -> int:
    """Reads a picture of exactly one digit and returns it, 0 to 9.

    Use `predict` to get its confidence as well, or to read several pictures.

    Args:
        picture: As in `Recognizer.read`.
        model: As in `predict`.
        shifts: As in `predict`.
        threshold: As in `predict`.
        device: As in `predict`.
        allow_url: As in `predict`.

    Raises:
        NoInkError: The picture is blank.
        DigitCountError: The picture does not contain exactly one digit. Digits that the edge of the
            picture cuts are not counted.
        PictureFormatError, PictureTooLargeError, ModelError, UsageError: As in `predict`.

    Examples:
        >>> import inkdigits
        >>> inkdigits.predict_digit("samples/7-canvas.png")
        7
    """
    recognizer = load_model_once(model, shifts=shifts, device=device)
    if allow_url and is_address(picture):
        fetched = next(iterate_pictures(picture, recognizer.limits, allow_url=True)).picture
        if isinstance(fetched, PictureError):
            raise fetched
        picture = fetched
    return int(recognizer.read_digit(picture, threshold=threshold).character)
