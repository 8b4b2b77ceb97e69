"""Reads the same pictures with several models, a few pictures at a time.

Pictures that are drawn are drawn once for all models, and only the pictures of a sheet are kept.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import fetch_mnist, load_labelled_pictures, load_mnist
from inkdigits.data.datasets import DIGIT_NAMES
from inkdigits.errors import PictureError
from inkdigits.evaluation.suite_result import PictureRow
from inkdigits.evaluation.suites import SUITE_PICTURES
from inkdigits.evaluation.timing import time_in_turn
from inkdigits.pictures.decoding import DecodingLimits, decode_picture
from inkdigits.recognition import Recognizer
from inkdigits.recognition.reading_options import Digits

TILES: Final = "tiles"
"""Name of the set of test images that are classified as tiles."""

SHEET_SIZE: Final = 40
"""Maximum number of pictures on a sheet."""

_THUMBNAIL_PX: Final = 480
_TILES_AT_ONCE: Final = 1_000
_PICTURES_AT_ONCE: Final = 64
_TIMED: Final = 30
"""Number of pictures that are timed, evenly divided among the rows of a set."""
_CALLS_PER_TILE: Final = 3
"""A tile takes less than a millisecond, so it is timed several times."""
_SEED: Final = 0

Picture = NDArray[np.uint8] | Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model read on a picture.

    Attributes:
        text: The digits; "" if none was read.
        confidence: Probability that all digits are right, 0 to 1; 0 if none was read.
        is_right: Whether the text is right.
    """

    text: str
    confidence: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """A picture and what each model read on it.

    Attributes:
        row: The row of its set, such as the name of a corruption or a kind of picture.
        name: Path of the file; for other pictures their number in the row, from 0.
        true: What is written on it; "" if nothing is.
        answers: The answers, in the order of the models.
    """

    row: str
    name: str
    true: str
    answers: tuple[Answer, ...]

    @property
    def is_disputed(self) -> bool:
        """Whether the models read different texts."""
        return len({answer.text for answer in self.answers}) > 1

    @property
    def is_decisive(self) -> bool:
        """Whether some models are right and others are wrong."""
        return len({answer.is_right for answer in self.answers}) > 1


_Shown = tuple[ComparedPicture, NDArray[np.uint8] | None]


@dataclass(frozen=True, eq=False)
class PictureSet:
    """The pictures of a test, before they are read.

    Attributes:
        name: "tiles", the name of a suite, or the path of a folder.
        title: What the pictures are, for tables and sheets.
        rows: The pictures by kind.
        read: Returns text and confidence for each of some pictures.
        is_right: Whether a text that was read is right, given the text that is written.
        on_tiles: Whether the pictures are tiles, which are classified instead of read.
    """

    name: str
    title: str
    rows: tuple[PictureRow, ...]
    read: Callable[[Recognizer, Sequence[Picture]], list[tuple[str, float]]]
    is_right: Callable[[str, str], bool] = operator.eq
    on_tiles: bool = False

    def __len__(self) -> int:
        return sum(row.n for row in self.rows)


@dataclass(frozen=True, eq=False)
class Measurement:
    """What several models read on the pictures of a set.

    Attributes:
        pictures: All pictures, in their order.
        seconds: The timed calls of each model, one picture at a time.
        shown: Disputed pictures for a sheet, with their pixels: uint8, shape (height, width) or
            (height, width, 3); None for a file that cannot be decoded.
    """

    pictures: tuple[ComparedPicture, ...]
    seconds: tuple[tuple[float, ...], ...]
    shown: tuple[_Shown, ...]


def gather_tiles(
    data: Path | str | None, limit: int | None, class_names: tuple[str, ...] = ()
) -> PictureSet:
    """Returns test images as tiles.

    Args:
        data: A file or folder, as in `load_mnist`; None takes MNIST.
        limit: Takes only the first `limit` images; None takes all.
        class_names: Names of the classes; empty for digits.

    Raises:
        DataFormatError, DataUnavailableError: The test images are missing or damaged.
    """
    mnist = (
        fetch_mnist()
        if data is None
        else load_mnist(data, required=["test"], class_names=class_names)
    )
    images, labels = mnist.test.images[:limit], mnist.test.labels[:limit]
    names = class_names or DIGIT_NAMES
    pairs = zip(images, [names[label] for label in labels.tolist()], strict=True)
    row = PictureRow(TILES, len(images), pairs)
    return PictureSet(TILES, f"{mnist.describe_test()} as tiles", (row,), _classify, on_tiles=True)


def gather_suite(name: str, limit: int | None) -> PictureSet:
    """Returns the pictures of a suite.

    Args:
        name: A key of `SUITE_PICTURES`.
        limit: Number of pictures of each row; None takes all.

    Raises:
        UsageError: The limit is less than 1.
        DataFormatError, DataUnavailableError, MissingExtraError: As in the functions of `SUITES`.
    """
    suite = SUITE_PICTURES[name]
    read = partial(_read, separators=suite.separators)
    return PictureSet(name, f"suite {name}", suite.draw(limit=limit), read, suite.is_right)


