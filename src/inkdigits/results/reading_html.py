"""Readings as HTML, for notebooks: the picture with boxes, and bars of the probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from inkdigits.errors import PictureError
from inkdigits.percentages import format_confidence
from inkdigits.presentation.html_fragments import (
    READ,
    REJECTED,
    Html,
    render_bar,
    render_block,
    render_note,
    render_picture,
    render_table,
)
from inkdigits.results.drawing import crop_digits
from inkdigits.results.reading_views import draw_for_screen, open_picture

if TYPE_CHECKING:
    from PIL import Image

    from inkdigits.results.marks import Digit
    from inkdigits.results.reading import Reading
    from inkdigits.results.readings import Readings

_PICTURE_SIDE: Final = 800
_THUMBNAIL_HEIGHT: Final = 64
_CROP_HEIGHT: Final = 36
_MAX_DIGITS: Final = 40
_MAX_PICTURES: Final = 20
_MAX_CLASSES: Final = 4
_MIN_SHARE: Final = 0.005
"""Classes of a lower probability have no bar."""


def render_reading(reading: Reading) -> str:
    """Returns a reading as HTML that needs no other file."""
    parts = []
    crops: list[Image.Image] = []
    try:
        picture = open_picture(reading)
        drawn = draw_for_screen(picture, reading)
        drawn.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
        crops = crop_digits(picture, reading)
        parts.append(render_picture(drawn, f"the picture with boxes; read as {reading.text}"))
    except PictureError as error:
        parts.append(render_note(str(error)))
    if reading.digits:
        rows = [
            _render_digit(number, digit, crops)
            for number, digit in enumerate(reading.digits[:_MAX_DIGITS])
        ]
        parts.append(render_table(["", "digit", "confidence", "probabilities"], rows))
        if len(rows) < len(reading.digits):
            parts.append(render_note(f"… and {len(reading.digits) - len(rows)} more digits"))
    parts += map(render_note, reading.notes)
    return render_block(_title(reading), *parts)


def render_readings(readings: Readings) -> str:
    """Returns a row for each of the first pictures as HTML that needs no other file."""
    rows = [_render_row(reading) for reading in readings[:_MAX_PICTURES]]
    n, n_errors = len(readings), len(readings.errors)
    title = f"{n:,} picture{'s' * (n != 1)}"
    if n_errors:
        title += f", {n_errors:,} of them could not be read"
    parts = [render_table(["", "file", "text", "confidence"], rows)] if rows else []
    if len(rows) < n:
        parts.append(render_note(f"… and {n - len(rows):,} more pictures"))
    return render_block(title, *parts)


def _title(reading: Reading) -> str:
    text = reading.text.replace("\n", " / ")
    if reading.text:
        text = f"{text}  ({format_confidence(reading.confidence)})"
    else:
        text = f"no digit: {reading.reason}"
    return f"{text} – {_place(reading)}" if reading.source is not None else text


def _place(reading: Reading) -> str:
    page = "" if reading.page is None else f", page {reading.page}"
    return f"{reading.source or 'picture'}{page}"


def _render_digit(number: int, digit: Digit, crops: list[Image.Image]) -> list[str]:
    colour = REJECTED if digit.digit is None else READ
    shown: Html | str = ""
    if number < len(crops):
        shown = _render_small(crops[number], f"digit {number + 1}", _CROP_HEIGHT)
    shares = sorted(digit.class_probabilities.items(), key=lambda item: -item[1])
    bars = [
        f"<div>{render_bar(share, f'{name}  {format_confidence(share)}', colour=colour, width=60)}"
        "</div>"
        for name, share in shares[:_MAX_CLASSES]
        if share >= _MIN_SHARE
    ]
    name = digit.character or "no digit"
    if digit.reason is not None:
        name = f"{name}: {digit.reason}"
    confidence = render_bar(digit.confidence, format_confidence(digit.confidence), colour=colour)
    return [shown, name, confidence, Html("".join(bars))]


def _render_row(reading: Reading) -> list[str]:
    place = _place(reading)
    if reading.error is not None:
        return ["", place, f"error: {reading.error}", ""]
    try:
        drawn = draw_for_screen(open_picture(reading), reading)
        shown: Html | str = _render_small(drawn, place, _THUMBNAIL_HEIGHT)
    except PictureError:  # the file is missing by now, but what was read in it is not
        shown = ""
    if not reading.text:
        return [shown, place, f"no digit: {reading.reason}", ""]
    bar = render_bar(reading.confidence, format_confidence(reading.confidence))
    return [shown, place, reading.text, bar]


def _render_small(image: Image.Image, description: str, height: int) -> Html:
    """Embeds an image with twice as many pixels as it takes on the screen, for sharp displays."""
    image = image.copy()
    image.thumbnail((16 * height, 2 * height))
    return render_picture(image, description, height=height)
