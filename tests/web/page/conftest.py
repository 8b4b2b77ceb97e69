from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from tests.web.conftest import Server

expect.set_options(timeout=15_000)  # milliseconds; the default is too short for a busy machine

CAMERA = "--use-fake-device-for-media-stream"
OpenPage = Callable[..., Page]
Strokes = list[list[tuple[float, float]]]

# Strokes of each digit: x and y in drawing pixels from the top left corner of the digit.
STROKES = {
    "7": [[(0, 0), (100, 0), (50, 95), (30, 175)]],
    "4": [[(55, 0), (0, 105), (112, 105)], [(80, 40), (76, 190)]],
    "2": [
        [(0, 40), (24, 5), (64, 0), (93, 29), (80, 72), (32, 128), (0, 176), (48, 173), (104, 173)]
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `server` stores corrections."""
    return tmp_path_factory.mktemp("kept") / "corrections"


@pytest.fixture(scope="module")
def server(
    folder: Path, run_server: Callable[..., AbstractContextManager[Server]]
) -> Iterator[Server]:
    """A server that stores corrections."""
    with run_server("--keep-corrections", str(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def browser(launch_chromium: Callable[..., Browser]) -> Browser:
    """A browser that denies the use of the camera without asking."""
    return launch_chromium(CAMERA, "--use-fake-ui-for-media-stream=deny")


@pytest.fixture
def allowing_browser(launch_chromium: Callable[..., Browser]) -> Browser:
    """A browser that allows the use of the camera without asking."""
    return launch_chromium(CAMERA, "--use-fake-ui-for-media-stream")


@dataclass
class Watch:
    """Records what a page does behind the scenes.

    Attributes:
        messages: Warnings and errors in the console, except those of HTTP errors.
        strangers: Requested addresses of other hosts.
    """

    messages: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """Opens the page with a new profile, and checks at the end for errors that no user sees."""
    contexts = []
    watches = []

    def open_one(url: str = server.url, browser: Browser = browser, **options: object) -> Page:
        # A fixed size, so that tests do not depend on the window.
        options = {"viewport": {"width": 1200, "height": 850}, **options}
        context = browser.new_context(**options)  # type: ignore[arg-type]
        page = context.new_page()
        watch = Watch()
        contexts.append(context)
        watches.append(watch)
        page.on(
            "console",
            # The browser writes the excluded message for each HTTP error.
            lambda message: (
                watch.messages.append(message.text)
                if message.type in ("error", "warning")
                and not message.text.startswith("Failed to load resource")
                else None
            ),
        )
        page.on("pageerror", lambda error: watch.messages.append(str(error)))
        page.on(
            "request",
            lambda request: (
                watch.strangers.append(request.url)
                if not request.url.startswith((url, "blob:", "data:"))
                else None
            ),
        )
        page.goto(url)
        expect(page.locator("#model")).to_contain_text("inkdigits")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [(watch.messages, watch.strangers) for watch in watches] == [([], [])] * len(watches)


@pytest.fixture(scope="session")
def place_strokes() -> Callable[..., Strokes]:
    """Returns the strokes of a digit in window pixels, placed in drawing pixels (640 × 480)."""

    def place(page: Page, digit: str, left: float, top: float = 150) -> Strokes:
        surface = page.locator("#draw .surface").bounding_box()
        assert surface is not None
        scale = surface["width"] / 640
        return [
            [
                (surface["x"] + scale * (left + x), surface["y"] + scale * (top + y))
                for x, y in stroke
            ]
            for stroke in STROKES[digit]
        ]

    return place


@pytest.fixture(scope="session")
def draw(place_strokes: Callable[..., Strokes]) -> Callable[[Page, str, float], None]:
    """Draws a digit with the mouse."""

    def draw_one(page: Page, digit: str, left: float) -> None:
        for stroke in place_strokes(page, digit, left):
            page.mouse.move(*stroke[0])
            page.mouse.down()
            for x, y in stroke[1:]:
                page.mouse.move(x, y, steps=5)
            page.mouse.up()

    return draw_one


@pytest.fixture(scope="session")
def settle() -> Callable[[Page], None]:
    """Waits until the last stroke is read, as a user does before going to the keyboard."""

    def wait(page: Page) -> None:
        page.wait_for_timeout(200)
        expect(page.locator("#reading.busy")).to_have_count(0)

    return wait


@pytest.fixture(scope="session")
def add_pictures() -> Callable[..., None]:
    """Chooses files in the pictures view."""

    def add(page: Page, *paths: Path) -> None:
        page.locator("#tab-pictures").click()
        page.locator("#files").set_input_files([str(path) for path in paths])

    return add


@pytest.fixture(scope="session")
def count_ink() -> Callable[[Page], int]:
    """Counts the pixels of the drawing surface that are not empty."""
    script = """canvas => new Promise(done => {
        const count = () => {
            const {width, height} = canvas;
            const copy = new OffscreenCanvas(width, height).getContext("2d");
            copy.drawImage(canvas, 0, 0);
            const {data} = copy.getImageData(0, 0, width, height);
            done(data.filter((value, i) => i % 4 === 3 && value > 0).length);
        };
        requestAnimationFrame(() => requestAnimationFrame(count));  // after the next repaint
    })"""

    def count(page: Page) -> int:
        n_pixels: int = page.locator("#draw canvas").evaluate(script)
        return n_pixels

    return count
