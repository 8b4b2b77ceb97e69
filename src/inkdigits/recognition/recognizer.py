"""From a picture to a reading: decode, detect marks, judge them, put them in order.

The reader that comes with inkdigits, `reader.onnx`, does the first two by itself. A network for
tiles, such as a run of `inkdigits train quick`, judges what that reader detects.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DigitCountError, ModelError, NoInkError, PictureError, UsageError
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import LABELS, Card, ReaderCard, is_reader_card, locate_card
from inkdigits.recognition.decoding import DecodingLimits, PictureSource, decode_picture
from inkdigits.recognition.detection import Detections, Detector
from inkdigits.recognition.interpretation import (
    conclude,
    describe_others,
    interpret,
    keep_central,
)
from inkdigits.recognition.network import Network, OnnxNetwork
from inkdigits.recognition.reading import Digit, Found, Reading
from inkdigits.recognition.turning import find_turn, turn_back

DEFAULT_MODEL: Final = Path(__file__).with_name("reader.onnx")
"""The reader that comes with inkdigits."""

DEFAULT_TILE_MODEL: Final = Path(__file__).with_name("default.onnx")
"""The network for tiles that comes with inkdigits: it classifies tiles and draws heat maps."""

DEFAULT_LIMITS: Final = DecodingLimits()
PICTURES_AHEAD: Final = 8
"""Per thread, in `read_many`: a large one does not hold up those after it."""

Detect = Callable[[NDArray[np.uint8]], Detections]
"""A grey picture, uint8 of shape (height, width), to the marks detected on it."""


@dataclass(frozen=True)
class Reader:
    """What detects marks, and its card.

    Attributes:
        detect: As `Detector` does it.
        card: Of the reader.
    """

    detect: Detect
    card: ReaderCard

    @classmethod
    def load(cls, path: Path) -> Reader:
        """Loads an ONNX file and the card beside it.

        Raises:
            ModelError: One of them is missing, damaged or not of a reader.
        """
        return cls(Detector(path), ReaderCard.load(locate_card(path)))


class _DefaultNetwork:
    """The network for tiles that comes with inkdigits, loaded when it is first asked."""

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`."""
        return self._network(tiles)

    @cached_property
    def _network(self) -> Network:
        return OnnxNetwork(DEFAULT_TILE_MODEL)


