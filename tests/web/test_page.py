"""The page in a real browser against the really running service, as a user has them."""

from __future__ import annotations

import csv
import importlib.resources
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from inkdigits.data import load_labelled_pictures
from inkdigits.recognition import Recognizer

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[2] / "samples"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
TABS = ("draw", "pictures", "gallery", "corrections")
PHONE = {"width": 360, "height": 640}

# Strokes of each digit: x and y in drawing pixels from its top left corner.
STROKES = {
    "7": [[(0, 0), (100, 0), (50, 95), (30, 175)]],
    "4": [[(55, 0), (0, 105), (112, 105)], [(80, 40), (76, 190)]],
    "2": [
        [(0, 40), (24, 5), (64, 0), (93, 29), (80, 72), (32, 128), (0, 176), (48, 173), (104, 173)]
    ],
}


@dataclass
class Server:
    """A process of `inkdigits serve`, which can be stopped and started again on its port."""

    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        if self.port == 0:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "inkdigits", "serve", "--no-browser"]
        command += ["--port", str(self.port), *self.options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "inkdigits serve has ended"
            try:
                urllib.request.urlopen(f"{self.url}v1/status", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("inkdigits serve does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "corrections"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """Keeps corrections."""
    server = Server(("--keep-corrections", str(folder)))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def plain_server() -> Iterator[Server]:
    """As it starts without options; of one test alone, which may stop it."""
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: 'apt-get install chromium' brings it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--use-fake-device-for-media-stream",
            ],
        )
        yield browser
        browser.close()


@dataclass
class Watch:
    """What a page does that a user does not see.

    Attributes:
        complaints: What it wrote to the console as warning or error, refused answers left out.
        strangers: Addresses of other hosts that it asked.
        refused: Statuses of answers that were no success.
    """

    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """Opens the page with a fresh profile; at the end nothing may have gone wrong unseen."""
    contexts = []
    watches = []

    def open_one(url: str = server.url, *, camera: bool = False, **options: object) -> Page:
        # Frozen at one size, so that a test never depends on a window's frame.
        options = {"viewport": {"width": 1200, "height": 850}, **options}
        context = browser.new_context(**options)  # type: ignore[arg-type]
        if camera:
            context.grant_permissions(["camera"], origin=url.rstrip("/"))
        page = context.new_page()
        watch = Watch()
        contexts.append(context)
        watches.append(watch)
        page.on(
            "console",
            # The browser itself writes this for each answer that is no success.
            lambda message: (
                watch.complaints.append(message.text)
                if message.type in ("error", "warning")
                and not message.text.startswith("Failed to load resource")
                else None
            ),
        )
        page.on("pageerror", lambda error: watch.complaints.append(str(error)))
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
    assert [(watch.complaints, watch.strangers) for watch in watches] == [([], [])] * len(watches)


def place_strokes(
    page: Page, digit: str, left: float, top: float = 150
) -> list[list[tuple[float, float]]]:
    """Strokes in pixels of the window; left and top are in drawing pixels, of 640 × 480."""
    surface = page.locator("#draw .surface").bounding_box()
    assert surface is not None
    scale = surface["width"] / 640
    return [
        [(surface["x"] + scale * (left + x), surface["y"] + scale * (top + y)) for x, y in stroke]
        for stroke in STROKES[digit]
    ]


def draw(page: Page, digit: str, left: float, top: float = 150) -> None:
    """Draws a digit with the mouse."""
    for stroke in place_strokes(page, digit, left, top):
        page.mouse.move(*stroke[0])
        page.mouse.down()
        for x, y in stroke[1:]:
            page.mouse.move(x, y, steps=5)
        page.mouse.up()


def tap(page: Page, left: float, top: float) -> None:
    surface = page.locator("#draw .surface")
    box = surface.bounding_box()
    assert box is not None
    scale = box["width"] / 640
    surface.click(position={"x": scale * left, "y": scale * top})


def reads(page: Page) -> Locator:
    return page.locator("#text")


def settle(page: Page) -> None:
    """Waits until the last stroke has been read, as a hand does that goes from pen to keys."""
    page.wait_for_timeout(200)
    expect(page.locator("#reading.busy")).to_have_count(0)


def add_pictures(page: Page, *paths: Path) -> None:
    page.locator("#tab-pictures").click()
    page.locator("#files").set_input_files([str(path) for path in paths])


def count_ink(page: Page) -> int:
    """Pixels of the drawing surface that are not empty."""
    count: int = page.locator("#draw canvas").evaluate(
        """canvas => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
            const {width, height} = canvas;
            const copy = new OffscreenCanvas(width, height).getContext("2d");
            copy.drawImage(canvas, 0, 0);
            const {data} = copy.getImageData(0, 0, width, height);
            done(data.filter((value, i) => i % 4 === 3 && value > 0).length);
        })))"""
    )
    return count


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_a_drawn_seven_is_read(open_page: OpenPage, colour_scheme: str) -> None:
    page = open_page(color_scheme=colour_scheme)
    draw(page, "7", 250)

    expect(reads(page)).to_have_text("7")
    settle(page)
    expect(page.locator(".bars .best th")).to_have_text("7")
    expect(page.locator("#draw .box")).to_have_count(1)
    surface = page.locator("#draw .surface").bounding_box()
    box = page.locator("#draw .box").bounding_box()
    assert surface is not None
    assert box is not None
    scale = surface["width"] / 640
    left, top = (box["x"] - surface["x"]) / scale, (box["y"] - surface["y"]) / scale
    # The ink reaches half a pen of 18 pixels beyond the strokes. Boxes are detected at a quarter of
    # the pixels of a level, where the 7 is some 50 pixels high: a tenth of its height is two cells.
    assert (left, top) == pytest.approx((250 - 9, 150 - 9), abs=20)
    assert (box["width"] / scale, box["height"] / scale) == pytest.approx((118, 193), abs=20)
    shares = page.locator(".bars .share").all_inner_texts()
    assert len(shares) == 12  # ten digits, another sign, none
    assert sum(float(re.sub(r"[^\d.]", "", share)) for share in shares) == pytest.approx(100, abs=1)


def test_several_digits_and_the_choice_among_them(open_page: OpenPage) -> None:
    page = open_page()
    draw(page, "4", 100)
    draw(page, "2", 380)

    expect(reads(page)).to_have_text("42")
    settle(page)
    expect(page.locator("#draw .box")).to_have_count(2)
    expect(page.locator("#digit-name")).to_have_text("Digit 4")
    page.locator(".chip").nth(1).click()
    expect(page.locator("#digit-name")).to_have_text("Digit 2")
    expect(page.locator("#draw .box.chosen .box-label")).to_have_text("2")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#digit-name")).to_have_text("Digit 4")
    ink = count_ink(page)
    tap(page, 430, 240)
    expect(page.locator("#digit-name")).to_have_text("Digit 2")
    assert count_ink(page) == ink
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#digit-name")).to_have_text("Digit 4")


def test_undo_and_clear(open_page: OpenPage) -> None:
    page = open_page()
    draw(page, "7", 80)
    expect(reads(page)).to_have_text("7")
    one = count_ink(page)
    draw(page, "7", 380)
    expect(reads(page)).to_have_text("77")
    page.locator("#undo").click()
    expect(reads(page)).to_have_text("7")
    assert count_ink(page) == one
    page.locator("#clear").click()
    expect(reads(page)).to_be_hidden()
    expect(page.locator("#draw .box")).to_have_count(0)
    assert count_ink(page) == 0
    page.locator("#draw .surface").focus()
    page.keyboard.press("Control+z")
    expect(reads(page)).to_have_text("7")
    assert count_ink(page) == one


def test_the_pen_gets_wider(open_page: OpenPage) -> None:
    page = open_page()
    draw(page, "7", 80)
    thin = count_ink(page)
    page.locator("#clear").click()
    page.locator("#pen").fill("36")
    draw(page, "7", 80)

    assert count_ink(page) == pytest.approx(2 * thin, rel=0.15)


def test_a_finger_draws_and_does_not_scroll(open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    finger = page.context.new_cdp_session(page)
    for stroke in place_strokes(page, "7", 250):
        for number, (x, y) in enumerate(stroke):
            kind = "touchMove" if number else "touchStart"
            points = [{"x": x, "y": y}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    expect(reads(page)).to_have_text("7")
    assert page.evaluate("scrollY") == 0


def test_a_pen_pressed_hard_draws_more(open_page: OpenPage) -> None:
    page = open_page()
    pen = page.context.new_cdp_session(page)
    inks = []
    for force in (0.2, 0.9):
        for stroke in place_strokes(page, "7", 250):
            kinds = ["mousePressed", *["mouseMoved"] * (len(stroke) - 2), "mouseReleased"]
            for kind, (x, y) in zip(kinds, stroke, strict=True):
                event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1}
                event |= {"pointerType": "pen", "force": force, "clickCount": 1}
                pen.send("Input.dispatchMouseEvent", event)
        inks.append(count_ink(page))
        page.locator("#clear").click()

    assert inks[1] / inks[0] == pytest.approx((0.5 + 0.9) / (0.5 + 0.2), rel=0.25)


def test_a_blank_surface_is_nothing(open_page: OpenPage) -> None:
    page = open_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    expect(page.locator("#sentence")).to_have_text("Draw one digit or several.")
    expect(page.locator("#clear")).to_be_disabled()
    expect(page.locator("#undo")).to_be_disabled()
    page.wait_for_timeout(700)
    assert requests == []


def test_the_newest_answer_wins(open_page: OpenPage) -> None:
    """The first picture's answer comes long after that to the second."""
    page = open_page()
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/v1/read?*", hold_first)
    draw(page, "4", 100)
    page.wait_for_timeout(900)
    assert held
    draw(page, "2", 380)
    expect(reads(page)).to_have_text("42")
    held[0].continue_()
    page.wait_for_timeout(900)
    expect(reads(page)).to_have_text("42")