def gather_folder(folder: Path, *, digits: Digits) -> PictureSet:
    """Returns the labelled pictures of a folder, by kind.

    Args:
        folder: As in `inkdigits.data.load_labelled_pictures`.
        digits: "one" if each picture shows exactly one digit.

    Raises:
        DataUnavailableError, DataFormatError: The folder has no labelled pictures.
    """
    groups: dict[str, list[tuple[Picture, str]]] = {}
    for picture in load_labelled_pictures(folder):
        groups.setdefault(picture.kind, []).append((picture.path, picture.label))
    rows = tuple(PictureRow(kind, len(pairs), pairs) for kind, pairs in sorted(groups.items()))
    read = partial(_read, digits=digits, joins_lines=True)
    return PictureSet(str(folder), f"pictures in {folder}", rows, read)


def measure(
    pictures: PictureSet,
    models: Sequence[Recognizer],
    report_progress: Callable[[int, int], None],
) -> Measurement:
    """Reads every picture with every model.

    Args:
        pictures: The pictures, which are taken once.
        models: The models.
        report_progress: Called with the number of pictures that all models have read, and the
            number of all pictures.

    Raises:
        ModelError: A model fails.
    """
    compared: list[ComparedPicture] = []
    seconds: list[list[float]] = [[] for _ in models]
    sheet = _SheetSample()
    n_timed = math.ceil(_TIMED / len(pictures.rows))
    size = _TILES_AT_ONCE if pictures.on_tiles else _PICTURES_AT_ONCE
    for row in pictures.rows:
        n_read = 0
        for some in _batch(row.pictures, size):
            items = [picture for picture, _ in some]
            read = [pictures.read(model, items) for model in models]
            for place, (item, true) in enumerate(some):
                name = str(item if isinstance(item, Path) else n_read + place)
                answers = tuple(
                    Answer(*texts[place], pictures.is_right(texts[place][0], true))
                    for texts in read
                )
                picture = ComparedPicture(row.name, name, true, answers)
                compared.append(picture)
                if picture.is_disputed:
                    sheet.offer(picture, partial(_draw, pictures, item, models[0].limits))
            for item in items[: max(n_timed - n_read, 0)]:
                for times, taken in zip(seconds, _time(pictures, models, item), strict=True):
                    times.extend(taken)
            n_read += len(some)
            report_progress(len(compared), len(pictures))
    return Measurement(tuple(compared), tuple(map(tuple, seconds)), sheet.take())


class _SheetSample:
    """Chooses the disputed pictures of a sheet at random, while the pictures pass by.

    Each disputed picture has the same chance (reservoir sampling: algorithm R of Vitter, 1985).
    Pictures that decide between the models come before those that all models read wrongly.
    """

    def __init__(self) -> None:
        self._random = np.random.default_rng(_SEED)
        self._chosen: dict[bool, list[_Shown]] = {True: [], False: []}
        self._n_seen: Counter[bool] = Counter()

    def offer(self, picture: ComparedPicture, draw: Callable[[], NDArray[np.uint8] | None]) -> None:
        """Takes the picture or not. `draw` returns its pixels."""
        kind = picture.is_decisive
        chosen = self._chosen[kind]
        self._n_seen[kind] += 1
        place = int(self._random.integers(self._n_seen[kind]))
        if len(chosen) < SHEET_SIZE:
            chosen.append((picture, draw()))
        elif place < SHEET_SIZE:
            chosen[place] = picture, draw()

    def take(self) -> tuple[_Shown, ...]:
        """Returns the chosen pictures."""
        return tuple([*self._chosen[True], *self._chosen[False]][:SHEET_SIZE])


def _classify(model: Recognizer, tiles: Sequence[Picture]) -> list[tuple[str, float]]:
    probabilities = model.classify(np.stack([np.asarray(tile) for tile in tiles]))
    best = zip(probabilities.argmax(axis=1), probabilities.max(axis=1), strict=True)
    return [(model.card.name_label(int(label)), float(confidence)) for label, confidence in best]


def _read(
    model: Recognizer,
    pictures: Sequence[Picture],
    *,
    digits: Digits = "all",
    separators: bool = False,
    joins_lines: bool = False,
) -> list[tuple[str, float]]:
    texts = []
    for reading in model.read_many(pictures, digits=digits, separators=separators):
        if isinstance(reading, PictureError):
            texts.append(("", 0.0))
        else:
            text = reading.text.replace("\n", "") if joins_lines else reading.text
            texts.append((text, reading.confidence))
    return texts


def _time(
    pictures: PictureSet, models: Sequence[Recognizer], item: Picture
) -> list[tuple[float, ...]]:
    """Returns the seconds of each model for one picture that it has read before, in turn."""
    contenders = {
        str(number): partial(pictures.read, model, [item]) for number, model in enumerate(models)
    }
    n_calls = _CALLS_PER_TILE if pictures.on_tiles else 1
    seconds = time_in_turn(contenders, n_turns=1, n_calls=n_calls, n_warming=0)
    return [seconds[name] for name in contenders]


def _draw(pictures: PictureSet, item: Picture, limits: DecodingLimits) -> NDArray[np.uint8] | None:
    """Returns the pixels for a sheet; None for a file that cannot be decoded."""
    try:
        pixels = decode_picture(item, limits).pixels if isinstance(item, Path) else item
    except PictureError:
        return None
    if pictures.on_tiles:
        pixels = 255 - pixels  # dark ink on white, as in the other figures of tiles
    if max(pixels.shape[:2]) <= _THUMBNAIL_PX:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _batch(
    pictures: Iterable[tuple[Picture, str]], size: int
) -> Iterator[list[tuple[Picture, str]]]:
    """Yields the pictures in lists of at most `size`."""
    iterator = iter(pictures)
    while some := list(islice(iterator, size)):
        yield some
