"""The folder of pictures to review: what goes in, what people type, and what comes out."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import load_labelled_pictures
from inkdigits.errors import DataFormatError
from inkdigits.pictures.decoding import Picture, decode_picture
from inkdigits.recognition import Reading, Recognizer
from inkdigits.results.review_folder import COLUMNS, ReviewFolder, needs_review
from inkdigits.training.samples.own_pictures import load_tiles

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def picture() -> Picture:
    return decode_picture(SAMPLES / "1984-on-ruled-paper.jpg")


@pytest.fixture(scope="module")
def doubtful(picture: Picture) -> Reading:
    """A reading of 1984 in which one digit is certain."""
    recognizer = Recognizer.load()
    reading = recognizer.read(picture)
    assert reading.text == "1984"
    certain = sorted(digit.confidence for digit in reading.digits)
    return recognizer.read(picture, threshold=(certain[-1] + certain[-2]) / 2)


def test_only_uncertain_pictures_and_those_without_digits_need_review(
    picture: Picture, doubtful: Reading
) -> None:
    assert needs_review(doubtful)
    assert not needs_review(Recognizer.load().read(picture))
    assert needs_review(Recognizer.load().read(np.full((40, 40), 255, np.uint8)))


def test_uncertain_digits_are_question_marks_in_reading_order(
    picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    folder = ReviewFolder(tmp_path)
    name = folder.add("scan.jpg", None, picture.pixels, doubtful)
    item = folder.load_item(name)

    (certain,) = [digit for digit in doubtful.digits if digit.digit is not None]
    left_to_right = sorted(digit.box.x for digit in doubtful.digits)
    expected = "".join(certain.character if x == certain.box.x else "?" for x in left_to_right)
    assert item.text == expected
    assert [digit["box"][0] for digit in item.digits] == left_to_right
    assert [digit["character"] for digit in item.digits] == list(expected)
    assert (item.height, item.width) == picture.pixels.shape


def test_large_pictures_are_scaled_down_with_their_boxes(
    picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    folder = ReviewFolder(tmp_path)
    large = np.kron(picture.pixels, np.ones((4, 4), np.uint8))
    whole = folder.load_item(folder.add("small.jpg", None, picture.pixels, doubtful))
    scaled = folder.load_item(folder.add("large.jpg", None, large, Recognizer.load().read(large)))

    assert (scaled.width, scaled.height) == (2_000, round(2_000 * whole.height / whole.width))
    ratio = scaled.width / whole.width
    for one, other in zip(scaled.digits, whole.digits, strict=True):
        assert np.allclose(one["box"], np.array(other["box"]) * ratio, atol=0.03 * scaled.width)


def test_each_page_is_there_once_in_the_order_of_pages(
    picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    folder = ReviewFolder(tmp_path)
    places = [("b.pdf", 10), ("b.pdf", 2), ("a.png", None), ("b.pdf", 2)]
    names = [folder.add(address, page, picture.pixels, doubtful) for address, page in places]

    listed, n_open, n_pictures = folder.list_open(2)
    assert listed == [names[2], names[1]]
    assert (n_open, n_pictures) == (3, 3)
    folder.save(names[2], "7")
    assert folder.list_open(9) == ([names[1], names[0]], 2, 3)
    # Another process, or the same one later, sees what is there.
    assert ReviewFolder(tmp_path).list_open(9) == ([names[1], names[0]], 2, 3)


def test_what_people_type_is_kept_replaced_and_removed(
    picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    folder = ReviewFolder(tmp_path)
    name = folder.add("scan.pdf", 3, picture.pixels, doubtful)
    assert folder.find_text(name) is None

    folder.save(name, "19\n84")
    assert folder.find_text(name) == "19\n84"
    assert folder.load_texts() == {("scan.pdf", 3): "19\n84"}
    folder.save(name, "")
    assert folder.load_texts() == {("scan.pdf", 3): ""}
    assert [picture.label for picture in load_labelled_pictures(tmp_path)] == [""]
    assert folder.remove(name)
    assert not folder.remove(name)
    assert folder.load_texts() == {}


@pytest.mark.parametrize("text", ["1984?", "x", "12a", ",", " ", "\n"])
def test_other_texts_are_refused(
    text: str, picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    folder = ReviewFolder(tmp_path)
    name = folder.add("scan.pdf", 3, picture.pixels, doubtful)

    with pytest.raises(ValueError, match="expected digits"):
        folder.save(name, text)
    for unknown in ("0" * 32, "../manifest", ""):
        with pytest.raises(KeyError):
            folder.save(unknown, "1")


def test_reviewed_digits_can_be_trained_on(
    picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    folder = ReviewFolder(tmp_path)
    name = folder.add("scan.jpg", None, picture.pixels, doubtful)
    folder.save(name, "1984")

    labels = [(one.label, one.kind) for one in load_labelled_pictures(tmp_path)]
    assert labels == [("1984", "reviewed"), *((digit, "reviewed-digit") for digit in "1984")]
    tiles = load_tiles(tmp_path)
    assert tiles.labels.tolist() == [1, 9, 8, 4]
    read = Recognizer.load().classify(tiles.images).argmax(axis=1)
    assert read.tolist() == [1, 9, 8, 4]

    # If a certain digit is corrected, it is unknown which box is which digit.
    (certain,) = [digit.character for digit in doubtful.digits if digit.digit is not None]
    typed = "1984".replace(certain, "5")
    folder.save(name, typed)
    assert [one.label for one in load_labelled_pictures(tmp_path)] == [typed]
    assert list((tmp_path / "digits").iterdir()) == []


def test_several_reviewers_lose_nothing(
    picture: Picture, doubtful: Reading, tmp_path: Path
) -> None:
    names = [ReviewFolder(tmp_path).add(str(n), None, picture.pixels, doubtful) for n in range(8)]

    def review(part: list[str]) -> None:
        folder = ReviewFolder(tmp_path)
        for name in part:
            folder.save(name, "12")

    threads = [threading.Thread(target=review, args=(names[start::2],)) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ReviewFolder(tmp_path).load_texts()) == 8
    with (tmp_path / "manifest.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,label\na.png,7\n")

    with pytest.raises(DataFormatError, match="has other columns"):
        ReviewFolder(tmp_path)
