"""A network has as many outputs as its data set has classes, and everything names them."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import inkdigits
from inkdigits.data import load_mnist
from inkdigits.data.idx import build_idx_header
from inkdigits.errors import (
    DataFormatError,
    ModelError,
    RecipeError,
    UsageError,
)
from inkdigits.recognition.card import Card
from inkdigits.training import Run, cross_validate, export, find_learning_rate, resume, train
from inkdigits.training.model_files.loading import load_recognizer
from inkdigits.training.model_files.recipe_sources import open_recipe
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.tile_recipe import Recipe, set_classes

LETTERS = tuple(string.ascii_uppercase)


def draw_blocks(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns a tile for each label: a block whose height and width are those of the label."""
    random = np.random.default_rng(1)
    tiles = np.zeros((len(labels), 28, 28), np.uint8)
    for tile, label in zip(tiles, labels.tolist(), strict=True):
        height, width = 4 + 4 * (label % 6), 4 + 4 * (label // 6)
        tile[2 : 2 + height, 2 : 2 + width] = random.integers(180, 255)
    return tiles


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of EMNIST's split "letters": labels 1 to 26, rows and columns exchanged."""
    folder = tmp_path_factory.mktemp("letters")
    random = np.random.default_rng(0)
    for part, n in (("train", 1_040), ("test", 130)):
        labels = random.permutation(np.arange(n, dtype=np.uint8) % 26)
        images = np.ascontiguousarray(draw_blocks(labels).transpose(0, 2, 1))
        for kind, values in (("images-idx3", images), ("labels-idx1", labels + np.uint8(1))):
            path = folder / f"emnist-letters-{part}-{kind}-ubyte"
            path.write_bytes(build_idx_header(values) + values.tobytes())
    return folder


@pytest.fixture(scope="module")
def run(letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "smoke",
        data=letters,
        dataset="emnist-letters",
        epochs=6,
        batch_size=16,
        learning_rate=0.01,
        validation_images=130,
        output=tmp_path_factory.mktemp("runs") / "letters",
        progress=False,
    )


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of tiles, named after their classes, for training and for testing."""
    folder = tmp_path_factory.mktemp("shapes")
    for part, n in (("train", 20), ("test", 5)):
        for label, name in enumerate(("a <b>", "round", "wide")):
            place = folder / part / name
            place.mkdir(parents=True)
            for number, tile in enumerate(draw_blocks(np.full(n, 7 * label, np.uint8))):
                Image.fromarray(tile + np.uint8(number)).save(place / f"{part}-{number}.png")
    return folder


def test_the_network_has_an_output_for_each_letter(run: Run, letters: Path) -> None:
    card = Card.load(run.card)
    assert (card.class_names, card.labels) == (LETTERS, tuple(range(26)))
    assert card.recipe["n_classes"] == 26
    assert (card.name_label(10), card.name_label(26)) == ("K", "none")

    evaluation = inkdigits.evaluate(run, data=letters)
    assert evaluation.confusion_matrix.shape == (26, 26)
    assert evaluation.accuracy > 0.6
    assert "Z" in evaluation.to_table()
    assert len(evaluation.to_pandas("confusion").columns) == 26


def test_letters_are_upright_and_their_labels_start_at_0(letters: Path) -> None:
    loaded = load_mnist(letters, class_names=LETTERS)

    np.testing.assert_array_equal(loaded.test.images > 0, draw_blocks(loaded.test.labels) > 0)
    assert {int(label) for label in loaded.train.labels} == set(range(26))
    with pytest.raises(DataFormatError, match=r"expected 0 to 9: .* with dataset \(--dataset\)"):
        load_mnist(letters)


def test_files_and_plots_have_the_letters(run: Run, letters: Path, tmp_path: Path) -> None:
    inkdigits.evaluate(run, data=letters, output=tmp_path / "evaluation")
    saved = json.loads((tmp_path / "evaluation" / "evaluation.json").read_bytes())
    assert len(saved["per_digit"]) == 26

    path = inkdigits.report(run, data=letters, output=tmp_path / "report.html", map_digits=60)
    page = path.read_text(encoding="utf-8")
    assert '<th scope="row">Q</th>' in page
    assert "Each class" in page
    assert ">Q</text>" in page

    batch = inkdigits.plot_batch(run, n=8)
    names = {axes.get_xlabel() for axes in batch.axes} - {""}
    assert names <= set(LETTERS)
    assert inkdigits.plot_embedding(run, data=letters, n=20).axes
    assert len(inkdigits.plot_activations(draw_blocks(np.array([3], np.uint8)), run).axes) > 1


def test_models_of_letters_are_compared_and_combined(
    run: Run, smoke_run: Run, letters: Path
) -> None:
    exported = export(run, "onnx")
    comparison = inkdigits.compare(run, exported, data=letters)
    (tiles,) = comparison.sets
    assert {picture.true for picture in tiles.measurement.pictures} == set(LETTERS)
    assert len({score.right for score in tiles.scores}) == 1

    with pytest.raises(UsageError, match="have different classes"):
        inkdigits.compare(run, smoke_run, data=letters)
    with pytest.raises(UsageError, match="not digits: name their test images"):
        inkdigits.compare(run, exported)

    both = inkdigits.Recognizer.load([run, exported])
    tile = draw_blocks(np.array([25], np.uint8))
    assert both.classify(tile).shape == (1, 26)


def test_the_keras_file_has_them(run: Run) -> None:
    tiles = draw_blocks(np.arange(26, dtype=np.uint8))

    np.testing.assert_allclose(
        load_recognizer(run.keras_model).classify(tiles),
        inkdigits.Recognizer.load(run).classify(tiles),
        atol=1e-4,
    )


def test_no_digits_are_read_with_letters(run: Run, pictures: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"tells A, B, C, … apart: it classifies tiles"):
        inkdigits.predict(pictures["seven"], model=run)


def test_a_resumed_run_and_folds_keep_them(run: Run, letters: Path, tmp_path: Path) -> None:
    run.card.unlink()
    assert Card.load(resume(run.folder, progress=False).card).class_names == LETTERS

    options: dict[str, Any] = {"data": letters, "dataset": "emnist-letters", "progress": False}
    folds = cross_validate("smoke", folds=2, epochs=1, output=tmp_path / "folds", **options)
    assert all(Card.load(one.card).class_names == LETTERS for one in folds.runs)


def test_folders_name_their_classes(shapes: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01}
    trained = train(
        "smoke",
        dataset=shapes,
        validation_images=12,
        output=tmp_path / "run",
        progress=False,
        **settings,
    )

    assert Card.load(trained.card).class_names == ("a <b>", "round", "wide")
    evaluation = inkdigits.evaluate(trained, data=shapes)
    assert evaluation.n == 15
    assert evaluation.confusion_matrix.shape == (3, 3)
    assert inkdigits.evaluate(trained, data=shapes / "test").accuracy == evaluation.accuracy
    page = inkdigits.report(trained, data=shapes, output=tmp_path / "r.html", map_digits=0)
    assert "a &lt;b&gt;" in page.read_text(encoding="utf-8")
    with pytest.raises(RecipeError, match="has n_classes=5, but the data set has 3 classes"):
        find_learning_rate("smoke", dataset=shapes, n_classes=5, output=tmp_path / "rate")


@pytest.mark.parametrize(
    "layers", [["Dense(10)"], ["Dense(units=10)", "Softmax"], ["Dense(26, 'softmax')"]]
)
def test_the_last_layer_of_a_toml_recipe_gets_the_outputs(
    layers: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"network = {json.dumps(['Flatten', 'Dense(16)', *layers])}\n")

    recipe, _ = open_recipe(str(path))
    assert isinstance(recipe, Recipe)

    assert build_network(set_classes(recipe, 26)).output_shape == (None, 26)


def test_a_keras_model_of_ones_own_needs_the_outputs(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import keras\nmodel = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(26)])\n"
    )
    recipe, _ = open_recipe(str(path))
    assert isinstance(recipe, Recipe)

    assert build_network(set_classes(recipe, 26)).output_shape == (None, 26)
    with pytest.raises(RecipeError, match=r"to \(None, 26\); expected .* to \(None, 47\)"):
        build_network(set_classes(recipe, 47))


@pytest.mark.parametrize(
    ("recipe", "settings", "error", "message"),
    [
        ("pictures", {}, RecipeError, "made for digits, by its not-a-digit class"),
        ("smoke", {"n_classes": 5}, RecipeError, "has n_classes=5, but the data set has 26"),
        ("smoke", {"augmentation": "pictures"}, RecipeError, "by its augmentation 'pictures'"),
        ("smoke", {"pictures": "corrections"}, UsageError, "pictures are of digits, not of A"),
        ("smoke", {"teacher": "default"}, UsageError, "has other classes: expected A, B, C"),
    ],
)
def test_what_is_made_for_digits_is_refused(
    recipe: str,
    settings: dict[str, Any],
    error: type[Exception],
    message: str,
    letters: Path,
    smoke_run: Run,
    tmp_path: Path,
) -> None:
    if "teacher" in settings:
        settings = {"teacher": smoke_run}
    with pytest.raises(error, match=message) as caught:
        train(recipe, data=letters, dataset="emnist-letters", output=tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_invalid_folders_of_classes(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    with pytest.raises(DataFormatError, match="has 1 subfolders, expected one for each of 2"):
        train("smoke", dataset=tmp_path)
    with pytest.raises(UsageError, match="is a folder, which has the images: leave data"):
        train("smoke", dataset=shapes, data=shapes)
    with pytest.raises(DataFormatError, match="> is a folder of another class, expected wide"):
        load_mnist(shapes, class_names=("wide", "high"))
