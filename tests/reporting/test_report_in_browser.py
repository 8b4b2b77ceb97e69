"""The report in a browser without a network: cells and the map show their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def opened(
    page: str,
    launch_chromium: Callable[..., Browser],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Page]:
    """The report, opened from a file on a narrow screen; checks for errors at the end."""
    path: Path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(page, encoding="utf-8")
    faults: list[str] = []
    context = launch_chromium().new_context(offline=True, viewport={"width": 390, "height": 800})
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text))
    opened.goto(path.as_uri())
    yield opened
    assert faults == []


def test_a_cell_shows_all_of_its_mistakes(opened: Page) -> None:
    buttons = opened.locator(".confusion .wrong button")
    assert buttons.count() > 0

    for number in range(min(3, buttons.count())):
        button = buttons.nth(number)
        button.click()
        shown = opened.locator("#cell .tile")
        assert shown.count() == int(button.get_attribute("data-count") or 0)
        assert button.get_attribute("aria-pressed") == "true"
    assert opened.locator('.confusion [aria-pressed="true"]').count() == 1


def test_the_map_shows_an_image_for_pointer_and_keys(opened: Page) -> None:
    opened.locator("#map").scroll_into_view_if_needed()
    label = opened.locator("#map text >> nth=3")
    box = label.bounding_box()
    assert box is not None
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert opened.locator("#hint .tile").is_visible()
    opened.mouse.move(1, 1)
    assert not opened.locator("#hint").is_visible()

    opened.locator(".map").focus()
    opened.keyboard.press("ArrowRight")
    assert opened.locator("#hint").inner_text().strip()[0] in "0123456789"
    opened.keyboard.press("Escape")
    assert not opened.locator("#hint").is_visible()


def test_nothing_is_wider_than_a_telephone(opened: Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
