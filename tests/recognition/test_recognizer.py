from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.errors import (
    DigitCountError,
    ModelError,
    NoInkError,
    PictureError,
    PictureFormatError,
    UsageError,
)
from inkdigits.pictures.decoding import PictureSource
from inkdigits.recognition import (
    DEFAULT_MODEL,
    DEFAULT_TILE_MODEL,
    Reader,
    ReaderCard,
    Reading,
    Recognizer,
    predict,
    predict_digit,
)
from inkdigits.recognition.detection import Detections
from inkdigits.recognition.read_ahead import PICTURES_AHEAD
from inkdigits.recognition.reading_options import Digits
from inkdigits.results.alphabet import DASH, POINT
from inkdigits.training import Run


@pytest.fixture(scope="module")
def recognizer(smoke_run: Run) -> Recognizer:
    return Recognizer.load(smoke_run.folder)


@pytest.mark.parametrize("dark_on_light", [True, False])
def test_enlarged_digits_are_read(
    recognizer: Recognizer, test_slice: LabelledImages, dark_on_light: bool
) -> None:
    """A picture is read as its tile is, except where scaling changed what was unclear already."""
    expected = recognizer.classify(test_slice.images[:30])
    sure = [i for i in range(30) if expected[i].max() > 0.9]
    agreeing = 0
    for i in sure:
        pixels = cv2.copyMakeBorder(
            cv2.resize(test_slice.images[i], (168, 168), interpolation=cv2.INTER_CUBIC),
            20, 40, 60, 30, cv2.BORDER_CONSTANT, value=0,
        )  # fmt: skip
        reading = recognizer.read(255 - pixels if dark_on_light else pixels)
        agreeing += reading.text == str(expected[i].argmax())

    assert len(sure) > 15
    assert agreeing >= 0.9 * len(sure)


def test_a_tile_is_read_unchanged(recognizer: Recognizer, test_slice: LabelledImages) -> None:
    """A tile that is a picture comes back nearly as it is, and is judged alike."""
    probabilities = recognizer.classify(test_slice.images[:40])
    sure = [i for i in range(40) if probabilities[i].max() > 0.9]
    agreeing, differences = 0, []
    for i in sure:
        (digit,) = recognizer.read(test_slice.images[i], digits="one").digits
        agreeing += digit.digit == probabilities[i].argmax()
        differences.append(np.abs(digit.tile.astype(int) - test_slice.images[i]).mean())
    assert len(sure) > 20
    assert np.median(differences) < 12  # 30 and more where it is another digit
    assert agreeing >= 0.9 * len(sure)


def detect_always(*signs: int, top: int = 40) -> Reader:
    """A reader that finds these classes side by side on every picture, all surely."""

    def detect(pixels: NDArray[np.uint8]) -> Detections:
        probabilities = np.full((len(signs), 17), 0.001, np.float32)
        probabilities[range(len(signs)), signs] = 0.984
        boxes = [(30 * (place + 1), top, 20, 30) for place in range(len(signs))]
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(signs, np.int64),
            probabilities.max(axis=1) if signs else np.zeros(0, np.float32),
            probabilities,
            unread=3 if signs == (9, 9) else 0,
        )

    return Reader(detect, ReaderCard({"name": "fixed"}, 0, {}, {}, threshold=0.9))


def read_always(*signs: int, **options: Any) -> Recognizer:
    shipped = Recognizer.load()
    reader = detect_always(*signs)
    return Recognizer(shipped.network, shipped.card, reader=reader, judges_tiles=False, **options)


WIDE = np.full((110, 400), 235, np.uint8)


