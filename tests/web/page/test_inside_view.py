"""The view into the network, as a user sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

OpenPage = Callable[..., Page]
SEVEN = [(250, 140), (350, 140), (300, 235), (280, 315)]


@pytest.fixture
def open_inside(open_page: OpenPage) -> Callable[..., Page]:
    """Opens the view and waits for its layers."""

    def open_one(*arguments: str, **options: object) -> Page:
        page = open_page(*arguments, **options)
        page.locator("#tab-inside").click()
        expect(page.locator(".layer")).to_have_count(8)
        return page

    return open_one


def draw_seven(page: Page) -> None:
    surface = page.locator("#inside .pad").bounding_box()
    assert surface is not None
    scale = surface["width"] / 640
    points = [(surface["x"] + scale * x, surface["y"] + scale * y) for x, y in SEVEN]
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def find_maps(page: Page, layer: int) -> Locator:
    return page.locator(".layer .maps canvas").nth(layer)


def copy_pixels(canvas: Locator) -> str:
    """Returns what a canvas shows, as the address of a PNG file."""
    address: str = canvas.evaluate("canvas => canvas.toDataURL()")
    return address


def test_network_computes_what_one_draws(open_inside: OpenPage) -> None:
    page = open_inside()
    expect(page.locator("#inside-clear")).to_be_disabled()
    empty = copy_pixels(find_maps(page, 0))

    draw_seven(page)

    expect(page.locator("#inside-bars .best th")).to_have_text("7")
    expect(page.locator("#inside-announcement")).to_contain_text("The network sees a 7")
    expect(page.locator(".layer .summary").first).to_contain_text("answers most")
    expect(page.locator(".layer .summary").nth(2)).to_contain_text("made from 24\u00a0×\u00a024")
    expect(page.locator(".layer .summary").last).to_contain_text("The score of 7 answers most")
    assert copy_pixels(find_maps(page, 0)) != empty
    page.locator("#inside-clear").click()
    expect(page.locator(".layer .summary").first).not_to_contain_text("answers most")
    assert copy_pixels(find_maps(page, 0)) == empty


def test_click_on_a_map_shows_its_filter_and_its_patch(open_inside: OpenPage) -> None:
    page = open_inside()
    draw_seven(page)
    expect(page.locator("#inside-bars .best th")).to_have_text("7")
    detail = page.locator(".layer .detail")

    find_maps(page, 1).click(position={"x": 20, "y": 20})

    expect(detail.nth(1)).to_be_visible()
    expect(detail.nth(1).locator(".sentence")).to_contain_text("Map 1 of 48")
    expect(detail.nth(1).locator(".filter")).to_contain_text("for each of 32 maps")
    expect(detail.nth(1).locator(".patch")).to_contain_text("Answers to these")
    find_maps(page, 2).click(position={"x": 20, "y": 20})
    expect(detail.nth(1)).to_be_hidden()
    expect(detail.nth(2).locator(".before")).to_contain_text("Before pooling")
    expect(detail.nth(2).locator(".filter")).to_be_hidden()
    find_maps(page, 2).click(position={"x": 20, "y": 20})
    expect(detail.nth(2)).to_be_hidden()


def test_maps_are_chosen_with_the_keyboard(open_inside: OpenPage) -> None:
    page = open_inside()
    maps = find_maps(page, 0)
    expect(maps).to_have_attribute("aria-valuemax", "32")

    maps.focus()
    page.keyboard.press("End")
    expect(maps).to_have_attribute("aria-valuenow", "32")
    page.keyboard.press("ArrowRight")
    expect(maps).to_have_attribute("aria-valuenow", "32")
    page.keyboard.press("ArrowLeft")
    expect(maps).to_have_attribute("aria-valuetext", "Map 31 of 32: no answer to this ink")
    expect(page.locator(".layer .detail").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".layer .detail").first).to_be_hidden()


def test_layers_are_shown_one_at_a_time(open_inside: OpenPage) -> None:
    page = open_inside()

    page.locator("#layer-alone").check()

    visible = page.locator(".layer:visible h3")
    expect(visible).to_have_text(["Convolution 1"])
    expect(page.locator("#layer-previous")).to_be_disabled()
    page.locator("#layer-next").click()
    expect(visible).to_have_text(["Convolution 2"])
    expect(page.locator("#layer-place")).to_have_text("2 of 8")
    page.locator("#layer-alone").uncheck()
    expect(visible).to_have_count(8)


def test_chosen_digit_of_another_view_is_taken_along(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#tab-gallery").click()
    page.locator("#samples button").first.click()
    expect(page.locator("#text")).to_have_text("0")

    page.locator("#tab-inside").click()

    expect(page.locator("#inside-bars .best th")).to_have_text("0")
    expect(page.locator("#inside-source")).to_be_visible()
    draw_seven(page)
    expect(page.locator("#inside-bars .best th")).to_have_text("7")
    expect(page.locator("#inside-source")).to_be_hidden()


def test_model_without_layers_says_how_to_get_them(
    open_page: OpenPage,
    run_server: Callable[..., AbstractContextManager[Server]],
    exported: dict[str, Path],
) -> None:
    with run_server("--model", str(exported["keras"])) as server:
        page = open_page(server.url)
        page.locator("#tab-inside").click()
        message = page.locator("#inside-message")
        expect(message).to_contain_text("inkdigits export --format onnx")


def test_layers_of_a_model_of_ones_own_are_shown(
    open_page: OpenPage,
    run_server: Callable[..., AbstractContextManager[Server]],
    exported: dict[str, Path],
) -> None:
    with run_server("--model", str(exported["onnx"])) as server:
        page = open_page(server.url)
        page.locator("#tab-inside").click()
        names = page.locator(".layer h3")
        expect(names).to_have_text(["Convolution 1", "Pooling 1", "Dense 1", "Dense 2"])
        expect(page.locator("#inside-model")).to_contain_text("smoke")
