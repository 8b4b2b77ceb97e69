"""Outputs are never overwritten unless --force is given, and then only what was asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.cli import main
from inkdigits.training import Run

Fail = Callable[..., str]


@pytest.fixture
def seven(pictures: dict[str, Path], tmp_path: Path) -> str:
    return str(shutil.copy(pictures["seven"], tmp_path / "seven.png"))


@pytest.fixture
def own_run(smoke_run: Run, tmp_path: Path) -> Run:
    """A finished run that a test may change."""
    return Run(Path(shutil.copytree(smoke_run.folder, tmp_path / "own")))


@pytest.mark.parametrize("option", ["--csv", "--annotate", "--tiles"])
def test_a_file_is_kept_and_the_message_names_force(option: str, seven: str, fail: Fail) -> None:
    taken = Path("taken.csv" if option == "--csv" else "taken.png")
    taken.write_text("mine")

    assert fail("predict", seven, option, str(taken)) == (
        f"{taken} already exists: choose another file for {option}, or replace it with --force"
    )
    assert taken.read_text() == "mine"


def test_force_replaces_files_and_says_which(
    seven: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = ["--csv", "rows.csv", "--annotate", "boxes.png", "--tiles", "tiles.png"]
    command = ["predict", seven, *outputs, "--force"]
    Path("boxes.png").write_text("old")
    Path("other.png").write_text("mine")

    assert main(command) == 0
    first = capsys.readouterr().err.splitlines()
    assert main(command) == 0
    second = capsys.readouterr().err.splitlines()

    assert first == ["inkdigits: replaced boxes.png", "inkdigits: wrote tiles.png"]
    assert sorted(second) == [
        f"inkdigits: replaced {name}" for name in ("boxes.png", "rows.csv", "tiles.png")
    ]
    assert Path("boxes.png").read_bytes().startswith(b"\x89PNG")
    assert Path("other.png").read_text() == "mine"


@pytest.mark.parametrize("given", ["scans/seven.png", "./scans/seven.png", "scans"])
def test_force_never_replaces_the_picture_itself(given: str, seven: str, fail: Fail) -> None:
    Path("scans").mkdir()
    shutil.move(seven, "scans")
    before = Path("scans/seven.png").read_bytes()

    assert fail("predict", given, "--annotate", "scans/seven.png", "--force") == (
        "scans/seven.png is read by this command: choose another file for --annotate"
    )
    assert Path("scans/seven.png").read_bytes() == before


def test_force_never_replaces_a_folder(seven: str, fail: Fail, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()

    assert fail("predict", seven, "--csv", "rows.csv", "--force") == (
        "rows.csv is a folder: name a file for --csv"
    )


def test_force_replaces_a_submission_but_not_its_table(
    fail: Fail, model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("test.csv").write_text(",".join(f"pixel{i}" for i in range(784)) + f"\n{'0,' * 783}0\n")
    Path("out.csv").write_text("mine")

    assert fail("predict", "test.csv", *model, "--csv", "test.csv", "--force").startswith(
        "test.csv is read by this command"
    )
    assert main(["predict", "test.csv", *model, "--csv", "out.csv", "--force"]) == 0
    assert capsys.readouterr().err == "inkdigits: replaced out.csv: 1 rows\n"
    assert Path("out.csv").read_text().startswith("ImageId,Label\n1,")


@pytest.fixture
def evaluate(own_run: Run, tmp_path: Path, test_slice: object) -> list[str]:
    """A command that evaluates a run on few images."""
    import numpy as np

    from inkdigits.data import LabelledImages

    assert isinstance(test_slice, LabelledImages)
    few = test_slice.take(range(30))
    np.savez(tmp_path / "few.npz", x_test=few.images, y_test=few.labels)
    return ["evaluate", str(own_run.folder), "--data", "few.npz"]


def test_reports_without_a_name_are_numbered(
    evaluate: list[str], own_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(evaluate) == 0

    first, second = own_run.folder / "evaluation", own_run.folder / "evaluation-2"
    assert capsys.readouterr().err.splitlines() == [
        f"inkdigits: report in {first}",
        f"inkdigits: report in {second}",
    ]
    assert (first / "evaluation.json").read_bytes() == (second / "evaluation.json").read_bytes()


def test_a_report_is_replaced_with_force_alone(
    evaluate: list[str], fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [*evaluate, "--output", "report"]
    assert main(named) == 0
    Path("report/notes.txt").write_text("mine")
    Path("report/evaluation.json").write_text("old")
    capsys.readouterr()

    assert fail(*named) == (
        "report exists already and is not empty: choose another folder with --output, or replace "
        "its report with --force"
    )
    assert Path("report/evaluation.json").read_text() == "old"

    assert main([*named, "--force"]) == 0
    assert capsys.readouterr().err == (
        "inkdigits: report in report; replaced confusion_matrix.png, evaluation.json, "
        "mistakes.png, reliability.png, sample_predictions.png\n"
    )
    assert json.loads(Path("report/evaluation.json").read_text())["n"] == 30
    assert Path("report/notes.txt").read_text() == "mine"


def test_force_does_not_write_a_report_among_other_files(
    evaluate: list[str], fail: Fail, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "mistakes.png").write_text("mine")

    error = fail(*evaluate, "--output", "thesis", "--force")

    assert error == "thesis exists already and is not empty: choose another folder with --output"
    assert [path.name for path in Path("thesis").iterdir()] == ["mistakes.png"]


def test_exports_without_a_name_are_numbered(
    own_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["export", str(own_run.folder), "--format", "h5"]) == 0

    written = [own_run.folder / "model.h5", own_run.folder / "model-2.h5"]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in written]
    assert (own_run.folder / "model-2.json").read_bytes() == own_run.card.read_bytes()


def test_an_export_is_replaced_with_force_alone(
    own_run: Run, fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(own_run.folder), "--format", "h5", "--output", "net.h5"]
    Path("net.h5").write_text("old")

    assert fail(*command) == (
        "net.h5 exists already: choose another path with --output, or replace it with --force"
    )
    assert main([*command, "--force"]) == 0
    assert capsys.readouterr().err == "inkdigits: replacing net.h5\n"
    assert Path("net.h5").read_bytes().startswith(b"\x89HDF")


def test_force_replaces_no_folder_that_is_not_an_export(own_run: Run, fail: Fail) -> None:
    kept = Path("net.savedmodel")
    kept.mkdir()
    (kept / "notes.txt").write_text("mine")
    command = ["export", str(own_run.folder), "--format", "savedmodel", "--output", str(kept)]

    assert fail(*command, "--force") == (
        "net.savedmodel exists already and is not a SavedModel alone: choose another path"
    )
    assert [path.name for path in kept.iterdir()] == ["notes.txt"]