def test_digits_are_classified_by_the_reader_or_by_a_network_for_tiles(
    test_slice: LabelledImages,
) -> None:
    """The three that is drawn is always detected as an eight."""
    three = int(np.flatnonzero(test_slice.labels == 3)[0])
    page = WIDE.copy()
    large = cv2.resize(test_slice.images[three], (42, 42), interpolation=cv2.INTER_CUBIC)
    page[34:76, 19:61] = np.minimum(page[34:76, 19:61], 255 - large)
    alone = read_always(8)
    judge = Recognizer(alone.network, alone.card, reader=alone.reader)

    assert alone.read(page).text == "8"
    (digit,) = judge.read(page).digits
    assert digit.digit == 3
    assert digit.confidence == pytest.approx(
        float(judge.measure_certainty(digit.tile[np.newaxis])[0]), abs=1e-6
    )
    np.testing.assert_allclose(
        digit.probabilities, judge.classify(digit.tile[np.newaxis])[0], atol=1e-6
    )


@pytest.mark.parametrize(
    ("signs", "separators", "text", "n_notes"),
    [
        ((1, 7), False, "17", 0),
        ((1, POINT, 7), False, "17", 1),
        ((1, POINT, 7), True, "1.7", 0),
        ((9, 9), False, "99", 1),  # something was too small to be read
    ],
)
def test_marks_that_were_not_read_are_noted(
    signs: tuple[int, ...], separators: bool, text: str, n_notes: int
) -> None:
    reading = read_always(*signs).read(WIDE, separators=separators)
    assert (reading.text, len(reading.notes)) == (text, n_notes)


