"""The gallery of the page: MNIST test digits, and the most confident mistakes of a model.

    python -m inkdigits.web.gallery               # of the default model, into page/gallery.json
    python -m inkdigits.web.gallery runs/quick    # of another model, into the cache

The gallery of the default model is part of the package, so the page needs no MNIST. That of another
model takes minutes, because all 10,000 test digits are read. `own_gallery` runs this module for it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import io
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits import __version__
from inkdigits.files import write_text_whole
from inkdigits.recognition.card import locate_card
from inkdigits.recognition.recognizer import DEFAULT_MODEL, Recognizer
from inkdigits.results.marks import UNCERTAIN
from inkdigits.results.reading import Reading

if TYPE_CHECKING:
    from inkdigits.data import LabelledImages

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
        A JSON object: `model`, the name of its recipe; `n_images`; `n_mistakes`, the number of all
        mistakes; `samples`, each with `index` in the test set, `label` and `png`, its tile as a
        base64 PNG file; `mistakes`, each with `read` and `confidence` (0 to 1) in addition.
    """
    mistakes: dict[int, tuple[int, float]] = {}
    readings = recognizer.read_many(iter(test.images), digits="one")
    for index, (reading, label) in enumerate(zip(readings, test.labels.tolist(), strict=True)):
        if isinstance(reading, Reading) and reading.text not in ("", UNCERTAIN, str(label)):
            mistakes[index] = int(reading.text), float(reading.confidence)
    most_confident = sorted(mistakes, key=lambda index: -mistakes[index][1])[:n_mistakes]
    samples = [np.flatnonzero(test.labels == label)[:n_samples] for label in range(10)]
    return {
        "model": name_model(recognizer),
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


def name_model(recognizer: Recognizer) -> str:
    """Returns the name of the recipe of the network that classifies the digits."""
    card = recognizer.card if recognizer.judges_tiles else recognizer.reader.card
    return str(card.recipe.get("name", "model"))


def hash_models(models: Sequence[Path]) -> str | None:
    """Returns a hash of all files that decide how models read, as 32 hexadecimal digits.

    Args:
        models: Run folders and model files, several for their mean.

    Returns:
        The hash; None without models.

    Raises:
        OSError: A file cannot be read.
    """
    if not models:
        return None
    digest = hashlib.sha256(__version__.encode())
    # The default reader too, which finds the digits that networks for tiles classify.
    for path in (DEFAULT_MODEL, *(file for model in models for file in _list_files(model))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def locate_gallery(models_hash: str | None) -> Path:
    """Returns the path of the gallery of models with this hash, in the cache.

    Args:
        models_hash: As `hash_models` returns it; None for the default model, whose gallery is in
            the package.
    """
    from inkdigits.data import cache_directory

    if models_hash is None:
        return GALLERY
    return cache_directory() / "galleries" / f"{models_hash}.json"


def write_gallery(models: Sequence[Path] = (), test: LabelledImages | None = None) -> Path:
    """Writes the gallery of a model, which takes minutes for 10,000 test images.

    Args:
        models: As in `hash_models`; none for the default model.
        test: Digits that the model was not trained on. None: MNIST's test images, from the cache.

    Returns:
        The file, which is replaced if it exists.

    Raises:
        ModelError, OSError: A model cannot be loaded or read.
        DataFormatError, DataUnavailableError: MNIST is damaged or not in the cache.
        OutputError: The file cannot be written.
    """
    from inkdigits.data import load_mnist
    from inkdigits.recognition import combine

    path = locate_gallery(hash_models(models))
    loaded = [Recognizer.load(model) for model in models] or [Recognizer.load()]
    recognizer = loaded[0] if len(loaded) == 1 else combine(loaded)
    gallery = build_gallery(recognizer, load_mnist().test if test is None else test)
    write_text_whole(path, json.dumps(gallery, indent=1) + "\n")
    return path


def _list_files(model: Path) -> Iterator[Path]:
    """Yields network and card of a model, or all files in the folder of a SavedModel."""
    if model.is_dir() and not (model / "model.onnx").is_file():
        yield from sorted(path for path in model.rglob("*") if path.is_file())
        return
    network = model / "model.onnx" if model.is_dir() else model
    yield network
    yield locate_card(network)


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


def _work_in_background() -> None:
    """Lowers the priority of this process, and ends it with the process that started it."""
    with contextlib.suppress(AttributeError, OSError):  # Windows has no `nice`
        os.nice(19)

    def end_with_parent() -> None:
        sys.stdin.buffer.read()  # until the parent closes its end, or dies
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m inkdigits.web.gallery")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL")
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.background:
        _work_in_background()
    print(write_gallery(options.models))


if __name__ == "__main__":
    _main()
