"""Results of test suites: for each kind of picture, how many were read correctly."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import PictureError, UsageError
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.recognition import Reading, Recognizer
from inkdigits.text_tables import format_columns

ReportProgress = Callable[[str, int, int], None]
"""Called with the name of a row, the number of its pictures read so far, and their total number."""


@dataclass(frozen=True)
class PictureRow:
    """The pictures of one kind, before they are read.

    Attributes:
        name: The kind, such as a corruption.
        n: Number of pictures, at least 1.
        pictures: The pictures and what is written on each. They may be drawn while they are taken,
            so they can be taken once. A picture is uint8 of shape (height, width) or
            (height, width, 3), or the path of a file.
    """

    name: str
    n: int
    pictures: Iterable[tuple[NDArray[np.uint8] | Path, str]]


@dataclass(frozen=True)
class SuiteRow:
    """The score on one kind of digits, marks or pages.

    Attributes:
        name: The kind, such as a corruption.
        n: Number of pictures, at least 1.
        right: Number of pictures that `Recognizer.read` read correctly.
        second_right: Number of correct pictures in the suite's second column; None if it was not
            measured.
    """

    name: str
    n: int
    right: int
    second_right: int | None = None

    def __post_init__(self) -> None:
        for right in (self.right, self.second_right):
            if self.n < 1 or (right is not None and not 0 <= right <= self.n):
                raise ValueError(
                    f"{right} of {self.n} pictures cannot have been read correctly: expected at "
                    "least 1 picture, and no more correct ones than pictures"
                )

    @property
    def accuracy(self) -> float:
        """Share of the pictures that were read correctly."""
        return self.right / self.n

    @property
    def second_accuracy(self) -> float | None:
        """Share of correct pictures in the second column; None if it was not measured."""
        return None if self.second_right is None else self.second_right / self.n


@dataclass(frozen=True)
class SuiteResult:
    """The result of a suite.

    Attributes:
        suite: Name of the suite.
        rows: At least one row.
        clean: The score on the same digits without corruption, which does not count in the mean;
            None for a suite that corrupts nothing.
        second: Name of the second column: "classify" for the classification of tiles instead of
            the reading of pictures, "digits" for the digits without separators; None if there is
            no second column.
    """

    suite: str
    rows: tuple[SuiteRow, ...]
    clean: SuiteRow | None = None
    second: str | None = None

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("the suite has no rows: expected at least one")
        named = any(row.second_right is not None for row in self.rows)
        if named != (self.second is not None):
            raise ValueError(
                f"the second column is called {self.second!r}, but rows "
                f"{'have' if named else 'lack'} values for it: give both or neither"
            )

    @property
    def mean(self) -> float:
        """Unweighted mean of the rows' accuracies."""
        return statistics.fmean(row.accuracy for row in self.rows)

    @property
    def second_mean(self) -> float | None:
        """Unweighted mean of the second column over the rows that have it; None without one."""
        shares = [row.second_accuracy for row in self.rows]
        known = [share for share in shares if share is not None]
        return statistics.fmean(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """Returns the result as numbers, strings and lists.

        The key of the second column is its name.
        """
        return {
            "suite": self.suite,
            "mean": self.mean,
            **({} if self.second is None else {f"{self.second}_mean": self.second_mean}),
            "clean": None if self.clean is None else self._row_to_json(self.clean),
            "rows": [self._row_to_json(row) for row in self.rows],
        }

    def to_table(self) -> str:
        """Returns the result as text for a terminal.

        It is at most 60 characters wide, or 70 with a second column.
        """
        second = [] if self.second is None else [self.second]
        rows: list[list[str] | None] = [
            [self.suite, "Accuracy", "95 % interval", "Mistakes", "of", *second],
            None,
        ]
        if self.clean is not None:
            rows += [_list_cells(self.clean), None]
        rows += map(_list_cells, self.rows)
        if len(self.rows) > 1:
            mean = ["mean", _to_percent(self.mean), "", "", "", _to_percent(self.second_mean)]
            rows += [None, mean[: len(rows[0] or ())]]
        return "\n".join(format_columns(rows, "<>>>>>"[: 5 + len(second)]))

    def _row_to_json(self, row: SuiteRow) -> dict[str, Any]:
        values = {"name": row.name, "n": row.n, "accuracy": row.accuracy}
        return values if self.second is None else {**values, self.second: row.second_accuracy}


def read_row(
    recognizer: Recognizer,
    row: PictureRow,
    report_progress: ReportProgress | None,
    *,
    separators: bool = False,
) -> Iterator[tuple[Reading, str]]:
    """Reads the pictures of a row in the same way as a user's pictures, on all cores.

    Args:
        recognizer: Reads the pictures, with its default options.
        row: The pictures, which are taken a few ahead of the readings.
        report_progress: Called after each picture.
        separators: Whether separators are read; see `Recognizer.read`.

    Yields:
        Each reading and what is written on the picture, in the order of the pictures.

    Raises:
        PictureError: A picture exceeds the recognizer's limits.
    """
    texts: deque[str] = deque()

    def take_pictures() -> Iterator[NDArray[np.uint8] | Path]:
        for picture, text in row.pictures:
            texts.append(text)
            yield picture

    readings = recognizer.read_many(take_pictures(), separators=separators)
    for done, reading in enumerate(readings, start=1):
        if isinstance(reading, PictureError):
            raise reading
        if report_progress is not None:
            report_progress(row.name, done, row.n)
        yield reading, texts.popleft()


def check_limit(limit: int | None) -> None:
    """Checks that a limit leaves at least one picture of each row.

    Raises:
        UsageError: The limit is less than 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}: expected 1 or more pictures of each row")


def _list_cells(row: SuiteRow) -> list[str]:
    lower, upper = compute_interval(row.right, row.n)
    cells = [
        row.name,
        _to_percent(row.accuracy),
        f"{100 * lower:.2f} to {100 * upper:6.2f} %",
        f"{row.n - row.right:,}",
        f"{row.n:,}",
    ]
    return cells if row.second_accuracy is None else [*cells, _to_percent(row.second_accuracy)]


def _to_percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"
