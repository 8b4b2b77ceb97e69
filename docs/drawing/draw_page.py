"""Takes screenshots of the web page in desktop and phone size. Needs Chromium.

python docs/drawing/draw_page.py
"""

from __future__ import annotations

import io
from pathlib import Path

from model_stamp import save_picture
from PIL import Image
from playwright.sync_api import Page
from service_process import open_browser, serve

SAMPLES = Path(__file__).parents[2] / "samples"
TARGET = Path(__file__).parents[1] / "images" / "page.png"
GAP = 24
STROKES = (
    [(150, 150), (94, 255), (206, 255)],
    [(174, 190), (170, 340)],
    [
        (360, 190),
        (384, 155),
        (424, 150),
        (453, 179),
        (440, 222),
        (392, 278),
        (360, 326),
        (464, 323),
    ],
)


def write_42(page: Page) -> None:
    """Draws 42 with the mouse and waits for the reading."""
    surface = page.locator("#draw .surface").bounding_box()
    if surface is None:
        raise SystemExit("no drawing surface on the page: expected an element '#draw .surface'")
    scale = surface["width"] / 640
    for stroke in STROKES:
        places = [(surface["x"] + scale * x, surface["y"] + scale * y) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for x, y in places[1:]:
            page.mouse.move(x, y, steps=6)
        page.mouse.up()
    page.locator("#text").filter(has_text="42").wait_for()
    page.check("#heat")
    page.locator("#legend").wait_for()


def read_photographs(page: Page) -> None:
    """Selects sample pictures as files and waits for the reading."""
    page.click("#tab-pictures")
    names = ("1984-on-ruled-paper.jpg", "3-blackboard.jpg")
    page.set_input_files("#files", [SAMPLES / name for name in names])
    page.locator("#text").filter(has_text="1984").wait_for()
    page.wait_for_timeout(500)


def main() -> None:
    """Takes both screenshots and puts them side by side."""
    shots = []
    with serve() as address, open_browser() as browser:
        for size, act in (((1200, 920), write_42), ((400, 920), read_photographs)):
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.goto(address)
            act(page)
            shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    width = sum(shot.width for shot in shots) + GAP
    sheet = Image.new("RGB", (width, max(shot.height for shot in shots)), (128, 128, 128))
    sheet.paste(shots[0], (0, 0))
    sheet.paste(shots[1], (shots[0].width + GAP, 0))
    save_picture(sheet.quantize(128), TARGET)
    print(TARGET)


if __name__ == "__main__":
    main()
