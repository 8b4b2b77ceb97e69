"""Reading digits in pictures: decoding, detection, classification and reading order.

This folder contains the default models with their cards: the reader, `reader.onnx`, and the network
for tiles, `default.onnx`.
"""

from inkdigits.pictures.decoding import DecodingLimits
from inkdigits.recognition.card import Card, ReaderCard
from inkdigits.recognition.ensemble import add_shifts, combine
from inkdigits.recognition.prediction import predict, predict_digit
from inkdigits.recognition.recognizer import (
    DEFAULT_MODEL,
    DEFAULT_TILE_MODEL,
    Reader,
    Recognizer,
)
from inkdigits.results.marks import Box, Digit, Mark
from inkdigits.results.reading import Reading
from inkdigits.results.readings import Readings

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
