"""The site of the documentation is built strictly, its links work, and it needs no internet."""

from __future__ import annotations

import os
import posixpath
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

import inkdigits

ROOT = Path(__file__).parents[1]
PHONE = 390


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built from the checkout."""
    pytest.importorskip("material", reason="needs inkdigits[docs]")
    folder = tmp_path_factory.mktemp("site")
    # Not with --quiet, which hides warnings from --strict as well.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return folder


@dataclass
class Links(HTMLParser):
    """What a page links to, what it loads, and the places that links can lead to."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    headings: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.update(value for name in ("id", "name") if (value := values.get(name)))
        self.headings += tag == "h1"
        address = values.get("src") or values.get("href")
        if address and not address.startswith("data:"):
            (self.links if tag == "a" else self.loaded).append(address)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Links]:
    """The links of each page, by its path in the site."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        links = Links()
        links.feed(path.read_text(encoding="utf-8"))
        found[path.relative_to(site).as_posix()] = links
    return found


def test_every_page_of_the_docs_is_there(pages: dict[str, Links]) -> None:
    expected = {
        path.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
    }

    assert set(pages) == expected | {"404.html"}
    assert {name for name, page in pages.items() if page.headings != 1} <= {"404.html"}


def test_links_lead_somewhere(site: Path, pages: dict[str, Links]) -> None:
    broken = []
    for name, page in pages.items():
        if name == "404.html":  # its addresses start at the root of a server
            continue
        for link in {*page.links, *page.loaded}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path)
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            target = target if path else name
            place = unquote(parts.fragment)
            if not (site / target).is_file() or (
                place and target in pages and place not in pages[target].ids
            ):
                broken.append((name, link))

    assert broken == []


def test_nothing_is_loaded_from_the_internet(site: Path, pages: dict[str, Links]) -> None:
    loaded = {address for page in pages.values() for address in page.loaded}

    assert {address for address in loaded if urlsplit(address).netloc} == set()
    for path in site.rglob("*.css"):
        assert "url(http" not in path.read_text(encoding="utf-8").replace('"', "")


def test_the_reference_has_every_public_name() -> None:
    pages = (ROOT / "docs" / "reference" / "api").glob("*.md")
    shown = {
        line.removeprefix("::: inkdigits.")
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines()
    }

    assert set(inkdigits.__all__) - {"InkdigitsError"} <= shown  # which is in `errors`
    assert "errors" in shown


def test_the_page_on_installation_lists_every_extra() -> None:
    page = (ROOT / "docs" / "start" / "installation.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"dev", "test"}  # for those who change it

    assert {name for name in extras if f"[{name}]" not in page and f"`{name}`" not in page} == set()


def test_the_commands_are_those_of_the_parser() -> None:
    scripts = ROOT / "docs" / "drawing"
    written = runpy.run_path(str(scripts / "write_commands.py"))["describe_commands"]()

    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert page == written, "older than the parser: run 'python docs/drawing/write_commands.py'"


@pytest.fixture(scope="module")
def browser(launch_chromium: Callable[..., Browser]) -> Browser:
    return launch_chromium()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A telephone without a network; errors of the page fail the test."""
    page = browser.new_page(viewport={"width": PHONE, "height": 844}, offline=True)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


@pytest.mark.slow
def test_search_works_in_a_file(site: Path, phone: Page) -> None:
    phone.goto((site / "index.html").as_uri())
    phone.locator("label[for=__search]").first.click()
    phone.locator(".md-search__input").press_sequentially("threshold")

    results = phone.locator(".md-search-result__link")
    expect(results.first).to_be_visible(timeout=15_000)
    results.first.click()
    expect(phone).not_to_have_title("inkdigits")
    assert phone.url.startswith("file:")


@pytest.mark.slow
def test_pages_fit_a_telephone(site: Path, phone: Page, pages: dict[str, Links]) -> None:
    wide = []
    for name in set(pages) - {"404.html"}:
        phone.goto((site / name).as_uri(), wait_until="domcontentloaded")
        if phone.evaluate("document.documentElement.scrollWidth") > PHONE:
            wide.append(name)

    assert wide == []
