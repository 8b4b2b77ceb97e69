"""From a picture to a reading: decode, find the ink, frame, run the network, calibrate."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DigitCountError, ModelError, NoInkError, PictureError, UsageError
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import LABELS, NONE, TILE_SHAPE, Card, locate_card
from inkdigits.recognition.decoding import DecodingLimits, PictureSource, decode_picture
from inkdigits.recognition.framing import frame
from inkdigits.recognition.ink import extract_ink
from inkdigits.recognition.network import Network, OnnxNetwork
from inkdigits.recognition.reading import Digit, Reading
from inkdigits.recognition.segmentation import Region, find_digits, find_single_digit

DEFAULT_MODEL = Path(__file__).with_name("default.onnx")
DEFAULT_LIMITS = DecodingLimits()
PICTURES_AHEAD = 8  # per thread, in `read_many`: a large one does not hold up those after it
TEXT_SHARE = 0.25  # of a page and of a line refused, beyond which nothing of that line is read


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A picture before the network has judged what was found on it.

    Attributes:
        notes: Of the decoded picture.
        regions: What may be digits.
        tiles: uint8, shape (regions, 28, 28), 0 background, 255 full ink.
    """

    notes: tuple[str, ...]
    regions: Sequence[Region]
    tiles: NDArray[np.uint8]


