from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import inkdigits
from inkdigits.cli import main
from inkdigits.data import LabelledImages
from inkdigits.recognition.alphabet import CLASS_NAMES
from inkdigits.training import READER_RECIPES, RECIPES, Run

VERBS = ("train", "evaluate", "predict", "export", "data", "benchmark", "serve", "recipes")
Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands may write into the folder they are called in."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    printed = capsys.readouterr()
    assert ended.value.code == 0
    assert "examples:\n  inkdigits " + verb in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_names_each_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert [verb for verb in VERBS if not re.search(rf"\n    {verb}\s", printed)] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["recipes", "--json"], '"name": "classic"'),
        (["recipes"], "classic "),
        (["recipes", "dropout"], '"patience": 3'),
        (["data"], "whole    train-images-idx3-ubyte"),
        (["data", "--json"], '"whole": true'),
    ],
)
def test_what_is_printed(
    mnist: object, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0

    printed = capsys.readouterr()
    assert expected in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "'trian' is no verb: did you mean train?"),
        (["predcit", "a.png"], "did you mean predict"),
        (["xyzzy"], f"known: {', '.join(VERBS)}"),
        (["train", "--sed", "1"], "'--sed' is no option here: did you mean --seed"),
        (["train", "--sed=1"], "'--sed' is no option here: did you mean --seed"),
        (["predict", "--modle", "m", "a.png"], "did you mean --model"),
        (["--verion"], "did you mean --version?"),
        (["train", "clasic"], "'clasic' is no recipe: did you mean classic"),
        (["recipes", "drop-out"], "'drop-out' is no recipe: did you mean dropout?"),
        (["train", "smoke", "--set", "epoch=1"], "'epoch' is no field of a recipe: did you mean"),
        (["train", "smoke", "--set", "epochs"], "has no '='"),
        (["train", "smoke", "--set", "epochs=-1"], "epochs is -1"),
        (["train", "smoke", "--seed", "-1"], "'-1' is no seed"),
        (["train", "smoke", "--seed", "4294967296"], "is no seed: expected 0 to 4294967295"),
        (["train", "--seed"], "expected one argument"),
        (["train", "--resume", "nowhere"], "nowhere is not there"),
        (["train", "--resume", "."], "no settings.json"),
        (["train", "smoke", "--resume", "runs/x"], "leave the recipe"),
        (["train", "--resume", "runs/x", "--seed", "0"], "leave the recipe"),
        (["train", "--resume", "runs/x", "--set", "epochs=1"], "leave the recipe"),
        (["train", "--resume", "runs/x", "--teacher", "runs/y"], "leave the recipe"),
        (["train", "smoke", "--teacher", "nowhere"], "nowhere is not there"),
        (["train", "smoke", "--data", "nowhere"], "nowhere"),
        (["evaluate", "nowhere"], "nowhere is no model"),
        (["evaluate", "nowhere.onnx"], "nowhere.onnx is not there"),
        (["evaluate", "x" * 300], "File name too long"),
        (["predict"], "no picture given"),
        (["predict", "a.png", "--model", "nowhere"], "nowhere is no model"),
        (["predict", "a.png", "--model", "nowhere.h5"], "nowhere.h5 is not there"),
        (["export", "nowhere", "--format", "h5"], "nowhere cannot be converted"),
        (["export", "nowhere", "--format", "pickle"], "'pickle' is no format"),
        (["export", "nowhere"], "--format"),
        (["data", "--data", "nowhere", "--sed"], "'--sed' is no option"),
        (["predict", "."], ". is a folder without pictures"),
        (["benchmark", "latancy"], "'latancy' is no benchmark: did you mean latency?"),
        (["benchmark", "latency", "--model", "nowhere"], "nowhere is not there"),
    ],
    ids=" ".join,
)
def test_errors_are_one_line(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("inkdigits: ")
    assert expected in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def model(smoke_run: Run) -> list[str]:
    return ["--model", str(smoke_run.folder)]


@pytest.mark.parametrize(
    ("names", "status", "read"),
    [
        (["seven"], 0, ["7"]),
        (["chalk", "seven"], 0, ["7", "7"]),
        (["blank"], 1, [""]),
        (["seven", "blank"], 1, ["7", ""]),
        (["text"], 2, [None]),
        (["missing"], 2, [None]),
        (["text", "seven", "missing", "blank", "chalk"], 2, [None, "7", None, "", "7"]),
    ],
    ids=str,
)
def test_predict_as_json(
    names: list[str],
    status: int,
    read: list[str | None],
    pictures: dict[str, Path],
    model: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(pictures[name]) for name in names]

    assert main(["predict", *given, *model, "--json"]) == status

    rows = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in rows] == given
    assert [row.get("text") for row in rows] == read
    for row in rows:
        if "error" in row:
            assert set(row) == {"file", "error"}
            assert Path(row["file"]).name in row["error"]
        else:
            assert {"file", "text", "confidence", "digits", "marks", "reason"} <= set(row)
            assert len(row["digits"]) == len(row["text"])
            assert (row["reason"] is None) == bool(row["text"])


