"""Reading order of boxes that are drawn here, so that what stands where is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.lines import order_marks, split_words

Boxes = NDArray[np.float64]


def write(
    lines: list[str], *, pitch: float = 60, gap: float = 10, height: float = 40, jitter: float = 0
) -> tuple[Boxes, list[str]]:
    """Boxes of lines of signs, and the sign in each; a space is as wide as a digit.

    Points, commas and dashes have the sizes and places that they have in print.
    """
    random = np.random.default_rng(0)
    boxes, signs = [], []
    for row, line in enumerate(lines):
        x = 0.0
        for sign in line:
            width, top, bottom = {
                " ": (0.6, 0, 1),
                ".": (0.12, 0.88, 1),
                ",": (0.15, 0.85, 1.2),
                "-": (0.4, 0.5, 0.56),
            }.get(sign, (0.6, 0, 1))
            if sign != " ":
                shift = jitter * height * random.uniform(-1, 1)
                y = row * pitch + top * height + shift
                boxes.append((x, y, width * height, (bottom - top) * height))
                signs.append(sign)
            x += width * height + gap
    return np.array(boxes), signs


def turn(boxes: Boxes, degrees: float) -> Boxes:
    """The boxes with their middles turned about the origin; more than 0 falls to the right."""
    angle = np.deg2rad(degrees)
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([middles @ rotation.T - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)


def read(boxes: Boxes, signs: list[str]) -> list[str]:
    """What stands on each line, of boxes that were shuffled before."""
    places = np.random.default_rng(1).permutation(len(boxes))
    numbers, order = order_marks(boxes[places])
    lines: dict[int, str] = {}
    assert sorted(order.tolist()) == list(range(len(boxes)))
    assert numbers[order].tolist() == sorted(numbers.tolist())
    for index in order:
        lines[int(numbers[index])] = lines.get(int(numbers[index]), "") + signs[places[index]]
    return [lines[number] for number in sorted(lines)]


PAGES = {
    "one": ["7"],
    "number": ["31415"],
    "stack": ["1", "2", "3"],
    "lines": ["602214", "1999", "31415926"],
    "table": ["12 345 67", "89 012 34", "56 789 01", "23 456 78"],
    "columns": ["12            34", "56            78", "90            11"],
    "separators": ["1.300,-", "12-05-2024", "3,14"],
}


@pytest.mark.parametrize("degrees", [-15, -8, -3, 0, 3, 8, 15])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_lines_are_read_from_left_to_right_and_from_top_to_bottom(
    name: str, degrees: float
) -> None:
    boxes, signs = write(PAGES[name])
    assert read(turn(boxes, degrees), signs) == [line.replace(" ", "") for line in PAGES[name]]


@pytest.mark.parametrize("degrees", [-10, 0, 10])
@pytest.mark.parametrize("pitch", [38, 42, 50])
def test_close_lines_stay_separate(pitch: float, degrees: float) -> None:
    """Their boxes touch or overlap, as the tails of 4, 7 and 9 make them."""
    boxes, signs = write(["314159", "271828"], pitch=pitch)
    assert read(turn(boxes, degrees), signs) == ["314159", "271828"]


@pytest.mark.parametrize("jitter", [0.1, 0.2])
@pytest.mark.parametrize("degrees", [-12, 0, 12])
def test_uneven_handwriting_keeps_its_lines(degrees: float, jitter: float) -> None:
    lines = ["314159", "271828", "161803"]
    boxes, signs = write(lines, pitch=80, jitter=jitter)
    assert read(turn(boxes, degrees), signs) == lines


def test_lines_of_different_heights_stay_separate() -> None:
    large, first = write(["1984"], height=120)
    small, second = write(["271828", "314159"], height=24, pitch=34)
    boxes = np.concatenate([large, small + np.array([5, 140, 0, 0])])
    assert read(boxes, first + second) == ["1984", "271828", "314159"]


def test_small_digits_beside_large_ones_are_on_their_line() -> None:
    large, first = write(["12"], height=80)
    small, second = write(["50"], height=44)
    boxes = np.concatenate([large, small + np.array([130, 30, 0, 0])])
    assert read(boxes, first + second) == ["1250"]


def test_a_bent_line_stays_one_line() -> None:
    """A page that a camera sees from the side: 20 degrees down, then 20 up."""
    boxes, signs = write(["3141592653589793", "2718281828459045"], pitch=70)
    bent = boxes.copy()
    bent[:, 1] += 0.0008 * (boxes[:, 0] - boxes[:, 0].mean()) ** 2
    assert read(bent, signs) == ["3141592653589793", "2718281828459045"]


def test_a_tall_mark_does_not_join_lines() -> None:
    """A bracket beside two lines belongs to one of them at most."""
    boxes, signs = write(["3141", "2718"], pitch=60)
    bracket = np.array([[boxes[:, 0].max() + 40, 0, 10, 100]])
    lines = read(np.concatenate([boxes, bracket]), [*signs, "}"])
    assert [line.replace("}", "") for line in lines if line != "}"] == ["3141", "2718"]


def test_no_marks_give_no_lines() -> None:
    numbers, order = order_marks(np.zeros((0, 4)))
    assert len(numbers) == len(order) == 0


def test_many_unordered_marks_are_ordered_quickly() -> None:
    boxes = np.random.default_rng(3).uniform(1, 500, (800, 4)) / [0.5, 0.5, 20, 20]
    numbers, order = order_marks(boxes)
    assert sorted(order.tolist()) == list(range(800))
    assert set(numbers.tolist()) == set(range(numbers.max() + 1))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("7", ["7"]),
        ("1984", ["1984"]),
        ("Room 12", ["Room", "12"]),
        ("12 345 6", ["12", "345", "6"]),
        ("1.300,-", ["1.300,-"]),
    ],
)
def test_words_are_separated_by_spaces(line: str, expected: list[str]) -> None:
    boxes, signs = write([line])
    words = ["".join(signs[index] for index in word) for word in split_words(boxes)]
    assert words == expected


def test_a_line_without_marks_has_no_words() -> None:
    assert split_words(np.zeros((0, 4))) == []
