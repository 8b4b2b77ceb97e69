"""Readings as HTML, as figures, and in the viewer of the system."""

from __future__ import annotations

import base64
import io
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageShow

from inkdigits.errors import UsageError
from inkdigits.recognition import Reading, Readings, predict
from inkdigits.results.reading_views import draw_for_screen

SAMPLES = Path(__file__).parents[2] / "samples"
NUMBER, YELLOW = SAMPLES / "1984-on-ruled-paper.jpg", SAMPLES / "8-blue-on-yellow.png"
VOID = {"br", "img"}


class Checker(HTMLParser):
    """Collects texts and pictures, and checks that all elements end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.pictures: list[Image.Image] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"div", "span", "table", "thead", "tbody", "tr", "th", "td", *VOID}
        assert {name for name, _ in attrs} <= {"style", "src", "alt", "scope"}
        for name, value in attrs:
            if name == "src":
                encoded = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", value or "")
                assert encoded is not None
                self.pictures.append(Image.open(io.BytesIO(base64.b64decode(encoded[2]))))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def number() -> Reading:
    reading = predict(NUMBER)
    assert isinstance(reading, Reading)
    return reading


def test_the_html_has_the_picture_and_a_row_for_each_digit(number: Reading) -> None:
    found = Checker(number._repr_html_())

    picture, *crops = found.pictures
    assert picture.size == (800, 305)
    assert len(crops) == 4
    assert found.texts[0].startswith("1984")
    assert NUMBER.name in found.texts[0]
    assert [text for text in found.texts if text in {"1", "9", "8", "4"}] == ["1", "9", "8", "4"]


def test_the_picture_in_html_has_its_own_colours() -> None:
    (picture, _) = Checker(predict(YELLOW)._repr_html_()).pictures
    red, green, blue = np.asarray(picture.convert("RGB"))[5, 5]
    assert min(red, green) > 220
    assert blue < 200


def test_names_and_reasons_cannot_be_markup(tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>&.png"
    Image.new("L", (40, 40), 255).save(path)

    for html in (predict(path)._repr_html_(), predict([path])._repr_html_()):
        found = Checker(html)
        assert any(path.name in text for text in found.texts)


def test_a_reading_whose_picture_is_gone_is_still_shown(number: Reading) -> None:
    found = Checker(number.forget_pixels().with_picture("gone.jpg")._repr_html_())

    assert found.pictures == []
    assert any("gone.jpg: no such file" in text for text in found.texts)
    assert found.texts.count("9") == 1


def test_long_results_are_cut(number: Reading) -> None:
    long = Reading(number.found * 30, source="a.png")
    assert any("80 more digits" in text for text in Checker(long._repr_html_()).texts)
    many = Readings([number.forget_pixels()] * 25)
    html = Checker(many._repr_html_())
    assert len(html.pictures) == 20
    assert any("5 more pictures" in text for text in html.texts)


def test_readings_show_a_row_for_each_picture() -> None:
    readings = predict([YELLOW, "missing.png", np.full((40, 40), 255, np.uint8)])
    found = Checker(readings._repr_html_())

    assert found.texts[0] == "3 pictures, 1 of them could not be read"
    assert len(found.pictures) == 2
    assert any(text.startswith("error: missing.png: no such file") for text in found.texts)
    assert "no digit: no ink" in found.texts
    assert Checker(Readings()._repr_html_()).texts == ["0 pictures"]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((28, 28), (480, 480)), ((900, 300), (900, 300)), ((4000, 1000), (1600, 400))],
)
def test_pictures_are_drawn_at_a_size_for_screens(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    drawn = draw_for_screen(Image.new("RGB", size), Reading((), reason="no ink"))
    assert drawn.size == expected


def test_a_figure_shows_the_picture_and_the_probabilities(number: Reading) -> None:
    pytest.importorskip("matplotlib")
    figure = number.plot()

    picture, *panels = figure.get_axes()
    assert picture.get_title().startswith("1984  (99.")
    titles = [panel.get_title() for panel in panels if panel.axison]
    assert [title.split()[0] for title in titles] == ["1", "9", "8", "4"]
    heights = [bar.get_bbox().height for bar in panels[1].patches]  # type: ignore[attr-defined]
    assert len(heights) == 12
    assert heights[9] == max(heights) > 99
    assert sum(heights) == pytest.approx(100, abs=0.01)
    figure.savefig(io.BytesIO())


def test_a_figure_of_a_blank_picture_has_no_bars() -> None:
    pytest.importorskip("matplotlib")
    (axes,) = predict(np.full((40, 40), 255, np.uint8)).plot().get_axes()
    assert axes.get_title() == "no digit: no ink"


def test_show_opens_the_viewer(number: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Image.Image] = []
    monkeypatch.setattr(ImageShow, "_viewers", [])
    with pytest.raises(UsageError, match=r"no viewer for pictures .* reading.save"):
        number.show()

    class Viewer(ImageShow.Viewer):
        def show(self, image: Image.Image, **options: object) -> int:
            shown.append(image)
            return 1

    ImageShow.register(Viewer)
    number.show()
    assert [image.size for image in shown] == [(1100, 420)]


def test_show_displays_in_a_notebook(number: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    displayed: list[object] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr(IPython.display, "display", displayed.append)
    number.show()
    assert displayed == [number]


def test_what_is_not_installed_is_named_in_one_line(
    python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    code = (
        "import sys\n"
        "sys.modules |= {'pandas': None, 'matplotlib': None}\n"
        "import inkdigits\n"
        f"reading = inkdigits.predict({str(YELLOW)!r})\n"
        "for act in (reading.to_pandas, reading.plot):\n"
        "    try:\n"
        "        act()\n"
        "    except inkdigits.errors.MissingExtraError as error:\n"
        "        print(error)\n"
    )
    lines = python("-c", code).stdout.splitlines()
    assert lines == [
        "data frames need pandas, which is not installed; run: pip install pandas",
        'plots need matplotlib, which is not installed; run: pip install "inkdigits[plot]"',
    ]
