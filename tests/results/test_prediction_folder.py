"""The folder of results: names, tables, and what happens to what is there already."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkdigits.errors import OutputExistsError, PictureFormatError
from inkdigits.recognition import Box, Digit, Reading, Readings, predict
from inkdigits.results.prediction_folder import open_folder

SAMPLES = Path(__file__).parents[1] / "samples"
SEVEN, YELLOW = SAMPLES / "7-canvas.png", SAMPLES / "8-blue-on-yellow.png"


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write_number(text: str, path: Path) -> Reading:
    """The reading of a blank picture, as if digits were on it; "?" is an uncertain one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40 * len(text) + 20, 60), (250, 240, 170)).save(path)
    digits = [
        Digit(
            digit=int(sign) if sign.isdigit() else None,
            confidence=0.9,
            probabilities=np.full(10, 0.1, np.float32),
            box=Box(10 + 40 * place, 15, 30, 30),
            tile=np.zeros((28, 28), np.uint8),
            reason=None if sign.isdigit() else "too uncertain: 4 or 9",
            is_uncertain=sign == "?",
        )
        for place, sign in enumerate(text)
    ]
    return replace(Reading(tuple(digits)).with_picture(path), source=str(path))


def test_the_results_of_a_folder_keep_its_subfolders(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    for name in ("may/7.PNG", "june/7.png"):
        (scans / name).parent.mkdir(parents=True)
        shutil.copy(SEVEN, scans / name)
    shutil.copy(SAMPLES / "0-tiny.gif", scans / "0.gif")
    (scans / "broken.jpg").write_text("no picture")

    readings = predict(scans)
    folder = readings.save(tmp_path / "results")

    assert folder == tmp_path / "results"
    assert list_files(folder) == [
        "annotated/0.gif.png",
        "annotated/june/7.png",
        "annotated/may/7.PNG",
        "crops/0.gif/001-0.png",
        "crops/june/7.png/001-7.png",
        "crops/may/7.PNG/001-7.png",
        "readings.csv",
        "readings.json",
    ]
    rows = json.loads((folder / "readings.json").read_bytes())
    assert [row["file"] for row in rows] == [reading.source for reading in readings]
    assert set(rows[1]) == {"file", "error"}
    for row in rows[:1] + rows[2:]:
        with Image.open(row["file"]) as before, Image.open(folder / row["annotated"]) as drawn:
            assert drawn.size == before.size
        with Image.open(folder / row["digits"][0]["crop"]) as crop:
            width, height = (
                row["digits"][0]["bounds"]["width"],
                row["digits"][0]["bounds"]["height"],
            )
            assert width < crop.width < 1.3 * width + 3
            assert height < crop.height < 1.3 * height + 3


def test_a_single_subfolder_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "scans" / "may").mkdir(parents=True)
    shutil.copy(SEVEN, tmp_path / "scans" / "may" / "7.png")
    predict(tmp_path / "scans").save(tmp_path / "results")
    assert (tmp_path / "results" / "annotated" / "may" / "7.png").is_file()


def test_pictures_of_the_same_name_get_numbers(tmp_path: Path) -> None:
    gif, png = tmp_path / "7.gif", tmp_path / "7.gif.png"
    for path in (gif, png):
        write_number("7", path)
    sources: list[Any] = [gif, png, np.asarray(Image.open(YELLOW)), Image.open(YELLOW), png]
    predict(sources).save(tmp_path / "results")

    names = list_files(tmp_path / "results" / "annotated")
    assert sorted(names) == [
        "7.gif-2.png", "7.gif-3.png", "7.gif.png", "picture-2.png", "picture.png",
    ]  # fmt: skip


