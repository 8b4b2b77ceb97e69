from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inkdigits.cli import main
from inkdigits.data import LabelledImages
from inkdigits.recognition import Reading
from inkdigits.results.alphabet import CLASS_NAMES

Fail = Callable[..., str]
Python = Callable[..., "subprocess.CompletedProcess[str]"]
FOUND = ("a.png", "b.PNG", "d.jpg", "deeper/c.png")


@pytest.mark.parametrize(
    ("names", "status", "read"),
    [
        (["seven"], 0, ["7"]),
        (["chalk", "seven"], 0, ["7", "7"]),
        (["blank"], 1, [""]),
        (["seven", "blank"], 1, ["7", ""]),
        (["text"], 3, [None]),
        (["missing"], 3, [None]),
        (["text", "seven", "missing", "blank", "chalk"], 3, [None, "7", None, "", "7"]),
    ],
    ids=str,
)
def test_json_has_a_row_per_picture_and_the_status_of_the_worst(
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


def test_the_pictures_of_a_folder_and_its_subfolders_are_read_by_path(
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
    expected = [given[0], *(str(folder / name) for name in FOUND)]

    assert main(["predict", *given, *model, "--json", "--csv", "rows.csv"]) == 3

    printed = capsys.readouterr().out
    rows = json.loads(printed)
    assert printed == json.dumps(rows, indent=2) + "\n"
    assert [row["file"] for row in rows] == expected
    assert [row.get("text") for row in rows] == ["", "7", "7", None, "7"]
    with Path("rows.csv").open(newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == expected


def test_rows_of_pages_have_their_numbers(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.open(pictures[name]) for name in ("seven", "blank", "chalk")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    given = [str(path), str(pictures["seven"])]

    assert main(["predict", *given, "--json", "--csv", "rows.csv"]) == 1

    rows = json.loads(capsys.readouterr().out)
    assert [(row["file"], row.get("page"), row["text"]) for row in rows] == [
        *[(given[0], page, text) for page, text in ((1, "7"), (2, ""), (3, "7"))],
        (given[1], None, "7"),
    ]
    assert "page" not in rows[3]
    with Path("rows.csv").open(newline="", encoding="utf-8") as file:
        assert [row["page"] for row in csv.DictReader(file)] == ["1", "2", "3", ""]

    assert main(["predict", given[0]]) == 1
    first, blank, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}, page 1: 7  (")
    assert blank == f"{path}, page 2: no digit: no ink"

    assert main(["predict", given[0], "--annotate", "boxes.png"]) == 2
    assert "--annotate draws one picture" in capsys.readouterr().err


@pytest.mark.parametrize(("names", "status"), [(["seven"], 0), (["blank"], 1), (["text"], 3)])
def test_the_process_loses_no_output(
    python: Python, pictures: dict[str, Path], model: list[str], names: list[str], status: int
) -> None:
    """It exits without the clean-up of the libraries."""
    given = [str(pictures[name]) for name in names] * 5

    ended = python("-m", "inkdigits", "predict", *given, *model, "--json")

    assert ended.returncode == status
    assert [row["file"] for row in json.loads(ended.stdout)] == given
    assert ended.stderr == ""


def test_readings_go_to_stdout_and_errors_to_stderr(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("text", "seven", "missing", "blank")

    assert main(["predict", *(str(pictures[name]) for name in names), *model]) == 3

    printed = capsys.readouterr()
    read, blank = printed.out.splitlines()
    assert read.startswith(f"{pictures['seven']}: 7  (")
    assert blank == f"{pictures['blank']}: no digit: no ink"
    text, missing = printed.err.splitlines()
    assert pictures["text"].name in text
    assert pictures["missing"].name in missing


def test_probabilities_of_all_classes_can_be_printed(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--image", str(pictures["seven"]), *model, "--probabilities"]) == 0

    reading, digit, *bars = capsys.readouterr().out.splitlines()
    assert (sure := re.fullmatch(r"7  \((.*%)\)", reading)) is not None
    assert digit == f"  1 of 1  7: {sure[1]} sure"
    assert [bar.split()[0] for bar in bars] == [*CLASS_NAMES, "none"]
    shares = [float(re.findall(r"([\d.]+)%", bar)[0]) for bar in bars]
    assert sum(shares) == pytest.approx(100, abs=0.1)


def test_probabilities_of_several_digits_have_headings(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[2] / "samples" / "1984-on-ruled-paper.jpg"

    assert main(["predict", str(path), "--probabilities"]) == 0

    lines = capsys.readouterr().out.splitlines()
    n = len(CLASS_NAMES) + 2
    assert (len(lines) - 1) % n == 0
    headings = lines[1::n]
    read = [
        found for line in headings if (found := re.fullmatch(r"  \d of \d+  (\d): .* sure", line))
    ]
    assert "".join(found[1] for found in read) == "1984"
    assert [line.split()[:3] for line in headings] == [
        [str(number), "of", str(len(headings))] for number in range(1, len(headings) + 1)
    ]


def test_a_reading_is_never_called_certain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A confidence of exactly 1, which float32 can reach."""
    monkeypatch.setattr(Reading, "confidence", property(lambda reading: 1.0))
    path = Path(__file__).parents[2] / "samples" / "7-canvas.png"

    assert main(["predict", str(path)]) == 0

    assert capsys.readouterr().out == "7  (> 99.9%)\n"


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


def test_csv_has_a_row_per_picture(
    pictures: dict[str, Path],
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "new" / "readings.csv"
    given = [str(pictures[name]) for name in ("seven", "blank", "missing")]

    assert main(["predict", *given, *model, "--csv", str(path)]) == 3

    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == given
    assert [row["text"] for row in rows] == ["7", "", ""]
    assert [row["reason"] for row in rows] == ["", "no ink", ""]
    assert 0.1 < float(rows[0]["confidence"]) <= 1
    assert "missing.png" in rows[2]["error"]


def test_an_existing_csv_file_is_kept(
    pictures: dict[str, Path],
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("mine")

    assert main(["predict", str(pictures["seven"]), *model, "--csv", str(path)]) == 4

    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{path} already exists" in printed.err
    assert path.read_text() == "mine"


def test_boxes_and_tiles_are_drawn_in_the_format_of_the_name(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes, tiles = tmp_path / "boxes.png", tmp_path / "tiles.jpg"
    command = ["predict", str(pictures["seven"]), "--annotate", str(boxes), "--tiles", str(tiles)]

    assert main([*command, "--digits", "one"]) == 0

    assert capsys.readouterr().out.startswith("7 ")
    with Image.open(boxes) as drawn, Image.open(tiles) as sheet:
        assert (drawn.format, sheet.format) == ("PNG", "JPEG")
        assert drawn.size == (150, 110)

    kept = boxes.read_bytes()
    assert main(command) == 4
    assert "already exists" in capsys.readouterr().err
    assert boxes.read_bytes() == kept


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no picture given: name at least one, as in 'inkdigits predict seven.png'"),
        ([""], "empty picture name: name a file or a folder"),
        (["."], "no pictures in folder .: expected files such as ./seven.png"),
        (["a.png", "--model", "nowhere"], "nowhere"),
        (["a.png", "--model", "nowhere.h5"], "nowhere.h5"),
        (["a.png", "b.png", "--tiles", "t.png"], "--tiles draws one picture"),
        (["a.png", "--annotate", "boxes"], "argument --annotate: invalid picture name 'boxes'"),
        (["a.png", "--digits", "two"], "argument --digits: invalid digits 'two'"),
        (["a.png", "--threshold", "1.5"], "argument --threshold: invalid share '1.5'"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained_and_writes_nothing(
    arguments: list[str], message: str, fail: Fail, tmp_path: Path
) -> None:
    assert message in fail("predict", *arguments)
    assert list(tmp_path.iterdir()) == []
