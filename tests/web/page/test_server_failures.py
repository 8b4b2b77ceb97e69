"""The page when the server stops, or requires an API key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

OpenPage = Callable[..., Page]
Draw = Callable[[Page, str, float], None]


def test_page_waits_for_a_server_that_restarts(
    open_page: OpenPage,
    open_server: Callable[..., Server],
    draw: Draw,
    count_ink: Callable[[Page], int],
) -> None:
    """The server has no options, so the page also says how to store corrections."""
    server = open_server()
    page = open_page(server.url)
    draw(page, "4", 100)
    expect(page.locator("#text")).to_have_text("4")
    expect(page.locator("#correction-off")).to_contain_text("--keep-corrections")
    expect(page.locator("#correction")).to_be_hidden()
    page.locator("#tab-corrections").click()
    expect(page.locator("#corrections-off")).to_contain_text("--keep-corrections")
    page.locator("#tab-draw").click()

    server.end()
    draw(page, "2", 380)
    expect(page.locator("#gone")).to_be_visible()
    ink = count_ink(page)
    page.wait_for_timeout(3600)  # by now it retries every four seconds
    with page.expect_request("**/v1/status", timeout=1500):
        page.locator("#retry").click()
    server.start()
    expect(page.locator("#text")).to_have_text("42", timeout=15_000)
    expect(page.locator("#gone")).to_be_hidden()
    assert count_ink(page) == ink


def test_page_asks_for_the_api_key(
    open_page: OpenPage,
    open_server: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    draw: Draw,
) -> None:
    monkeypatch.setenv("INKDIGITS_API_KEY", "correct horse battery")
    server = open_server()
    page = open_page(server.url)
    draw(page, "7", 250)
    page.locator("#key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-message")).to_contain_text("did not accept this key")
    page.locator("#key").fill("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator("#lock")).to_be_hidden()
