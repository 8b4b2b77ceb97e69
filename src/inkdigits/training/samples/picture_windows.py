"""Windows that the picture judge is trained on: whole pictures, some filled by a mark."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.recognition.framing import frame
from inkdigits.recognition.opencv import cv2
from inkdigits.recognition.windows import LEAST_SHARE, crop_windows, locate_picture
from inkdigits.results.alphabet import COMMA, DASH, DIGITS, NO_MARK, OTHER, POINT
from inkdigits.synthesis.glyphs import Ink
from inkdigits.synthesis.outlier_tiles import OUTLIER_KINDS
from inkdigits.synthesis.pages import DrawnPage, crop_anywhere, crop_to_mark, draw_pages
from inkdigits.synthesis.scribes import Scriptorium
from inkdigits.synthesis.tile_augmentation import augment_digits
from inkdigits.synthesis.tile_damage import disturb

_SMALL: Final = 0.4
"""Marks of up to this fraction of the size of the largest are beside it, as specks and signs."""
_BESIDE: Final = (POINT, COMMA, DASH)
"""Marks that may stand beside the digit that a picture is about."""

_LARGEST_REST: Final = 0.5
"""A mark that is cut by the edge counts as absent if its visible area is less than this fraction of
the largest mark's. If more is visible, it is unclear whether the picture shows one mark or two."""
_LEGIBLE_PX: Final = 8
"""Pictures of smaller marks are left out, because they are illegible."""

_TILE_SHARE: Final = 0.6
"""Fraction of small pictures of one mark. This and the shares below are assumed, not measured."""
_ONE_WRITING: Final = 2
"""Number of pages with the same writing, on different papers."""
_CROPS: Final = 3
"""Number of crops around marks of each page. Cropping takes a hundredth of the time of drawing."""
_SHRUNK_SHARE: Final = 0.25
_LEAST_PX: Final = 8
"""Share of the pictures that are shrunk, and the least longer side of these, in pixels: that of the
smallest pictures of digits in use (Alpaydin and Kaynak, 1998)."""

_SHARES: Final = (0.6, 0.2, 0.2)
"""Shares of small pictures: MNIST's digits with the augmentation of tile networks, signs and other
outliers, and digits by all writers of pages."""
_SIGNS: Final = ("letters", "symbols", "printed letters")
_SIGN_SHARE: Final = 0.6
"""Outliers that are one sign, and their share of the outliers."""
_DISTURBED_SHARE: Final = 0.3
_MARGINS: Final = (-4, 8)
_TILES_BY_HAND: Final = 8
"""Share of damaged tiles, as in the augmentation of tile networks; pixels by which each edge of a
tile is moved out; number of tiles that a writer writes."""
_INVERTED_SHARE: Final = 0.5