class Recognizer:
    """Reads pictures with one reader, and tiles with one network, each loaded once.

    Attributes:
        network: Classifies tiles.
        card: Of that network.
        limits: What pictures may cost to decode.
        judges_tiles: Whether the network judges what the reader detects, instead of the reader.
    """

    def __init__(
        self,
        network: Network,
        card: Card,
        *,
        reader: Reader | None = None,
        judges_tiles: bool = True,
        threshold: float | None = None,
        limits: DecodingLimits = DEFAULT_LIMITS,
    ) -> None:
        """Makes a recognizer of a network and its card; `load` does so from a file.

        Args:
            network: Classifies tiles.
            card: Of the network.
            reader: What detects marks; None: the one that comes with inkdigits, loaded when the
                first picture is read.
            judges_tiles: Whether the network judges what the reader detects.
            threshold: Least probability of a digit that is read, 0 to 1; None: the card's.
            limits: What pictures may cost to decode.

        Raises:
            UsageError: The threshold is not a number from 0 to 1.
        """
        self.network = network
        self.card = card
        self.limits = limits
        self.judges_tiles = judges_tiles
        self._reader = reader
        self._threshold = None if threshold is None else _check_threshold(threshold)

    @classmethod
    def load(
        cls,
        model: Path | str = DEFAULT_MODEL,
        *,
        threshold: float | None = None,
        limits: DecodingLimits = DEFAULT_LIMITS,
    ) -> Recognizer:
        """Loads an ONNX model and the card beside it.

        Args:
            model: The `.onnx` file, or the folder of a run, whose `model.onnx` it then is; of a
                reader, or of a network for tiles, which then judges what the reader that comes
                with inkdigits detects. Left out, that reader alone.
            threshold: Least probability of a digit that is read, 0 to 1; None: the card's.
            limits: What pictures may cost to decode.

        Raises:
            ModelError: No such model, a damaged one, or one that is neither of a reader nor of
                tiles; no card, or one of another framing.
            UsageError: The threshold is not a number from 0 to 1.
        """
        path = Path(model)
        if path.is_dir():
            path = path / "model.onnx"
        is_default = path == DEFAULT_MODEL
        if is_default or is_reader_card(locate_card(path)):
            return cls(
                _DefaultNetwork(),
                Card.load(locate_card(DEFAULT_TILE_MODEL)),
                reader=None if is_default else Reader.load(path),
                judges_tiles=False,
                threshold=threshold,
                limits=limits,
            )
        return cls(
            OnnxNetwork(path), Card.load(locate_card(path)), threshold=threshold, limits=limits
        )

    def adapt(
        self,
        *,
        network: Network | None = None,
        threshold: float | None = None,
        limits: DecodingLimits | None = None,
    ) -> Recognizer:
        """The same recognizer with something else in place of what is given."""
        return Recognizer(
            network or self.network,
            self.card,
            reader=self._reader,
            judges_tiles=self.judges_tiles,
            threshold=self._threshold if threshold is None else threshold,
            limits=limits or self.limits,
        )

    @property
    def reader(self) -> Reader:
        """What detects marks.

        Raises:
            ModelError: The reader that comes with inkdigits cannot be loaded.
        """
        return self._reader or _load_default_reader()

    @property
    def threshold(self) -> float:
        """Least probability of a digit that is read, 0 to 1; errors as for `reader`."""
        if self._threshold is not None:
            return self._threshold
        return self.card.refusal_threshold if self.judges_tiles else self.reader.card.threshold

    def classify(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probabilities of the ten digits, given that each tile holds one.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, 10), each row summing to 1.
        """
        return keep_digits(self._judge(tiles))

    def measure_certainty(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How certain it is that each tile holds one digit, and which.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n,), 0 to 1: calibrated probability of the most likely digit, none
            being one of the possibilities.
        """
        certainties: NDArray[np.float32] = self._judge(tiles)[:, : len(LABELS)].max(axis=1)
        return certainties

    def read(
        self,
        picture: PictureSource,
        *,
        one_digit: bool = False,
        separators: bool = False,
        threshold: float | None = None,
    ) -> Reading:
        """Reads the digits in a picture.

        Args:
            picture: A path, bytes, a file object, a Pillow image, or an array as
                `inkdigits.recognition.decoding.decode_picture` takes it.
            one_digit: Expect exactly one digit, which is the one in the middle; a note says
                whether others stand beside it that the picture's edge does not cut.
            separators: Whether points, commas, dashes, slashes and plus signs are part of the text.
            threshold: Least probability of a digit that is read, 0 to 1; None: the recognizer's.

        Returns:
            The reading; without text, and with the reason, where no digit is.

        Raises:
            PictureFormatError: Not a picture, or a damaged one.
            PictureTooLargeError: Beyond the limits.
            UsageError: The threshold is not a number from 0 to 1.
        """
        if threshold is not None:
            _check_threshold(threshold)
        found, notes, shape = self._find(picture, threshold, one_digit=one_digit)
        if one_digit:
            central, others = keep_central(found, shape)
            return conclude(central, (*notes, *describe_others(others)), separators=separators)
        return conclude(found, notes, separators=separators)

    def read_digit(self, picture: PictureSource, *, threshold: float | None = None) -> Digit:
        """The one digit that a picture holds.

        Args:
            picture: As `read` takes it.
            threshold: As in `read`.

        Raises:
            NoInkError: Nothing is written on the picture.
            DigitCountError: It does not hold exactly one digit; such as its edge cuts are not
                counted.
            PictureFormatError, PictureTooLargeError, UsageError: As in `read`.
        """
        if threshold is not None:
            _check_threshold(threshold)
        found, notes, shape = self._find(picture, threshold, one_digit=True)
        central, others = keep_central(found, shape)
        if others:
            raise DigitCountError(
                f"the picture holds {1 + len(others)} digits: expected exactly one; crop it, or "
                "read them all with 'predict'"
            )
        reading = conclude(central, notes, separators=False)
        if not found:
            raise NoInkError(f"the picture holds {reading.reason}: expected exactly one digit")
        if reading.reason is not None:
            raise DigitCountError(
                f"the picture holds no digit ({reading.reason}): expected exactly one"
            )
        return reading.digits[0]

    def read_many(
        self,
        pictures: Iterable[PictureSource],
        *,
        one_digit: bool = False,
        separators: bool = False,
        threshold: float | None = None,
        n_threads: int | None = None,
    ) -> Iterator[Reading | PictureError]:
        """Reads pictures as they come, several at a time, and gives the readings in their order.

        However many there are, only a few of them lie in memory: the next ones are asked for as
        the readings are taken. A picture that cannot be read does not end the stream.

        Args:
            pictures: As `read` takes them.
            one_digit: As in `read`.
            separators: As in `read`.
            threshold: As in `read`.
            n_threads: How many are read at the same time; None: one for each core.

        Yields:
            For each picture its reading, or the error that `read` would have raised for it.

        Raises:
            UsageError: No threads, or a threshold that is not a number from 0 to 1.
        """
        n_threads = os.cpu_count() or 1 if n_threads is None else n_threads
        if n_threads < 1:
            raise UsageError(f"{n_threads} threads cannot read: expected at least 1")
        if threshold is not None:
            _check_threshold(threshold)

        def read_one(picture: PictureSource) -> Reading | PictureError:
            try:
                return self.read(
                    picture, one_digit=one_digit, separators=separators, threshold=threshold
                )
            except PictureError as error:
                return error

        return _map_in_threads(read_one, iter(pictures), n_threads)

    def _find(
        self, picture: PictureSource, threshold: float | None, *, one_digit: bool
    ) -> tuple[tuple[Found, ...], tuple[str, ...], tuple[int, ...]]:
        """What stands on a picture, notes on it, and its height and width."""
        decoded = decode_picture(picture, self.limits)
        pixels, notes = decoded.pixels, decoded.notes
        threshold = self.threshold if threshold is None else threshold
        detect = self.reader.detect
        detections = detect(pixels)
        turns = find_turn(pixels, detections, detect)
        upright = pixels
        if turns:
            upright = np.ascontiguousarray(np.rot90(pixels, turns))
            detections = detect(upright)
            notes = (*notes, f"read turned by {90 * turns}° to the left")
        if detections.unread:
            notes = (
                *notes,
                f"there is more than could be looked at: {detections.unread} marks or parts of the "
                "picture were not read; crop it into smaller pictures",
            )
        judge = self._judge if self.judges_tiles else None
        found = interpret(upright, detections, threshold, judge, one_digit=one_digit)
        return tuple(turn_back(item, turns, pixels.shape) for item in found), notes, pixels.shape

    def _judge(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probabilities of all that the network tells apart, (n, 10) or (n, 11)."""
        probabilities = self.network(tiles)
        if probabilities.shape[1] != len(self.card.labels):
            raise ModelError(
                f"the network gives {probabilities.shape[1]} probabilities and its card names "
                f"{len(self.card.labels)} labels: bring the card that belongs to the model"
            )
        return calibrate(probabilities, self.card.temperature)


def predict(
    picture: PictureSource,
    *,
    model: Path | str = DEFAULT_MODEL,
    one_digit: bool = False,
    separators: bool = False,
    threshold: float | None = None,
) -> Reading:
    """Reads the digits in a picture; arguments and errors as in `Recognizer.read` and `load`."""
    return _load_once(Path(model)).read(
        picture, one_digit=one_digit, separators=separators, threshold=threshold
    )


def predict_digit(
    picture: PictureSource,
    *,
    model: Path | str = DEFAULT_MODEL,
    threshold: float | None = None,
) -> int:
    """The one digit that a picture holds, 0 to 9; `predict` tells its confidence as well.

    Raises:
        NoInkError: Nothing is written on the picture.
        DigitCountError: It does not hold exactly one digit; digits that its edge cuts are not
            counted.
        PictureFormatError, PictureTooLargeError, ModelError: As in `predict`.
    """
    return int(_load_once(Path(model)).read_digit(picture, threshold=threshold).character)


def _check_threshold(threshold: float) -> float:
    if not 0 <= threshold <= 1:
        raise UsageError(f"the threshold is {threshold:g}: expected a number from 0 to 1")
    return threshold


def _map_in_threads(
    read: Callable[[PictureSource], Reading | PictureError],
    pictures: Iterator[PictureSource],
    n_threads: int,
) -> Iterator[Reading | PictureError]:
    """Reads pictures in threads, and asks for a few ahead of those that are taken."""
    ahead: deque[Future[Reading | PictureError]] = deque()
    with ThreadPoolExecutor(n_threads, "inkdigits-read") as executor:
        try:
            while True:
                missing = PICTURES_AHEAD * n_threads - len(ahead)
                for picture in islice(pictures, missing):
                    ahead.append(executor.submit(read, picture))
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:  # also where nobody takes the rest
            for future in ahead:
                future.cancel()


@cache
def _load_default_reader() -> Reader:
    return Reader.load(DEFAULT_MODEL)


@cache
def _load_once(model: Path) -> Recognizer:
    return Recognizer.load(model)
