"""What a user sees of the fit of a reader, and the rows that the run folder keeps of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from inkdigits.training.reader_fit import HISTORY_COLUMNS
from inkdigits.training.reader_recipes import ReaderRecipe

_LINES = 20
"""Lines for each network where stderr is no terminal; a terminal has a bar instead."""


class ReaderReport:
    """A bar for each network on stderr, and `history.csv`."""

    def __init__(self, folder: Path, recipe: ReaderRecipe, *, enabled: bool) -> None:
        """Begins the report.

        Args:
            folder: Of the run.
            recipe: Says how many samples each network sees.
            enabled: Whether to write to stderr.
        """
        self._path = folder / "history.csv"
        self._totals = {"detector": recipe.detector_pages, "judge": recipe.judge_windows}
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, int] = {}
        self._console = Console(stderr=True, quiet=not enabled, highlight=False, markup=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not (enabled and self._console.is_terminal),
        )
        self._progress.start()
        self._console.print(f"training {recipe.name} in {folder}", soft_wrap=True)

    def add(self, row: dict[str, Any]) -> None:
        """Takes a row of `HISTORY_COLUMNS`."""
        is_new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        part, samples = str(row["part"]), int(row["samples"])
        total = self._totals[part]
        figures = f"loss {row['loss']:.4f}  {row['samples_per_s']:.0f}/s"
        if part not in self._tasks:
            self._tasks[part] = self._progress.add_task(part, total=total, figures="")
        self._progress.update(self._tasks[part], completed=samples, figures=figures)
        share = min(samples * _LINES // total, _LINES)
        if share > self._told.get(part, 0):
            self._told[part] = share
            self.say(f"{part}  {samples:,} of {total:,}  {figures}")

    def say(self, line: str) -> None:
        """Writes a line to stderr."""
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Ends the bars."""
        self._progress.stop()
