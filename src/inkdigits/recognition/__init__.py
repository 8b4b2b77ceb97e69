"""Reading pictures: decode, find the ink, frame, run the network, calibrate.

The default model, `default.onnx`, and its card, `default.json`, lie here.
"""

from inkdigits.recognition.card import Card
from inkdigits.recognition.decoding import DecodingLimits
from inkdigits.recognition.ensemble import add_shifts, combine
from inkdigits.recognition.reading import Box, Digit, Reading
from inkdigits.recognition.recognizer import DEFAULT_MODEL, Recognizer, predict, predict_digit

__all__ = [
    "DEFAULT_MODEL",
    "Box",
    "Card",
    "DecodingLimits",
    "Digit",
    "Reading",
    "Recognizer",
    "add_shifts",
    "combine",
    "predict",
    "predict_digit",
]
