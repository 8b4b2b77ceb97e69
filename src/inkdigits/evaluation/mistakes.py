"""Kinds of mistakes in a reading, found by aligning the digits read with the label.

The alignment uses the fewest edits (Levenshtein, 1966). Each edit is one mistake of one kind. Three
kinds describe the whole picture, and all its edits then count as this kind: no digit was read,
digits were read but none are written, or the right digits were read in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from inkdigits.results.marks import UNCERTAIN

MISTAKE_KINDS: Final[Mapping[str, str]] = {
    "missed": "a digit that was not read",
    "invented": "a digit that was read but is not written",
    "wrong": "a digit that was read as another digit",
    "order": "the right digits in another order",
    "unsure": "a digit that was uncertain and read as ?",
    "refused": "no digit was read, but digits are written",
    "spurious": "digits were read, but none are written",
    "undecodable": "a file that could not be decoded",
}
"""Every kind of mistake and its meaning."""


@dataclass(frozen=True)
class Step:
    """One step of an alignment.

    Attributes:
        true: The digit that is written; "" if the digit read is not written.
        read: The digit that was read, or `UNCERTAIN`; "" if the digit was missed.
    """

    true: str
    read: str

    @property
    def kind(self) -> str | None:
        """A key of `MISTAKE_KINDS`; None if the digit was read correctly."""
        if self.true == self.read:
            return None
        if self.read == UNCERTAIN:
            return "unsure"
        if not self.read:
            return "missed"
        return "wrong" if self.true else "invented"


@dataclass(frozen=True)
class Confusion:
    """A digit that was read as another digit.

    Attributes:
        true: The digit that is written, 0 to 9.
        read: The digit that was read, 0 to 9.
        count: How many times.
    """

    true: int
    read: int
    count: int


def align(text: str, label: str) -> tuple[Step, ...]:
    """Aligns the digits read with the label with the fewest edits (Levenshtein, 1966).

    Args:
        text: The digits read, lines joined; `UNCERTAIN` for an uncertain digit.
        label: The digits written, lines joined.

    Returns:
        The steps in reading order. If several alignments have equally few edits, replacements are
        preferred to insertions and deletions, beginning at the end of the text.
    """
    costs = [list(range(len(text) + 1))]
    for row, true in enumerate(label, start=1):
        above, current = costs[-1], [row]
        for column, read in enumerate(text, start=1):
            replaced = above[column - 1] + (read != true)
            current.append(min(replaced, above[column] + 1, current[-1] + 1))
        costs.append(current)
    steps = []
    row, column = len(label), len(text)
    while row or column:
        cost = costs[row][column]
        both = row > 0 and column > 0
        if both and cost == costs[row - 1][column - 1] + (label[row - 1] != text[column - 1]):
            row, column = row - 1, column - 1
            steps.append(Step(label[row], text[column]))
        elif row and cost == costs[row - 1][column] + 1:
            row -= 1
            steps.append(Step(label[row], ""))
        else:
            column -= 1
            steps.append(Step("", text[column]))
    return tuple(reversed(steps))


def count_edits(text: str, label: str) -> int:
    """Returns the edit distance: fewest insertions, deletions and replacements of digits."""
    return sum(step.kind is not None for step in align(text, label))


def sort_mistakes(text: str, label: str) -> dict[str, int]:
    """Counts the mistakes of one picture by kind.

    Args:
        text: The digits read, lines joined; `UNCERTAIN` for an uncertain digit.
        label: The digits written, lines joined; "" if there are none.

    Returns:
        The number of digits for each kind that occurs. Their sum is `count_edits`. If a kind for
        the whole picture occurs (order, refused, spurious), it is the only one.
    """
    steps = [step for step in align(text, label) if step.kind is not None]
    if not steps:
        return {}
    if not text:
        return {"refused": len(steps)}
    if not label and text.strip(UNCERTAIN):
        return {"spurious": len(steps)}
    if Counter(text) == Counter(label):
        return {"order": len(steps)}
    counts = Counter(str(step.kind) for step in steps)
    return {kind: counts[kind] for kind in MISTAKE_KINDS if counts[kind]}


def list_confusions(pairs: Iterable[tuple[str, str]]) -> tuple[Confusion, ...]:
    """Counts which digit was read as which other digit.

    Args:
        pairs: The text and the label of each picture, in the form that `sort_mistakes` takes.
            Pictures with the right digits in another order add no confusions.

    Returns:
        The confusions, most frequent first; equally frequent ones in the order of the true digit
        and then of the digit read.
    """
    counts = Counter(
        (int(step.true), int(step.read))
        for text, label in pairs
        if "wrong" in sort_mistakes(text, label)
        for step in align(text, label)
        if step.kind == "wrong"
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(true, read, count) for (true, read), count in ordered)
