"""What a suite measures: for each kind of picture, how many were read correctly."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import PictureError, UsageError
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.recognition import Reading, Recognizer

ReportProgress = Callable[[str, int, int], None]
"""Called with the name of a row, the number of its pictures read so far, and of all."""


@dataclass(frozen=True)
class SuiteRow:
    """How well one kind of digits, marks or pages was read.

    Attributes:
        name: The kind, such as a corruption.
        n: Number of pictures, at least 1.
        right: Number of those that `Recognizer.read` read correctly.
        second_right: Number of those that were right in the suite's second column; None: not
            measured.
    """

    name: str
    n: int
    right: int
    second_right: int | None = None

    def __post_init__(self) -> None:
        for right in (self.right, self.second_right):
            if self.n < 1 or (right is not None and not 0 <= right <= self.n):
                raise ValueError(f"{right} of {self.n} cannot have been read correctly")

    @property
    def accuracy(self) -> float:
        """Share of the pictures that were read correctly."""
        return self.right / self.n

    @property
    def second_accuracy(self) -> float | None:
        """Share of the pictures that were right in the second column; None: not measured."""
        return None if self.second_right is None else self.second_right / self.n


@dataclass(frozen=True)
class SuiteResult:
    """What a suite measured.

    Attributes:
        suite: Its name.
        rows: At least one.
        clean: The same digits as they were before, which do not count in the mean; None for a
            suite that changes nothing.
        second: Name of the second column: "classify" for the classification of tiles instead of
            the reading of pictures, "digits" for the digits without separators; None: there is
            none.
    """

    suite: str
    rows: tuple[SuiteRow, ...]
    clean: SuiteRow | None = None
    second: str | None = None

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("a suite has at least one row")
        named = any(row.second_right is not None for row in self.rows)
        if named != (self.second is not None):
            raise ValueError("a second column needs a name, and a name a column")

    @property
    def mean(self) -> float:
        """Mean of the rows' accuracies, each counting alike."""
        return statistics.fmean(row.accuracy for row in self.rows)

    @property
    def second_mean(self) -> float | None:
        """Mean of the second column over the rows that have it; None without such a column."""
        shares = [row.second_accuracy for row in self.rows]
        known = [share for share in shares if share is not None]
        return statistics.fmean(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """The result as plain numbers, strings and lists; a second column under its name."""
        return {
            "suite": self.suite,
            "mean": self.mean,
            **({} if self.second is None else {f"{self.second}_mean": self.second_mean}),
            "clean": None if self.clean is None else self._row_to_json(self.clean),
            "rows": [self._row_to_json(row) for row in self.rows],
        }

    def to_table(self) -> str:
        """The result as text for a terminal, at most 60 columns wide, or 70 with a second one."""
        rule = "─" * (60 if self.second is None else 70)
        heads = f"{'Accuracy':>10}{'95 % interval':>20}{'Mistakes':>9}{'of':>7}"
        second = "" if self.second is None else f"{self.second:>10}"
        lines = [f"{self.suite:<14}{heads}{second}", rule]
        if self.clean is not None:
            lines += [_to_line(self.clean), rule]
        lines += map(_to_line, self.rows)
        if len(self.rows) > 1:
            mean = f"{'mean':<14}{100 * self.mean:8.2f} %"
            if self.second_mean is not None:
                mean += f"{'':36}{_to_percent(self.second_mean)}"
            lines += [rule, mean]
        return "\n".join(lines)

    def _row_to_json(self, row: SuiteRow) -> dict[str, Any]:
        values = {"name": row.name, "n": row.n, "accuracy": row.accuracy}
        return values if self.second is None else {**values, self.second: row.second_accuracy}


def read_pictures(
    recognizer: Recognizer,
    name: str,
    pictures: Iterable[NDArray[np.uint8]],
    n: int,
    report_progress: ReportProgress | None,
    *,
    separators: bool = False,
) -> Iterator[Reading]:
    """Reads the pictures of a row as a user's, on all cores.

    Args:
        recognizer: Reads, with its default options.
        name: Of the row.
        pictures: uint8, shape (height, width) or (height, width, 3); drawn as they are asked for.
        n: How many there are.
        report_progress: Told after each.
        separators: As in `Recognizer.read`.

    Yields:
        The readings, in the order of the pictures.

    Raises:
        PictureError: The recognizer's limits are too low for a picture.
    """
    for done, reading in enumerate(recognizer.read_many(pictures, separators=separators), start=1):
        if isinstance(reading, PictureError):
            raise reading
        if report_progress is not None:
            report_progress(name, done, n)
        yield reading


def check_limit(limit: int | None) -> None:
    """Refuses a limit that leaves nothing to measure.

    Raises:
        UsageError: The limit is less than 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}: expected 1 or more pictures of each row")


def _to_line(row: SuiteRow) -> str:
    lower, upper = compute_interval(row.right, row.n)
    line = (
        f"{row.name:<14}{100 * row.accuracy:8.2f} %  {100 * lower:6.2f} to {100 * upper:6.2f} %"
        f"{row.n - row.right:9,}{row.n:7,}"
    )
    return line if row.second_accuracy is None else line + _to_percent(row.second_accuracy)


def _to_percent(share: float) -> str:
    return f"{100 * share:8.2f} %"
