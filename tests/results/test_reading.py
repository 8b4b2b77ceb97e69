from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from inkdigits.results.alphabet import CLASS_NAMES, MARK_KINDS
from inkdigits.results.marks import Box, Digit, DigitOrMark, Mark
from inkdigits.results.reading import Reading
from inkdigits.results.reading_text import describe_left_out

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
        {
            "kind": "point",
            "confidence": 0.8,
            "box": [120, 0, 20, 30],
            "bounds": {"x": 120, "y": 0, "width": 20, "height": 30},
            "line": 0,
        }
    ]
    assert row["notes"] == ["a note"]
    for digit in row["digits"]:
        assert list(digit["bounds"].values()) == digit["box"]
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


# A reading as a value


def test_a_reading_is_its_text_and_a_sequence_of_its_digits() -> None:
    reading = Reading(write("1.7", "?!"), source="date.jpg")

    assert str(reading) == reading.text == "17\n?"
    assert (len(reading), bool(reading)) == (4, True)
    assert [digit.character for digit in reading] == ["1", "7", "?", ""]
    assert (reading[1].digit, [digit.digit for digit in reading[:2]]) == (7, [1, 7])
    assert reading[0] in reading
    refused = Reading(write("!"), reason="too uncertain: 4 or 9")
    assert (str(refused), len(refused), bool(refused)) == ("", 1, False)


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (
            Reading(write("1.7"), source="date.jpg", page=3),
            "Reading('17', confidence=0.81, digits=2, marks=1, source='date.jpg', page=3)",
        ),
        (Reading((), reason="no ink"), "Reading('', reason='no ink')"),
        (Reading(write("1", "7")), "Reading('1\\n7', confidence=0.81, digits=2, marks=0)"),
        (Reading(write("1" * 300)), f"Reading('{'1' * 39}…', confidence=0.0, digits=300, marks=0)"),
    ],
)
def test_the_representation_is_one_line(reading: Reading, expected: str) -> None:
    assert repr(reading) == expected


def test_the_representation_of_a_digit_is_one_line() -> None:
    assert repr(make_digit("7", Box(1, 2, 3, 4))) == "Digit(7, confidence=0.9, box=(1, 2, 3, 4))"
    assert repr(make_digit("?", Box(1, 2, 3, 4))).endswith(", reason='too uncertain: 4 or 9')")


def test_readings_are_equal_if_what_was_read_is_equal() -> None:
    reading = Reading(write("1.7"), source="a.png")
    same = Reading(write("1.7"), source="a.png").with_picture(np.zeros((9, 9), np.uint8))

    assert reading == same
    assert hash(reading) == hash(same)
    assert len({reading, same}) == 1
    assert reading != Reading(write("1.8"), source="a.png")
    assert reading != Reading(write("1.7"), source="b.png")
    assert reading not in ["17", 17, None]


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence": 0.8},
        {"probabilities": np.eye(10, dtype=np.float32)[7]},
        {"tile": np.ones((28, 28), np.uint8)},
        {"mark_probabilities": np.full(6, 0.01, np.float32)},
        {"line": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_digits_are_equal_if_all_is_equal(changes: dict[str, Any]) -> None:
    box = Box(1, 2, 3, 4)
    assert make_digit("7", box) == make_digit("7", box)
    assert make_digit("7", box) != make_digit("7", box, **changes)
    assert make_digit("7", box) != 7


def test_a_dict_also_names_the_picture() -> None:
    reading = Reading(write("7"), source="scan.pdf", page=2)

    assert reading.to_dict() == {"file": "scan.pdf", "page": 2, **reading.to_json()}
    assert list(Reading(write("7")).to_dict())[:2] == ["file", "text"]


def test_a_data_frame_has_a_row_for_each_mark() -> None:
    pytest.importorskip("pandas")
    frame = Reading(write("0.07", "?")).to_pandas()

    assert frame["character"].tolist() == ["0", ".", "0", "7", "?"]
    assert frame["kind"].tolist() == ["digit", "point", "digit", "digit", "digit"]
    assert frame["x"].tolist() == [0, 30, 60, 90, 0]
    assert frame["line"].tolist() == [0, 0, 0, 0, 1]
    assert frame["reason"].isna().tolist() == [True] * 4 + [False]
    empty = Reading((), reason="no ink").to_pandas()
    assert (len(empty), empty.dtypes.tolist()) == (0, frame.dtypes.tolist())
