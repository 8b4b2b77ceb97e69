"""Drawing of readings: boxes with labels on the picture, pieces of it, and tiles of the digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.errors import UsageError
from inkdigits.files import PICTURE_SUFFIXES, write_whole
from inkdigits.results.marks import Box, Digit
from inkdigits.results.reading import Reading

Corners = tuple[float, float, float, float]
"""Left, top, right and bottom of a box."""

Boxes = NDArray[np.float64]
"""Corners of n boxes, shape (n, 4)."""

# Okabe and Ito (2008): distinguishable with any colour vision, on light and dark paper.
_READ: Final = (0, 114, 178)
_REJECTED: Final = (213, 94, 0)
_MARK: Final = (140, 140, 140)

_LABEL_SHARE: Final = 0.3
"""Size of labels as a share of the median height of the digits."""
_MIN_LABEL_PX: Final = 10
"""Smallest size of labels: smaller text is not legible."""
_MAX_LABEL_SHARE: Final = 1 / 25
"""Largest size of labels as a share of the picture's longer side."""
_LINE_SHARE: Final = 1 / 400
"""Width of lines as a share of the picture's longer side; at least one pixel."""
_MAX_COVERED: Final = 0.2
"""A label may cover other boxes with at most this share of its own area."""

_CROP_MARGIN: Final = 0.05
"""Margin of a crop around the box, as a share of the box's longer side; at least a pixel."""

_NO_DIGIT: Final = "-"
"""Label of a rejected digit. Pillow's font has no longer dash."""

_TILE_SCALE: Final = 5
_COLUMNS: Final = 10

_LOSSY_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    ".jpg": {"quality": 95, "subsampling": 0},  # lines of one pixel keep their colours
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"quality": 95},
}


def draw_boxes(
    picture: Image.Image | NDArray[np.uint8], reading: Reading, *, scale: float = 1.0
) -> Image.Image:
    """Draws a box with label and confidence around each digit of a picture.

    Lines and labels are outside the ink. A label that has no room is shortened to the digit, and a
    label that would still cover other marks is left out.

    Args:
        picture: The picture as it was read, upright: an image; or uint8, shape (height, width),
            grey, or (height, width, 3), RGB.
        reading: The reading of the picture.
        scale: Factor by which the picture is enlarged first, to give labels more room.

    Returns:
        An RGB image in the colours of the picture. Boxes are blue for digits that were read, orange
        for uncertain or rejected ones, and grey for other marks.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    drawn = image.convert("RGB")
    if size != drawn.size:
        drawn = drawn.resize(size, Image.Resampling.BICUBIC)
    line = max(1, round(max(size) * _LINE_SHARE))
    draw = ImageDraw.Draw(drawn)
    for mark in reading.marks:
        draw.rectangle(_surround(mark.box, scale, 1), outline=_MARK, width=1)
    for digit in reading.digits:
        draw.rectangle(_surround(digit.box, scale, line), outline=_choose_colour(digit), width=line)
    _draw_labels(draw, reading, scale, line)
    return drawn


def save_picture(
    draw: Callable[[], Image.Image], path: Path | str, *, overwrite: bool = True
) -> Path:
    """Draws a picture and writes it atomically, with its colour profile.

    Args:
        draw: Draws the picture. It is called only if the file name is valid.
        path: The file to write. Missing folders are created.
        overwrite: Whether an existing file may be replaced.

    Raises:
        UsageError: The file name has an unknown suffix.
        OutputExistsError: The file exists, and `overwrite` is False.
        OutputError: The file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise UsageError(
            f"cannot save a picture as {path}: expected a file name that ends in "
            f"{', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}"
        )
    image = draw()
    options = dict(_LOSSY_OPTIONS.get(suffix, {}))
    profile = image.info.get("icc_profile")
    if profile and suffix != ".bmp":
        options["icc_profile"] = profile
    with write_whole(path, overwrite=overwrite) as temporary:
        image.save(temporary, **options)
    return path


def crop_digits(picture: Image.Image, reading: Reading) -> list[Image.Image]:
    """Cuts each digit out of a picture, with a narrow margin.

    Args:
        picture: The picture as it was read, upright.
        reading: The reading of the picture.

    Returns:
        An image for each digit of the reading, of the mode of the picture.
    """
    crops = []
    for digit in reading.digits:
        box = digit.box
        margin = max(1, round(_CROP_MARGIN * max(box.width, box.height)))
        left, top = max(box.x - margin, 0), max(box.y - margin, 0)
        # A box may lie beyond the edge; its crop has at least one pixel.
        right = max(min(box.x + box.width + margin, picture.width), left + 1)
        bottom = max(min(box.y + box.height + margin, picture.height), top + 1)
        crops.append(picture.crop((left, top, right, bottom)))
    return crops


