from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.errors import (
    ModelError,
    NoInkError,
    PictureError,
    PictureFormatError,
    UsageError,
)
from inkdigits.recognition import (
    DEFAULT_MODEL,
    Box,
    Digit,
    Recognizer,
    predict,
    predict_digit,
)
from inkdigits.recognition.decoding import PictureSource
from inkdigits.recognition.recognizer import PICTURES_AHEAD, _refuse_text
from inkdigits.training import Run


@pytest.fixture(scope="module")
def recognizer(smoke_run: Run) -> Recognizer:
    return Recognizer.load(smoke_run.folder)


@pytest.mark.parametrize("dark_on_light", [True, False])
def test_enlarged_digits_are_read(
    recognizer: Recognizer, test_slice: LabelledImages, dark_on_light: bool
) -> None:
    """A picture is read as its tile is, except where scaling changed what was unclear already."""
    expected = recognizer.classify(test_slice.images[:60])
    sure = [i for i in range(60) if expected[i].max() > 0.9]
    agreeing = 0
    for i in sure:
        pixels = cv2.copyMakeBorder(
            cv2.resize(test_slice.images[i], (168, 168), interpolation=cv2.INTER_CUBIC),
            20, 40, 60, 30, cv2.BORDER_CONSTANT, value=0,
        )  # fmt: skip
        reading = recognizer.read(255 - pixels if dark_on_light else pixels)
        agreeing += reading.text == str(expected[i].argmax())

    assert len(sure) > 30
    assert agreeing >= 0.9 * len(sure)


def test_a_tile_is_read_as_it_is(recognizer: Recognizer, test_slice: LabelledImages) -> None:
    probabilities = recognizer.classify(test_slice.images[:20])
    for tile, expected in zip(test_slice.images[:20], probabilities, strict=True):
        (digit,) = recognizer.read(tile).digits

        np.testing.assert_array_equal(digit.tile, tile)
        np.testing.assert_allclose(digit.probabilities, expected, atol=1e-6)
        assert digit.digit == expected.argmax()
        assert digit.confidence == pytest.approx(expected.max(), abs=1e-6)


def test_certainty_is_what_refusal_looks_at(test_slice: LabelledImages) -> None:
    recognizer = Recognizer.load()
    tiles = np.concatenate([test_slice.images[:50], np.rot90(test_slice.images[:50], axes=(1, 2))])
    certainties = recognizer.measure_certainty(tiles)
    assert certainties.shape == (100,)
    assert certainties[:50].mean() > certainties[50:].mean() + 0.2
    for tile, certainty in zip(tiles, certainties, strict=True):
        (digit,) = recognizer.read(tile, one_digit=True).digits
        refused = certainty < recognizer.card.refusal_threshold
        assert (digit.digit is None) == refused or not np.array_equal(digit.tile, tile)


def test_card_of_another_network_is_refused(
    recognizer: Recognizer, test_slice: LabelledImages
) -> None:
    """The default network knows eleven possibilities, the smoke network's card names ten."""
    mixed = Recognizer(Recognizer.load().network, recognizer.card)
    with pytest.raises(ModelError, match="gives 11 probabilities and its card names 10"):
        mixed.classify(test_slice.images[:1])


def test_box_holds_the_ink(recognizer: Recognizer) -> None:
    paper = np.full((200, 300), 240, np.uint8)
    cv2.rectangle(paper, (140, 50), (155, 149), 10, cv2.FILLED)

    (digit,) = recognizer.read(paper).digits

    expected = (140, 50, 16, 100)
    found = (digit.box.x, digit.box.y, digit.box.width, digit.box.height)
    assert np.abs(np.subtract(found, expected)).max() <= 2


def test_every_source_is_read_alike(recognizer: Recognizer, pictures: dict[str, Path]) -> None:
    path = pictures["seven"]
    content = path.read_bytes()
    sources: list[PictureSource] = [path, str(path), content, io.BytesIO(content), Image.open(path)]
    sources.append(np.asarray(Image.open(path)))

    readings = [json.dumps(recognizer.read(source).to_json()) for source in sources]

    assert len(set(readings)) == 1


@pytest.mark.parametrize("grey", [0, 128, 235, 255])
def test_blank_picture(recognizer: Recognizer, smoke_run: Run, grey: int) -> None:
    blank = np.full((120, 160), grey, np.uint8)

    reading = recognizer.read(blank)

    assert (reading.text, reading.digits, reading.reason) == ("", (), "no ink")
    assert reading.confidence == 0
    with pytest.raises(NoInkError, match="no ink"):
        predict_digit(blank, model=smoke_run.onnx_model)


def test_predict_and_predict_digit(smoke_run: Run, pictures: dict[str, Path]) -> None:
    reading = predict(pictures["seven"], model=smoke_run.folder)

    assert reading.text == "7"
    assert predict_digit(pictures["seven"], model=smoke_run.folder) == 7
    assert predict_digit(pictures["chalk"], model=smoke_run.folder) == 7


@pytest.mark.parametrize("name", ["text", "missing"])
def test_no_picture(recognizer: Recognizer, pictures: dict[str, Path], name: str) -> None:
    with pytest.raises(PictureFormatError, match=pictures[name].name):
        recognizer.read(pictures[name])


