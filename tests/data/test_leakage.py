"""MNIST's test images are found among images to train on, and nothing else is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import LabelledImages, Mnist, find_test_images
from inkdigits.data.leakage import (
    HASHES,
    check_training_images,
    is_test_image,
    load_training_data,
    write_hashes,
)
from inkdigits.errors import DataLeakageError

Images = NDArray[np.uint8]


def test_hashes_of_the_package_are_those_of_the_test_images(mnist: Mnist, tmp_path: Path) -> None:
    write_hashes(tmp_path / "hashes.bin")

    assert (tmp_path / "hashes.bin").read_bytes() == HASHES.read_bytes()
    hashes = np.frombuffer(HASHES.read_bytes(), ">u8")
    assert len(hashes) == len(np.unique(hashes)) == 10_000


def pad(images: Images) -> Images:
    return np.pad(images, ((0, 0), (3, 1), (0, 12)))


def crop(images: Images) -> Images:
    """Cuts off the margin that all of the first images have."""
    rows, columns = (np.flatnonzero(images.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    return images[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(
    "change",
    [np.copy, lambda images: 255 - images, pad, lambda images: 255 - pad(images), crop],
    ids=["copied", "inverted", "padded", "padded and inverted", "cropped"],
)
def test_test_images_are_found(change: Callable[[Images], Images], mnist: Mnist) -> None:
    changed = change(mnist.test.images[:500])

    assert find_test_images(changed).all()
    assert is_test_image(changed[0])


def test_training_images_are_not_test_images(mnist: Mnist) -> None:
    assert not find_test_images(mnist.train.images).any()


@pytest.mark.parametrize("value", [0, 255, 128])
def test_pictures_without_ink_are_not_test_images(value: int) -> None:
    for shape in ((2, 28, 28), (1, 1, 1), (3, 400, 300), (0, 28, 28)):
        assert not find_test_images(np.full(shape, value, np.uint8)).any()


def test_one_changed_pixel_makes_another_image(test_slice: LabelledImages) -> None:
    changed = test_slice.images[:200].copy()
    changed[:, 14, 14] ^= 1

    assert not find_test_images(changed).any()


@pytest.fixture
def mixed(mnist: Mnist) -> LabelledImages:
    """Fifty training images, with four test images among them, the second one inverted."""
    images, labels = mnist.train.images[:50].copy(), mnist.train.labels[:50].copy()
    for place, number in ((3, 0), (4, 77), (20, 5_000), (49, 9_999)):
        images[place], labels[place] = mnist.test.images[number], mnist.test.labels[number]
    images[4] = 255 - images[4]
    return LabelledImages(images, labels)


def test_test_images_are_left_out_of_own_data_with_a_warning(
    mixed: LabelledImages, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x_train=mixed.images, y_train=mixed.labels)

    loaded = load_training_data(path)

    kept = np.setdiff1d(np.arange(50), (3, 4, 20, 49))
    assert np.array_equal(loaded.train.images, mixed.images[kept])
    assert np.array_equal(loaded.train.labels, mixed.labels[kept])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"warning: 4 of the 50 training images in {path} (NumPy archive own.npz) are MNIST test "
        "images (image 3, image 4, image 20 and 1 more): left out of training"
    )


def test_files_of_test_images_are_named(
    mixed: LabelledImages, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, (image, label) in enumerate(zip(mixed.images, mixed.labels, strict=True)):
        folder = tmp_path / "tiles" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"scan-{number}.png")

    loaded = load_training_data(tmp_path / "tiles")

    assert len(loaded.train) == len(loaded.train.files) == 46
    (message,) = caplog.messages
    name = f"scan-{min((3, 4, 20, 49), key=lambda number: (mixed.labels[number], str(number)))}.png"
    assert f"are MNIST test images ({tmp_path / 'tiles'}" in message
    assert name in message


def test_nothing_is_left_out_of_mnist_and_nothing_is_said(
    mnist: Mnist, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = mnist.train.take(range(20))
    np.savez(tmp_path / "own.npz", x_train=few.images, y_train=few.labels)

    assert len(load_training_data(tmp_path / "own.npz").train) == 20
    assert len(load_training_data(None).train) == 60_000
    assert caplog.messages == []


def test_data_of_test_images_alone_are_refused(mnist: Mnist, tmp_path: Path) -> None:
    few = mnist.test.take(range(20))
    np.savez(tmp_path / "own.npz", x_train=few.images, y_train=few.labels)

    with pytest.raises(DataLeakageError, match=r"20 of the 20 training images in .*own\.npz"):
        load_training_data(tmp_path / "own.npz")


def test_arrays_with_test_images_are_refused(mixed: LabelledImages, mnist: Mnist) -> None:
    check_training_images(mnist.train.take(range(50)), "own images")
    with pytest.raises(DataLeakageError) as caught:
        check_training_images(mixed.take([0, 1, 3]), "own images")

    assert str(caught.value) == (
        "1 of the 3 own images is an MNIST test image (image 2): remove it, because a model "
        "cannot be measured on images that it was trained on"
    )