def test_what_mattered_is_laid_over_the_tile(open_page: OpenPage) -> None:
    page = open_page()
    draw(page, "7", 250)
    expect(reads(page)).to_have_text("7")
    count_coloured = """canvas => {
        const copy = new OffscreenCanvas(28, 28).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        const {data} = copy.getImageData(0, 0, 28, 28);
        let n = 0;
        for (let i = 0; i < data.length; i += 4) n += data[i] !== data[i + 2];
        return n;
    }"""
    assert page.locator("#tile").evaluate(count_coloured) == 0
    page.locator("#heat").check()

    expect(page.locator("#legend")).to_be_visible()
    assert page.locator("#tile").evaluate(count_coloured) > 5
    page.locator("#heat").uncheck()
    expect(page.locator("#legend")).to_be_hidden()


def make_letters(path: Path) -> Path:
    """A picture with strokes that are no digits."""
    pixels = np.full((300, 600), 240, np.uint8)
    for left in (60, 240, 420):
        pixels[80:220, left : left + 14] = pixels[80:220, left + 90 : left + 104] = 20
        pixels[143:157, left : left + 104] = 20
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    "name", ["3-blackboard.jpg", "5-photo-in-shadow.jpg", "1984-on-ruled-paper.jpg", "letters.png"]
)
def test_a_picture_is_read_as_the_recognizer_does(
    name: str, open_page: OpenPage, recognizer: Recognizer, tmp_path: Path
) -> None:
    path = SAMPLES / name if name != "letters.png" else make_letters(tmp_path / name)
    reading = recognizer.read(path)
    page = open_page()
    add_pictures(page, path)

    expect(page.locator("#picture .box")).to_have_count(len(reading.digits))
    if reading.text:
        expect(reads(page)).to_have_text(reading.text)
        assert page.locator("#text").inner_text() == reading.text
    else:
        expect(reads(page)).to_be_hidden()
        expect(page.locator("#sentence")).not_to_be_empty()
    labels = page.locator("#picture .box-label").all_inner_texts()
    assert labels == [digit.character or "–" for digit in reading.digits]
    with Image.open(path) as image:
        size = ImageOps.exif_transpose(image).size
    shown = page.locator("#picture .boxes").bounding_box()
    assert shown is not None
    assert shown["width"] / shown["height"] == pytest.approx(size[0] / size[1], rel=0.02)
    for digit, element in zip(reading.digits, page.locator("#picture .box").all(), strict=True):
        box = element.bounding_box()
        assert box is not None
        scale = shown["width"] / size[0]
        middle = box["x"] + box["width"] / 2 - shown["x"], box["y"] + box["height"] / 2 - shown["y"]
        expected = digit.box.x + digit.box.width / 2, digit.box.y + digit.box.height / 2
        assert middle == pytest.approx(tuple(scale * place for place in expected), abs=3)


