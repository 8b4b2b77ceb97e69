"""Films the web page: digits that are drawn, a photograph that is read, a network at work.

python docs/drawing/draw_animation.py

Needs Chromium. The service and the models are those of the package.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from model_stamp import save_animation
from PIL import Image
from playwright.sync_api import Page
from service_process import open_browser, serve

SAMPLES = Path(__file__).parents[2] / "samples"
TARGET = Path(__file__).parents[1] / "images" / "page.webp"
MAX_BYTES = 1_500_000
SIZE = {"width": 1000, "height": 860}
FRAME_MS = 60
"""Time that a frame is shown while a stroke is drawn."""

BOW = [
    (408 + 50 * math.cos(math.radians(angle)), 200 + 50 * math.sin(math.radians(angle)))
    for angle in range(195, 391, 15)
]
FOUR = (
    [(168, 140), (150, 176), (124, 216), (94, 255), (130, 256), (168, 255), (212, 253)],
    [(182, 196), (180, 240), (177, 290), (174, 340)],
)
TWO = ([*BOW, (436, 246), (412, 276), (386, 304), (362, 330), (396, 329), (430, 328), (468, 326)],)
SEVEN = ([(235, 140), (275, 141), (315, 140), (358, 138), (334, 190), (312, 250), (294, 318)],)
"""Strokes in the coordinates of the drawing surface, which is 640 wide."""


@dataclass
class Film:
    """Screenshots of a page, and how long each is shown.

    Attributes:
        page: The page that is filmed.
        frames: The screenshots.
        durations: Milliseconds that each frame is shown.
    """

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)

    def take(self, duration: int) -> None:
        """Adds a screenshot that is shown for some milliseconds."""
        shot = self.page.screenshot(animations="disabled", caret="hide")
        self.frames.append(Image.open(io.BytesIO(shot)).convert("RGB"))
        self.durations.append(duration)

    def draw(self, surface: str, strokes: tuple[list[tuple[float, float]], ...]) -> None:
        """Draws on an element with the mouse, with a frame at each point."""
        box = self.page.locator(surface).bounding_box()
        if box is None:
            raise SystemExit(f"no drawing surface on the page: expected an element {surface!r}")
        scale = box["width"] / 640
        mouse = self.page.mouse
        for stroke in strokes:
            places = [(box["x"] + scale * x, box["y"] + scale * y) for x, y in stroke]
            mouse.move(*places[0])
            mouse.down()
            for x, y in places[1:]:
                mouse.move(x, y, steps=4)
                self.take(FRAME_MS)
            mouse.up()

    def wait_for(self, element: str, text: str, duration: int) -> None:
        """Waits until an element shows a text, and adds a screenshot."""
        self.page.locator(element).filter(has_text=re.compile(rf"^\s*{text}\s*$")).first.wait_for()
        self.page.wait_for_timeout(300)  # what is drawn beside the text
        self.take(duration)


def film(page: Page) -> Film:
    """Draws 42, looks at a digit, reads a photograph, and looks inside the network."""
    film = Film(page)
    film.take(700)
    film.draw("#draw .surface", FOUR)
    film.wait_for("#text", "4", 700)
    film.draw("#draw .surface", TWO)
    film.wait_for("#text", "42", 1500)
    page.check("#heat")
    page.locator("#legend").wait_for()
    film.take(1500)
    page.click("#tab-pictures")
    film.take(600)
    page.set_input_files("#files", [SAMPLES / "1984-on-ruled-paper.jpg"])
    film.wait_for("#text", "1984", 2500)
    page.click("#tab-inside")
    page.locator("#inside-clear").click()
    film.take(700)
    film.draw("#inside .pad", SEVEN)
    film.wait_for("#inside-bars .best th", "7", 3000)
    return film


def main() -> None:
    """Writes the animation."""
    with serve() as address, open_browser() as browser:
        page = browser.new_page(viewport=SIZE)
        page.goto(address)
        taken = film(page)
    save_animation(taken.frames, taken.durations, TARGET)
    if TARGET.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{TARGET} has {TARGET.stat().st_size:,} bytes: expected {MAX_BYTES:,}")
    print(TARGET)


if __name__ == "__main__":
    main()