def draw_pictures(
    scribes: Scriptorium, n: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draws whole pictures: small ones of one mark, and some that are cut from pages.

    Args:
        scribes: The writers.
        n: Number of pictures.
        random: Random number generator.

    Returns:
        Windows and classes, as `cut_pictures` returns them.
    """
    tiles, labels = draw_tiles(scribes, round(_TILE_SHARE * n), random)
    windows, classes = [tiles], [labels]
    while sum(map(len, classes)) < n:
        for page in draw_pages(scribes, random, _ONE_WRITING):
            pictures, labels = cut_pictures(page, random)
            windows.append(pictures)
            classes.append(labels)
    return np.concatenate(windows)[:n], np.concatenate(classes)[:n]


def cut_pictures(
    page: DrawnPage, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cuts pictures from a page: the page itself, and crops around marks and anywhere.

    Args:
        page: The page.
        random: Chooses the crops.

    Returns:
        Standardised windows of the pictures, float32, shape (n, 48, 48); and classes, int64, shape
        (n,): the class of the mark that fills a picture, or 16 where none does.
    """
    pictures = [page, crop_anywhere(page, random)]
    for chosen in random.integers(len(page.boxes), size=_CROPS if len(page.boxes) else 0):
        pictures.append(crop_to_mark(page, int(chosen), random))
    windows, classes = [], []
    for picture in pictures:
        label = label_picture(picture)
        if label is not None:
            windows.append(_crop_whole(_shrink(picture.picture, random)))
            classes.append(label)
    return np.stack(windows) if windows else _NO_WINDOWS, np.array(classes, np.int64)


def draw_tiles(
    scribes: Scriptorium, n: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draws small pictures of one mark, like those of data sets of digits, some of them damaged.

    Args:
        scribes: The writers.
        n: Number of pictures.
        random: Random number generator.

    Returns:
        Windows and classes, as `cut_pictures` returns them.
    """
    counts = random.multinomial(n, _SHARES)
    digits = scribes.bank.digits
    chosen = random.integers(len(digits), size=counts[0])
    tiles = list(augment_digits(digits.images[chosen], digits.labels[chosen], random))
    classes = digits.labels[chosen].tolist()
    for _ in range(counts[1]):
        tile, label = _draw_outlier(digits, random)
        tiles.append(tile)
        classes.append(label)
    scribe = scribes.hire(random)
    for index in range(counts[2]):
        if index % _TILES_BY_HAND == 0:
            scribe = scribes.hire(random)
        label = int(random.integers(len(DIGITS)))
        tiles.append(_disturb(frame(scribe.write(DIGITS[label], random).ink), random))
        classes.append(label)
    windows = [_crop_whole(_shrink(_vary(tile, random), random)) for tile in tiles]
    return np.stack(windows) if windows else _NO_WINDOWS, np.array(classes, np.int64)


def label_picture(page: DrawnPage) -> int | None:
    """Returns the class of the mark that a picture is about, 16 if there is none, None if unclear.

    Points, commas and dashes may stand beside it, and parts of other marks that the edge cuts.

    Args:
        page: The picture.
    """
    if not len(page.boxes):
        return NO_MARK
    sizes = page.boxes[:, 2:].max(axis=1)
    largest = int(np.where(page.sure, sizes, 0).argmax())
    longer = max(page.picture.shape)
    if not page.sure[largest] or sizes[largest] < LEAST_SHARE * longer:
        return NO_MARK if sizes.max() < LEAST_SHARE * longer else None
    if sizes[largest] < _LEGIBLE_PX:
        return None
    height, width = page.picture.shape
    ends = page.boxes[:, :2] + page.boxes[:, 2:]
    edges = np.concatenate([page.boxes[:, :2], (width, height) - ends], axis=1)
    areas = page.boxes[:, 2:].prod(axis=1)
    is_cut = ~page.sure & (edges.min(axis=1) <= 1) & (areas < _LARGEST_REST * areas[largest])
    is_other = (sizes > _SMALL * sizes[largest]) & ~np.isin(page.labels, _BESIDE) & ~is_cut
    is_other[largest] = False
    if (is_other & ~page.sure).any():
        return None
    return NO_MARK if is_other.any() else int(page.labels[largest])


_NO_SIGNS: Final = tuple(name for name in OUTLIER_KINDS if name not in _SIGNS)
_NO_WINDOWS: Final = crop_windows(np.zeros((1, 1), np.uint8), np.empty((0, 3), np.float32))


def _crop_whole(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    window: NDArray[np.float32] = crop_windows(pixels, locate_picture(pixels.shape))[0]
    return window


def _shrink(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    longer = max(pixels.shape)
    if random.random() >= _SHRUNK_SHARE or longer <= _LEAST_PX:
        return pixels
    factor = np.exp(random.uniform(np.log(_LEAST_PX / longer), 0))
    size = (max(round(pixels.shape[1] * factor), 1), max(round(pixels.shape[0] * factor), 1))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _draw_outlier(digits: LabelledImages, random: np.random.Generator) -> tuple[Ink, int]:
    """Draws a tile without a digit, and its class: another sign, or no mark."""
    is_sign = random.random() < _SIGN_SHARE
    names = _SIGNS if is_sign else _NO_SIGNS
    draw = OUTLIER_KINDS[names[int(random.integers(len(names)))]]
    tile = frame(draw(digits.images, digits.labels, random))
    return _disturb(tile, random), OTHER if is_sign else NO_MARK


def _disturb(tile: Ink, random: np.random.Generator) -> Ink:
    return disturb(tile, random) if random.random() < _DISTURBED_SHARE else tile


def _vary(tile: Ink, random: np.random.Generator) -> NDArray[np.uint8]:
    """Returns a tile with other margins, dark on light or light on dark."""
    left, top, right, bottom = random.integers(*_MARGINS, 4).tolist()
    tile = np.pad(tile, [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))], "edge")
    height, width = tile.shape
    tile = tile[max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
    return 255 - tile if random.random() < _INVERTED_SHARE else tile
