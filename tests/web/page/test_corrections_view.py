"""Saving, listing and deleting corrections on the page."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from inkdigits.data import load_labelled_pictures
from inkdigits.recognition import Recognizer

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

OpenPage = Callable[..., Page]
Draw = Callable[[Page, str, float], None]


def test_correction_is_saved_listed_and_deleted(
    open_page: OpenPage,
    server: Server,
    folder: Path,
    default_recognizer: Recognizer,
    draw: Draw,
    settle: Callable[[Page], None],
) -> None:
    page = open_page()
    draw(page, "4", 60)
    draw(page, "7", 300)
    expect(page.locator("#text")).to_have_text("47")
    settle(page)
    page.locator("#draw .surface").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#digit-name")).to_have_text("Digit 7")
    page.keyboard.press("7")
    expect(page.locator("#correction .message")).to_have_text("It was already read as 7.")
    page.locator("#draw .surface").focus()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#correction .message")).to_have_text("Saved: 1, read as 7.")
    page.locator("#draw .surface").focus()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page.locator("#correction .message")).to_have_text("Saved: no digit, read as 7.")

    kept = load_labelled_pictures(folder)
    assert sorted(picture.label for picture in kept) == ["", "1"]
    for picture in kept:  # each is the crop of the seven, without the four
        assert default_recognizer.read(picture.path, digits="one").text == "7"

    page.locator("#tab-corrections").click()
    rows = page.locator("#kept tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0).locator(".label")).to_have_text("no digit")
    expect(rows.nth(1).locator(".label")).to_have_text("1")
    expect(page.locator("#kept p .folder")).to_contain_text(folder.name)
    rows.nth(0).locator("button").click()
    expect(rows).to_have_count(1)
    expect(page.locator("#corrections-message")).to_have_text("Deleted: no digit, read as 7.")
    assert len(load_labelled_pictures(folder)) == 1
    page.locator("#delete-all").click()
    page.locator("#delete-no").click()
    expect(rows).to_have_count(1)
    page.locator("#delete-all").click()
    page.locator("#delete-yes").click()
    expect(page.locator("#kept")).to_be_hidden()
    expect(page.locator("#corrections-message")).to_have_text("All corrections are deleted.")
    with urllib.request.urlopen(f"{server.url}v1/corrections", timeout=10) as answer:
        assert b'"corrections":[]' in answer.read().replace(b" ", b"")