def test_a_blank_picture_holds_nothing(open_page: OpenPage, tmp_path: Path) -> None:
    Image.new("L", (200, 100), 230).save(tmp_path / "blank.png")
    page = open_page()
    add_pictures(page, tmp_path / "blank.png")

    expect(page.locator("#sentence")).to_have_text("Nothing is written here.")
    expect(page.locator("#digit")).to_be_hidden()


def test_a_table_of_many_pictures(
    open_page: OpenPage, recognizer: Recognizer, tmp_path: Path
) -> None:
    awkward = tmp_path / 'a "seven", drawn.png'
    shutil.copy(SAMPLES / "7-canvas.png", awkward)
    (tmp_path / "notes.png").write_text("no picture\n")
    paths = [SAMPLES / "3-blackboard.jpg", awkward, tmp_path / "notes.png", SAMPLES / "0-tiny.gif"]
    page = open_page()
    add_pictures(page, *paths)

    expect(page.locator("#table tbody tr")).to_have_count(4)
    expect(page.locator("#table tr.failed .remark")).not_to_be_empty()
    expect(page.locator("#table .read").filter(has_text=re.compile(r"\d"))).to_have_count(3)
    with page.expect_download() as download:
        page.locator("#csv").click()
    assert download.value.suggested_filename == "readings.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["file"] for row in rows] == [path.name for path in paths]
    for row, path in zip(rows, paths, strict=True):
        if path.name == "notes.png":
            assert row["error"]
            assert not row["text"]
            continue
        reading = recognizer.read(path)
        assert row["text"] == reading.text
        assert float(row["confidence"]) == pytest.approx(reading.confidence, abs=1e-4)
    page.locator("#table button", has_text="0-tiny").click()
    expect(reads(page)).to_have_text("0")
    page.locator("#forget").click()
    expect(page.locator("#table")).to_be_hidden()
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#sentence")).to_have_text("Choose a picture.")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(way: str, open_page: OpenPage) -> None:
    page = open_page()
    bytes_of_picture = list((SAMPLES / "7-canvas.png").read_bytes())
    page.evaluate(
        """([way, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "seven.png", {type: "image/png"}));
            const options = {bubbles: true, cancelable: true};
            const event = way === "paste"
                ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
                : new DragEvent("drop", {...options, dataTransfer: transfer});
            document.body.dispatchEvent(event);
        }""",
        [way, bytes_of_picture],
    )

    expect(reads(page)).to_have_text("7")
    expect(page.locator("#tab-pictures")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#table tbody button")).to_have_text("seven.png")


def test_the_camera_takes_a_picture(open_page: OpenPage) -> None:
    """Chromium's camera for tests shows a moving pattern: what it is read as does not matter."""
    page = open_page(camera=True)
    page.locator("#tab-pictures").click()
    page.locator("#camera-open").click()
    page.locator("video").evaluate(
        """video => new Promise(done => video.videoWidth ? done()
            : video.addEventListener("loadeddata", () => done(), {once: true}))"""
    )
    page.locator("#shutter").click()

    expect(page.locator("#camera")).to_be_hidden()
    expect(page.locator("#table tbody button")).to_have_text("photograph-1.jpg")
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#sentence")).not_to_have_text("Reading …")
    expect(page.locator("#sentence.failure")).to_have_count(0)
    assert page.evaluate("document.querySelector('video').srcObject") is None


def test_without_a_camera_it_says_so(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#tab-pictures").click()
    page.locator("#camera-open").click()

    expect(page.locator("#pictures-message")).to_contain_text("not allowed")
    expect(page.locator("#camera")).to_be_hidden()


def test_the_gallery_is_read(open_page: OpenPage) -> None:
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
        expect(reads(page)).to_have_text(read)
        expect(page.locator("#sentence")).to_have_text(f"{confidence} sure")


def test_a_correction_is_saved_listed_and_deleted(
    open_page: OpenPage, server: Server, folder: Path, recognizer: Recognizer
) -> None:
    page = open_page()
    draw(page, "4", 60)
    draw(page, "7", 300)
    expect(reads(page)).to_have_text("47")
    settle(page)
    page.locator("#draw .surface").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#digit-name")).to_have_text("Digit 7")
    page.keyboard.press("7")
    expect(page.locator("#correction .message")).to_have_text("That is how it was read: 7.")
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
    for picture in kept:  # each is cut out around the seven, without the four
        assert recognizer.read(picture.path, one_digit=True).text == "7"

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


def test_a_server_that_is_stopped_and_comes_back(open_page: OpenPage, plain_server: Server) -> None:
    """It also keeps no corrections, and says how it would."""
    page = open_page(plain_server.url)
    draw(page, "4", 100)
    expect(reads(page)).to_have_text("4")
    expect(page.locator("#correction-off")).to_contain_text("--keep-corrections")
    expect(page.locator("#correction")).to_be_hidden()
    page.locator("#tab-corrections").click()
    expect(page.locator("#corrections-off")).to_contain_text("--keep-corrections")
    page.locator("#tab-draw").click()

    plain_server.stop()
    draw(page, "2", 380)
    expect(page.locator("#gone")).to_be_visible()
    ink = count_ink(page)
    page.wait_for_timeout(3600)  # by now it looks for the server every four seconds
    with page.expect_request("**/v1/status", timeout=1500):
        page.locator("#retry").click()
    plain_server.start()
    expect(reads(page)).to_have_text("42", timeout=15_000)
    expect(page.locator("#gone")).to_be_hidden()
    assert count_ink(page) == ink


def test_a_picture_of_too_many_pixels_is_made_smaller(open_page: OpenPage) -> None:
    server = Server(("--max-pixels", "100000"))
    server.start()
    try:
        page = open_page(server.url)
        with page.expect_response("**/v1/read?**") as answered:
            add_pictures(page, SAMPLES / "7-canvas.png")  # 480 x 480
        (row,) = answered.value.json()
        assert row["text"] == "7"
        assert 90_000 < row["width"] * row["height"] <= 100_000
        assert row["width"] == row["height"]
        expect(reads(page)).to_have_text("7")
    finally:
        server.stop()


@pytest.mark.parametrize("tab", TABS)
def test_fits_a_phone(tab: str, open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    draw(page, "4", 100)
    draw(page, "2", 380)
    expect(reads(page)).to_have_text("42")
    expect(reads(page)).to_be_in_viewport()
    if tab == "pictures":
        add_pictures(page, SAMPLES / "3-blackboard.jpg", SAMPLES / "1984-on-ruled-paper.jpg")
        expect(page.locator("#table .sure").filter(has_text="%")).to_have_count(2)
    elif tab == "gallery":
        page.locator("#tab-gallery").tap()
        page.locator("#mistakes button").first.tap()
        expect(page.locator("#digit")).to_be_visible()
        expect(reads(page)).to_be_in_viewport()
    elif tab == "corrections":
        page.locator("#tab-corrections").tap()

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    targets = page.locator("button, .button, select, .chip, .options label, input[type=range]")
    for target in targets.all():
        box = target.bounding_box()
        if box is not None:
            small = target.evaluate("element => element.outerHTML")
            assert min(box["height"], box["width"]) >= 44, small


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_nothing_amiss(tab: str, colour_scheme: str, open_page: OpenPage) -> None:
    page = open_page(color_scheme=colour_scheme, reduced_motion="reduce")
    draw(page, "4", 100)
    draw(page, "2", 380)
    expect(reads(page)).to_have_text("42")
    if tab == "pictures":
        add_pictures(page, SAMPLES / "3-blackboard.jpg")
        expect(page.locator("#table .sure")).to_contain_text("%")
    else:
        page.locator(f"#tab-{tab}").click()
    if tab == "gallery":
        page.locator("#samples button").first.click()
        expect(reads(page)).to_have_text("0")
    page.locator("#gone").evaluate("banner => { banner.hidden = false; }")

    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(r => r.violations)")

    assert violations == [], json.dumps(violations, indent=1)


def test_is_used_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    focused = page.locator(":focus")
    page.keyboard.press("Tab")
    expect(focused).to_have_id("tab-draw")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_id("tab-gallery")
    expect(page.locator("#samples button")).to_have_count(40)
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("aria-label", "A 0: read it")
    outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(reads(page)).to_have_text("0")
    expect(page.locator("#announcement")).to_contain_text("Reads 0")
    assert page.url.endswith("#gallery")
    page.reload()
    expect(page.locator("#gallery")).to_be_visible()


def test_a_server_with_a_key(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKDIGITS_API_KEY", "correct horse battery")
    server = Server()
    try:
        server.start()
    except TimeoutError:
        pytest.fail("a server with a key does not start")
    finally:
        monkeypatch.delenv("INKDIGITS_API_KEY")
    try:
        page = open_page(server.url)
        draw(page, "7", 250)
        page.locator("#key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-message")).to_contain_text("does not take this key")
        page.locator("#key").fill("correct horse battery")
        page.keyboard.press("Enter")
        expect(reads(page)).to_have_text("7")
        expect(page.locator("#lock")).to_be_hidden()
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["", "page/app.js", "page/theme.css", "page/gallery.json"])
def test_files_come_from_the_server_with_a_strict_policy(name: str, server: Server) -> None:
    with urllib.request.urlopen(server.url + name, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        content_type = answer.headers["Content-Type"]
    expected = {"": "text/html", ".js": "javascript", ".css": "text/css", ".json": "json"}
    assert expected[Path(name).suffix] in content_type
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_what_is_no_file_of_the_page_is_not_served(server: Server) -> None:
    for name in ("page/none.js", "page/../app.py", "page/%2e%2e/gallery.py"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(server.url + name, timeout=10)
        assert caught.value.code == 404
        caught.value.close()
