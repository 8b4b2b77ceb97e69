"""`inkdigits.evaluate`: one or several models, on tiles, labelled pictures or a suite."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import inkdigits
from inkdigits.data import Mnist
from inkdigits.errors import ModelError, UsageError
from inkdigits.evaluation import (
    Evaluation,
    PictureEvaluation,
    SuiteResult,
    evaluate_digits8x8,
    evaluate_pictures,
    evaluate_tiles,
)
from inkdigits.recognition import DEFAULT_MODEL, DEFAULT_TILE_MODEL, Recognizer, combine
from inkdigits.training import Run

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def data(tmp_path: Path, mnist: Mnist) -> Path:
    """Three test images of each digit, as folders 0 to 9."""
    from PIL import Image

    root = tmp_path / "tiles"
    for digit in range(10):
        (root / str(digit)).mkdir(parents=True)
        chosen = mnist.test.images[mnist.test.labels == digit][:3]
        for number, image in enumerate(chosen):
            Image.fromarray(image).save(root / str(digit) / f"{number}.png")
    return root


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two labelled pictures."""
    for name, digit in (("7-canvas.png", "7"), ("3-blackboard.jpg", "3")):
        (tmp_path / "own" / digit).mkdir(parents=True)
        shutil.copy(SAMPLES / name, tmp_path / "own" / digit)
    return tmp_path / "own"


def test_one_model_gives_one_evaluation_of_tiles(smoke_run: Run, data: Path) -> None:
    expected = evaluate_tiles(smoke_run, data=data).to_json()

    for found in (
        inkdigits.evaluate(smoke_run, data=data),
        inkdigits.evaluate(model=smoke_run.folder, data=data),
        inkdigits.evaluate([smoke_run], data=data),
        inkdigits.evaluate(Recognizer.load(smoke_run), data=data),
    ):
        assert isinstance(found, Evaluation)
        assert found.n == 30
        assert found.to_json() == expected


def test_several_models_give_a_tuple_in_their_order(smoke_run: Run, data: Path) -> None:
    first, second = inkdigits.evaluate(smoke_run, DEFAULT_TILE_MODEL, data=data)

    assert first.to_json() == evaluate_tiles(smoke_run, data=data).to_json()
    assert second.to_json() == evaluate_tiles(DEFAULT_TILE_MODEL, data=data).to_json()
    assert first.loss != second.loss


def test_an_ensemble_is_one_model(smoke_run: Run, data: Path) -> None:
    both = combine([Recognizer.load(smoke_run), Recognizer.load(DEFAULT_TILE_MODEL)])
    expected = evaluate_tiles(both, data=data).to_json()

    found = inkdigits.evaluate(smoke_run, DEFAULT_TILE_MODEL, data=data, ensemble=True)
    assert found.to_json() == expected
    assert inkdigits.evaluate([smoke_run, DEFAULT_TILE_MODEL], data=data).to_json() == expected


def test_without_a_model_the_default_one_is_measured(data: Path) -> None:
    expected = evaluate_tiles(DEFAULT_TILE_MODEL, data=data).to_json()

    assert inkdigits.evaluate(data=data).to_json() == expected
    assert inkdigits.evaluate(Recognizer.load(), data=data).to_json() == expected
    assert inkdigits.evaluate(data=data, ensemble=True).to_json() == expected
    assert inkdigits.evaluate(data=data, shifts=True).loss != expected["loss"]


def test_suites_have_the_names_of_the_command_line() -> None:
    found = inkdigits.evaluate(suite="digits8x8", limit=20)

    assert isinstance(found, SuiteResult)
    assert found == evaluate_digits8x8(Recognizer.load(), limit=20)
    strict = inkdigits.evaluate(suite="digits8x8", limit=20, threshold=1.0)
    assert strict.rows[0].right == 0


def test_pictures_are_measured_with_their_options(own: Path, tmp_path: Path) -> None:
    found = inkdigits.evaluate(pictures=own, digits="one", target=0.5, output=tmp_path / "report")

    assert isinstance(found, PictureEvaluation)
    assert found.to_json() == evaluate_pictures(own, digits="one", target=0.5).to_json()
    assert (tmp_path / "report" / "pictures.json").is_file()
    strict = inkdigits.evaluate(pictures=own, threshold=1.0)
    assert [result.text for result in strict.results] == ["", ""]


def test_each_of_several_models_has_a_report(smoke_run: Run, data: Path, tmp_path: Path) -> None:
    inkdigits.evaluate(smoke_run, DEFAULT_TILE_MODEL, data=data, output=tmp_path / "reports")

    folders = sorted(path.name for path in (tmp_path / "reports").iterdir())
    run = smoke_run.folder
    assert folders == sorted([f"{run.parent.name}-{run.name}", "recognition-default.onnx"])
    for name in folders:
        assert (tmp_path / "reports" / name / "evaluation.json").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suite": "mnits"}, "unknown suite 'mnits': did you mean 'mnist'?"),
        ({"suite": "mnist", "pictures": "own"}, "pictures and suite exclude each other"),
        ({"suite": "mnist", "data": "data"}, "data is for test images as tiles"),
        ({"suite": "mnist", "output": "report"}, "suite writes no report"),
        ({"limit": 3}, "limit requires suite"),
        ({"target": 0.9}, "target requires pictures"),
        ({"digits": "one"}, "digits='one' requires pictures"),
        ({"digits": "two"}, "invalid digits 'two': expected 'all' or 'one'"),
        ({"threshold": 0.9}, "threshold requires pictures or suite"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_one_line(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        inkdigits.evaluate(**options)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_models_are_checked_before_the_first_is_measured(
    smoke_run: Run, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no model at"):
        inkdigits.evaluate(smoke_run, tmp_path / "no.onnx", data=data, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="model is for a single model"):
        inkdigits.evaluate(smoke_run, model=smoke_run)  # type: ignore[call-overload]


def test_a_reader_classifies_no_tiles(data: Path, tmp_path: Path) -> None:
    """It would be measured by the network for tiles that comes with inkdigits."""
    for suffix in (".onnx", ".json"):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), tmp_path / f"mine{suffix}")
    path = tmp_path / "mine.onnx"

    for model, name in ((path, str(path)), (Recognizer.load(path), "the recognizer")):
        with pytest.raises(UsageError) as caught:
            inkdigits.evaluate(model, data=data)
        assert str(caught.value).startswith(f"{name} reads whole pictures, not tiles")
    assert inkdigits.evaluate(path, suite="digits8x8", limit=5).rows[0].n == 5
