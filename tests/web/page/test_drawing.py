"""Drawing on the page, and the reading that follows."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.slow

PHONE = {"width": 360, "height": 640}
PlaceStrokes = Callable[[Page, str, float], list[list[tuple[float, float]]]]
OpenPage = Callable[..., Page]
Draw = Callable[[Page, str, float], None]


def tap(page: Page, left: float, top: float) -> None:
    surface = page.locator("#draw .surface")
    box = surface.bounding_box()
    assert box is not None
    scale = box["width"] / 640
    surface.click(position={"x": scale * left, "y": scale * top})


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_drawn_digit_is_read_with_its_box_and_probabilities(
    open_page: OpenPage, colour_scheme: str, draw: Draw, settle: Callable[[Page], None]
) -> None:
    page = open_page(color_scheme=colour_scheme)
    draw(page, "7", 250)

    expect(page.locator("#text")).to_have_text("7")
    settle(page)
    expect(page.locator(".bars .best th")).to_have_text("7")
    expect(page.locator("#draw .box")).to_have_count(1)
    surface = page.locator("#draw .surface").bounding_box()
    box = page.locator("#draw .box").bounding_box()
    assert surface is not None
    assert box is not None
    scale = surface["width"] / 640
    left, top = (box["x"] - surface["x"]) / scale, (box["y"] - surface["y"]) / scale
    # The ink reaches half the pen's 18 pixels beyond the strokes. Boxes are detected on a grid of
    # four pixels, on a level where the 7 is about 50 pixels high: a tenth of it is two cells.
    assert (left, top) == pytest.approx((250 - 9, 150 - 9), abs=20)
    assert (box["width"] / scale, box["height"] / scale) == pytest.approx((118, 193), abs=20)
    shares = page.locator(".bars .share").all_inner_texts()
    assert len(shares) == 12  # ten digits, another sign, none
    assert sum(float(re.sub(r"[^\d.]", "", share)) for share in shares) == pytest.approx(100, abs=1)


def test_digits_are_selected_by_chip_key_or_tap(
    open_page: OpenPage,
    draw: Draw,
    settle: Callable[[Page], None],
    count_ink: Callable[[Page], int],
) -> None:
    page = open_page()
    draw(page, "4", 100)
    draw(page, "2", 380)

    expect(page.locator("#text")).to_have_text("42")
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


def test_undo_and_clear_are_read_again(
    open_page: OpenPage, draw: Draw, count_ink: Callable[[Page], int]
) -> None:
    page = open_page()
    draw(page, "7", 80)
    expect(page.locator("#text")).to_have_text("7")
    one = count_ink(page)
    draw(page, "7", 380)
    expect(page.locator("#text")).to_have_text("77")
    page.locator("#undo").click()
    expect(page.locator("#text")).to_have_text("7")
    assert count_ink(page) == one
    page.locator("#clear").click()
    expect(page.locator("#text")).to_be_hidden()
    expect(page.locator("#draw .box")).to_have_count(0)
    assert count_ink(page) == 0
    page.locator("#draw .surface").focus()
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).to_have_text("7")
    assert count_ink(page) == one


def test_pen_width_can_be_changed(
    open_page: OpenPage, draw: Draw, count_ink: Callable[[Page], int]
) -> None:
    page = open_page()
    draw(page, "7", 80)
    thin = count_ink(page)
    page.locator("#clear").click()
    page.locator("#pen").fill("36")
    draw(page, "7", 80)

    assert count_ink(page) == pytest.approx(2 * thin, rel=0.15)


def test_finger_draws_without_scrolling(open_page: OpenPage, place_strokes: PlaceStrokes) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    finger = page.context.new_cdp_session(page)
    for stroke in place_strokes(page, "7", 250):
        for number, (x, y) in enumerate(stroke):
            kind = "touchMove" if number else "touchStart"
            points = [{"x": x, "y": y}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    expect(page.locator("#text")).to_have_text("7")
    assert page.evaluate("scrollY") == 0


def test_pen_pressure_changes_the_width(
    open_page: OpenPage, count_ink: Callable[[Page], int], place_strokes: PlaceStrokes
) -> None:
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


def test_blank_surface_is_not_sent(open_page: OpenPage) -> None:
    page = open_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    expect(page.locator("#sentence")).to_have_text("Draw one digit or several.")
    expect(page.locator("#clear")).to_be_disabled()
    expect(page.locator("#undo")).to_be_disabled()
    page.wait_for_timeout(700)
    assert requests == []


def test_late_response_does_not_replace_a_newer_one(open_page: OpenPage, draw: Draw) -> None:
    """The response for the first picture arrives long after that for the second."""
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
    expect(page.locator("#text")).to_have_text("42")
    held[0].continue_()
    page.wait_for_timeout(900)
    expect(page.locator("#text")).to_have_text("42")


def test_heat_map_is_drawn_over_the_tile(open_page: OpenPage, draw: Draw) -> None:
    page = open_page()
    draw(page, "7", 250)
    expect(page.locator("#text")).to_have_text("7")
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