@pytest.mark.parametrize(
    ("signs", "error", "message"),
    [
        ((), NoInkError, "no ink"),
        ((1, 9, 8, 4), DigitCountError, "contains 4 digits"),
        ((DASH,), DigitCountError, "other marks only"),
        ((16,), DigitCountError, "looks like none"),
    ],
)
def test_read_digit_rejects_any_other_number_of_digits(
    signs: tuple[int, ...], error: type[PictureError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_always(*signs).read_digit(WIDE)


def test_the_central_digit_is_read_if_one_digit_is_expected(test_slice: LabelledImages) -> None:
    narrow = WIDE[:, :110]  # of three digits at 30, 60 and 90, the last one is cut by the edge
    reading = read_always(1, 7, 4).read(narrow, digits="one")
    assert reading.text == "1"
    assert reading.notes == (
        "another digit was not read: expect any number of digits to read all of them",
    )
    assert read_always(7, 4).read_digit(narrow[:, :80]).digit == 7
    assert read_always(7, 4).read(narrow[:, :80], digits="one").notes == ()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_an_invalid_threshold_is_rejected(threshold: float) -> None:
    recognizer = read_always(7)
    for wrong in (
        lambda: recognizer.read(WIDE, threshold=threshold),
        lambda: recognizer.read_digit(WIDE, threshold=threshold),
        lambda: recognizer.read_many([WIDE], threshold=threshold),
        lambda: recognizer.adapt(threshold=threshold),
        lambda: Recognizer.load(threshold=threshold),
    ):
        with pytest.raises(UsageError, match="expected a number from 0 to 1"):
            wrong()


def test_the_default_threshold_is_that_of_the_card() -> None:
    recognizer = read_always(7)
    assert recognizer.threshold == 0.9
    assert recognizer.read(WIDE).text == "7"
    assert recognizer.read(WIDE, threshold=0.99).text == ""
    strict = recognizer.adapt(threshold=0.99)
    assert strict.read(WIDE).text == ""
    assert strict.read(WIDE, threshold=0.5).text == "7"
    (reading,) = recognizer.read_many([WIDE], threshold=0.99)
    assert isinstance(reading, Reading)
    assert reading.text == ""
    judge = Recognizer(recognizer.network, recognizer.card, reader=recognizer.reader)
    assert judge.threshold == recognizer.card.refusal_threshold


def test_rotated_pictures_are_read(test_slice: LabelledImages) -> None:
    """The detector sees digits where the grey falls from left to right."""
    page = np.tile(np.linspace(255, 0, 400).astype(np.uint8), (110, 1))
    upright = detect_always(4, 7, 1)
    lying = detect_always(15, 15, 15)

    def detect(pixels: NDArray[np.uint8]) -> Detections:
        found = (upright if pixels[0, 0] > pixels[0, -1] else lying).detect(pixels)
        if pixels.shape[0] > pixels.shape[1]:  # the line runs down
            found = replace(found, boxes=found.boxes[:, [1, 0, 3, 2]])
        return found

    shipped = Recognizer.load()
    recognizer = Recognizer(
        shipped.network,
        shipped.card,
        reader=Reader(detect, upright.card),
        judges_tiles=False,
    )
    reading = recognizer.read(np.rot90(page, -1))  # turned to the right
    assert reading.text == "471"
    assert reading.notes == ("read turned by 90° to the left",)
    boxes = [(d.box.x, d.box.y, d.box.width, d.box.height) for d in reading.digits]
    assert boxes == [(110 - 70, 30 * place, 30, 20) for place in (1, 2, 3)]
    assert recognizer.read(page).notes == ()


@pytest.mark.parametrize("name", ["model.onnx", "."])
def test_another_reader_replaces_the_default_one(name: str, tmp_path: Path) -> None:
    """Its card says that it is one."""
    shutil.copy(DEFAULT_MODEL, tmp_path / "model.onnx")
    ReaderCard({"name": "mine"}, 1, {}, {}, threshold=0.25).save(tmp_path / "model.json")
    recognizer = Recognizer.load(tmp_path / name)
    assert recognizer.threshold == 0.25
    assert recognizer.reader.card.recipe["name"] == "mine"
    assert not recognizer.judges_tiles
    assert recognizer.read(WIDE).text == ""


def test_boxes_contain_the_ink(recognizer: Recognizer, pictures: dict[str, Path]) -> None:
    (digit,) = recognizer.read(pictures["seven"]).digits
    pixels = np.asarray(Image.open(pictures["seven"]))
    left, top, width, height = cv2.boundingRect((pixels < 128).astype(np.uint8))
    box = digit.box
    across = min(box.x + box.width, left + width) - max(box.x, left)
    down = min(box.y + box.height, top + height) - max(box.y, top)
    both = max(across, 0) * max(down, 0)
    assert both / (box.width * box.height + width * height - both) > 0.6


def test_the_card_of_another_network_is_rejected(
    recognizer: Recognizer, test_slice: LabelledImages
) -> None:
    """The default network knows eleven possibilities, the smoke network's card names ten."""
    mixed = Recognizer(Recognizer.load().network, recognizer.card)
    with pytest.raises(ModelError, match="returns 11 probabilities, but its card has 10"):
        mixed.classify(test_slice.images[:1])


def test_every_kind_of_source_gives_the_same_reading(
    recognizer: Recognizer, pictures: dict[str, Path]
) -> None:
    path = pictures["seven"]
    content = path.read_bytes()
    sources: list[PictureSource] = [path, str(path), content, io.BytesIO(content), Image.open(path)]
    sources.append(np.asarray(Image.open(path)))

    readings = [json.dumps(recognizer.read(source).to_json()) for source in sources]

    assert len(set(readings)) == 1


@pytest.mark.parametrize("grey", [0, 128, 235, 255])
def test_a_blank_picture_has_no_ink(recognizer: Recognizer, smoke_run: Run, grey: int) -> None:
    blank = np.full((120, 160), grey, np.uint8)

    reading = recognizer.read(blank)

    assert (reading.text, reading.digits, reading.reason) == ("", (), "no ink")
    assert reading.confidence == 0
    with pytest.raises(NoInkError, match="no ink"):
        predict_digit(blank, model=smoke_run.onnx_model)


def test_predict_and_predict_digit_use_the_given_model(
    smoke_run: Run, pictures: dict[str, Path]
) -> None:
    reading = predict(pictures["seven"], model=smoke_run.folder)

    assert reading.text == "7"
    assert predict_digit(pictures["seven"], model=smoke_run.folder) == 7
    assert predict_digit(pictures["chalk"], model=smoke_run.folder) == 7


@pytest.mark.parametrize("name", ["text", "missing"])
def test_an_invalid_picture_is_rejected(
    recognizer: Recognizer, pictures: dict[str, Path], name: str
) -> None:
    with pytest.raises(PictureFormatError, match=pictures[name].name):
        recognizer.read(pictures[name])


def test_probabilities_are_calibrated_with_the_temperature_of_the_card(
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


def test_a_model_without_a_card_is_rejected(smoke_run: Run, tmp_path: Path) -> None:
    shutil.copy(smoke_run.onnx_model, tmp_path)

    with pytest.raises(ModelError, match=r"model\.json is missing"):
        Recognizer.load(tmp_path)


def test_a_model_with_another_framing_is_rejected(smoke_run: Run, tmp_path: Path) -> None:
    shutil.copy(smoke_run.onnx_model, tmp_path)
    values = json.loads(smoke_run.card.read_bytes())
    values["framing_version"] += 1
    (tmp_path / "model.json").write_text(json.dumps(values))

    with pytest.raises(ModelError, match="framing_version"):
        Recognizer.load(tmp_path / "model.onnx")


def test_a_missing_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model at"):
        predict(np.zeros((28, 28), np.uint8), model=tmp_path)


def test_the_default_model_reads_digits(
    test_slice: LabelledImages, pictures: dict[str, Path]
) -> None:
    assert DEFAULT_MODEL.is_file()
    assert DEFAULT_TILE_MODEL.is_file()
    probabilities = Recognizer.load().classify(test_slice.images)

    assert np.mean(probabilities.argmax(axis=1) == test_slice.labels) > 0.98
    assert predict_digit(pictures["seven"]) == 7


@pytest.fixture(scope="module")
def sources(pictures: dict[str, Path], test_slice: LabelledImages) -> list[PictureSource]:
    """Tiles and pictures in a random order. With three threads, each has more than it may queue."""
    sources: list[PictureSource] = [*test_slice.images[:40], *pictures.values()]
    return [sources[i] for i in np.random.default_rng(0).permutation(len(sources))]


@pytest.fixture(scope="module", params=["all", "one"])
def read_alone(
    request: pytest.FixtureRequest, recognizer: Recognizer, sources: list[PictureSource]
) -> tuple[Digits, list[dict[str, Any]]]:
    """How many digits are expected, and what `read` makes of each source."""
    rows: list[dict[str, Any]] = []
    for source in sources:
        try:
            rows.append(recognizer.read(source, digits=request.param).to_json())
        except PictureError as error:
            rows.append({"error": str(error)})
    return request.param, rows


@pytest.mark.parametrize("n_threads", [None, 1, 3])
def test_read_many_gives_the_same_readings_as_read(
    recognizer: Recognizer,
    sources: list[PictureSource],
    read_alone: tuple[Digits, list[dict[str, Any]]],
    n_threads: int | None,
) -> None:
    digits, expected = read_alone

    found = list(recognizer.read_many(iter(sources), digits=digits, n_threads=n_threads))

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


def test_read_many_consumes_its_iterable_lazily(
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


def test_read_many_accepts_no_pictures(recognizer: Recognizer) -> None:
    assert list(recognizer.read_many([])) == []


def test_other_errors_end_read_many(recognizer: Recognizer, test_slice: LabelledImages) -> None:
    def draw() -> Iterator[PictureSource]:
        yield test_slice.images[0]
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="camera"):
        list(recognizer.read_many(draw()))
    mixed = Recognizer(Recognizer.load().network, recognizer.card)
    with pytest.raises(ModelError, match="returns 11 probabilities"):
        list(mixed.read_many(test_slice.images[:3]))
    with pytest.raises(UsageError, match="number of threads 0"):
        recognizer.read_many([], n_threads=0)
