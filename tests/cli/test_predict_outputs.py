"""What `inkdigits predict` writes: annotated pictures, folders of results, and rows on stdout."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.cli import main

SAMPLES = Path(__file__).parents[1] / "samples"
YELLOW, TINY = SAMPLES / "8-blue-on-yellow.png", SAMPLES / "0-tiny.gif"


@pytest.fixture
def scans(tmp_path: Path) -> str:
    """A folder with pictures in subfolders, a blank one and a broken one."""
    for name, source in (("may/8.png", YELLOW), ("june/0.gif", TINY)):
        (tmp_path / "scans" / name).parent.mkdir(parents=True)
        shutil.copy(source, tmp_path / "scans" / name)
    Image.new("L", (50, 40), 255).save(tmp_path / "scans" / "blank.jpg")
    (tmp_path / "scans" / "broken.png").write_text("no picture")
    return "scans"


def test_an_annotated_picture_has_its_size_and_colours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path, name in ((YELLOW, "boxes.png"), (TINY, "tiny.png")):
        assert main(["predict", str(path), "--annotate", name]) == 0
        with Image.open(path) as before, Image.open(name) as drawn:
            assert drawn.size == before.size
    with Image.open("boxes.png") as drawn, Image.open(YELLOW) as before:
        assert drawn.getpixel((2, 2)) == before.convert("RGB").getpixel((2, 2))
    assert "wrote boxes.png" in capsys.readouterr().err


def test_standard_input_is_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    with YELLOW.open("rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": file, "isatty": bool})())
        assert main(["predict", "-", "--annotate", "boxes.png", "--output", "results"]) == 0
    with Image.open("boxes.png") as drawn, Image.open(YELLOW) as before:
        assert drawn.size == before.size
    assert Path("results/annotated/stdin.png").read_bytes() == Path("boxes.png").read_bytes()


def test_a_folder_of_results(scans: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", scans, "--output", "results", "--json"]) == 3

    printed = capsys.readouterr()
    rows = json.loads(Path("results/readings.json").read_bytes())
    assert [row.pop("annotated", None) for row in rows] == [
        "annotated/blank.jpg", None, "annotated/june/0.gif.png", "annotated/may/8.png",
    ]  # fmt: skip
    crops = [digit.pop("crop") for row in rows for digit in row.get("digits", ())]
    assert crops == ["crops/june/0.gif/001-0.png", "crops/may/8.png/001-8.png"]
    assert rows == json.loads(printed.out)
    assert printed.err.endswith("readings.csv and readings.json in results\n")
    with Path("results/readings.csv").open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == ["", "", "0", "8"]
    with Image.open("results/annotated/may/8.png") as drawn, Image.open(YELLOW) as before:
        assert drawn.size == before.size
        assert (np.asarray(drawn)[:3] == np.asarray(before.convert("RGB"))[:3]).all()
    with Image.open(Path("results", crops[1])) as crop:
        assert crop.mode == "RGB"


def test_a_folder_that_the_tool_chooses_gets_the_next_free_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("predictions", "predictions-2", "predictions-3"):
        assert main(["predict", str(TINY), "--save"]) == 0
        assert Path(name, "annotated", "0-tiny.gif.png").is_file()
        assert capsys.readouterr().err.endswith(f" in {name}\n")


def test_a_folder_that_the_user_names_is_kept() -> None:
    Path("results").mkdir()
    Path("results/notes.txt").write_text("mine")
    assert main(["predict", str(TINY), "--output", "empty"]) == 0
    before = sorted(map(str, Path("empty").rglob("*")))

    assert main(["predict", str(YELLOW), "--output", "empty"]) == 4
    assert main(["predict", str(YELLOW), "--output", "results", "--force"]) == 4  # not of a reading
    assert sorted(map(str, Path("empty").rglob("*"))) == before
    assert [path.name for path in Path("results").iterdir()] == ["notes.txt"]
    assert main(["predict", str(YELLOW), "--output", "empty", "--force"]) == 0
    assert [path.name for path in Path("empty/annotated").iterdir()] == [YELLOW.name]


def test_rows_are_printed_as_csv(scans: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", scans, "--csv", "rows.csv"]) == 3
    capsys.readouterr()

    assert main(["predict", scans, "--csv", "-"]) == 3

    printed = capsys.readouterr()
    assert printed.out == Path("rows.csv").read_text(encoding="utf-8")
    assert not Path("-").exists()
    rows = list(csv.DictReader(printed.out.splitlines()))
    assert [row["digit_list"] for row in rows] == ["[]", "[]", "[0]", "[8]"]
    assert list(rows[0])[:6] == ["file", "text", "confidence", "reason", "error", "page"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--csv", "-", "--json"], "--json and --csv - both print: leave one out"),
        (["a.png", "b.png", "--annotate", "t.png"], "not 2; --output draws all of them"),
        (["test.csv", "--save"], "--save is for pictures, not for a table of tiles"),
        (["test.csv", "--output", "x"], "--output is for pictures, not for a table of tiles"),
    ],
)
def test_a_wrong_call_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["predict", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_tiles_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = ",".join(f"pixel{i}" for i in range(784))
    np.savetxt("t.csv", np.zeros((2, 784)), "%d", delimiter=",", header=header, comments="")
    assert main(["predict", "t.csv", "--csv", "-"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "ImageId,Label"
    assert not Path("-").exists()
