"""Reads pictures: decodes them, detects and classifies marks, and puts them in reading order.

The reader that comes with inkdigits, `reader.onnx`, detects and classifies the marks. A network for
tiles, such as one trained by `inkdigits train quick`, can classify the digits instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.errors import DigitCountError, ModelError, NoInkError, PictureError
from inkdigits.pictures.arrays import arrange_tiles
from inkdigits.pictures.decoding import DecodingLimits, PictureSource, decode_picture
from inkdigits.pictures.kept_pictures import hold_file, keep_picture
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import Card, ReaderCard, locate_card
from inkdigits.recognition.detection import Detections, Detector
from inkdigits.recognition.devices import Device, check_device
from inkdigits.recognition.interpretation import (
    build_reading,
    describe_others,
    interpret,
    keep_central,
)
from inkdigits.recognition.network import Network
from inkdigits.recognition.orientation import find_rotation, rotate_back
from inkdigits.recognition.picture_lists import (
    ListedPicture,
    PictureList,
    iterate_pictures,
    name_source,
)
from inkdigits.recognition.read_ahead import count_threads, map_in_threads
from inkdigits.recognition.reading_options import Digits, check_threshold, expects_one_digit
from inkdigits.results.marks import Digit, DigitOrMark
from inkdigits.results.reading import Reading

if TYPE_CHECKING:
    from inkdigits.recognition.model_sources import ModelSource

DEFAULT_MODEL: Final = Path(__file__).with_name("reader.onnx")
"""The reader that comes with inkdigits."""

DEFAULT_TILE_MODEL: Final = Path(__file__).with_name("default.onnx")
"""The network for tiles that comes with inkdigits. It classifies tiles, for example for heat
maps."""

DEFAULT_LIMITS: Final = DecodingLimits()

Detect = Callable[[NDArray[np.uint8]], Detections]
"""Takes a grey picture, uint8 of shape (height, width), and returns the detected marks."""


@dataclass(frozen=True)
class Reader:
    """A detector of marks and its card.

    Attributes:
        detect: Detects and classifies marks, such as a `Detector`.
        card: Card of the reader.
    """

    detect: Detect
    card: ReaderCard

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Reader:
        """Loads an ONNX file and the card beside it.

        Args:
            path: The `.onnx` file.
            device: Where it runs, as in `Recognizer.load`.

        Raises:
            ModelError: One of them is missing, damaged or does not belong to a reader.
        """
        return cls(Detector(path, device=device), ReaderCard.load(locate_card(path)))


class Recognizer:
    """Reads pictures with a reader and classifies tiles with a network, each loaded once.

    Attributes:
        network: The network for tiles.
        card: Card of the network.
        limits: Maximum size of pictures.
        judges_tiles: Whether the network, instead of the reader, classifies the detected digits.
        device: Where the reader that comes with inkdigits runs.
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
        device: str = "cpu",
    ) -> None:
        """Creates a recognizer from a network and its card. Use `load` to load it from a file.

        Args:
            network: The network for tiles.
            card: Card of the network.
            reader: The reader that detects marks. None: the reader that comes with inkdigits,
                loaded when the first picture is read.
            judges_tiles: Whether the network, instead of the reader, classifies the detected
                digits.
            threshold: Minimum probability of a digit, 0 to 1. None: the threshold of the card.
            limits: Maximum size of pictures.
            device: Where the reader that comes with inkdigits runs, as in `load`.

        Raises:
            UsageError: The threshold is not a number from 0 to 1.
        """
        self.network = network
        self.card = card
        self.limits = limits
        self.judges_tiles = judges_tiles
        self._reader = reader
        self._threshold = check_threshold(threshold)
        self.device = check_device(device)

    @classmethod
    def load(
        cls,
        model: ModelSource = DEFAULT_MODEL,
        *,
        shifts: bool = False,
        threshold: float | None = None,
        limits: DecodingLimits | None = None,
        device: Device = "cpu",
    ) -> Recognizer:
        """Loads a model and the card beside it.

        Args:
            model: An `.onnx` file, or a run or its folder, which contains `model.onnx`. With
                `inkdigits[train]` also a `.keras`, `.h5` or `.tflite` file, or the folder of a
                SavedModel. The model is a reader, or a network for tiles, which then classifies the
                digits that the default reader detects. A list of networks for tiles is an ensemble,
                which takes their mean. A recognizer is used as it is. Default: the reader that
                comes with inkdigits.
            shifts: Whether to classify each digit at nine positions, one pixel apart, and take the
                mean; see `add_shifts`.
            threshold: Minimum probability of a digit, 0 to 1. None: the threshold of the card.
            limits: Maximum size of pictures. None: `DEFAULT_LIMITS`.
            device: Where ONNX models run: "cpu"; "cuda" (NVIDIA), "coreml" (macOS) or "directml"
                (Windows), which need an ONNX Runtime with it; or "auto", the first of these that
                is available. If it cannot be used, the CPU takes its place, which one line of the
                log says. A recognizer stays where it is.

        Raises:
            ModelError: The model or its card is missing, damaged or unsupported, or the run is not
                finished.
            MissingExtraError: The framework that the model needs is not installed.
            UsageError: The threshold is not a number from 0 to 1; the device is unknown; or the
                model has another type, is an empty list, or a list with a reader.
        """
        from inkdigits.recognition.model_sources import load_model  # which imports this module

        return load_model(model, shifts=shifts, threshold=threshold, limits=limits, device=device)

    def adapt(
        self,
        *,
        network: Network | None = None,
        card: Card | None = None,
        reader: Reader | None = None,
        judges_tiles: bool | None = None,
        threshold: float | None = None,
        limits: DecodingLimits | None = None,
    ) -> Recognizer:
        """Returns a copy of the recognizer with the given arguments replaced."""
        return Recognizer(
            network or self.network,
            card or self.card,
            reader=reader or self._reader,
            judges_tiles=self.judges_tiles if judges_tiles is None else judges_tiles,
            threshold=self._threshold if threshold is None else threshold,
            limits=limits or self.limits,
            device=self.device,
        )

    @property
    def reader(self) -> Reader:
        """The reader that detects marks.

        Raises:
            ModelError: The reader that comes with inkdigits cannot be loaded.
        """
        return self._reader or _load_default_reader(self.device)

    @property
    def has_default_reader(self) -> bool:
        """Whether the reader is the one that comes with inkdigits."""
        return self._reader is None

    @property
    def threshold(self) -> float:
        """Minimum probability of a digit, 0 to 1. Raises the same errors as `reader`."""
        if self._threshold is not None:
            return self._threshold
        return self.card.refusal_threshold if self.judges_tiles else self.reader.card.threshold

    def classify(self, tiles: ArrayLike) -> NDArray[np.float32]:
        """Returns calibrated probabilities of the ten digits, given that each tile shows a digit.

        A network for other classes returns their probabilities, in the order of its card.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink; or tensors and arrays of
                other types and shapes, such as (n, 784), as `arrays.arrange_tiles` converts them.

        Returns:
            float32, shape (n, 10), or (n, classes) of other classes, each row summing to 1.

        Raises:
            PictureFormatError: The array has another shape or other values.
        """
        return keep_digits(self._classify(arrange_tiles(tiles)), self.card.n_classes)

    def measure_certainty(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the confidence that each tile shows its most likely digit.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n,), 0 to 1: calibrated probability of the most likely digit, including
            the possibility that the tile does not show a digit.
        """
        probabilities = self._classify(tiles)[:, : self.card.n_classes]
        return np.asarray(probabilities.max(axis=1))

    def read(
        self,
        picture: PictureSource,
        *,
        digits: Digits = "all",
        separators: bool = False,
        threshold: float | None = None,
        one_digit: bool | None = None,
    ) -> Reading:
        """Reads the digits in a picture.

        Args:
            picture: A path, bytes, a file object, a Pillow image, or an array; see
                `inkdigits.pictures.decoding.decode_picture`.
            digits: "all" reads every digit. "one" expects exactly one: the digit in the middle is
                read; a note mentions other digits, unless the edge of the picture cuts them.
            separators: Whether the text includes points, commas, dashes, slashes and plus signs.
            threshold: Minimum probability of a digit, 0 to 1. None: that of the recognizer.
            one_digit: Deprecated: use `digits="one"`.

        Returns:
            The reading. If no digit was read, it has no text, but a reason. It refers to the
            picture, without a copy, until it is deleted; see `Reading.picture`.

        Raises:
            PictureFormatError: The file is not a picture, or is damaged.
            PictureTooLargeError: The picture exceeds the limits.
            UsageError: `digits` is not "all" or "one", or the threshold is not a number from 0 to
                1.
        """
        check_threshold(threshold)
        is_one = expects_one_digit(digits, one_digit)
        held = hold_file(picture, self.limits.max_bytes)
        found, notes, shape = self._find(held, threshold, one_digit=is_one)
        if is_one:
            central, others = keep_central(found, shape)
            notes = (*notes, *describe_others(others))
            found = central
        reading = build_reading(found, notes, separators=separators)
        kept = keep_picture(held, self.limits, size=(shape[1], shape[0]))
        return replace(reading, source=name_source(picture), picture=kept)

    def read_digit(self, picture: PictureSource, *, threshold: float | None = None) -> Digit:
        """Reads a picture of exactly one digit.

        Args:
            picture: As in `read`.
            threshold: As in `read`.

        Raises:
            NoInkError: The picture is blank.
            DigitCountError: The picture does not contain exactly one digit. Digits that the edge of
                the picture cuts are not counted.
            PictureFormatError, PictureTooLargeError, UsageError: As in `read`.
        """
        check_threshold(threshold)
        found, notes, shape = self._find(picture, threshold, one_digit=True)
        central, others = keep_central(found, shape)
        if others:
            raise DigitCountError(
                f"the picture contains {1 + len(others)} digits: expected exactly one; crop it, or "
                "read all of them with 'predict'"
            )
        reading = build_reading(central, notes, separators=False)
        if not found:
            raise NoInkError(f"the picture contains {reading.reason}: expected exactly one digit")
        if reading.reason is not None:
            raise DigitCountError(
                f"the picture contains no digit ({reading.reason}): expected exactly one"
            )
        return reading.digits[0]

    def read_many(
        self,
        pictures: Iterable[PictureSource],
        *,
        digits: Digits = "all",
        separators: bool = False,
        threshold: float | None = None,
        n_threads: int | None = None,
        one_digit: bool | None = None,
    ) -> Iterator[Reading | PictureError]:
        """Reads pictures in parallel and yields the readings in the same order.

        Only a few pictures are in memory at a time: the iterable is consumed as the readings are
        consumed, and readings refer to their pictures only if these are files. A picture that
        cannot be read does not end the iteration.

        Args:
            pictures: Any number of pictures; each as in `read`.
            digits: As in `read`.
            separators: As in `read`.
            threshold: As in `read`.
            n_threads: Number of threads. None: one per core.
            one_digit: Deprecated: use `digits="one"`.

        Yields:
            For each picture, its reading or the error that `read` raises for it.

        Raises:
            UsageError: The number of threads is less than 1, or another option is invalid.
        """
        n_threads = count_threads(n_threads)
        check_threshold(threshold)
        digits = "one" if expects_one_digit(digits, one_digit) else "all"

        def read_one(picture: PictureSource) -> Reading | PictureError:
            try:
                reading = self.read(
                    picture, digits=digits, separators=separators, threshold=threshold
                )
            except PictureError as error:
                return error
            return reading.forget_pixels()

        return map_in_threads(read_one, iter(pictures), n_threads)

    def read_each(
        self,
        pictures: PictureSource | PictureList,
        *,
        digits: Digits = "all",
        separators: bool = False,
        threshold: float | None = None,
        n_threads: int | None = None,
        allow_url: bool = False,
        one_digit: bool | None = None,
    ) -> Iterator[Reading]:
        """Reads lists, folders and documents in parallel, and yields a reading for each picture.

        Unlike `read_many`, it also reads the pictures of folders and the pages of documents, so
        there may be more readings than items. Only a few pictures are in memory at a time, and
        readings refer to their pictures only if these are files.

        Args:
            pictures: A picture as in `read`, a PDF or TIFF file of several pages, a folder, whose
                pictures are read with those of its subfolders, sorted by path; or an iterable of
                these.
            digits: As in `read`.
            separators: As in `read`.
            threshold: As in `read`.
            n_threads: Number of threads. None: one per core.
            allow_url: Whether text such as https://example.org/seven.png is fetched.
            one_digit: Deprecated: use `digits="one"`.

        Yields:
            Readings with their `source` and `page`. The reading of a picture that cannot be read
            has no text, but an `error`.

        Raises:
            UsageError: An option is invalid, or a folder contains no pictures.
            PictureFormatError: A folder cannot be read.
        """
        return self.read_listed(
            iterate_pictures(pictures, self.limits, allow_url=allow_url),
            digits="one" if expects_one_digit(digits, one_digit) else "all",
            separators=separators,
            threshold=threshold,
            n_threads=n_threads,
        )

    def read_listed(
        self,
        pictures: Iterator[ListedPicture],
        *,
        digits: Digits = "all",
        separators: bool = False,
        threshold: float | None = None,
        n_threads: int | None = None,
        one_digit: bool | None = None,
        keep_pictures: bool = False,
    ) -> Iterator[Reading]:
        """Reads what `iterate_pictures` lists; arguments, yields and errors as in `read_each`.

        With `keep_pictures`, readings refer to pictures that are not files, too.
        """
        n_threads = count_threads(n_threads)
        check_threshold(threshold)
        digits = "one" if expects_one_digit(digits, one_digit) else "all"

        def read_one(listed: ListedPicture) -> Reading:
            try:
                if isinstance(listed.picture, PictureError):
                    raise listed.picture
                reading = self.read(
                    listed.picture, digits=digits, separators=separators, threshold=threshold
                )
            except PictureError as error:
                reading = Reading((), reason=str(error), error=error)
            reading = listed.complete(reading, self.limits)
            return reading if keep_pictures else reading.forget_pixels()

        return map_in_threads(read_one, pictures, n_threads)

    def check_reads_digits(self) -> None:
        """Raises ModelError if the network tells other classes apart than digits."""
        if self.card.class_names:
            raise ModelError(
                f"the model tells {', '.join(self.card.class_names[:3])}, … apart: it classifies "
                "tiles and reads no digits in pictures"
            )

    def _find(
        self, picture: PictureSource, threshold: float | None, *, one_digit: bool
    ) -> tuple[tuple[DigitOrMark, ...], tuple[str, ...], tuple[int, ...]]:
        """Returns the digits and marks of a picture, notes on it, and its height and width."""
        self.check_reads_digits()
        decoded = decode_picture(picture, self.limits)
        pixels, notes = decoded.pixels, decoded.notes
        threshold = self.threshold if threshold is None else threshold
        detect = self.reader.detect
        detections = detect(pixels)
        turns = find_rotation(pixels, detections, detect)
        upright = pixels
        if turns:
            upright = np.ascontiguousarray(np.rot90(pixels, turns))
            detections = detect(upright)
            notes = (*notes, f"read turned by {90 * turns}° to the left")
        if detections.unread:
            notes = (
                *notes,
                f"the picture contains too many marks: {detections.unread} marks or regions were "
                "not read; crop it into smaller pictures",
            )
        classify = self._classify if self.judges_tiles else None
        found = interpret(upright, detections, threshold, classify, one_digit=one_digit)
        return tuple(rotate_back(item, turns, pixels.shape) for item in found), notes, pixels.shape

    def _classify(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns calibrated probabilities of all labels of the network, (n, 10) or (n, 11)."""
        probabilities = self.network(tiles)
        if probabilities.shape[1] != len(self.card.labels):
            raise ModelError(
                f"the network returns {probabilities.shape[1]} probabilities, but its card has "
                f"{len(self.card.labels)} labels: use the card that belongs to the model"
            )
        return calibrate(probabilities, self.card.temperature)


@cache
def _load_default_reader(device: str) -> Reader:
    return Reader.load(DEFAULT_MODEL, device=device)