def test_pages_have_their_numbers(tmp_path: Path) -> None:
    pages = [Image.open(SEVEN).convert("RGB"), Image.open(YELLOW).convert("RGB")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    predict(tmp_path / "scan.tif").save(tmp_path / "results")
    assert list_files(tmp_path / "results" / "annotated") == [
        "scan.tif-page-1.png", "scan.tif-page-2.png",
    ]  # fmt: skip


def test_names_stay_inside_the_folder_and_valid(tmp_path: Path) -> None:
    reading = write_number("7", tmp_path / "7.png")
    names = ["../../up.png", "https://example.org/a/b.jpg?x=1", "a:b|c.png", "y" * 250 + ".png", ""]
    readings = Readings([replace(reading, source=name) for name in names])
    with open_folder(tmp_path / "results", roots=["/nowhere/else"]) as folder:
        for one in readings:
            folder.write(one)
    found = list_files(tmp_path / "results" / "annotated")
    assert sorted(found) == sorted(
        ["up.png", "b.jpg", "a_b_c.png", "y" * 110 + ".png", "picture.png"]
    )


def test_leading_zeros_survive_the_tables(tmp_path: Path) -> None:
    """What pandas makes of the CSV: the call of the docs, and the column that needs none."""
    pandas = pytest.importorskip("pandas")
    texts = ["007", "1984", "0?4"]
    numbers = [write_number(text, tmp_path / f"{text.replace('?', 'x')}.png") for text in texts[:2]]
    folder = Readings(numbers).save(tmp_path / "numbers")
    path = folder / "readings.csv"

    assert pandas.read_csv(path)["text"].tolist() == [7, 1984]  # as every CSV of numbers
    assert pandas.read_csv(path)["digit_list"].tolist() == ["[0, 0, 7]", "[1, 9, 8, 4]"]
    assert pandas.read_csv(path, dtype={"text": str})["text"].tolist() == texts[:2]
    json_path = folder / "readings.json"
    assert pandas.read_json(json_path, dtype=False)["text"].tolist() == texts[:2]
    frame = Readings(numbers).to_pandas()
    assert frame["text"].tolist() == texts[:2]
    assert frame["digits"].tolist() == [3, 4]

    mixed = Readings([*numbers, write_number(texts[2], tmp_path / "mixed.png")])
    with (mixed.save(tmp_path / "mixed") / "readings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == texts
    assert json.loads(rows[2]["digit_list"]) == [0, None, 4]


def test_nothing_is_overwritten_unless_asked_for(tmp_path: Path) -> None:
    one, other = (write_number(text, tmp_path / f"{text}.png") for text in ("12", "345"))
    folder = Readings([one, other]).save(tmp_path / "results")
    (folder / "notes.txt").write_text("mine")
    before = list_files(folder)

    with pytest.raises(OutputExistsError, match=r"exists already and is not empty: .*overwrite"):
        Readings([one]).save(folder)
    assert list_files(folder) == before
    Readings([one]).save(folder, overwrite=True)
    assert list_files(folder) == [
        "annotated/12.png",
        "crops/12.png/001-1.png",
        "crops/12.png/002-2.png",
        "notes.txt",
        "readings.csv",
        "readings.json",
    ]
    with pytest.raises(OutputExistsError, match="is a file"):
        Readings([one]).save(folder / "notes.txt")


@pytest.mark.parametrize(
    "table",
    [
        [{"annotated": "../precious.txt", "digits": [{"crop": "notes.txt"}]}],
        [{"annotated": "/etc/hostname"}, {"annotated": "annotated/../notes.txt"}],
        [{"annotated": 7}],
        {"annotated": "x"},
        "no table",
    ],
)
def test_a_table_of_others_removes_nothing(table: Any, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "precious.txt").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    (folder / "readings.json").write_text(json.dumps(table))

    Readings([write_number("7", tmp_path / "7.png")]).save(folder, overwrite=True)

    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_missing_picture_leaves_no_tables(tmp_path: Path) -> None:
    reading = write_number("7", tmp_path / "7.png")
    (tmp_path / "7.png").unlink()
    with pytest.raises(PictureFormatError, match="no such file"):
        Readings([reading]).save(tmp_path / "results")
    assert list_files(tmp_path / "results") == []


def test_no_pictures_give_empty_tables(tmp_path: Path) -> None:
    folder = Readings().save(tmp_path / "results")
    assert json.loads((folder / "readings.json").read_bytes()) == []
    assert (folder / "readings.csv").read_text().count("\n") == 1