def test_temperature_of_the_card_is_used(
    smoke_run: Run, test_slice: LabelledImages, tmp_path: Path
) -> None:
    shutil.copy(smoke_run.onnx_model, tmp_path)
    values = json.loads(smoke_run.card.read_bytes())
    readings = []
    for temperature in (1.0, 4.0):
        values["temperature"] = temperature
        (tmp_path / "model.json").write_text(json.dumps(values))
        readings.append(Recognizer.load(tmp_path).classify(test_slice.images[:50]))
    plain, softened = readings
    powers = plain.astype(np.float64) ** (1 / 4)

    np.testing.assert_allclose(softened, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    assert softened.max() < plain.max()


def test_model_without_card(smoke_run: Run, tmp_path: Path) -> None:
    shutil.copy(smoke_run.onnx_model, tmp_path)

    with pytest.raises(ModelError, match=r"model\.json is missing"):
        Recognizer.load(tmp_path)


def test_model_of_another_framing(smoke_run: Run, tmp_path: Path) -> None:
    shutil.copy(smoke_run.onnx_model, tmp_path)
    values = json.loads(smoke_run.card.read_bytes())
    values["framing_version"] += 1
    (tmp_path / "model.json").write_text(json.dumps(values))

    with pytest.raises(ModelError, match="framing_version"):
        Recognizer.load(tmp_path / "model.onnx")


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        predict(np.zeros((28, 28), np.uint8), model=tmp_path)


def test_default_model(test_slice: LabelledImages, pictures: dict[str, Path]) -> None:
    assert DEFAULT_MODEL.is_file()
    probabilities = Recognizer.load().classify(test_slice.images)

    assert np.mean(probabilities.argmax(axis=1) == test_slice.labels) > 0.98
    assert predict_digit(pictures["seven"]) == 7


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["77777"], "77777"),
        (["7777?"], "7777"),  # one badly written digit is left out
        (["77??7"], ""),  # among so many letters nothing is a digit
        (["7?"], ""),
        (["77777777", "77777", "7?"], "77777777\n77777\n7"),  # the page is one of digits
        (["7???7?", "777"], "777"),  # a line of text above a number
    ],
)
def test_lines_of_text_are_refused_whole(lines: list[str], expected: str) -> None:
    tile, shares = np.zeros((28, 28), np.uint8), np.full(10, 0.1, np.float32)
    digits = [
        Digit(
            digit=None if sign == "?" else 7,
            confidence=0.9,
            probabilities=shares,
            box=Box(30 * column, 50 * line, 20, 30),
            tile=tile,
            line=line,
            reason="not a digit: looks like none" if sign == "?" else None,
        )
        for line, signs in enumerate(lines)
        for column, sign in enumerate(signs)
    ]
    decided = _refuse_text(digits)
    texts = ["".join(str(d.digit) for d in decided if d.line == n and d.digit is not None)
             for n in range(len(lines))]  # fmt: skip
    assert "\n".join(text for text in texts if text) == expected
    assert all((d.digit is None) == (d.reason is not None) for d in decided)


@pytest.mark.parametrize("n_threads", [None, 1, 3])
@pytest.mark.parametrize("one_digit", [False, True])
def test_many_are_read_as_one_by_one(
    recognizer: Recognizer,
    pictures: dict[str, Path],
    test_slice: LabelledImages,
    n_threads: int | None,
    one_digit: bool,
) -> None:
    sources: list[PictureSource] = [*test_slice.images[:40], *pictures.values()]
    sources = [sources[i] for i in np.random.default_rng(0).permutation(len(sources))]
    expected = []
    for source in sources:
        try:
            expected.append(recognizer.read(source, one_digit=one_digit).to_json())
        except PictureError as error:
            expected.append({"error": str(error)})

    found = list(recognizer.read_many(iter(sources), one_digit=one_digit, n_threads=n_threads))

    assert sum("error" in row for row in expected) == 2
    for row, reading in zip(expected, found, strict=True):
        if isinstance(reading, PictureError):
            assert row == {"error": str(reading)}
            continue
        assert reading.text == row["text"]
        assert reading.confidence == pytest.approx(row["confidence"], abs=1e-5)
        assert [vars(digit.box) for digit in reading.digits] == [
            dict(zip(("x", "y", "width", "height"), digit["box"], strict=True))
            for digit in row["digits"]
        ]


def test_stream_is_asked_for_few_at_a_time(
    recognizer: Recognizer, test_slice: LabelledImages
) -> None:
    asked = 0

    def draw() -> Iterator[PictureSource]:
        nonlocal asked
        while True:  # nobody could hold them all
            asked += 1
            yield test_slice.images[asked % 100]

    readings = recognizer.read_many(draw(), n_threads=2)
    assert asked == 0
    for taken, reading in enumerate(islice(readings, 200)):
        assert not isinstance(reading, PictureError)
        assert asked - taken <= 2 * PICTURES_AHEAD

    readings.close()  # type: ignore[attr-defined]
    assert [t.name for t in threading.enumerate() if t.name.startswith("inkdigits-read")] == []


def test_nothing_to_read(recognizer: Recognizer) -> None:
    assert list(recognizer.read_many([])) == []


def test_errors_that_are_no_picture_end_the_stream(
    recognizer: Recognizer, test_slice: LabelledImages
) -> None:
    def draw() -> Iterator[PictureSource]:
        yield test_slice.images[0]
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="camera"):
        list(recognizer.read_many(draw()))
    mixed = Recognizer(Recognizer.load().network, recognizer.card)
    with pytest.raises(ModelError, match="gives 11 probabilities"):
        list(mixed.read_many(test_slice.images[:3]))
    with pytest.raises(UsageError, match="0 threads"):
        recognizer.read_many([], n_threads=0)