def test_predict_a_folder(
    pictures: dict[str, Path],
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "scans"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.PNG", "a.png", "deeper/c.png"):
        shutil.copy(pictures["seven"], folder / name)
    shutil.copy(pictures["text"], folder / "d.jpg")
    shutil.copy(pictures["text"], folder / "notes.txt")
    given = [str(pictures["blank"]), str(folder)]
    expected = [given[0], *(str(folder / name) for name in ("a.png", "b.PNG", "d.jpg"))]

    assert main(["predict", *given, *model, "--json", "--csv", "rows.csv"]) == 2

    printed = capsys.readouterr().out
    rows = json.loads(printed)
    assert printed == json.dumps(rows, indent=2) + "\n"
    assert [row["file"] for row in rows] == expected
    assert [row.get("text") for row in rows] == ["", "7", "7", None]
    with Path("rows.csv").open(newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == expected


@pytest.mark.parametrize(("names", "status"), [(["seven"], 0), (["blank"], 1), (["text"], 2)])
def test_predict_as_a_process(
    python: Python, pictures: dict[str, Path], model: list[str], names: list[str], status: int
) -> None:
    """It leaves without taking the libraries apart, and yet loses nothing."""
    given = [str(pictures[name]) for name in names] * 40

    ended = python("-m", "inkdigits", "predict", *given, *model, "--json")

    assert ended.returncode == status
    assert [row["file"] for row in json.loads(ended.stdout)] == given
    assert ended.stderr == ""


@pytest.mark.slow
def test_benchmark_slice(smoke_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(smoke_run.folder)]

    assert main(["benchmark", "latency", "size", "--slice", *model]) == 0
    printed = capsys.readouterr()
    assert "\nlatency: one tile, warm, network smoke\n" in printed.out
    assert "\nsize: " in printed.out
    assert printed.err.splitlines()[0] == "inkdigits: latency is being measured"

    assert main(["benchmark", "latency", "--slice", "--json", *model]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["cores"] == os.cpu_count()
    assert found["slice"] is True
    assert [result["name"] for result in found["results"]] == ["latency"]


def test_predict_for_people(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("text", "seven", "missing", "blank")

    assert main(["predict", *(str(pictures[name]) for name in names), *model]) == 2

    printed = capsys.readouterr()
    read, blank = printed.out.splitlines()
    assert read.startswith(f"{pictures['seven']}: 7  (")
    assert blank == f"{pictures['blank']}: no digit: no ink"
    text, missing = printed.err.splitlines()
    assert pictures["text"].name in text
    assert pictures["missing"].name in missing


def test_predict_one_picture_with_probabilities(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--image", str(pictures["seven"]), *model, "--probabilities"]) == 0

    reading, digit, *bars = capsys.readouterr().out.splitlines()
    assert reading.startswith("7  (")
    assert digit == "  7"
    assert [bar.split()[0] for bar in bars] == [*CLASS_NAMES, "none"]
    assert sum(float(bar.split()[1].rstrip("%")) for bar in bars) == pytest.approx(100, abs=0.1)


def test_the_threshold_decides_what_is_read(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", str(pictures["seven"]), *model, "--json", "--threshold"]

    assert main([*command, "0"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["text"] == "7"
    assert main([*command, "1"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["text"] == ""
    assert [digit["digit"] for digit in row["digits"]] == [None]


def test_predict_as_csv(
    pictures: dict[str, Path],
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "new" / "readings.csv"
    given = [str(pictures[name]) for name in ("seven", "blank", "missing")]

    assert main(["predict", *given, *model, "--csv", str(path)]) == 2

    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == given
    assert [row["text"] for row in rows] == ["7", "", ""]
    assert [row["reason"] for row in rows] == ["", "no ink", ""]
    assert 0.1 < float(rows[0]["confidence"]) <= 1
    assert "missing.png" in rows[2]["error"]


def test_existing_csv_is_refused(
    pictures: dict[str, Path],
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("mine")

    assert main(["predict", str(pictures["seven"]), *model, "--csv", str(path)]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{path} exists already" in printed.err
    assert path.read_text() == "mine"


def test_evaluate_several(smoke_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(smoke_run.onnx_model), str(smoke_run.folder)]

    assert main(["evaluate", *given, "--output", "report", "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in printed["models"]] == given
    first, second = (row["evaluation"] for row in printed["models"])
    assert first == second
    assert printed["accuracy_mean"] == first["accuracy"]
    assert printed["accuracy_sd"] == 0
    for model in (smoke_run.onnx_model, smoke_run.folder):
        # Models of several runs share a name, so the folder above it tells them apart.
        report = Path("report", f"{model.parent.name}-{model.name}")
        assert json.loads((report / "evaluation.json").read_text()) == first
        assert (report / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_train_into_a_folder_of_its_own(mnist: object, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--set", "training_images=300", "--set", "epochs=1", "--quiet", "--json"]
    folders = []
    for _ in range(2):
        assert main(["train", "smoke", *small]) == 0
        folders.append(json.loads(capsys.readouterr().out)["run"])

    assert folders == [str(Path("runs/smoke")), str(Path("runs/smoke-2"))]
    assert all(Run.open(folder).is_finished for folder in folders)
    assert main(["train", "smoke", *small, "--output", folders[0]]) == 2
    assert f"--resume {folders[0]}" in capsys.readouterr().err


def test_export(smoke_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(smoke_run.folder), "--format", "h5", "--output", "net.h5"]) == 0

    assert capsys.readouterr().out == "net.h5\n"
    assert Path("net.h5").is_file()


def test_module_is_the_command(python: Python) -> None:
    ended = python("-m", "inkdigits", "recipes")

    assert ended.returncode == 0
    names = [line.split()[0] for line in ended.stdout.splitlines()]
    assert names == [*RECIPES, *READER_RECIPES]
    assert ended.stderr == ""


def test_version(python: Python) -> None:
    ended = python("-m", "inkdigits", "--version")

    assert (ended.stdout, ended.stderr) == (f"inkdigits {inkdigits.__version__}\n", "")


def test_errors_of_the_process_are_one_line(python: Python) -> None:
    ended = python("-m", "inkdigits", "train", "clasic")

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("inkdigits: 'clasic' is no recipe")
    assert ended.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="pipes are closed otherwise there")
def test_closed_pipe_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "inkdigits", "recipes"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert ended.stderr == ""
    assert ended.returncode == 141


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_head_is_quiet() -> None:
    command = f"set -o pipefail; {sys.executable} -m inkdigits recipes --json | head -1"
    ended = subprocess.run(
        ["/bin/bash", "-c", command], capture_output=True, text=True, check=False
    )

    assert ended.stdout == "[\n"
    assert ended.stderr == ""
    assert ended.returncode in (0, 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_the_output() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "inkdigits", "recipes"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ended.returncode == 2
    assert "No space left" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_predict_draws_boxes_and_tiles(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes, tiles = tmp_path / "boxes.png", tmp_path / "tiles.jpg"
    command = ["predict", str(pictures["seven"]), "--annotate", str(boxes), "--tiles", str(tiles)]

    assert main([*command, "--digits", "one"]) == 0

    assert capsys.readouterr().out.startswith("7 ")
    with Image.open(boxes) as drawn, Image.open(tiles) as sheet:
        assert (drawn.format, sheet.format) == ("PNG", "JPEG")
        assert drawn.width > drawn.height

    kept = boxes.read_bytes()
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert boxes.read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["predict", "a.png", "b.png", "--tiles", "t.png"], "draws one picture"),
        (["predict", "a.png", "--annotate", "boxes"], "no name of a picture"),
        (["predict", "a.png", "--digits", "two"], "invalid choice"),
        (["predict", "a.png", "--threshold", "1.5"], "invalid share '1.5'"),
        (["serve", "--threshold", "half"], "invalid share 'half'"),
        (["evaluate", "--threshold", "0.5"], "--threshold is for reading pictures"),
        (["evaluate", "--suite", "corruption"], "did you mean corruptions"),
        (["evaluate", "--suite", "corruptions", "--pictures", "d"], "give one of them"),
        (["evaluate", "--pictures", "nowhere"], "is no folder"),
        (["evaluate", "--pictures", "nowhere", "--target", "99"], "the target is 99.0"),
        (["evaluate", "--target", "0.9"], "--target belongs to --pictures"),
    ],
)
def test_wrong_use_of_pictures(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert expected in printed.err
    assert printed.err.count("\n") == 1


def test_evaluate_labelled_pictures(
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


def test_several_lines_are_printed_below_each_other(
    test_slice: LabelledImages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = np.zeros((300, 420), np.uint8)
    for place, index in enumerate((0, 1, 2, 3)):  # 7 2 1 0
        row, column = divmod(place, 2)
        large = cv2.resize(test_slice.images[index], (112, 112), interpolation=cv2.INTER_CUBIC)
        page[20 + 150 * row : 132 + 150 * row, 40 + 160 * column : 152 + 160 * column] = large
    Image.fromarray(255 - page).save(tmp_path / "page.png")

    assert main(["predict", str(tmp_path / "page.png")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "72"
    assert second.startswith("10 ")
