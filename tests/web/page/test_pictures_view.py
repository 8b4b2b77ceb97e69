"""Pictures that are chosen, pasted, dropped or photographed on the page."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect

from inkdigits.recognition import Recognizer

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "samples"
OpenPage = Callable[..., Page]


def make_letters(path: Path) -> Path:
    """Draws a picture with strokes that are not digits."""
    pixels = np.full((300, 600), 240, np.uint8)
    for left in (60, 240, 420):
        pixels[80:220, left : left + 14] = pixels[80:220, left + 90 : left + 104] = 20
        pixels[143:157, left : left + 104] = 20
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    "name", ["3-blackboard.jpg", "5-photo-in-shadow.jpg", "1984-on-ruled-paper.jpg", "letters.png"]
)
def test_picture_is_shown_with_the_reading_of_the_recognizer(
    name: str,
    open_page: OpenPage,
    default_recognizer: Recognizer,
    tmp_path: Path,
    add_pictures: Callable[..., None],
) -> None:
    path = SAMPLES / name if name != "letters.png" else make_letters(tmp_path / name)
    reading = default_recognizer.read(path)
    page = open_page()
    add_pictures(page, path)

    expect(page.locator("#picture .box")).to_have_count(len(reading.digits))
    if reading.text:
        expect(page.locator("#text")).to_have_text(reading.text)
        assert page.locator("#text").inner_text() == reading.text
    else:
        expect(page.locator("#text")).to_be_hidden()
        expect(page.locator("#sentence")).not_to_be_empty()
    labels = page.locator("#picture .box-label").all_inner_texts()
    assert labels == [digit.character or "–" for digit in reading.digits]
    with Image.open(path) as image:
        size = ImageOps.exif_transpose(image).size
    shown = page.locator("#picture .boxes").bounding_box()
    assert shown is not None
    assert shown["width"] / shown["height"] == pytest.approx(size[0] / size[1], rel=0.02)
    for digit, element in zip(reading.digits, page.locator("#picture .box").all(), strict=True):
        box = element.bounding_box()
        assert box is not None
        scale = shown["width"] / size[0]
        middle = box["x"] + box["width"] / 2 - shown["x"], box["y"] + box["height"] / 2 - shown["y"]
        expected = digit.box.x + digit.box.width / 2, digit.box.y + digit.box.height / 2
        assert middle == pytest.approx(tuple(scale * place for place in expected), abs=3)


def test_blank_picture_is_reported(
    open_page: OpenPage, tmp_path: Path, add_pictures: Callable[..., None]
) -> None:
    Image.new("L", (200, 100), 230).save(tmp_path / "blank.png")
    page = open_page()
    add_pictures(page, tmp_path / "blank.png")

    expect(page.locator("#sentence")).to_have_text("Nothing is written here.")
    expect(page.locator("#digit")).to_be_hidden()


def test_table_of_several_pictures_can_be_saved_as_csv(
    open_page: OpenPage,
    default_recognizer: Recognizer,
    tmp_path: Path,
    add_pictures: Callable[..., None],
) -> None:
    awkward = tmp_path / 'a "seven", drawn.png'
    shutil.copy(SAMPLES / "7-canvas.png", awkward)
    (tmp_path / "notes.png").write_text("no picture\n")
    paths = [SAMPLES / "3-blackboard.jpg", awkward, tmp_path / "notes.png", SAMPLES / "0-tiny.gif"]
    page = open_page()
    add_pictures(page, *paths)

    expect(page.locator("#table tbody tr")).to_have_count(4)
    expect(page.locator("#table tr.failed .remark")).not_to_be_empty()
    expect(page.locator("#table .read").filter(has_text=re.compile(r"\d"))).to_have_count(3)
    with page.expect_download() as download:
        page.locator("#csv").click()
    assert download.value.suggested_filename == "readings.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["file"] for row in rows] == [path.name for path in paths]
    for row, path in zip(rows, paths, strict=True):
        if path.name == "notes.png":
            assert row["error"]
            assert not row["text"]
            continue
        reading = default_recognizer.read(path)
        assert row["text"] == reading.text
        assert float(row["confidence"]) == pytest.approx(reading.confidence, abs=1e-4)
    page.locator("#table button", has_text="0-tiny").click()
    expect(page.locator("#text")).to_have_text("0")
    page.locator("#forget").click()
    expect(page.locator("#table")).to_be_hidden()
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#sentence")).to_have_text("Choose a picture.")


@pytest.mark.parametrize("suffix", [".pdf", ".tiff"])
def test_pages_of_a_document_are_pictures_of_their_own(
    suffix: str, open_page: OpenPage, tmp_path: Path, add_pictures: Callable[..., None]
) -> None:
    names = ("7-canvas.png", "1984-on-ruled-paper.jpg", "0-tiny.gif")
    pages = []
    for name in names:
        with Image.open(SAMPLES / name) as image:
            pages.append(image.convert("RGB"))
    pages.insert(1, Image.new("RGB", (90, 60), "white"))
    path = tmp_path / f"scan{suffix}"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    page = open_page()
    add_pictures(page, path, SAMPLES / "3-blackboard.jpg")

    buttons = page.locator("#table tbody button")
    expect(buttons).to_have_text(
        [*(f"scan{suffix}, page {number}" for number in (1, 2, 3, 4)), "3-blackboard.jpg"]
    )
    expect(page.locator("#table .read")).to_have_text(["7", "", "1984", "0", "3"])
    expect(page.locator("#text")).to_have_text("7")
    buttons.nth(2).click()
    expect(page.locator("#text")).to_have_text("1984")
    expect(page.locator("#picture .box")).to_have_count(4)
    expect(page.locator("#unseen")).to_be_visible()
    with page.expect_request(lambda request: "heat=true" in request.url) as heated:
        page.locator("#heat").check()
    assert "page=3" in heated.value.url
    expect(page.locator("#text")).to_have_text("1984")
    with page.expect_download() as download:
        page.locator("#csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert [row["page"] for row in rows] == ["1", "2", "3", "4", ""]
    assert [row["file"] for row in rows] == [path.name] * 4 + ["3-blackboard.jpg"]


def test_document_of_too_many_pages_is_reported(
    open_page: OpenPage,
    run_server: Callable[..., AbstractContextManager[Server]],
    tmp_path: Path,
    add_pictures: Callable[..., None],
) -> None:
    blank = Image.new("RGB", (90, 60), "white")
    blank.save(tmp_path / "scan.pdf", save_all=True, append_images=[blank, blank])
    with run_server("--max-pages", "2") as server:
        page = open_page(server.url)
        add_pictures(page, tmp_path / "scan.pdf")

        expect(page.locator("#table .remark")).to_contain_text("3 pages; the limit is 2: split it")
        expect(page.locator("#table tbody tr")).to_have_count(1)


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_picture_can_be_pasted_or_dropped(way: str, open_page: OpenPage) -> None:
    page = open_page()
    bytes_of_picture = list((SAMPLES / "7-canvas.png").read_bytes())
    page.evaluate(
        """([way, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "seven.png", {type: "image/png"}));
            const options = {bubbles: true, cancelable: true};
            const event = way === "paste"
                ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
                : new DragEvent("drop", {...options, dataTransfer: transfer});
            document.body.dispatchEvent(event);
        }""",
        [way, bytes_of_picture],
    )

    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator("#tab-pictures")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#table tbody button")).to_have_text("seven.png")


def test_camera_takes_a_photograph(open_page: OpenPage, allowing_browser: Browser) -> None:
    """Chromium's camera for tests shows a moving pattern; its reading does not matter."""
    page = open_page(browser=allowing_browser)
    page.locator("#tab-pictures").click()
    page.locator("#camera-open").click()
    page.locator("video").evaluate(
        """video => new Promise(done => video.videoWidth ? done()
            : video.addEventListener("loadeddata", () => done(), {once: true}))"""
    )
    page.locator("#shutter").click()

    expect(page.locator("#camera")).to_be_hidden()
    expect(page.locator("#table tbody button")).to_have_text("photograph-1.jpg")
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#sentence")).not_to_have_text("Reading …")
    expect(page.locator("#sentence.failure")).to_have_count(0)
    assert page.evaluate("document.querySelector('video').srcObject") is None


def test_missing_permission_for_the_camera_is_reported(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#tab-pictures").click()
    page.locator("#camera-open").click()

    expect(page.locator("#pictures-message")).to_contain_text("not allowed")
    expect(page.locator("#camera")).to_be_hidden()


def test_picture_of_too_many_pixels_is_scaled_down(
    open_page: OpenPage,
    run_server: Callable[..., AbstractContextManager[Server]],
    add_pictures: Callable[..., None],
) -> None:
    with run_server("--max-pixels", "100000") as server:
        page = open_page(server.url)
        with page.expect_response("**/v1/read?**") as answered:
            add_pictures(page, SAMPLES / "7-canvas.png")  # 480 x 480
        (row,) = answered.value.json()
        assert row["text"] == "7"
        assert 90_000 < row["width"] * row["height"] <= 100_000
        assert row["width"] == row["height"]
        expect(page.locator("#text")).to_have_text("7")
