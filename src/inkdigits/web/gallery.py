"""The gallery of the page: test digits of MNIST to be read, and the model's worst mistakes.

    python -m inkdigits.web.gallery     # writes page/gallery.json anew, for the default model

It is built once for each default model and lies in the package, so that the page needs no MNIST.
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
"""What the page shows."""

N_SAMPLES: Final = 4
"""Samples of each digit."""

N_MISTAKES: Final = 24
"""Mistakes at most."""


def build_gallery(
    recognizer: Recognizer,
    test: LabelledImages,
    *,
    n_samples: int = N_SAMPLES,
    n_mistakes: int = N_MISTAKES,
) -> dict[str, Any]:
    """Chooses what the gallery shows: nothing by hand, and nothing at random.

    A mistake is a test digit that is read as another one; what is refused is none. Its confidence
    is the one that reading its picture gives.

    Args:
        recognizer: Whose mistakes are shown.
        test: Digits that it was not trained on.
        n_samples: How many of each digit to show: the first of the test set.
        n_mistakes: How many mistakes to show at most: the most confident ones, most confident
            first.

    Returns:
        For JSON: `model`, the recipe's name; `n_images`; `n_mistakes`, how many there are in all;
        `samples`, each with `index` in the test set, `label` and `png`, its tile as a PNG file in
        base64; `mistakes`, each with `read` and `confidence` (0 to 1) as well.
    """
    mistakes: dict[int, tuple[int, float]] = {}
    readings = recognizer.read_many(iter(test.images), one_digit=True)
    for index, (reading, label) in enumerate(zip(readings, test.labels.tolist(), strict=True)):
        if isinstance(reading, Reading) and reading.text not in ("", UNCERTAIN, str(label)):
            mistakes[index] = int(reading.text), float(reading.confidence)
    worst = sorted(mistakes, key=lambda index: -mistakes[index][1])[:n_mistakes]
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
            for index in worst
        ],
    }


def write_gallery(path: Path = GALLERY) -> None:
    """Writes the gallery of the default model and MNIST's test images.

    Args:
        path: The JSON file, which is replaced.

    Raises:
        DataFormatError, DataUnavailableError: No whole MNIST.
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
