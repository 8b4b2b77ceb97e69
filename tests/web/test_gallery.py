from __future__ import annotations

import base64
import io
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import LabelledImages, Mnist
from inkdigits.recognition import Recognizer
from inkdigits.training import Run
from inkdigits.web.gallery import GALLERY, N_MISTAKES, N_SAMPLES, build_gallery


@pytest.fixture(scope="module")
def recognizer(smoke_run: Run) -> Recognizer:
    return Recognizer.load(smoke_run.folder)


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    gallery: dict[str, Any] = json.loads(GALLERY.read_text(encoding="utf-8"))
    return gallery


def decode_tile(item: dict[str, Any]) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(base64.b64decode(item["png"]))) as image:
        assert image.mode == "L"
        return np.asarray(image)


def list_mistakes(
    recognizer: Recognizer, images: LabelledImages
) -> dict[int, tuple[int, int, float]]:
    """Returns label, reading and confidence by index, reading each tile as a separate picture."""
    mistakes = {}
    for index, (tile, label) in enumerate(zip(images.images, images.labels, strict=True)):
        reading = recognizer.read(tile, digits="one")
        if reading.text and int(reading.text) != label:
            mistakes[index] = int(label), int(reading.text), reading.confidence
    return mistakes


@pytest.fixture(scope="module")
def few(test_slice: LabelledImages) -> LabelledImages:
    """Images with at least three of each digit."""
    return test_slice.take(range(150))


@pytest.fixture(scope="module")
def mistakes(recognizer: Recognizer, few: LabelledImages) -> dict[int, tuple[int, int, float]]:
    """Those of `list_mistakes`."""
    return list_mistakes(recognizer, few)


@pytest.fixture(scope="module")
def gallery(recognizer: Recognizer, few: LabelledImages) -> dict[str, Any]:
    """Three samples of each digit, and all mistakes."""
    return build_gallery(recognizer, few, n_samples=3, n_mistakes=1000)


def test_mistakes_are_those_of_reading_each_tile_alone(
    gallery: dict[str, Any], few: LabelledImages, mistakes: dict[int, tuple[int, int, float]]
) -> None:
    assert gallery["n_images"] == len(few)
    check_mistakes(gallery, mistakes, 1000)


@pytest.mark.parametrize(("n_samples", "n_mistakes"), [(4, 24), (1, 1), (2, 0)])
def test_the_most_confident_mistakes_are_shown(
    n_samples: int,
    n_mistakes: int,
    recognizer: Recognizer,
    few: LabelledImages,
    mistakes: dict[int, tuple[int, int, float]],
) -> None:
    chosen = sorted({*range(10), *mistakes})
    places = {index: chosen.index(index) for index in mistakes}

    gallery = build_gallery(
        recognizer, few.take(np.array(chosen)), n_samples=n_samples, n_mistakes=n_mistakes
    )

    assert gallery["n_images"] == len(chosen)
    check_mistakes(gallery, {places[index]: row for index, row in mistakes.items()}, n_mistakes)


def check_mistakes(
    gallery: dict[str, Any], mistakes: dict[int, tuple[int, int, float]], n_mistakes: int
) -> None:
    """Checks that a gallery has the most confident of the mistakes, in their order."""
    assert len(mistakes) > 1, "the test needs a network with more mistakes than it shows"
    assert gallery["n_mistakes"] == len(mistakes)
    shown = {m["index"]: (m["label"], m["read"], m["confidence"]) for m in gallery["mistakes"]}
    assert len(shown) == min(n_mistakes, len(mistakes))
    for index, (label, read, confidence) in shown.items():
        assert (label, read) == mistakes[index][:2]
        assert confidence == pytest.approx(mistakes[index][2], abs=1e-3)
    confidences = [m["confidence"] for m in gallery["mistakes"]]
    assert confidences == sorted(confidences, reverse=True)
    left_out = [m[2] for index, m in mistakes.items() if index not in shown]
    assert not left_out or not confidences or max(left_out) <= min(confidences) + 1e-3


def test_samples_are_the_first_of_each_digit(gallery: dict[str, Any], few: LabelledImages) -> None:
    samples = gallery["samples"]

    for label in range(10):
        expected = [i for i, other in enumerate(few.labels.tolist()) if other == label][:3]
        assert len(expected) == 3
        assert [s["index"] for s in samples if s["label"] == label] == expected
    for sample in samples:
        assert np.array_equal(decode_tile(sample), few.images[sample["index"]])


def test_gallery_is_deterministic(
    recognizer: Recognizer, few: LabelledImages, gallery: dict[str, Any]
) -> None:
    assert build_gallery(recognizer, few, n_samples=3, n_mistakes=1000) == gallery


def test_gallery_of_the_package_is_complete_and_small(committed: dict[str, Any]) -> None:
    assert GALLERY.stat().st_size < 100_000
    assert Counter(item["label"] for item in committed["samples"]) == dict.fromkeys(
        range(10), N_SAMPLES
    )
    assert len(committed["mistakes"]) == min(N_MISTAKES, committed["n_mistakes"])


def test_gallery_of_the_package_is_of_the_default_model(
    committed: dict[str, Any], mnist: Mnist
) -> None:
    recognizer = Recognizer.load()
    assert committed["model"] == recognizer.reader.card.recipe["name"], (
        "the gallery is of another model: run 'python -m inkdigits.web.gallery'"
    )
    for item in committed["samples"] + committed["mistakes"]:
        tile = decode_tile(item)
        assert np.array_equal(tile, mnist.test.images[item["index"]])
        assert item["label"] == mnist.test.labels[item["index"]]
    for mistake in committed["mistakes"]:
        reading = recognizer.read(decode_tile(mistake), digits="one")
        assert reading.text == str(mistake["read"]) != str(mistake["label"]), (
            "the gallery is of another model: run 'python -m inkdigits.web.gallery'"
        )
        assert reading.confidence == pytest.approx(mistake["confidence"], abs=2e-3)


@pytest.mark.slow
def test_gallery_of_the_package_shows_the_most_confident_mistakes(
    committed: dict[str, Any], mnist: Mnist
) -> None:
    # The first of them stand for all, whose reading takes minutes; a mistake is among them.
    few = mnist.test.take(np.arange(1_000))
    of_few = {m["index"] for m in committed["mistakes"] if m["index"] < len(few)}
    assert of_few
    fresh = build_gallery(Recognizer.load(), few, n_mistakes=len(few))
    least = min(m["confidence"] for m in committed["mistakes"])

    found = {m["index"]: m["confidence"] for m in fresh["mistakes"]}
    assert {index for index, confidence in found.items() if confidence > least + 2e-3} <= of_few
    assert of_few <= set(found)
