"""What is made of detections, which are built here: nothing is detected."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.detection import Detections
from inkdigits.recognition.interpretation import (
    Verdict,
    build_reading,
    decide,
    describe_others,
    interpret,
    keep_central,
)
from inkdigits.results.alphabet import CLASS_NAMES, NO_MARK
from inkdigits.results.marks import Digit, DigitOrMark, Mark

Probabilities = NDArray[np.float32]

SIGNS = {".": "point", ",": "comma", "-": "dash", "/": "slash", "+": "plus", "x": "other"}
THRESHOLD = 0.5


def share(**shares: float) -> Probabilities:
    """Probabilities by name: `d7` of a 7, otherwise kinds of marks; none takes the rest."""
    row = np.zeros(NO_MARK + 1, np.float32)
    for name, value in shares.items():
        digit = name.removeprefix("d")
        row[CLASS_NAMES.index(digit if digit.isdigit() else name)] = value
    row[NO_MARK] = 1 - row.sum()
    return row


def classify_sign(sign: str) -> Probabilities:
    """Of a sign as it stands in the tests: "?" is a 4 or a 9, "l" a letter or a 1, "!" nothing."""
    if sign == "?":
        return share(d4=0.45, d9=0.4)
    if sign == "!":
        return share(d4=0.1)
    if sign == "l":
        return share(d1=0.4, other=0.55)
    return share(**{SIGNS.get(sign, f"d{sign}"): 0.95})


def detect(*lines: str, shuffle: bool = True, height: int = 30) -> Detections:
    """Detections of lines of signs, 18 wide with gaps of 6; a space is a gap of 36 pixels."""
    boxes, rows = [], []
    for number, line in enumerate(lines):
        x = 20.0
        for sign in line:
            if sign == " ":
                x += 30
                continue
            is_low = sign in ".,"
            top = 50 * number + (24 if is_low else 0) + 20
            boxes.append((x, top, 6 if is_low else 18, 6 if is_low else height))
            rows.append(classify_sign(sign))
            x += boxes[-1][2] + 6
    order = np.random.default_rng(0).permutation(len(boxes)) if shuffle else range(len(boxes))
    probabilities = np.array([rows[i] for i in order], np.float32).reshape(-1, NO_MARK + 1)
    return Detections(
        np.array([boxes[i] for i in order], np.float32).reshape(-1, 4),
        probabilities[:, :NO_MARK].argmax(axis=1).astype(np.int64),
        probabilities[:, :NO_MARK].max(axis=1),
        probabilities,
    )


PAPER = np.full((400, 600), 255, np.uint8)


def spell(found: tuple[DigitOrMark, ...]) -> str:
    """All that was found, refused digits as "!"."""
    lines: dict[int, str] = {}
    for item in found:
        kind = item.kind if isinstance(item, Mark) else ""
        sign = item.character or {"other": "x"}.get(kind, "!")
        lines[item.line] = lines.get(item.line, "") + sign
    return "\n".join(lines[number] for number in sorted(lines))


@pytest.mark.parametrize(
    ("probabilities", "threshold", "expected"),
    [
        (share(d7=0.9), 0.5, Verdict.READ),
        (share(d7=0.9), 0.95, Verdict.REJECTED),
        (share(d7=0.5, d1=0.45), 0.8, Verdict.UNCERTAIN),
        (share(d7=0.5, d1=0.45), 0.4, Verdict.READ),
        (share(d7=0.3, d1=0.3), 0.8, Verdict.REJECTED),
        (share(d7=0.3), 0.0, Verdict.REJECTED),  # none is likelier, whatever is asked for
        (share(dash=0.6, d1=0.4), 0.0, Verdict.MARK),
        (share(dash=0.3, slash=0.3, d1=0.4), 0.0, Verdict.MARK),
        (share(dash=0.2), 0.5, Verdict.REJECTED),
        (share(d7=1.0), 1.0, Verdict.READ),
    ],
)
def test_decide_compares_digits_marks_and_no_mark(
    probabilities: Probabilities, threshold: float, expected: Verdict
) -> None:
    assert decide(probabilities, threshold) is expected


def test_a_higher_threshold_never_reads_more() -> None:
    rows = np.random.default_rng(1).dirichlet(np.full(NO_MARK + 1, 0.15), 500).astype(np.float32)
    ranks = {Verdict.READ: 2, Verdict.UNCERTAIN: 1, Verdict.REJECTED: 0, Verdict.MARK: -1}
    for row in rows:
        verdicts = [ranks[decide(row, threshold)] for threshold in np.linspace(0, 1, 11)]
        assert verdicts == sorted(verdicts, reverse=True)


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["7"],
        ["1.300,-"],
        ["12-5/24", "1+7"],
        ["19?4"],
        ["3141", "59?6"],
        ["!"],
        ["12 345", "67 890"],
    ],
)
def test_all_marks_are_returned_in_reading_order(lines: list[str]) -> None:
    found = interpret(PAPER, detect(*lines), THRESHOLD)
    assert spell(found) == "\n".join(line.replace(" ", "") for line in lines)


def test_likely_empty_boxes_are_returned_only_if_there_are_no_others() -> None:
    assert spell(interpret(PAPER, detect("3!14"), THRESHOLD)) == "314"
    assert spell(interpret(PAPER, detect("!"), THRESHOLD)) == "!"


@pytest.mark.parametrize(
    ("row", "digit", "reason", "confidence"),
    [
        (share(d4=0.95), 4, None, 0.95),
        (share(d4=0.45, d9=0.4), None, "too uncertain: 4 or 9", 0.45),
        (share(d4=0.1), None, "not a digit: looks like none", 0.1),
        (share(d4=0.45, d9=0.02, dash=0.3), None, "too uncertain: 4 or a dash", 0.45),
        (share(d4=0.45, d9=0.02, other=0.3), None, "too uncertain: 4 or another sign", 0.45),
        (share(d4=0.45), None, "not a digit: looks like none", 0.45),
    ],
)
def test_a_digit_has_the_reason_and_the_probabilities_of_its_rejection(
    row: Probabilities, digit: int | None, reason: str | None, confidence: float
) -> None:
    detections = Detections(
        np.array([[10, 20, 18, 30]], np.float32), np.array([4]), row[:1], row[np.newaxis]
    )
    (found,) = interpret(PAPER, detections, THRESHOLD)
    assert isinstance(found, Digit)
    assert (found.digit, found.reason) == (digit, reason)
    assert found.confidence == pytest.approx(confidence)
    assert list(found.class_probabilities.values()) == pytest.approx(row.tolist(), abs=1e-6)
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("box", [[-9, -9, 20, 20], [590, 390, 50, 50], [5, 5, 0.2, 0.2]])
def test_boxes_are_clipped_to_the_picture(box: list[float]) -> None:
    row = share(d4=0.95)
    detections = Detections(np.array([box], np.float32), np.array([4]), row[:1], row[np.newaxis])
    (found,) = interpret(PAPER, detections, THRESHOLD)
    assert found.box.x >= 0
    assert found.box.y >= 0
    assert found.box.x + found.box.width <= 600
    assert found.box.y + found.box.height <= 400


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("xxxx 12", "xxxx12"),  # Room 12
        ("xxlx", "xxxx"),  # a letter that would be a 1 elsewhere
        ("l2l4", "1214"),  # a 1 that would be a letter elsewhere
        ("l", "x"),
        ("3x", "3x"),
        ("2x+3x", "2x+3x"),
        ("..7", "..7"),
    ],
)
def test_marks_are_interpreted_in_the_context_of_their_word(line: str, expected: str) -> None:
    assert spell(interpret(PAPER, detect(line), THRESHOLD)) == expected


def test_expecting_one_digit_makes_digits_more_likely() -> None:
    probabilities = share(d7=0.3, d1=0.05)[np.newaxis]
    boxes = np.array([(40, 30, 20, 40)], np.float32)
    detections = Detections(boxes, np.array([7]), np.array([0.3], np.float32), probabilities)
    (found,) = interpret(PAPER, detections, THRESHOLD)
    assert isinstance(found, Digit)
    assert found.digit is None
    (found,) = interpret(PAPER, detections, THRESHOLD, one_digit=True)
    assert isinstance(found, Digit)
    assert found.digit == 7
    assert found.confidence == pytest.approx(0.9 / (0.9 + 0.15 + 0.65))


def test_a_network_for_tiles_classifies_only_likely_digits() -> None:
    n_classified = []

    def classify(tiles: NDArray[np.uint8]) -> Probabilities:
        n_classified.append(len(tiles))
        shares = np.full((len(tiles), 11), 0.01, np.float32)
        shares[:, 3] = 0.9
        return shares

    found = interpret(PAPER, detect("17-?!.x"), THRESHOLD, classify)
    assert n_classified == [3]
    assert spell(found) == "33-3.x"
    (first, *_) = found
    assert isinstance(first, Digit)
    assert first.none_probability == pytest.approx(0.01)


@pytest.mark.parametrize("n_outputs", [10, 11])
def test_a_network_for_tiles_can_reject(n_outputs: int) -> None:
    shares = np.full((1, n_outputs), 0.08 if n_outputs == 11 else 0.1, np.float32)
    shares[:, 10:] = 0.2
    (found,) = interpret(PAPER, detect("7"), THRESHOLD, lambda tiles: shares)
    assert isinstance(found, Digit)
    assert found.is_uncertain
    shares = np.full((1, 11), 0.02, np.float32)
    shares[:, 10] = 0.8
    (found,) = interpret(PAPER, detect("7"), THRESHOLD, lambda tiles: shares)
    assert isinstance(found, Digit)
    assert found.reason == "not a digit: looks like none"


def place(*marks: tuple[str, int, int, int, int]) -> tuple[DigitOrMark, ...]:
    """Digits at left, top, width and height."""
    rows = np.array([classify_sign(sign) for sign, *_ in marks])
    boxes = np.array([box for _, *box in marks], np.float32)
    detections = Detections(boxes, rows.argmax(axis=1), rows.max(axis=1), rows)
    return interpret(PAPER[:100, :100], detections, THRESHOLD)


SEVEN = ("7", 40, 30, 20, 40)


@pytest.mark.parametrize(
    ("beside", "n_others"),
    [
        ([], 0),
        ([("1", 0, 30, 10, 40)], 0),  # cut by the edge
        ([("1", 90, 30, 9, 40), ("8", 45, 0, 20, 12)], 0),
        ([("1", 10, 30, 10, 40)], 1),
        ([("1", 10, 30, 10, 40), ("9", 70, 30, 20, 40)], 2),
        ([("!", 10, 30, 10, 40), ("-", 70, 30, 20, 40)], 0),
        ([("?", 10, 30, 20, 40)], 1),
    ],
)
def test_the_central_digit_is_kept(
    beside: list[tuple[str, int, int, int, int]], n_others: int
) -> None:
    kept, others = keep_central(place(*beside, SEVEN), (100, 100))
    (digit,) = (item for item in kept if isinstance(item, Digit))
    assert digit.digit == 7
    assert len(others) == n_others
    assert len(describe_others(others)) == min(n_others, 1)


def test_a_more_likely_digit_slightly_off_centre_is_kept() -> None:
    kept, _ = keep_central(place(("?", 46, 30, 8, 40), ("7", 40, 36, 16, 40)), (100, 100))
    (digit,) = (item for item in kept if isinstance(item, Digit))
    assert digit.digit == 7


def test_a_digit_that_fills_its_picture_is_not_cut() -> None:
    kept, others = keep_central(place(("7", 0, 0, 100, 100)), (100, 100))
    assert len(kept) == 1
    assert others == ()


def test_without_digits_there_is_no_central_digit() -> None:
    assert keep_central((), (10, 10)) == ((), ())
    kept, others = keep_central(place(("-", 10, 30, 20, 4)), (100, 100))
    assert len(kept) == 1
    assert others == ()


@pytest.mark.parametrize(
    ("line", "text", "reason", "n_notes"),
    [
        ("17", "17", None, 0),
        ("1.7", "17", None, 1),
        ("", "", "no ink", 0),
        ("-", "", "not a digit: other marks only", 0),
        ("!", "", "not a digit: looks like none", 0),
        ("?!", "", "too uncertain: 4 or 9", 0),
    ],
)
def test_a_reading_has_a_text_or_a_reason_and_notes(
    line: str, text: str, reason: str | None, n_notes: int
) -> None:
    found = interpret(PAPER, detect(line), THRESHOLD)
    reading = build_reading(found, (), separators=False)
    assert (reading.text, reading.reason, len(reading.notes)) == (text, reason, n_notes)
    assert build_reading(found, (), separators=True).notes == ()
