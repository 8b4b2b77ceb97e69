from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.evaluation.mistakes import (
    MISTAKE_KINDS,
    Confusion,
    Step,
    align,
    count_edits,
    list_confusions,
    sort_mistakes,
)

# Few different digits, so that many of them match.
texts = st.text("012?", max_size=6)
labels = st.text("012", max_size=6)


def count_edits_slowly(text: str, label: str) -> int:
    """The definition, tried out in every way."""
    if not text or not label:
        return len(text) + len(label)
    if text[0] == label[0]:
        return count_edits_slowly(text[1:], label[1:])
    ways = [(text[1:], label), (text, label[1:]), (text[1:], label[1:])]
    return 1 + min(count_edits_slowly(*way) for way in ways)


@given(texts, labels)
def test_edits_are_the_fewest(text: str, label: str) -> None:
    assert count_edits(text, label) == count_edits_slowly(text, label)


@given(texts, labels)
def test_an_alignment_spells_both(text: str, label: str) -> None:
    steps = align(text, label)
    assert "".join(step.true for step in steps) == label
    assert "".join(step.read for step in steps) == text
    assert all(step.true or step.read for step in steps)


@given(texts, labels)
def test_mistakes_add_up_to_the_edits(text: str, label: str) -> None:
    mistakes = sort_mistakes(text, label)
    assert sum(mistakes.values()) == count_edits_slowly(text, label)
    assert set(mistakes) <= set(MISTAKE_KINDS)
    assert all(mistakes.values())


@pytest.mark.parametrize(
    ("text", "label", "expected"),
    [
        ("1984", "1984", {}),
        ("", "", {}),
        ("194", "1984", {"missed": 1}),
        ("19184", "1984", {"invented": 1}),
        ("1994", "1984", {"wrong": 1}),
        ("19?4", "1984", {"unsure": 1}),
        ("?", "7", {"unsure": 1}),
        ("19?84", "1984", {"unsure": 1}),
        ("8419", "1984", {"order": 4}),
        ("1948", "1984", {"order": 2}),
        ("", "1984", {"refused": 4}),
        ("11", "", {"spurious": 2}),
        ("1?", "", {"spurious": 2}),
        ("?", "", {"unsure": 1}),
        ("3?", "123", {"wrong": 1, "missed": 1, "unsure": 1}),
        ("29840", "1984", {"wrong": 1, "invented": 1}),
    ],
)
def test_kinds_of_mistakes(text: str, label: str, expected: dict[str, int]) -> None:
    assert sort_mistakes(text, label) == expected


def test_confusions_come_most_frequent_first() -> None:
    pairs = [("74", "14"), ("7", "1"), ("9", "4"), ("21", "12"), ("?", "3"), ("5", ""), ("", "6")]
    assert list_confusions(pairs) == (Confusion(1, 7, 2), Confusion(4, 9, 1))
    assert list_confusions([]) == ()


def test_a_digit_read_rightly_is_no_mistake() -> None:
    assert align("7", "7") == (Step("7", "7"),)
    assert Step("7", "7").kind is None
