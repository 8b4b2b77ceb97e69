"""A reading opens its picture again, in its own colours, without keeping a copy of it."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.kept_pictures import keep_picture
from inkdigits.recognition import DecodingLimits, Reading, Recognizer, predict

SAMPLES = Path(__file__).parents[2] / "samples"
SEVEN, BOARD = SAMPLES / "7-canvas.png", SAMPLES / "3-blackboard.jpg"
COLOURS = np.asarray(Image.open(BOARD))
LIMITS = DecodingLimits()


@pytest.mark.parametrize(
    "build",
    [
        lambda: BOARD,
        lambda: str(BOARD),
        BOARD.read_bytes,
        lambda: io.BytesIO(BOARD.read_bytes()),
        lambda: BOARD.open("rb"),
        lambda: Image.open(BOARD),
        lambda: COLOURS,
        lambda: COLOURS.astype(float) / 255,
    ],
    ids=["path", "text", "bytes", "buffer", "file", "image", "array", "floats"],
)
def test_a_picture_of_any_kind_is_opened_in_its_colours(build: Callable[[], Any]) -> None:
    source = build()
    reading = predict(source)
    if hasattr(source, "close") and not isinstance(source, Image.Image):
        source.close()

    assert reading.picture is not None
    assert (np.asarray(reading.picture.open()) == COLOURS).all()
    assert reading.draw().size == (COLOURS.shape[1], COLOURS.shape[0])
    assert [crop.mode for crop in reading.crops()] == ["RGB"]
    assert copy.copy(reading).draw() == copy.deepcopy(reading).draw()


def test_a_reading_copies_no_pixels() -> None:
    reading = predict(COLOURS)
    assert reading.picture is not None
    assert reading.picture.source is COLOURS


def test_a_file_is_found_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SAMPLES)
    reading = predict(BOARD.name)
    monkeypatch.chdir(tmp_path)

    assert reading.source == BOARD.name
    assert reading.draw().size == (640, 640)


@pytest.mark.parametrize(
    ("source", "is_kept"), [(BOARD, True), (BOARD.read_bytes(), False), (COLOURS, False)]
)
def test_a_pickle_is_small_and_keeps_files(source: Any, is_kept: bool) -> None:
    reading = predict(source)
    pickled = pickle.dumps(reading)
    loaded = pickle.loads(pickled)

    assert len(pickled) < 3_000
    assert loaded == reading
    if is_kept:
        assert loaded.draw() == reading.draw()
        return
    with pytest.raises(PictureFormatError, match=r"picture: not kept .*\.with_picture\("):
        loaded.draw()
    assert loaded.with_picture(source).draw() == reading.draw()


def iterate(*pictures: Any) -> Iterator[Any]:
    yield from pictures


def test_lists_keep_their_pictures_and_generators_only_files() -> None:
    kept = predict([COLOURS, BOARD])
    streamed = predict(iterate(COLOURS, BOARD))
    read = list(Recognizer.load().read_many([COLOURS, BOARD]))

    assert [reading.draw().size for reading in kept] == [(640, 640)] * 2
    for readings in (streamed, read):
        first, second = readings
        assert isinstance(first, Reading)
        assert isinstance(second, Reading)
        assert second.draw().size == (640, 640)
        with pytest.raises(PictureError, match="not kept"):
            first.draw()


def test_pages_are_opened_one_by_one(tmp_path: Path) -> None:
    pages = [Image.open(BOARD), Image.new("RGB", (300, 200), "yellow"), Image.open(SEVEN)]
    path = tmp_path / "pages.tif"
    pages[0].save(path, save_all=True, append_images=[page.convert("RGB") for page in pages[1:]])

    for source in (path, path.read_bytes()):
        readings = predict(source)
        assert [reading.picture.open().size for reading in readings] == [p.size for p in pages]
        assert readings[1].picture.open().getcolors() == [(60_000, (255, 255, 0))]


def test_pages_of_a_pdf_file_are_drawn_again(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    path = tmp_path / "pages.pdf"
    pages = [Image.new("RGB", (300, 200), colour) for colour in ("yellow", "red")]
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=200, quality=100)

    readings = predict(path)

    for reading, colour in zip(readings, ((255, 255, 0), (255, 0, 0)), strict=True):
        image = reading.picture.open()
        assert image.size == (300, 200)
        assert np.abs(np.asarray(image, int) - colour).max() < 12


def test_a_single_page_keeps_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "page.tif"
    Image.open(BOARD).save(path)

    assert (np.asarray(predict(path).picture.open()) == COLOURS).all()


def test_a_picture_is_opened_upright_and_without_transparency(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOURS[:, :400]).save(tmp_path / "turned.png", exif=exif)
    clear = Image.new("RGBA", (50, 40), (0, 0, 0, 0))
    clear.paste((200, 0, 0, 255), (10, 10, 20, 20))

    turned = keep_picture(tmp_path / "turned.png", LIMITS).open()
    flat = keep_picture(clear, LIMITS).open()

    assert turned.size == (640, 400)
    assert (np.asarray(turned) == np.rot90(COLOURS[:, :400], -1)).all()
    assert {colour for _, colour in flat.getcolors() or []} == {(200, 0, 0), (255, 255, 255)}


def test_another_picture_in_the_place_of_the_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(SEVEN.read_bytes())
    reading = predict(path)
    assert reading.draw().size == (480, 480)

    Image.new("L", (20, 30)).save(path)
    with pytest.raises(PictureFormatError, match=r"20 × 30 pixels, but the one .* had 480 × 480"):
        reading.draw()
    path.unlink()
    with pytest.raises(PictureFormatError, match="no such file"):
        reading.draw()


def test_limits_hold_when_a_picture_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (200, 200)).save(path)
    for source in (path, Image.new("L", (200, 200)), np.zeros((200, 200), np.uint8)):
        with pytest.raises(PictureTooLargeError):
            keep_picture(source, DecodingLimits(max_pixels=30_000)).open()


def test_a_reading_without_a_picture_says_so(tmp_path: Path) -> None:
    bare = Reading((), reason="no ink")
    for act in (bare.draw, bare.crops, bare.show, bare.plot, lambda: bare.save(tmp_path / "a.png")):
        with pytest.raises(PictureFormatError, match=r"the reading has none: pass it to"):
            act()
    broken = predict(["missing.png"])[0]
    with pytest.raises(PictureFormatError, match=r"missing\.png: no such file"):
        broken.save(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
