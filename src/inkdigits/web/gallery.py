"""The gallery of the page: MNIST test digits, and the model's most confident mistakes.

    python -m inkdigits.web.gallery     # rewrites page/gallery.json for the default model

The file is built once per default model and is part of the package, so the page needs no MNIST.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits.files import write_text_whole
from inkdigits.recognition.reading import UNCERTAIN, Reading

if TYPE_CHECKING:
    from inkdigits.data import LabelledImages
    from inkdigits.recognition import Recognizer

GALLERY: Final = Path(__file__).with_name("page") / "gallery.json"
"""The file that the page loads."""

N_SAMPLES: Final = 4
"""Number of samples of each digit."""

N_MISTAKES: Final = 24
"""Largest number of mistakes."""


def build_gallery(
    recognizer: Recognizer,
    test: LabelledImages,
    *,
    n_samples: int = N_SAMPLES,
    n_mistakes: int = N_MISTAKES,
) -> dict[str, Any]:
    """Selects samples and mistakes by fixed rules, without manual or random choice.

    A mistake is a test digit that is read as another digit. Rejected and uncertain digits do not
    count. Its confidence is that of its reading.

    Args:
        recognizer: The recognizer that reads the digits.
        test: Digits that the recognizer was not trained on.
        n_samples: Number of samples of each digit, the first of the test set.
        n_mistakes: Largest number of mistakes, the most confident first.

    Returns:
        A JSON object: `model`, the recipe's name; `n_images`; `n_mistakes`, the number of all
        mistakes; `samples`, each with `index` in the test set, `label` and `png`, its tile as a
        base64 PNG file; `mistakes`, each with `read` and `confidence` (0 to 1) in addition.
    """
    mistakes: dict[int, tuple[int, float]] = {}
    readings = recognizer.read_many(iter(test.images), one_digit=True)
    for index, (reading, label) in enumerate(zip(readings, test.labels.tolist(), strict=True)):
        if isinstance(reading, Reading) and reading.text not in ("", UNCERTAIN, str(label)):
            mistakes[index] = int(reading.text), float(reading.confidence)
    most_confident = sorted(mistakes, key=lambda index: -mistakes[index][1])[:n_mistakes]
    samples = [np.flatnonzero(test.labels == label)[:n_samples] for label in range(10)]
    return {
        "model": recognizer.reader.card.recipe["name"],
        "n_images": len(test),
        "n_mistakes": len(mistakes),
        "samples": [_describe(test, int(index)) for index in np.concatenate(samples)],
        "mistakes": [
            {
                **_describe(test, index),
                "read": mistakes[index][0],
                "confidence": round(mistakes[index][1], 4),
            }
            for index in most_confident
        ],
    }


def write_gallery(path: Path = GALLERY) -> None:
    """Writes the gallery of the default model on MNIST's test images.

    Args:
        path: The JSON file to replace.

    Raises:
        DataFormatError, DataUnavailableError: MNIST is damaged or not available.
        OutputError: The file cannot be written.
    """
    from inkdigits.data import fetch_mnist
    from inkdigits.recognition import Recognizer

    gallery = build_gallery(Recognizer.load(), fetch_mnist().test)
    write_text_whole(path, json.dumps(gallery, indent=1) + "\n")


def _describe(images: LabelledImages, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "label": int(images.labels[index]),
        "png": base64.b64encode(_encode_png(images.images[index])).decode("ascii"),
    }


def _encode_png(tile: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    write_gallery()
    print(GALLERY)
