"""Reading digits in pictures: decoding, detection, classification and reading order.

This folder contains the default models with their cards: the reader, `reader.onnx`, and the network
for tiles, `default.onnx`.
"""

from inkdigits.recognition.card import Card, ReaderCard
from inkdigits.recognition.decoding import DecodingLimits
from inkdigits.recognition.ensemble import add_shifts, combine
from inkdigits.recognition.marks import Box, Digit, Mark
from inkdigits.recognition.prediction import predict, predict_digit
from inkdigits.recognition.reading import Reading
from inkdigits.recognition.readings import Readings
from inkdigits.recognition.recognizer import (
    DEFAULT_MODEL,
    DEFAULT_TILE_MODEL,
    Reader,
    Recognizer,
)

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_TILE_MODEL",
    "Box",
    "Card",
    "DecodingLimits",
    "Digit",
    "Mark",
    "Reader",
    "ReaderCard",
    "Reading",
    "Readings",
    "Recognizer",
    "add_shifts",
    "combine",
    "predict",
    "predict_digit",
]
