from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.cli.evaluate import SUITE_NAMES
from inkdigits.data import LabelledImages
from inkdigits.evaluation import SUITES
from inkdigits.training import Run

Fail = Callable[..., str]


def test_each_of_several_models_gets_its_own_report(
    smoke_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(smoke_run.onnx_model), str(smoke_run.folder)]

    assert main(["evaluate", *given, "--output", "report", "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in printed["models"]] == given
    first, second = (row["evaluation"] for row in printed["models"])
    assert first == second
    # One network given twice: not two seeds of its recipe.
    assert printed["accuracy_mean"] is printed["accuracy_sd"] is None
    assert [row["seeds"] for row in printed["recipes"]] == [[0], [0]]
    for model in (smoke_run.onnx_model, smoke_run.folder):
        # Models of several runs share a name, so the folder above it tells them apart.
        report = Path("report", f"{model.parent.name}-{model.name}")
        assert json.loads((report / "evaluation.json").read_text()) == first
        assert (report / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def make_run(smoke_run: Run, tmp_path: Path) -> Callable[[str, str, int], str]:
    """Copies the smoke network, with another recipe and seed in its card."""

    def make(name: str, recipe: str, seed: int) -> str:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(smoke_run.onnx_model, folder)
        card = json.loads(smoke_run.card.read_bytes())
        card["recipe"]["name"], card["seed"] = recipe, seed
        (folder / "model.json").write_text(json.dumps(card))
        return name

    return make


def test_deviation_is_over_seeds_of_one_recipe_only(
    make_run: Callable[[str, str, int], str],
    test_slice: LabelledImages,
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = test_slice.take(range(50))
    np.savez("own.npz", x_test=few.images, y_test=few.labels)
    a, b, c = make_run("a", "one", 0), make_run("b", "one", 1), make_run("c", "other", 0)

    assert main(["evaluate", a, b, "--data", "own.npz"]) == 0
    assert "\nAccuracy over all: " in (printed := capsys.readouterr().out)
    assert " ± 0.00 (n = 2)\n" in printed

    assert main(["evaluate", a, c, "--data", "own.npz"]) == 0
    printed = capsys.readouterr().out
    assert "±" not in printed
    header, _, *rows = printed[printed.index("Model ") :].splitlines()[:4]
    assert header.split() == [
        "Model",
        "Recipe",
        "Seed",
        "Accuracy",
        "95",
        "%",
        "interval",
        "Mistakes",
    ]
    assert [row.split()[:3] for row in rows] == [["a", "one", "0"], ["c", "other", "0"]]

    assert main(["evaluate", a, c, b, "--data", "own.npz"]) == 0
    assert "\nAccuracy over seeds 0, 1 of one: " in capsys.readouterr().out

    assert main(["evaluate", a, c, b, "--data", "own.npz", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["accuracy_mean"] is result["accuracy_sd"] is None
    assert [(row["recipe"], row["seeds"]) for row in result["recipes"]] == [
        ("one", [0, 1]),
        ("other", [0]),
    ]
    assert result["recipes"][0]["accuracy_sd"] == 0
    assert result["recipes"][1]["accuracy_sd"] is None


def test_own_test_images_are_not_called_mnist(
    model: list[str],
    test_slice: LabelledImages,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = test_slice.take(range(50))
    np.savez(tmp_path / "own.npz", x_test=few.images, y_test=few.labels)

    assert main(["evaluate", *model[1:], "--data", "own.npz", "--output", "report"]) == 0

    title = capsys.readouterr().out.splitlines()[0]
    assert title == f"{model[1]} on 50 test images in own.npz (NumPy archive own.npz)"


def test_labelled_pictures_are_evaluated_by_kind(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, name in (("7", "seven"), ("none", "blank")):
        (tmp_path / "own" / label).mkdir(parents=True)
        shutil.copy(pictures[name], tmp_path / "own" / label)

    assert main(["evaluate", "--pictures", str(tmp_path / "own"), "--json"]) == 0
    scores = {row["name"]: row for row in json.loads(capsys.readouterr().out)["by_kind"]}
    assert scores["single"]["exact"] == scores["none"]["refused"] == 1

    command = ["evaluate", "--pictures", str(tmp_path / "own"), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "1 (100.0%)" in printed.out
    assert "2 of 2 pictures read" in printed.err
    assert (tmp_path / "out" / "mistakes-wrong.png").is_file()


def test_every_suite_is_known() -> None:
    assert set(SUITE_NAMES) == set(SUITES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["nowhere.onnx"], "nowhere.onnx"),
        (["--threshold", "0.5"], "--threshold requires --pictures or --suite"),
        (["--target", "0.9"], "--target requires --pictures"),
        (["--limit", "5"], "--limit requires --suite"),
        (["--digits", "one"], "--digits one requires --pictures"),
        (["--data", "d", "--suite", "mnist"], "--data is for test images as tiles"),
        (["--data", "d", "--pictures", "d"], "--data is for test images as tiles"),
        (["--suite", "corruption"], "unknown suite 'corruption': did you mean 'corruptions'?"),
        (["--suite", "mnist", "--limit", "0"], "argument --limit: invalid number '0'"),
        (["--suite", "mnist", "--output", "report"], "--suite writes no report"),
        (
            ["--suite", "corruptions", "--pictures", "d"],
            "--pictures and --suite exclude each other: give one of them",
        ),
        (["a", "b", "--suite", "mnist"], "add --ensemble to combine these 2"),
        (["--pictures", "nowhere"], "nowhere"),
        (["--pictures", "nowhere", "--target", "99"], "99"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_explained(
    arguments: list[str], message: str, fail: Fail, tmp_path: Path
) -> None:
    assert message in fail("evaluate", *arguments)
    assert list(tmp_path.iterdir()) == []
