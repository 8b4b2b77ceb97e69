from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages, Mnist
from inkdigits.errors import (
    DataLeakageError,
    DataUnavailableError,
    PictureError,
    RunError,
    TrainingInterrupted,
)
from inkdigits.recognition import Recognizer
from inkdigits.recognition.framing import frame, is_framed
from inkdigits.training import Run, resume, train
from inkdigits.training.samples.own_pictures import (
    LARGEST_SHARE,
    MOST_COPIES,
    add_copies,
    load_tiles,
)

SHORT = {"epochs": 1, "training_images": 3000}


def draw_triangle() -> Image.Image:
    """Draws a triangle, which is read as 3 only after training on it."""
    paper = np.full((120, 160), 235, np.uint8)
    corners = np.array([(80, 15), (30, 100), (130, 100)], np.int32)
    return Image.fromarray(cv2.fillPoly(paper, [corners], 20).astype(np.uint8))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of corrections: one digit, several digits, no digit, and no ink."""
    folder = tmp_path / "own"
    folder.mkdir()
    draw_triangle().save(folder / "a.png")
    Image.new("L", (50, 50), 255).save(folder / "b.png")
    rows = ["file,label", "a.png,3", "a.png,33", "a.png,none", "b.png,7"]
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_single_digits_are_framed(own: Path) -> None:
    loaded = load_tiles(own)
    (tile,) = loaded.images
    assert loaded.labels.tolist() == [3]
    assert is_framed(tile)
    solid = np.asarray(draw_triangle()) < 100
    expected = frame(np.where(solid, 255, 0).astype(np.uint8))
    assert np.corrcoef(tile.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("n_training", "n_own", "n_copies"),
    [(54_000, 1, MOST_COPIES), (54_000, 108, 10), (1000, 7, 2), (10, 20, 1)],
)
def test_copies(n_training: int, n_own: int, n_copies: int) -> None:
    def make(n: int, label: int) -> LabelledImages:
        return LabelledImages(np.full((n, 28, 28), label, np.uint8), np.full(n, label, np.uint8))

    both = add_copies(make(n_training, 1), make(n_own, 2))

    assert np.count_nonzero(both.labels == 2) == n_own * n_copies
    assert np.count_nonzero(both.labels == 1) == n_training
    assert (both.images[:, 0, 0] == both.labels).all()
    assert n_copies == 1 or n_own * n_copies <= LARGEST_SHARE * n_training


def test_what_was_corrected_is_read_from_then_on(own: Path, tmp_path: Path) -> None:
    before = train("smoke", overrides=SHORT, output=tmp_path / "before", progress=False)
    after = train("smoke", overrides=SHORT, pictures=own, output=tmp_path / "after", progress=False)

    (tile,) = load_tiles(own).images
    reads = [
        int(Recognizer.load(run.folder).classify(tile[np.newaxis]).argmax())
        for run in (before, after)
    ]

    assert reads[0] != 3
    assert reads[1] == 3
    hashes = json.loads(after.card.read_bytes())["data_sha256"]
    assert set(hashes) - set(json.loads(before.card.read_bytes())["data_sha256"]) == {"pictures"}


def test_a_run_goes_on_with_the_same_pictures_only(own: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save_checkpoint", stop)
        with pytest.raises(TrainingInterrupted):
            train("smoke", overrides=SHORT, pictures=own, output=run.folder, progress=False)
    manifest = own / "manifest.csv"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("a.png,3\n", "a.png,4\n"), encoding="utf-8")
    with pytest.raises(RunError, match=r"images or teachers in .*own are not those"):
        resume(run.folder, progress=False)

    manifest.write_text(text, encoding="utf-8")
    assert resume(run.folder, progress=False).is_finished


def test_nothing_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    Image.new("L", (40, 40), 255).save(tmp_path / "none" / "a.png")
    with pytest.raises(DataUnavailableError, match="no picture of a single digit"):
        load_tiles(tmp_path)
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "b.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(PictureError, match=r"b\.png"):
        load_tiles(tmp_path)


def test_test_images_of_mnist_are_refused(own: Path, mnist: Mnist) -> None:
    """As saved from a data set, inverted, and as the page crops a digit from its picture."""
    tile = mnist.test.images[2]
    for name, pixels in (("b", tile), ("c", 255 - tile), ("d", tile[2:26, 4:])):
        Image.fromarray(pixels).convert("RGBA").save(own / f"{name}.png")
    rows = ["file,label", "a.png,3", "b.png,1", "c.png,1", "d.png,1", "d.png,none"]
    (own / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    with pytest.raises(DataLeakageError) as caught:
        load_tiles(own)

    assert str(caught.value) == (
        f"3 of the 4 pictures of single digits in {own} are MNIST test images (b.png, c.png, "
        "d.png): remove them, because a model cannot be measured on images that it was trained on"
    )
    with pytest.raises(DataLeakageError, match="MNIST test image"):
        train("smoke", pictures=own, output=own.parent / "run", progress=False)
    assert not (own.parent / "run").exists()
    with pytest.raises(DataLeakageError, match="1 of the 2 own images"):
        add_copies(
            mnist.train,
            LabelledImages(np.stack([tile, mnist.train.images[0]]), np.array([1, 5], np.uint8)),
        )