def draw_tiles(reading: Reading) -> Image.Image:
    """Draws the tile of each digit, enlarged, with its label.

    Args:
        reading: The reading of a picture.

    Returns:
        An RGB picture, up to ten tiles wide; a single white pixel if the reading has no digits.
    """
    n = len(reading.digits)
    if n == 0:
        return Image.new("RGB", (1, 1), "white")
    side, gap, text_height = 28 * _TILE_SCALE, 8, 20
    columns, rows = min(n, _COLUMNS), -(-n // _COLUMNS)
    cell = side + gap, side + gap + text_height
    sheet = Image.new("RGB", (columns * cell[0] + gap, rows * cell[1] + gap), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for number, digit in enumerate(reading.digits):
        x = gap + number % _COLUMNS * cell[0]
        y = gap + number // _COLUMNS * cell[1]
        tile = Image.fromarray(digit.tile).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(tile, (x, y))
        draw.text((x, y + side + 2), describe_digit(digit), fill=_choose_colour(digit), font=font)
    return sheet


def describe_digit(digit: Digit) -> str:
    """Returns the digit and its confidence; if it was not read, the most likely one in brackets."""
    shown = f"{min(digit.confidence, 0.99):.0%}"  # no reading is certain
    if digit.digit is not None:
        return f"{digit.digit} {shown}"
    best = int(digit.probabilities.argmax())
    return f"{digit.character or _NO_DIGIT} ({best} {shown})"


def _draw_labels(draw: ImageDraw.ImageDraw, reading: Reading, scale: float, line: int) -> None:
    """Writes the label of each digit where it covers no mark and no other label."""
    if not reading.digits:
        return
    heights = sorted(digit.box.height * scale for digit in reading.digits)
    largest = max(_MIN_LABEL_PX, round(max(draw.im.size) * _MAX_LABEL_SHARE))
    wanted = min(max(round(heights[len(heights) // 2] * _LABEL_SHARE), _MIN_LABEL_PX), largest)
    fonts = [ImageFont.load_default(px) for px in dict.fromkeys((wanted, _MIN_LABEL_PX))]
    surroundings = [
        _surround(item.box, scale, line if isinstance(item, Digit) else 1) for item in reading.found
    ]
    taken: Boxes = np.array(surroundings, np.float64).reshape(-1, 4)
    for digit in reading.digits:
        box = _surround(digit.box, scale, line)
        found = _find_place(draw, box, _list_forms(digit, fonts), taken)
        if found is None:
            continue
        label, text, font = found
        ink = draw.textbbox((0, 0), text, font=font)
        draw.rectangle((label[0], label[1], label[2] - 1, label[3] - 1), fill="white")
        position = label[0] + 1 - ink[0], label[1] + 1 - ink[1]
        draw.text(position, text, fill=_choose_colour(digit), font=font)
        taken = np.concatenate([taken, [label]])


def _find_place(
    draw: ImageDraw.ImageDraw, box: Corners, forms: Iterable[tuple[str, Any]], taken: Boxes
) -> tuple[Corners, str, Any] | None:
    """Returns the first place of a label, its text and its font that cover nothing.

    Args:
        draw: The drawing, whose edges limit the places.
        box: The box of the digit.
        forms: Texts of the label and their fonts, the best first.
        taken: Boxes and labels that should not be covered.

    Returns:
        If all places cover something, the one that covers the least; None if that is too much.
    """
    width, height = draw.im.size
    best, least = None, _MAX_COVERED
    for text, font in forms:
        ink = draw.textbbox((0, 0), text, font=font)
        for label in _list_places(box, (ink[2] - ink[0] + 2, ink[3] - ink[1] + 2)):
            if label[0] < 0 or label[1] < 0 or label[2] > width or label[3] > height:
                continue
            covered = _measure_covered(label, taken)
            if covered < least:
                best, least = (label, text, font), covered
            if not covered:
                return best
    return best


def _list_forms(digit: Digit, fonts: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yields texts of a label and their fonts, the best first."""
    texts = [describe_digit(digit), digit.character or _NO_DIGIT]
    yield from ((text, font) for text in texts for font in fonts)


def _list_places(box: Corners, size: tuple[float, float]) -> Iterator[Corners]:
    """Yields places for a label of some size beside a box: above, below, right, left."""
    left, top, right, bottom = box
    width, height = size
    right, bottom = right + 1, bottom + 1  # Pillow draws the last pixel of a rectangle
    centre = (left + right - width) / 2
    for y in (top - height, bottom):
        for x in (left, right - width, centre):
            yield x, y, x + width, y + height
    for x in (right, left - width):
        for y in (top, bottom - height):
            yield x, y, x + width, y + height


def _measure_covered(label: Corners, taken: Boxes) -> float:
    """Returns the share of a label that lies on boxes and other labels."""
    across = np.minimum(label[2], taken[:, 2]) - np.maximum(label[0], taken[:, 0])
    down = np.minimum(label[3], taken[:, 3]) - np.maximum(label[1], taken[:, 1])
    area = (label[2] - label[0]) * (label[3] - label[1])
    return float((across.clip(0) * down.clip(0)).sum()) / area


def _surround(box: Box, scale: float, line: int) -> Corners:
    """Returns the corners of a line of some width around a box, in pixels of the drawing."""
    return (
        box.x * scale - line,
        box.y * scale - line,
        (box.x + box.width) * scale + line - 1,
        (box.y + box.height) * scale + line - 1,
    )


def _choose_colour(digit: Digit) -> tuple[int, int, int]:
    return _REJECTED if digit.digit is None else _READ
