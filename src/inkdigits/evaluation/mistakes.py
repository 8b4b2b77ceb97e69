"""What kinds of mistakes a reading holds, from an alignment of what was read with what is written.

A reading is aligned with its label at the fewest edits (Levenshtein, 1966); each edit is a mistake
of one kind. Three kinds belong to the picture as a whole and then take all of its edits: nothing
was read, something was read where nothing is written, or the digits stand in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from inkdigits.recognition.reading import UNCERTAIN

MISTAKE_KINDS: Final[Mapping[str, str]] = {
    "missed": "a digit that was not read",
    "invented": "a digit that is not written",
    "wrong": "a digit taken for another one",
    "order": "the right digits in another order",
    "unsure": "a digit too uncertain to say which: ?",
    "refused": "nothing read where digits are written",
    "spurious": "digits read where none is written",
    "undecodable": "a file that could not be opened",
}
"""Every kind of mistake, with what it means."""


@dataclass(frozen=True)
class Step:
    """One step of an alignment.

    Attributes:
        true: The digit that is written; "" where one was invented.
        read: The digit that was read, or `UNCERTAIN`; "" where one was missed.
    """

    true: str
    read: str

    @property
    def kind(self) -> str | None:
        """A key of `MISTAKE_KINDS`; None where the digit was read rightly."""
        if self.true == self.read:
            return None
        if self.read == UNCERTAIN:
            return "unsure"
        if not self.read:
            return "missed"
        return "wrong" if self.true else "invented"


@dataclass(frozen=True)
class Confusion:
    """A digit that was taken for another one.

    Attributes:
        true: The digit that is written, 0 to 9.
        read: The digit that was read, 0 to 9.
        count: How many times.
    """

    true: int
    read: int
    count: int


def align(text: str, label: str) -> tuple[Step, ...]:
    """Aligns what was read with what is written at the fewest edits (Levenshtein, 1966).

    Args:
        text: The digits read, lines joined; `UNCERTAIN` where one is uncertain.
        label: The digits written, lines joined.

    Returns:
        The steps in reading order. Of several alignments with as few edits, one that replaces
        digits rather than adding and missing them, from the end on.
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
    """Least number of digits to insert, delete or replace (Levenshtein, 1966)."""
    return sum(step.kind is not None for step in align(text, label))


def sort_mistakes(text: str, label: str) -> dict[str, int]:
    """Counts the mistakes of one picture by their kind.

    Args:
        text: The digits read, lines joined; `UNCERTAIN` where one is uncertain.
        label: The digits written, lines joined; "" where none is.

    Returns:
        For each kind that occurs the number of digits; over all kinds they add up to
        `count_edits`. Of the kinds for a whole picture (order, refused, spurious), none stands
        beside another kind.
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
    """Counts which digit was taken for which.

    Args:
        pairs: The text and the label of each picture, as `sort_mistakes` takes them. Those whose
            digits are right but in another order confuse none.

    Returns:
        Most frequent first; those as frequent by the true digit and the one read.
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
