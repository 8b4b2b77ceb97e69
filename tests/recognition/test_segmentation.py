from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.recognition import Recognizer
from inkdigits.recognition.segmentation import Region, find_digits, find_single_digit

Ink = NDArray[np.uint8]


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def digits(test_slice: LabelledImages) -> dict[int, list[Ink]]:
    """Large, cropped ink of the test images that a person and the network agree on, by digit."""
    found: dict[int, list[Ink]] = {digit: [] for digit in range(10)}
    sure = Recognizer.load().classify(test_slice.images).max(axis=1) > 0.999
    for image, label in zip(test_slice.images[sure], test_slice.labels[sure], strict=True):
        large = cv2.resize(image, (112, 112), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        left, top, width, height = cv2.boundingRect((large > 60).astype(np.uint8))
        found[int(label)].append(large[top : top + height, left : left + width])
    return found


def write(
    digits: dict[int, list[Ink]], lines: list[str], *, gap: int = 24, slope: float = 0
) -> Ink:
    """A page with these lines of digits, whose baselines may rise."""
    page = np.zeros((60 + 150 * len(lines), 1100), np.uint8)
    for row, line in enumerate(lines):
        column = 40
        for number, digit in enumerate(line):
            shapes = digits[int(digit)]
            ink = shapes[(7 * row + number) % len(shapes)]
            bottom = 150 * (row + 1) - round(slope * column)
            place = page[bottom - ink.shape[0] : bottom, column : column + ink.shape[1]]
            np.maximum(place, ink, out=place)
            column += ink.shape[1] + gap
    return page


def read(recognizer: Recognizer, regions: list[Region]) -> str:
    from inkdigits.recognition.framing import frame

    if not regions:
        return ""
    tiles = np.stack([frame(region.ink) for region in regions])
    labels = recognizer.classify(tiles).argmax(axis=1)
    lines: dict[int, str] = {}
    for region, label in zip(regions, labels, strict=True):
        lines[region.line] = lines.get(region.line, "") + str(label)
    return "\n".join(lines[line] for line in sorted(lines))


@pytest.mark.parametrize(
    ("lines", "gap", "slope"),
    [
        (["7"], 24, 0),
        (["0123456789"], 24, 0),
        (["9876543210"], 6, 0),
        (["2024", "1999"], 24, 0),
        (["314159", "27", "16180"], 30, 0),
        (["602214"], 24, 0.08),
        (["1", "2", "3"], 24, 0),
    ],
)
def test_digits_are_found_in_reading_order(
    recognizer: Recognizer,
    digits: dict[int, list[Ink]],
    lines: list[str],
    gap: int,
    slope: float,
) -> None:
    page = write(digits, lines, gap=gap, slope=slope)
    assert read(recognizer, find_digits(page, recognizer._judge)) == "\n".join(lines)


def test_boxes_hold_the_ink(recognizer: Recognizer, digits: dict[int, list[Ink]]) -> None:
    page = write(digits, ["4817"])
    regions = find_digits(page, recognizer._judge)
    covered = np.zeros_like(page)
    for region in regions:
        box = region.box
        covered[box.y : box.y + box.height, box.x : box.x + box.width] = 255
    assert len(regions) == 4
    assert page[covered == 0].max() < 128
    lefts = [region.box.x for region in regions]
    assert lefts == sorted(lefts)


def test_touching_digits_are_parted(recognizer: Recognizer, digits: dict[int, list[Ink]]) -> None:
    read_right = 0
    pairs = [(a, b) for a in (2, 3, 5, 6, 8) for b in (2, 3, 4, 5, 6)]
    for a, b in pairs:
        page = write(digits, [f"{a}{b}"], gap=-6)
        read_right += read(recognizer, find_digits(page, recognizer._judge)) == f"{a}{b}"
    assert read_right >= 0.8 * len(pairs)


def test_a_broken_digit_is_one(recognizer: Recognizer, digits: dict[int, list[Ink]]) -> None:
    page = write(digits, ["858"])
    rows = page.shape[0]
    five = find_digits(page, recognizer._judge)[1].box
    broken = page.copy()
    middle = five.y + five.height // 4
    broken[middle : middle + max(2, rows // 100), five.x : five.x + five.width] = 0
    assert read(recognizer, find_digits(broken, recognizer._judge)) == "858"


def test_a_wide_letter_without_a_sure_digit_in_it_stays_whole() -> None:
    alpha = np.zeros((240, 260), np.uint8)
    cv2.ellipse(alpha, (90, 120), (60, 48), 0, 40, 320, 255, 7)
    cv2.line(alpha, (130, 84), (210, 160), 255, 7)
    cv2.line(alpha, (130, 156), (190, 70), 255, 7)

    def classify(tiles: Ink) -> NDArray[np.float32]:
        return np.tile(np.array([0.5, *[0.0] * 9, 0.5], np.float32), (len(tiles), 1))

    (region,) = find_digits(alpha, classify)
    assert region.box.width > 1.5 * region.box.height


def test_many_dotted_digits_are_one(recognizer: Recognizer, digits: dict[int, list[Ink]]) -> None:
    found = []
    for shapes in digits.values():
        for shape in shapes[:6]:
            dotted = np.pad(shape, 8)
            dotted[np.arange(dotted.shape[0]) % 20 < 6] = 0
            dotted[:, np.arange(dotted.shape[1]) % 20 < 6] = 0
            found.append(len(find_digits(dotted, recognizer._judge)))
    # Dots as large as these gaps are strokes of their own as often as not.
    assert np.mean(np.equal(found, 1)) > 0.3


def test_specks_and_frame_are_left_out(
    recognizer: Recognizer, digits: dict[int, list[Ink]]
) -> None:
    page = write(digits, ["507"])
    random = np.random.default_rng(1)
    for row, column in random.integers((0, 0), page.shape, size=(30, 2)):
        cv2.circle(page, (int(column), int(row)), 1, 255, -1)
    page[:, :3] = 255
    assert read(recognizer, find_digits(page, recognizer._judge)) == "507"


@pytest.mark.parametrize("bottom", [35, 190], ids=["above", "below"])
def test_words_beside_the_line_are_left_out(
    recognizer: Recognizer, digits: dict[int, list[Ink]], bottom: int
) -> None:
    page = write(digits, ["20417"])
    words = "Please write the amount here"
    cv2.putText(page, words, (30, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)

    assert read(recognizer, find_digits(page, recognizer._judge)) == "20417"


def test_empty_ink_holds_nothing(recognizer: Recognizer) -> None:
    empty = np.zeros((40, 60), np.uint8)
    assert find_digits(empty, recognizer._judge) == []
    assert find_single_digit(empty) is None


def test_one_digit_takes_its_parts_and_leaves_specks(digits: dict[int, list[Ink]]) -> None:
    ink = np.zeros((200, 200), np.uint8)
    shape = digits[5][0]
    ink[40 : 40 + shape.shape[0], 50 : 50 + shape.shape[1]] = shape
    whole = find_single_digit(ink)
    middle = 40 + shape.shape[0] // 4
    ink[middle : middle + 2] = 0
    ink[195:198, 195:198] = 255
    broken = find_single_digit(ink)
    assert whole is not None
    assert broken is not None
    assert whole.box == broken.box


@pytest.mark.parametrize("seed", range(3))
def test_texture_gives_few_regions(recognizer: Recognizer, seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = (random.random((600, 800)) > 0.8).astype(np.uint8) * 255
    assert len(find_digits(noise, recognizer._judge)) <= 1000
