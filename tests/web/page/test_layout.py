"""What is in view: small pictures, long tables, a phone on its side, hints and explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "samples"
OpenPage = Callable[..., Page]
AddPictures = Callable[..., None]
Draw = Callable[[Page, str, float], None]


@pytest.mark.parametrize(
    ("size", "expected", "rendering"),
    [
        ((28, 28), (308, 308), "pixelated"),
        ((60, 40), (300, 200), "pixelated"),
        ((200, 150), (200, 150), "auto"),
    ],
)
def test_small_pictures_are_enlarged_by_a_whole_factor(
    size: tuple[int, int],
    expected: tuple[int, int],
    rendering: str,
    open_page: OpenPage,
    add_pictures: AddPictures,
    tmp_path: Path,
) -> None:
    Image.new("L", size, 200).save(tmp_path / "small.png")
    page = open_page()
    add_pictures(page, tmp_path / "small.png")
    expect(page.locator("#sentence")).to_have_text("Nothing is written here.")

    image = page.locator("#picture img")
    box = image.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == pytest.approx(expected, abs=3)
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == rendering


@pytest.mark.parametrize(("width", "height"), [(1200, 850), (360, 640), (740, 360)])
def test_a_picture_chosen_in_a_long_table_is_in_view(
    width: int, height: int, open_page: OpenPage, add_pictures: AddPictures, tmp_path: Path
) -> None:
    for number in range(20):
        Image.new("L", (400, 300), 200).save(tmp_path / f"{number:02}.png")
    page = open_page(viewport={"width": width, "height": height})
    add_pictures(page, *sorted(tmp_path.iterdir()))
    last = page.locator("#table tbody button").last
    last.scroll_into_view_if_needed()
    last.click()

    expect(page.locator("#picture img")).to_have_attribute("alt", "19.png")
    expect(page.locator("#picture")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    rows = page.locator("#table .scroll").bounding_box()
    assert rows is not None
    assert rows["height"] <= max(256, 0.5 * height) + 1


@pytest.mark.parametrize(("width", "height"), [(667, 375), (740, 360), (915, 412)])
def test_the_drawing_and_its_reading_fit_a_phone_on_its_side(
    width: int, height: int, open_page: OpenPage, draw: Draw
) -> None:
    viewport = {"width": width, "height": height}
    page = open_page(viewport=viewport, has_touch=True, is_mobile=True)
    draw(page, "4", 100)
    draw(page, "2", 380)

    expect(page.locator("#text")).to_have_text("42")
    for part in ("#draw .surface", "#text", "#undo"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def forgetful_server(
    run_server: Callable[..., AbstractContextManager[Server]],
) -> Iterator[Server]:
    """A server that keeps no corrections."""
    with run_server() as server:
        yield server


@pytest.mark.parametrize("width", [320, 360, 412, 1200])
def test_a_hint_does_not_break_inside_an_option(
    width: int, open_page: OpenPage, forgetful_server: Server, draw: Draw
) -> None:
    page = open_page(forgetful_server.url, viewport={"width": width, "height": 800})
    draw(page, "7", 250)
    expect(page.locator("#correction-off")).to_be_visible()
    page_of = {"#correction-off": "draw", "#corrections-off": "corrections"}
    for hint, tab in page_of.items():
        page.locator(f"#tab-{tab}").click()
        option = page.locator(f"{hint} code span")
        expect(option).to_have_text("--keep-corrections corrections")
        expect(option).to_be_visible()
        assert option.evaluate("span => span.getClientRects().length") == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_uncertain_digit_is_explained_with_the_confidence_it_lacks(
    open_page: OpenPage, draw: Draw
) -> None:
    page = open_page()
    page.locator("#threshold").fill("100")
    draw(page, "7", 250)

    expect(page.locator("#digit-name")).to_have_text("No digit")
    reason = page.locator("#sentence")
    expect(reason).to_contain_text("Too uncertain: it could be a 7 or")
    expect(reason).to_contain_text("% is below the minimum confidence of 100\u202f%.")
    expect(page.locator(".bars.limited")).to_have_count(1)
    page.locator("#threshold").fill("")
    page.locator("#threshold").dispatch_event("change")
    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator(".bars.limited")).to_have_count(0)


def test_the_confidence_of_several_digits_is_told_from_that_of_one(
    open_page: OpenPage, draw: Draw
) -> None:
    page = open_page()
    draw(page, "4", 100)
    expect(page.locator("#sentence")).to_contain_text("sure")
    expect(page.locator("#sentence")).not_to_contain_text("together")
    draw(page, "2", 380)

    expect(page.locator("#text")).to_have_text("42")
    expect(page.locator("#sentence")).to_contain_text("sure of both digits together")
