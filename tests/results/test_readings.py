"""One picture gives a reading; lists, folders and documents give readings, each in its place."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkdigits.errors import PictureFormatError, UsageError
from inkdigits.recognition import Reading, Readings, Recognizer, predict
from inkdigits.recognition.picture_lists import list_folder

SAMPLES = Path(__file__).parents[1] / "samples"
SEVEN, THREE = SAMPLES / "7-canvas.png", SAMPLES / "3-blackboard.jpg"
GREY = np.asarray(Image.open(SEVEN).convert("L"))


def write_tiff(path: Path, *names: Path) -> Path:
    """Writes a TIFF file with a picture on each page."""
    pages = [Image.open(name).convert("L") for name in names]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with subfolders, a broken picture, and files that are not listed."""
    root = tmp_path / "scans"
    for name in ("b.PNG", "a/deep/c.png", "a/z.png", "z.png", ".hidden/x.png", ".x.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SEVEN, root / name)
    (root / "a" / "broken.jpg").write_text("no picture")
    (root / "notes.txt").write_text("no picture")
    return root


# What gives one reading, and what several


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (str(SEVEN), str(SEVEN)),
        (SEVEN, str(SEVEN)),
        (SEVEN.read_bytes(), None),
        (io.BytesIO(SEVEN.read_bytes()), None),
        (Image.open(SEVEN), None),
        (GREY, None),
        (GREY.tolist(), None),
    ],
    ids=["text", "path", "bytes", "file", "image", "array", "numbers"],
)
def test_one_picture_gives_a_reading(source: Any, name: str | None) -> None:
    reading = predict(source)

    assert isinstance(reading, Reading)
    assert (reading.text, reading.source, reading.page, reading.error) == ("7", name, None, None)


def test_an_open_file_is_named() -> None:
    with SEVEN.open("rb") as file:
        assert predict(file).source == str(SEVEN)


@pytest.mark.parametrize(
    "wrap",
    [list, tuple, iter, lambda items: (item for item in items)],
    ids=["list", "tuple", "iterator", "generator"],
)
def test_several_pictures_give_readings(wrap: Callable[[list[Any]], Any]) -> None:
    readings = predict(wrap([SEVEN, GREY, THREE.read_bytes()]))

    assert isinstance(readings, Readings)
    assert readings.texts == ("7", "7", "3")
    assert [reading.source for reading in readings] == [str(SEVEN), None, None]
    assert readings.errors == {}


@pytest.mark.parametrize("items", [[], [SEVEN]])
def test_a_list_gives_readings_even_of_none_or_one(items: list[Path]) -> None:
    readings = predict(items)

    assert isinstance(readings, Readings)
    assert len(readings) == len(items)


def test_a_folder_is_read_with_its_subfolders_in_sorted_order(folder: Path) -> None:
    expected = [folder / name for name in ("a/broken.jpg", "a/deep/c.png", "a/z.png", "b.PNG")]
    expected.append(folder / "z.png")

    readings = predict(folder)

    assert isinstance(readings, Readings)
    assert [reading.source for reading in readings] == list(map(str, expected))
    assert readings.texts == ("", "7", "7", "7", "7")
    assert list(readings.errors) == [0]
    among = predict([SEVEN, folder, GREY])
    assert [reading.source for reading in among[1:-1]] == list(map(str, expected))


def test_a_folder_without_pictures_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    for read in (predict, list_folder):
        with pytest.raises(UsageError, match=r"no pictures in folder .*: expected files such as"):
            read(tmp_path)


def test_links_that_lead_around_are_not_followed(folder: Path) -> None:
    (folder / "a" / "around").symlink_to(folder)

    assert len(list_folder(folder)) == 5


# Documents


def test_pages_of_a_tiff_file_are_numbered_from_1(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "pages.tif", SEVEN, THREE, SEVEN)

    readings = predict(path)

    assert isinstance(readings, Readings)
    assert readings.texts == ("7", "3", "7")
    assert readings.text == "7\n3\n7"
    assert [(reading.source, reading.page) for reading in readings] == [
        (str(path), page) for page in (1, 2, 3)
    ]
    assert predict(path.read_bytes()).texts == ("7", "3", "7")
    among = predict([path, SEVEN])
    assert [reading.page for reading in among] == [1, 2, 3, None]


