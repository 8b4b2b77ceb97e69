"""What a reload of the page keeps, and what can be saved from the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from inkdigits.recognition import Recognizer

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "samples"
OpenPage = Callable[..., Page]
AddPictures = Callable[..., None]


def test_a_drawing_outlives_a_reload(
    open_page: OpenPage,
    draw: Callable[[Page, str, float], None],
    count_ink: Callable[[Page], int],
) -> None:
    page = open_page()
    draw(page, "4", 100)
    draw(page, "2", 380)
    expect(page.locator("#text")).to_have_text("42")
    ink = count_ink(page)
    page.reload()

    expect(page.locator("#text")).to_have_text("42")
    assert count_ink(page) == pytest.approx(ink, rel=0.01)
    page.locator("#clear").click()
    expect(page.locator("#text")).to_be_hidden()
    page.reload()
    expect(page.locator("#sentence")).to_have_text("Draw one digit or several.")


def test_pictures_outlive_a_reload_until_they_are_removed(
    open_page: OpenPage, add_pictures: AddPictures
) -> None:
    page = open_page()
    add_pictures(page, SAMPLES / "7-canvas.png", SAMPLES / "1984-on-ruled-paper.jpg")
    expect(page.locator("#table .sure").filter(has_text="%")).to_have_count(2)
    page.reload()

    expect(page.locator("#table tbody button")).to_have_text(
        ["7-canvas.png", "1984-on-ruled-paper.jpg"]
    )
    expect(page.locator("#table .read")).to_have_text(["7", "1984"])
    expect(page.locator("#picture img")).to_be_visible()
    page.locator("#forget").click()
    expect(page.locator("#table")).to_be_hidden()
    page.reload()
    expect(page.locator("#sentence")).to_have_text("Choose a picture.")
    expect(page.locator("#table")).to_be_hidden()


def test_only_the_newest_pictures_are_kept(
    open_page: OpenPage, add_pictures: AddPictures, tmp_path: Path
) -> None:
    for number in range(23):
        Image.new("L", (40, 30), 200 + number).save(tmp_path / f"{number:02}.png")
    page = open_page()
    add_pictures(page, *sorted(tmp_path.iterdir()))
    expect(page.locator("#table tbody tr")).to_have_count(23)
    expect(page.locator("#table .remark").filter(has_text="Nothing is written")).to_have_count(23)
    page.reload()

    expect(page.locator("#table tbody tr")).to_have_count(20)
    expect(page.locator("#table tbody button").first).to_have_text("03.png")


def test_pictures_of_another_tab_are_not_shown(
    open_page: OpenPage, add_pictures: AddPictures
) -> None:
    page = open_page()
    add_pictures(page, SAMPLES / "7-canvas.png")
    expect(page.locator("#table .read")).to_have_text(["7"])
    other = page.context.new_page()
    other.goto(page.url)

    expect(other.locator("#model")).to_contain_text("inkdigits")
    expect(other.locator("#sentence")).to_have_text("Choose a picture.")
    expect(other.locator("#table")).to_be_hidden()


def test_a_reading_can_be_saved_as_json(
    open_page: OpenPage, add_pictures: AddPictures, default_recognizer: Recognizer
) -> None:
    page = open_page()
    expect(page.locator("#save")).to_be_hidden()
    path = SAMPLES / "1984-on-ruled-paper.jpg"
    add_pictures(page, path)
    expect(page.locator("#text")).to_have_text("1984")
    with page.expect_download() as download:
        page.locator("#save-json").click()

    assert download.value.suggested_filename == "1984-on-ruled-paper.json"
    saved = json.loads(Path(download.value.path()).read_bytes())
    expected = default_recognizer.read(path).to_json()
    assert saved["file"] == path.name
    assert (saved["text"], saved["notes"]) == (expected["text"], expected["notes"])
    assert [digit["box"] for digit in saved["digits"]] == [
        digit["box"] for digit in expected["digits"]
    ]
    assert set(saved["digits"][0]) == set(expected["digits"][0])  # no tiles


def test_a_picture_can_be_saved_with_its_boxes(
    open_page: OpenPage, add_pictures: AddPictures, default_recognizer: Recognizer
) -> None:
    page = open_page()
    path = SAMPLES / "1984-on-ruled-paper.jpg"
    add_pictures(page, path)
    expect(page.locator("#text")).to_have_text("1984")
    with page.expect_download() as download:
        page.locator("#save-picture").click()

    assert download.value.suggested_filename == "1984-on-ruled-paper-read.png"
    with Image.open(path) as original, Image.open(download.value.path()) as saved:
        assert saved.size == original.size
        pixels = np.asarray(saved.convert("RGB")).astype(int)
    blue = np.abs(pixels - (0, 114, 178)).sum(axis=2) < 60
    for digit in default_recognizer.read(path).digits:
        left, right = digit.box.x, digit.box.x + digit.box.width
        for x in (left, right):
            column = blue[digit.box.y + 3 : digit.box.y + digit.box.height - 3, x - 1 : x + 2]
            assert column.any(axis=1).mean() > 0.9, digit.box


def test_a_file_that_the_browser_cannot_draw_is_named(
    open_page: OpenPage, add_pictures: AddPictures, tmp_path: Path
) -> None:
    with Image.open(SAMPLES / "7-canvas.png") as picture:
        picture.convert("L").save(tmp_path / "seven.tif")
    page = open_page()
    add_pictures(page, tmp_path / "seven.tif")
    expect(page.locator("#text")).to_have_text("7")
    page.locator("#save-picture").click()

    expect(page.locator("#save .message")).to_contain_text("cannot draw this file")
