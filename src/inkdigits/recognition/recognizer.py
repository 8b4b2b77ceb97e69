"""From a picture to a reading: decode, find the ink, frame, run the network, calibrate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DigitCountError, NoInkError
from inkdigits.recognition.calibration import calibrate
from inkdigits.recognition.card import Card, locate_card
from inkdigits.recognition.decoding import DecodingLimits, PictureSource, decode_picture
from inkdigits.recognition.framing import frame
from inkdigits.recognition.ink import extract_ink
from inkdigits.recognition.network import Network, OnnxNetwork
from inkdigits.recognition.reading import Box, Digit, Reading

DEFAULT_MODEL = Path(__file__).with_name("default.onnx")
DEFAULT_LIMITS = DecodingLimits()


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
        """Calibrated probabilities of the ten digits.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, 10), each row summing to 1.
        """
        return calibrate(self.network(tiles), self.card.temperature)

    def read(self, picture: PictureSource) -> Reading:
        """Reads the digit in a picture.

        Args:
            picture: A path, bytes, a file object, a Pillow image, or an array as
                `inkdigits.recognition.decoding.decode_picture` takes it.

        Returns:
            The reading; without digits, and with the reason, where nothing is written.

        Raises:
            PictureFormatError: Not a picture, or a damaged one.
            PictureTooLargeError: Beyond the limits.
        """
        decoded = decode_picture(picture, self.limits)
        ink = extract_ink(decoded.pixels)
        column, row, width, height = cv2.boundingRect(ink)
        if width == 0:
            return Reading((), decoded.notes, reason="no ink")
        tile = frame(ink)
        probabilities = self.classify(tile[np.newaxis])[0]
        digit = int(probabilities.argmax())
        box = Box(column, row, width, height)
        found = Digit(digit, float(probabilities[digit]), probabilities, box, tile)
        return Reading((found,), decoded.notes)


def predict(picture: PictureSource, *, model: Path | str = DEFAULT_MODEL) -> Reading:
    """Reads the digit in a picture; arguments and errors as in `Recognizer.read` and `load`."""
    return _load_once(Path(model)).read(picture)


def predict_digit(picture: PictureSource, *, model: Path | str = DEFAULT_MODEL) -> int:
    """The one digit that a picture holds, 0 to 9; `predict` tells its confidence as well.

    Raises:
        NoInkError: Nothing is written on the picture.
        DigitCountError: It does not hold exactly one digit.
        PictureFormatError, PictureTooLargeError, ModelError: As in `predict`.
    """
    reading = predict(picture, model=model)
    if not reading.digits:
        raise NoInkError(f"the picture holds {reading.reason}: expected exactly one digit")
    if len(reading.text) != 1:
        found = repr(reading.text) if reading.text else f"no digit ({reading.reason})"
        raise DigitCountError(f"the picture holds {found}: expected exactly one digit")
    return int(reading.text)


@cache
def _load_once(model: Path) -> Recognizer:
    return Recognizer.load(model)
