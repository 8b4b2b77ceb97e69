"""A network for other pictures than digits has the names of their classes everywhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

import inkdigits
from inkdigits.data.datasets import DATASETS
from inkdigits.errors import ModelError, UsageError
from inkdigits.recognition.card import Card
from inkdigits.training import Run, export, resume, train

NAMES = DATASETS["fashion-mnist"]


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blocks of ten widths with noise, in the form of Fashion-MNIST."""
    random = np.random.default_rng(0)
    labels = random.integers(10, size=800).astype(np.uint8)
    images = np.zeros((800, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2:26, 2 : 6 + 2 * label] = random.integers(120, 255, (24, 1))
    path = tmp_path_factory.mktemp("data") / "clothes.npz"
    np.savez(
        path,
        x_train=images[:600],
        y_train=labels[:600],
        x_test=images[600:],
        y_test=labels[600:],
    )
    return path


@pytest.fixture(scope="module")
def run(clothes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "smoke",
        data=clothes,
        dataset="fashion-mnist",
        epochs=6,
        batch_size=16,
        validation_images=100,
        output=tmp_path_factory.mktemp("runs") / "clothes",
        progress=False,
    )


def test_the_card_has_the_names(run: Run, tmp_path: Path) -> None:
    card = Card.load(run.card)
    assert card.class_names == NAMES
    assert (card.name_label(9), card.name_label(10)) == ("Ankle boot", "none")

    exported = export(run, "onnx", output=tmp_path / "clothes.onnx")

    assert Card.load(exported.with_suffix(".json")).class_names == NAMES


def test_the_cards_of_digits_are_as_before(smoke_run: Run) -> None:
    assert "class_names" not in json.loads(smoke_run.card.read_bytes())
    assert Card.load(smoke_run.card).name_label(7) == "7"


def test_the_evaluation_names_them(
    run: Run, clothes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        evaluation = inkdigits.evaluate(run, data=clothes, output=tmp_path / "report")

    assert evaluation.accuracy > 0.8
    assert "Ankle boot" in evaluation.to_table()
    assert "T-shirt/top" in evaluation._repr_html_()
    assert (tmp_path / "report" / "confusion_matrix.png").is_file()
    assert not caplog.text  # they are what they are said to be


def test_digits_are_not_its_test_images(run: Run, smoke_run: Run) -> None:
    with pytest.raises(UsageError, match="apart, not digits: name its test images with data"):
        inkdigits.evaluate(run)
    with pytest.raises(UsageError, match="have different classes"):
        inkdigits.Recognizer.load([run, smoke_run])


def test_the_report_names_them(run: Run, clothes: Path, tmp_path: Path) -> None:
    path = inkdigits.report(run, data=clothes, output=tmp_path / "clothes.html", map_digits=20)

    page = path.read_text(encoding="utf-8")
    assert '<th scope="row">Ankle boot</th>' in page
    assert "9 Ankle boot" in page


def test_no_digits_are_read_with_it(run: Run, pictures: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="reads no digits in pictures"):
        inkdigits.predict(pictures["seven"], model=run)


def test_a_resumed_run_keeps_them(run: Run) -> None:
    run.card.unlink()

    assert Card.load(resume(run.folder, progress=False).card).class_names == NAMES


@pytest.mark.parametrize(
    ("recipe", "dataset", "message"),
    [
        ("smoke", "fashion-mnist", "name them with --data; only MNIST is downloaded"),
        ("smoke", "emnist-letter", "did you mean 'emnist-letters'"),
        ("reader-quick", "kmnist", "reads digits: leave dataset out"),
    ],
)
def test_invalid_data_sets(recipe: str, dataset: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        train(recipe, dataset=dataset, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("names", [["a"], [*NAMES[:9], 9], "digits", ["a"] * 257])
def test_damaged_names_in_a_card(run: Run, tmp_path: Path, names: object) -> None:
    values = json.loads(run.card.read_bytes())
    (tmp_path / "model.json").write_text(json.dumps({**values, "class_names": names}))

    with pytest.raises(ModelError, match="invalid class_names: expected a text for each label"):
        Card.load(tmp_path / "model.json")
