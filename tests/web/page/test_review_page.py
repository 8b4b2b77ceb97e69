"""The page on which pictures are reviewed: with keys alone, on a phone, and under axe."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition import Recognizer
from inkdigits.results.review_folder import ReviewFolder

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "samples"
AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
OpenReview = Callable[..., tuple[Page, ReviewFolder]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> ReviewFolder:
    """1984 with uncertain digits, a blank page, and a seven."""
    folder = ReviewFolder(tmp_path_factory.mktemp("review"))
    recognizer = Recognizer.load()
    for address, name in (("a.jpg", "1984-on-ruled-paper.jpg"), ("c.png", "7-canvas.png")):
        picture = decode_picture(SAMPLES / name)
        folder.add(address, None, picture.pixels, recognizer.read(picture, threshold=0.9999))
    blank = np.full((60, 80), 255, np.uint8)
    folder.add("b.pdf", 2, blank, recognizer.read(blank))
    return folder


@pytest.fixture(scope="module")
def review_server(
    filled: ReviewFolder, run_server: Callable[..., AbstractContextManager[Server]]
) -> Iterator[Server]:
    with run_server("--review", str(filled.folder)) as server:
        yield server


@pytest.fixture
def open_review(
    browser: Browser, review_server: Server, filled: ReviewFolder
) -> Iterator[OpenReview]:
    """Opens the review from the beginning, and checks that the console has no errors."""
    contexts, messages = [], []
    for name in (path.stem for path in (filled.folder / "items").iterdir()):
        filled.remove(name)

    def open_one(**options: object) -> tuple[Page, ReviewFolder]:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda one: messages.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(f"{review_server.url}review")
        expect(page.locator("#source")).to_have_text("a.jpg")
        return page, filled

    yield open_one
    for context in contexts:
        context.close()
    assert messages == []


def test_keys_alone_review_everything(open_review: OpenReview) -> None:
    page, folder = open_review()
    text, source = page.locator("#text"), page.locator("#source")
    expect(text).to_be_focused()
    read = text.input_value()
    assert "?" in read
    expect(page.locator("#closeup")).to_be_visible()

    page.keyboard.press("Enter")  # too early
    expect(page.locator("#message")).to_contain_text("Replace each ?")
    for digit, character in zip("1984", read, strict=True):
        if character == "?":  # the next uncertain digit is selected
            page.keyboard.press(digit)
    expect(text).to_have_value("1984")
    page.keyboard.press("Enter")
    expect(source).to_have_text("b.pdf, page 2")
    expect(page.locator("#sentence")).to_have_text("Nothing is written here.")
    assert folder.load_texts() == {("a.jpg", None): "1984"}

    page.keyboard.press("s")
    expect(source).to_have_text("c.png")
    page.keyboard.press("Control+a")
    page.keyboard.type("1x")
    expect(text).to_have_value("1")
    page.keyboard.press("Enter")
    expect(page.locator("#end-title")).to_have_text("1 picture is skipped")
    page.keyboard.press("u")
    expect(text).to_be_focused()
    expect(source).to_have_text("c.png")
    expect(text).to_have_value("1")
    assert ("c.png", None) not in folder.load_texts()
    page.keyboard.press("Backspace")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.locator("#again").click()
    expect(source).to_have_text("b.pdf, page 2")
    page.keyboard.press("n")
    expect(page.locator("#end-title")).to_have_text("All pictures are reviewed")
    expect(page.locator("#end .folder").first).to_have_text(str(folder.folder))
    expect(page.locator("#state")).to_have_text("3 of 3 pictures reviewed.")
    assert folder.load_texts() == {
        ("a.jpg", None): "1984",
        ("b.pdf", 2): "",
        ("c.png", None): "7",
    }


def test_it_fits_a_phone(open_review: OpenReview) -> None:
    page, _ = open_review(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for target in page.locator("button:visible, textarea").all():
        box = target.bounding_box()
        assert box is not None
        assert min(box["height"], box["width"]) >= 44, target.evaluate("one => one.outerHTML")
    expect(page.locator("#accept")).to_be_in_viewport()
    page.locator("#full").tap()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#none").tap()
    expect(page.locator("#source")).to_have_text("b.pdf, page 2")


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_axe_finds_no_violations(colour_scheme: str, open_review: OpenReview) -> None:
    page, _ = open_review(color_scheme=colour_scheme, reduced_motion="reduce")
    for shown in ("picture", "end"):
        if shown == "end":
            for source in ("b.pdf, page 2", "c.png", None):
                page.keyboard.press("s")
                if source is not None:
                    expect(page.locator("#source")).to_have_text(source)
            expect(page.locator("#again")).to_be_visible()
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        violations = [
            (one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]
        ]
        assert violations == [], json.dumps(violations, indent=2)


def test_the_page_links_to_the_review(browser: Browser, review_server: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(review_server.url)
    page.locator("#review-link").click()
    expect(page.locator("h1")).to_be_visible()
    expect(page).to_have_url(f"{review_server.url}review")
    context.close()
