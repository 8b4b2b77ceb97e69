"""What a real browser fetches: the files of the page, and the API documentation."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["", "page/app.js", "page/theme.css", "page/gallery.json"])
def test_files_have_a_strict_content_security_policy(name: str, server: Server) -> None:
    with urllib.request.urlopen(server.url + name, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        content_type = answer.headers["Content-Type"]
    expected = {"": "text/html", ".js": "javascript", ".css": "text/css", ".json": "json"}
    assert expected[Path(name).suffix] in content_type
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_other_files_are_not_served(server: Server) -> None:
    for name in ("page/none.js", "page/../app.py", "page/%2e%2e/gallery.py"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(server.url + name, timeout=10)
        assert caught.value.code == 404
        caught.value.close()


def test_api_documentation_is_rendered(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(f"{server.url}docs")

    expect(page.locator(".opblock-summary-path").first).to_be_visible()
    assert page.locator("#operations-default-keep_correction_v1_corrections_post").count() == 1
    refused = [text for text in messages if "unsafe-inline" not in text]
    page.close()
    assert refused == []
