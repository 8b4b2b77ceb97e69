"""The page on a phone, with a keyboard alone, and under axe."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[2] / "samples"
AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
TABS = ("draw", "pictures", "gallery", "inside", "corrections")
COLOUR_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PHONE = {"width": 360, "height": 640}
OpenPage = Callable[..., Page]
Draw = Callable[[Page, str, float], None]


@pytest.mark.parametrize("tab", TABS)
def test_page_fits_a_phone(
    tab: str, open_page: OpenPage, draw: Draw, add_pictures: Callable[..., None]
) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    draw(page, "4", 100)
    draw(page, "2", 380)
    expect(page.locator("#text")).to_have_text("42")
    expect(page.locator("#text")).to_be_in_viewport()
    if tab == "pictures":
        add_pictures(page, SAMPLES / "3-blackboard.jpg", SAMPLES / "1984-on-ruled-paper.jpg")
        expect(page.locator("#table .sure").filter(has_text="%")).to_have_count(2)
    elif tab == "gallery":
        page.locator("#tab-gallery").tap()
        page.locator("#mistakes button").first.tap()
        expect(page.locator("#digit")).to_be_visible()
        expect(page.locator("#text")).to_be_in_viewport()
    elif tab == "corrections":
        page.locator("#tab-corrections").tap()

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    targets = page.locator("button, .button, select, .chip, .options label, input[type=range]")
    for target in targets.all():
        box = target.bounding_box()
        if box is not None:
            small = target.evaluate("element => element.outerHTML")
            assert min(box["height"], box["width"]) >= 44, small


@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_no_violations(
    tab: str, open_page: OpenPage, draw: Draw, add_pictures: Callable[..., None]
) -> None:
    page = open_page(reduced_motion="reduce")
    draw(page, "4", 100)
    draw(page, "2", 380)
    expect(page.locator("#text")).to_have_text("42")
    if tab == "pictures":
        add_pictures(page, SAMPLES / "3-blackboard.jpg")
        expect(page.locator("#table .sure")).to_contain_text("%")
    else:
        page.locator(f"#tab-{tab}").click()
    if tab == "gallery":
        page.locator("#samples button").first.click()
        expect(page.locator("#text")).to_have_text("0")
    page.locator("#gone").evaluate("banner => { banner.hidden = false; }")

    page.evaluate(AXE.read_text(encoding="utf-8"))
    colours = set()
    for colour_scheme in COLOUR_SCHEMES:
        page.emulate_media(color_scheme=colour_scheme)
        colours.add(page.evaluate("getComputedStyle(document.body).color"))
        violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(r => r.violations)")

        assert violations == [], json.dumps(violations, indent=1)
    assert len(colours) == 2


def test_page_works_with_the_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    focused = page.locator(":focus")
    page.keyboard.press("Tab")
    expect(focused).to_have_id("tab-draw")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_id("tab-gallery")
    expect(page.locator("#samples button")).to_have_count(40)
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("aria-label", "A 0: read it")
    outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_have_text("0")
    expect(page.locator("#announcement")).to_contain_text("Reads 0")
    assert page.url.endswith("#gallery")
    page.reload()
    expect(page.locator("#gallery")).to_be_visible()