def test_a_tiff_file_of_one_page_is_a_picture(tmp_path: Path) -> None:
    reading = predict(write_tiff(tmp_path / "page.tif", THREE))

    assert isinstance(reading, Reading)
    assert (reading.text, reading.page) == ("3", None)


def test_a_pdf_file_gives_readings_even_of_one_page(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    path = tmp_path / "page.pdf"
    Image.open(SEVEN).convert("L").save(path, resolution=200)

    readings = predict(path)

    assert isinstance(readings, Readings)
    assert [(r.text, r.source, r.page) for r in readings] == [("7", str(path), 1)]


# Broken pictures


def test_a_single_broken_picture_raises(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(SEVEN.read_bytes()[:200])
    for source in (path, tmp_path / "missing.png", np.zeros((5, 28, 28)), {"a": 1}):
        with pytest.raises(PictureFormatError):
            predict(source)


def test_broken_pictures_keep_their_places(tmp_path: Path) -> None:
    sources = [SEVEN, tmp_path / "missing.png", np.zeros((5, 28, 28)), [SEVEN], 7, THREE]

    readings = predict(sources)  # type: ignore[arg-type]

    assert readings.texts == ("7", "", "", "", "", "3")
    assert list(readings.errors) == [1, 2, 3, 4]
    for place, words in (
        (1, "missing.png: no such file"),
        (2, "contains 5 tiles"),
        (3, "a list inside a list of pictures"),
        (4, "unsupported type int"),
    ):
        reading = readings[place]
        assert words in str(reading.error)
        assert reading.reason == str(readings.errors[place])
        assert (reading.digits, reading.confidence) == ((), 0)
    assert readings[1].source == str(tmp_path / "missing.png")


def test_other_errors_end_the_reading() -> None:
    def draw() -> Any:
        yield GREY
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="camera"):
        predict(draw())
    with pytest.raises(UsageError, match="invalid threshold 2"):
        predict([GREY], threshold=2)
    with pytest.raises(UsageError, match="number of threads 0"):
        Recognizer.load().read_each([GREY], n_threads=0)


# The sequence


@pytest.fixture(scope="module")
def readings() -> Readings:
    made = predict([SEVEN, THREE, "missing.png", np.full((40, 40), 255, np.uint8)])
    assert isinstance(made, Readings)
    return made


def test_readings_are_an_immutable_sequence(readings: Readings) -> None:
    assert len(readings) == 4
    assert [*readings] == [readings[n] for n in range(4)]
    assert readings[-1] is readings[3]
    assert isinstance(readings[1:], Readings)
    assert readings[1:3].texts == ("3", "")
    assert list(readings[1:3].errors) == [1]
    assert readings[:] == readings
    assert readings[1] in readings
    with pytest.raises(IndexError):
        readings[4]
    with pytest.raises(TypeError):
        readings[0] = readings[1]
    with pytest.raises(AttributeError):
        readings.items = ()  # type: ignore[misc]


def test_readings_show_texts_and_errors(readings: Readings) -> None:
    assert repr(readings).startswith("Readings(['7', '3', PictureFormatError('missing.png: no such")
    assert repr(readings).endswith("…], 4 pictures, 1 error)")
    assert str(readings) == readings.text
    assert readings.text == "7\n3"


def test_attributes_of_a_reading_are_explained(readings: Readings) -> None:
    with pytest.raises(AttributeError, match=r"take it from one of them, as in readings\[0\]\.dig"):
        readings.digits  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'digit'"):
        readings.digit  # noqa: B018


def test_readings_can_be_copied_to_another_process(readings: Readings) -> None:
    copied = pickle.loads(pickle.dumps(readings))

    assert copied.to_json() == readings.to_json()


def test_rows_are_those_of_the_command_line(readings: Readings, tmp_path: Path) -> None:
    seven, _, missing, blank = readings.to_json()

    assert seven == {"file": str(SEVEN), **predict(SEVEN).to_json()}
    assert missing == {"file": "missing.png", "error": str(readings.errors[2])}
    assert (blank["file"], blank["text"], blank["reason"]) == (None, "", "no ink")
    pages = predict(write_tiff(tmp_path / "pages.tif", SEVEN, THREE)).to_json()
    assert [list(row)[:2] for row in pages] == [["file", "page"]] * 2
    assert [row["page"] for row in pages] == [1, 2]


def test_a_reading_keeps_its_json_keys() -> None:
    keys = {"text", "confidence", "digits", "marks", "notes", "reason"}

    assert set(predict(SEVEN).to_json()) == keys