class Recognizer:
    """Reads pictures with one network, loaded once."""

    def __init__(
        self, network: Network, card: Card, *, limits: DecodingLimits = DEFAULT_LIMITS
    ) -> None:
        """Makes a recognizer of a network and its card; `load` does so from a file."""
        self.network = network
        self.card = card
        self.limits = limits

    @classmethod
    def load(
        cls, model: Path | str = DEFAULT_MODEL, *, limits: DecodingLimits = DEFAULT_LIMITS
    ) -> Recognizer:
        """Loads an ONNX model and the card beside it.

        Args:
            model: The `.onnx` file, or the folder of a run, whose `model.onnx` it then is; left
                out, the default model that comes with inkdigits.
            limits: What pictures may cost to decode.

        Raises:
            ModelError: No such model, a damaged one, or one that does not map tiles to ten
                probabilities; no card, or one of another framing.
        """
        path = Path(model)
        if path.is_dir():
            path = path / "model.onnx"
        return cls(OnnxNetwork(path), Card.load(locate_card(path)), limits=limits)

    def classify(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probabilities of the ten digits, given that each tile holds one.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, 10), each row summing to 1.
        """
        return keep_digits(self._judge(tiles))

    def measure_certainty(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How certain it is that each tile holds one digit, and which: what refusal looks at.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n,), 0 to 1: calibrated probability of the most likely digit, none
            being one of the possibilities.
        """
        certainties: NDArray[np.float32] = self._judge(tiles)[:, : len(LABELS)].max(axis=1)
        return certainties

    def read(self, picture: PictureSource, *, one_digit: bool = False) -> Reading:
        """Reads the digits in a picture.

        Args:
            picture: A path, bytes, a file object, a Pillow image, or an array as
                `inkdigits.recognition.decoding.decode_picture` takes it.
            one_digit: Expect exactly one digit, and take all that is written to belong to it.

        Returns:
            The reading; without text, and with the reason, where no digit is.

        Raises:
            PictureFormatError: Not a picture, or a damaged one.
            PictureTooLargeError: Beyond the limits.
        """
        return self._conclude([self._prepare(picture, one_digit)])[0]

    def read_many(
        self,
        pictures: Iterable[PictureSource],
        *,
        one_digit: bool = False,
        n_threads: int | None = None,
    ) -> Iterator[Reading | PictureError]:
        """Reads pictures as they come, several at a time, and gives the readings in their order.

        However many there are, only a few of them lie in memory: the next ones are asked for as
        the readings are taken. A picture that cannot be read does not end the stream.

        Args:
            pictures: As `read` takes them.
            one_digit: As in `read`.
            n_threads: How many are read at the same time; None: one for each core.

        Yields:
            For each picture its reading, or the error that `read` would have raised for it.

        Raises:
            UsageError: No threads.
        """
        n_threads = os.cpu_count() or 1 if n_threads is None else n_threads
        if n_threads < 1:
            raise UsageError(f"{n_threads} threads cannot read: expected at least 1")
        return self._read_stream(iter(pictures), one_digit, n_threads)

    def _read_stream(
        self, pictures: Iterator[PictureSource], one_digit: bool, n_threads: int
    ) -> Iterator[Reading | PictureError]:
        """Prepares in threads, and judges here, at once, all that is ready by then."""
        ahead: deque[Future[_Prepared | PictureError]] = deque()
        with ThreadPoolExecutor(n_threads, "inkdigits-read") as executor:
            try:
                while True:
                    missing = PICTURES_AHEAD * n_threads - len(ahead)
                    for picture in islice(pictures, missing):
                        ahead.append(executor.submit(self._try_to_prepare, picture, one_digit))
                    if not ahead:
                        return
                    ready = [ahead.popleft().result()]
                    while ahead and ahead[0].done():
                        ready.append(ahead.popleft().result())
                    prepared = [found for found in ready if isinstance(found, _Prepared)]
                    readings = iter(self._conclude(prepared))
                    for found in ready:
                        yield next(readings) if isinstance(found, _Prepared) else found
            finally:  # also where nobody takes the rest
                for future in ahead:
                    future.cancel()

    def _try_to_prepare(self, picture: PictureSource, one_digit: bool) -> _Prepared | PictureError:
        try:
            return self._prepare(picture, one_digit)
        except PictureError as error:
            return error

    def _prepare(self, picture: PictureSource, one_digit: bool) -> _Prepared:
        """All up to the tiles of a picture."""
        decoded = decode_picture(picture, self.limits)
        ink = extract_ink(decoded.pixels)
        if one_digit:
            single = find_single_digit(ink)
            regions = [] if single is None else [single]
        else:
            regions = find_digits(ink, self._judge)
        tiles = np.array([frame(region.ink) for region in regions], np.uint8)
        return _Prepared(decoded.notes, regions, tiles.reshape(-1, *TILE_SHAPE))

    def _conclude(self, prepared: Sequence[_Prepared]) -> list[Reading]:
        """The readings of some pictures, whose tiles the network sees together."""
        if not prepared:
            return []
        judged = iter(self._judge(np.concatenate([picture.tiles for picture in prepared])))
        return [
            self._make_reading(picture, list(islice(judged, len(picture.tiles))))
            for picture in prepared
        ]

    def _make_reading(self, picture: _Prepared, judged: list[NDArray[np.float32]]) -> Reading:
        if not picture.regions:
            return Reading((), picture.notes, reason="no ink")
        digits = _refuse_text(
            [
                self._decide(region, tile, shares)
                for region, tile, shares in zip(picture.regions, picture.tiles, judged, strict=True)
            ]
        )
        read_any = any(digit.digit is not None for digit in digits)
        return Reading(digits, picture.notes, None if read_any else _find_main_reason(digits))

    def _judge(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probabilities of all that the network tells apart, (n, 10) or (n, 11)."""
        probabilities = self.network(tiles)
        if probabilities.shape[1] != len(self.card.labels):
            raise ModelError(
                f"the network gives {probabilities.shape[1]} probabilities and its card names "
                f"{len(self.card.labels)} labels: bring the card that belongs to the model"
            )
        return calibrate(probabilities, self.card.temperature)

    def _decide(
        self, region: Region, tile: NDArray[np.uint8], shares: NDArray[np.float32]
    ) -> Digit:
        """Reads a region as a digit, or refuses it."""
        probabilities = keep_digits(shares[np.newaxis])[0]
        best, second = (int(digit) for digit in np.argsort(-probabilities)[:2])
        certainty = float(shares[best])
        reason = None
        if certainty < self.card.refusal_threshold:
            looks_like_none = int(shares.argmax()) == NONE
            reason = (
                "not a digit: looks like none"
                if looks_like_none
                else f"too uncertain: {best} or {second}"
            )
        return Digit(
            digit=best if reason is None else None,
            confidence=certainty,
            probabilities=probabilities,
            box=region.box,
            tile=tile,
            line=region.line,
            reason=reason,
        )


def _refuse_text(digits: Sequence[Digit]) -> tuple[Digit, ...]:
    """Refuses whole lines that are text: many letters taken alone are digits, as O, l and S are.

    A line of digits holds next to nothing as high as them that is none; and one badly written
    number on a page of good ones is no text yet.
    """
    if sum(digit.digit is None for digit in digits) <= TEXT_SHARE * len(digits):
        return tuple(digits)
    decided = []
    for digit in digits:
        tall = [d for d in digits if d.line == digit.line and 2 * d.box.height > digit.box.height]
        refused = sum(d.digit is None for d in tall)
        if digit.digit is not None and refused > TEXT_SHARE * len(tall):
            reason = "not a digit: stands in a line that looks like text"
            digit = replace(digit, digit=None, reason=reason)
        decided.append(digit)
    return tuple(decided)


def _find_main_reason(digits: tuple[Digit, ...]) -> str:
    """Why nothing was read: the reason for the largest of what was refused."""
    largest = max(digits, key=lambda digit: digit.box.width * digit.box.height)
    return str(largest.reason)


def predict(picture: PictureSource, *, model: Path | str = DEFAULT_MODEL) -> Reading:
    """Reads the digits in a picture; arguments and errors as in `Recognizer.read` and `load`."""
    return _load_once(Path(model)).read(picture)


def predict_digit(picture: PictureSource, *, model: Path | str = DEFAULT_MODEL) -> int:
    """The one digit that a picture holds, 0 to 9; `predict` tells its confidence as well.

    Raises:
        NoInkError: Nothing is written on the picture.
        DigitCountError: It does not hold exactly one digit.
        PictureFormatError, PictureTooLargeError, ModelError: As in `predict`.
    """
    reading = _load_once(Path(model)).read(picture, one_digit=True)
    if not reading.digits:
        raise NoInkError(f"the picture holds {reading.reason}: expected exactly one digit")
    if len(reading.text) != 1:
        raise DigitCountError(
            f"the picture holds no digit ({reading.reason}): expected exactly one"
        )
    return int(reading.text)


@cache
def _load_once(model: Path) -> Recognizer:
    return Recognizer.load(model)
