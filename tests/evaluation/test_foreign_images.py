"""Another data set given for MNIST is noticed."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages, Mnist
from inkdigits.evaluation import evaluate
from inkdigits.evaluation.foreign_images import warn_of_foreign_images
from inkdigits.recognition import DEFAULT_TILE_MODEL
from inkdigits.training import train


@pytest.fixture
def clothes() -> LabelledImages:
    """Bright bodies that fill the tile, with labels of their own, as Fashion-MNIST has them."""
    random = np.random.default_rng(0)
    labels = random.integers(10, size=60).astype(np.uint8)
    images = np.zeros((60, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2:26, 2 + label : 26 - label // 2] = random.integers(120, 255, (24, 1))
    return LabelledImages(images, labels)


def save_npz(path: Path, images: LabelledImages) -> Path:
    np.savez(
        path,
        x_train=images.images,
        y_train=images.labels,
        x_test=images.images,
        y_test=images.labels,
    )
    return path


def test_clothes_are_no_digits(clothes: LabelledImages, caplog: pytest.LogCaptureFixture) -> None:
    share = warn_of_foreign_images(clothes, "clothes.npz")

    assert share is not None
    assert share < 0.5
    assert "the images in clothes.npz do not look like the digits of their labels" in caplog.text
    assert "of 60 as labelled" in caplog.text


def test_digits_are_digits(test_slice: LabelledImages, caplog: pytest.LogCaptureFixture) -> None:
    share = warn_of_foreign_images(test_slice, "digits.npz")

    assert share is not None
    assert share > 0.97
    assert warn_of_foreign_images(test_slice.take(range(5)), "few.npz") is None
    assert not caplog.text


def test_training_and_evaluating_say_so(
    mnist: Mnist, clothes: LabelledImages, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_npz(tmp_path / "clothes.npz", clothes)
    with caplog.at_level(logging.WARNING):
        evaluate(DEFAULT_TILE_MODEL, data=path)
        assert caplog.text.count("do not look like the digits") == 1
        train(
            "smoke",
            data=path,
            epochs=1,
            validation_images=20,
            output=tmp_path / "run",
            progress=False,
        )

    assert caplog.text.count("do not look like the digits") == 2
