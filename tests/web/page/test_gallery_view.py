"""The gallery of the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow

OpenPage = Callable[..., Page]


def match_nearly(shown: str) -> re.Pattern[str]:
    """Matches a percentage that differs by at most one in its last digit.

    Another number of threads rounds sums differently.
    """
    value = re.search(r"\d+\.\d", shown)
    assert value is not None
    tenths = round(10 * float(value[0]))
    nearly = "|".join(f"{n // 10}\\.{n % 10}" for n in range(tenths - 1, tenths + 2))
    return re.compile(f"({nearly}).*sure$")


def test_mistakes_of_the_gallery_are_reproduced(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#tab-gallery").click()
    expect(page.locator("#samples button")).to_have_count(40)
    mistakes = page.locator("#mistakes button")
    for number in (0, 3):
        label = mistakes.nth(number).get_attribute("aria-label") or ""
        found = re.match(r"A (\d) that was read as (\d), (.*) sure", label)
        assert found is not None
        truth, read, confidence = found.groups()
        assert truth != read
        mistakes.nth(number).click()
        expect(page.locator("#text")).to_have_text(read)
        expect(page.locator("#sentence")).to_have_text(match_nearly(confidence))
