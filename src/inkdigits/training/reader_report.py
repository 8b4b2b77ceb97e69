"""What a user sees of the fit of a reader, and the rows that the run folder keeps of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from inkdigits.errors import RunError
from inkdigits.files import write_text_whole
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

        Raises:
            RunError: The run's `history.csv` is damaged.
        """
        self._path = folder / "history.csv"
        self._rows = _load_rows(self._path)
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
        """Takes a row of `HISTORY_COLUMNS`.

        Raises:
            OutputError: `history.csv` cannot be written.
        """
        part, samples = str(row["part"]), int(row["samples"])
        # What came after the checkpoint that a run goes on from comes again.
        self._rows = [
            old for old in self._rows if old["part"] != part or int(old["step"]) < int(row["step"])
        ]
        self._rows.append(row)
        self._save_rows()
        total = self._totals[part]
        figures = f"loss {row['loss']:.4f}  {row['samples_per_s']:.0f}/s"
        if part not in self._tasks:
            self._tasks[part] = self._progress.add_task(part, total=total, figures="")
        self._progress.update(self._tasks[part], completed=samples, figures=figures)
        share = min(samples * _LINES // total, _LINES)
        if share > self._told.get(part, 0):
            self._told[part] = share
            self.say(f"{part}  {samples:,} of {total:,}  {figures}")

    def _save_rows(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text_whole(self._path, text.getvalue())

    def say(self, line: str) -> None:
        """Writes a line to stderr."""
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Ends the bars."""
        self._progress.stop()


def _load_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a run that goes on; none where there is no whole table yet."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        if any(set(row) != set(HISTORY_COLUMNS) or not row["step"].isdigit() for row in rows):
            raise ValueError("other columns")
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} cannot be read ({error}): remove it to go on without") from error
    return rows
