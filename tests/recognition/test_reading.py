from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from inkdigits.recognition.alphabet import CLASS_NAMES, MARK_KINDS
from inkdigits.recognition.reading import Box, Digit, DigitOrMark, Mark, Reading, describe_left_out

KINDS = {".": "point", ",": "comma", "-": "dash", "/": "slash", "+": "plus", "x": "other"}


def make_digit(sign: str, box: Box, line: int = 0, **changes: Any) -> Digit:
    """A digit; "?" is an uncertain one, "!" a refused one."""
    read = int(sign) if sign.isdigit() else None
    values: dict[str, Any] = {
        "digit": read,
        "confidence": 0.9,
        "probabilities": np.full(10, 0.1, np.float32),
        "tile": np.zeros((28, 28), np.uint8),
        "reason": None if read is not None else "too uncertain: 4 or 9",
        "is_uncertain": sign == "?",
    }
    return Digit(box=box, line=line, **{**values, **changes})


def write(*lines: str, pitch: int = 30) -> tuple[DigitOrMark, ...]:
    """Digits and marks 20 wide and 30 high; a space is a gap of the same width."""
    found: list[DigitOrMark] = []
    for number, line in enumerate(lines):
        for place, sign in enumerate(line):
            box = Box(pitch * place, 60 * number, 20, 30)
            if sign in KINDS:
                found.append(Mark(KINDS[sign], box, 0.8, number))
            elif sign != " ":
                found.append(make_digit(sign, box, number))
    return tuple(found)


@pytest.mark.parametrize(
    ("lines", "digits", "with_separators"),
    [
        (["7"], "7", "7"),
        (["1.7"], "17", "1.7"),
        (["12-05-2024"], "12052024", "12-05-2024"),
        (["12/5"], "125", "12/5"),
        (["1.300,-"], "1300", "1.300,-"),
        (["1+7"], "17", "1+7"),
        (["-5"], "5", "-5"),
        (["19?4"], "19?4", "19?4"),
        (["19!4"], "194", "194"),
        (["1x7"], "17", "17"),
        (["1.", "x-", "7"], "1\n7", "1.\n7"),
        ([".    7    -"], "7", "7"),  # specks far from the number
        (["7    -    7"], "77", "7-7"),
        (["?", "7"], "?\n7", "?\n7"),
        (["!", "7"], "7", "7"),
    ],
)
def test_the_text_has_one_line_per_line_of_digits(
    lines: list[str], digits: str, with_separators: str
) -> None:
    reading = Reading(write(*lines))
    assert reading.text == reading.to_text() == digits
    assert reading.to_text(separators=True) == with_separators
    assert Reading(write(*lines), separators=True).text == with_separators


@pytest.mark.parametrize("lines", [[], ["?"], ["!"], ["-"], ["?-!", "?"]])
def test_a_reading_without_certain_digits_has_a_reason_instead_of_a_text(lines: list[str]) -> None:
    reading = Reading(write(*lines), reason="too uncertain: 4 or 9")
    assert reading.text == reading.to_text(separators=True) == ""
    assert reading.confidence == 0
    with pytest.raises(ValueError, match="reason why"):
        Reading(write(*lines))


def test_a_reading_separates_digits_from_marks_in_reading_order() -> None:
    reading = Reading(write("1.7-"))
    assert [digit.digit for digit in reading.digits] == [1, 7]
    assert [mark.kind for mark in reading.marks] == ["point", "dash"]
    assert reading.confidence == pytest.approx(0.81)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["17"], ()),
        (["1.7"], ("a point between digits was left out: ask for separators",)),
        (["?.7"], ("a point between digits was left out: ask for separators",)),
        (["17.", "-7"], ()),  # nothing between digits
        (["1x7"], ()),
        (["!.7"], ()),
        (
            ["1.7", "12-05-24"],
            ("3 separators between digits were left out (dash and point): ask for separators",),
        ),
    ],
)
def test_omitted_separators_are_noted(lines: list[str], expected: tuple[str, ...]) -> None:
    assert describe_left_out(write(*lines)) == expected


def test_probabilities_of_all_classes_sum_to_one() -> None:
    shares = np.random.default_rng(0).dirichlet(np.full(17, 0.3)).astype(np.float32)
    digit = make_digit(
        "7",
        Box(0, 0, 1, 1),
        probabilities=shares[:10] / shares[:10].sum(),
        mark_probabilities=shares[10:16],
        none_probability=float(shares[16]),
    )
    found = digit.class_probabilities
    assert list(found) == [*CLASS_NAMES, "none"]
    assert list(found.values()) == pytest.approx(shares.tolist(), abs=1e-6)


def test_json_contains_all_fields_as_plain_values() -> None:
    reading = Reading(write("19?4.", "!"), notes=("a note",))
    row = json.loads(json.dumps(reading.to_json()))
    assert row["text"] == "19?4"
    assert [digit["character"] for digit in row["digits"]] == ["1", "9", "?", "4", ""]
    assert [digit["digit"] for digit in row["digits"]] == [1, 9, None, 4, None]
    assert row["marks"] == [
        {"kind": "point", "confidence": 0.8, "box": [120, 0, 20, 30], "line": 0}
    ]
    assert row["notes"] == ["a note"]
    for digit in row["digits"]:
        assert set(digit["class_probabilities"]) == {*CLASS_NAMES, "none"}
        assert sum(digit["class_probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": np.zeros(11, np.float32)}, "probabilities have shape"),
        ({"mark_probabilities": np.zeros(5, np.float32)}, "mark_probabilities have shape"),
        ({"tile": np.zeros((28, 28))}, "the tile is float64"),
        ({"reason": "no"}, "either a value or a reason"),
        ({"is_uncertain": True}, "cannot be uncertain"),
    ],
)
def test_invalid_digits_are_rejected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_digit("7", Box(0, 0, 1, 1), **changes)


def test_invalid_marks_and_boxes_are_rejected() -> None:
    with pytest.raises(ValueError, match=f"unknown mark 'dot'; expected {', '.join(MARK_KINDS)}"):
        Mark("dot", Box(0, 0, 1, 1), 1.0)
    with pytest.raises(ValueError, match="at least 1 × 1"):
        Box(0, 0, 0, 1)
