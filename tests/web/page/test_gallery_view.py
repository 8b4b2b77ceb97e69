"""The gallery of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from inkdigits.data import LabelledImages
from inkdigits.training import Run

if TYPE_CHECKING:
    from tests.web.conftest import Server

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


def test_test_images_are_not_corrected(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#tab-gallery").click()
    mistake = page.locator("#mistakes button").nth(0)
    truth = (mistake.get_attribute("aria-label") or "")[2]

    mistake.click()

    expect(page.locator("#digit")).to_be_visible()
    expect(page.locator("#truth")).to_contain_text(f"True label: {truth}.")
    expect(page.locator("#correction")).to_be_hidden()
    expect(page.locator("#correction-off")).to_be_hidden()
    mistake.press(truth)  # proposes a correction where there is a form
    expect(page.locator("#correction .message")).to_have_text("")

    page.locator("#tab-draw").click()  # the view of a user's own digits
    expect(page.locator("#truth")).to_be_hidden()


def test_saved_test_image_is_not_corrected_as_a_picture(
    open_page: OpenPage,
    add_pictures: Callable[..., None],
    test_slice: LabelledImages,
    tmp_path: Path,
) -> None:
    """Also a 1, whose crop is narrower than the tile."""
    paths = [tmp_path / f"{number}.png" for number in (2, 8)]
    for path in paths:
        Image.fromarray(test_slice.images[int(path.stem)]).save(path)
    page = open_page()
    add_pictures(page, *paths)
    for number in range(len(paths)):
        page.locator("#table tbody button").nth(number).click()
        expect(page.locator("#correction")).to_be_visible()
        page.locator("#label").select_option("3")
        page.locator("#correction button").click()
        expect(page.locator("#correction .message")).to_have_text(
            "Not saved. This is a test image of MNIST: models are measured on it, so no correction "
            "of it is stored to train on"
        )


def test_mistakes_of_another_model_are_not_called_its_own(
    smoke_run: Run,
    open_server: Callable[..., Server],
    open_page: OpenPage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path))  # without MNIST
    server = open_server("--model", str(smoke_run.folder))
    page = open_page(server.url)

    page.locator("#tab-gallery").click()

    note = page.locator("#mistakes-note")
    expect(note).to_contain_text("The model “reader-large” misreads")
    expect(note).to_contain_text("the model in use here is another one, “smoke”")
    expect(note).not_to_contain_text("computed")
