from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.recognition import DEFAULT_TILE_MODEL, Card, Reader, ReaderCard, Recognizer
from inkdigits.recognition.card import locate_card
from inkdigits.recognition.detection import Detections
from inkdigits.recognition.network import OnnxNetwork
from inkdigits.training import Run

CARD = ReaderCard({"name": "fixed"}, 0, {}, {}, threshold=0.5)


def make_detections(boxes: NDArray[np.float32], classes: list[int]) -> Detections:
    """Marks of these boxes, all surely of their classes."""
    probabilities = np.zeros((len(classes), 17), np.float32)
    probabilities[range(len(classes)), classes] = 1
    scores = np.ones(len(classes), np.float32)
    return Detections(boxes.reshape(-1, 4), np.array(classes, np.int64), scores, probabilities)


def detect_ink(pixels: NDArray[np.uint8]) -> Detections:
    """Every connected piece that differs from the corner of a clean picture is a digit."""
    levels = pixels.astype(np.int16)
    ink = np.abs(levels - levels[0, 0]) > 90
    _, _, pieces, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    boxes = np.array([p[:4] for p in pieces[1:] if max(p[2:4]) > 8], np.float32)[:20]
    return make_detections(boxes, [0] * len(boxes))


@pytest.fixture(scope="session")
def ink_recognizer(smoke_run: Run) -> Recognizer:
    """Finds ink on clean pictures; the smoke network says which digit it is."""
    network = OnnxNetwork(smoke_run.onnx_model)
    card = Card.load(locate_card(smoke_run.onnx_model))
    return Recognizer(network, card, reader=Reader(detect_ink, CARD), threshold=0)


@pytest.fixture(scope="session")
def read_always() -> Callable[..., Recognizer]:
    """Makes a recognizer that reads the same classes of marks, side by side, on every picture."""

    def make(*classes: int) -> Recognizer:
        boxes = np.array([(12 * place, 0, 10, 16) for place in range(len(classes))], np.float32)
        found = make_detections(boxes, list(classes))
        return Recognizer(
            OnnxNetwork(DEFAULT_TILE_MODEL),
            Card.load(locate_card(DEFAULT_TILE_MODEL)),
            reader=Reader(lambda pixels: found, CARD),
            judges_tiles=False,
        )

    return make


@pytest.fixture(scope="session")
def own_data(test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four IDX files of one's own, the test set of which is MNIST's first 80 images."""
    folder = tmp_path_factory.mktemp("own")
    for part, n in (("train", 3), ("t10k", 80)):
        digits = test_slice.take(range(n))
        images = struct.pack(">4i", 2051, n, 28, 28) + digits.images.tobytes()
        labels = struct.pack(">2i", 2049, n) + digits.labels.tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder
