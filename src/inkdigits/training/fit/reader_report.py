"""The progress of training a reader: on stderr, and in the run's `history.csv`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from inkdigits.errors import RunError
from inkdigits.files import write_text_whole
from inkdigits.training.fit.progress_bar import move_bar, start_progress
from inkdigits.training.fit.reader_fit import HISTORY_COLUMNS
from inkdigits.training.recipes.reader_recipe import ReaderRecipe

_LINES = 20
"""Number of progress lines printed per network, in addition to the bar in a terminal."""


class ReaderReport:
    """Shows a progress bar and lines for each network on stderr, and writes `history.csv`."""

    def __init__(self, folder: Path, recipe: ReaderRecipe, *, enabled: bool) -> None:
        """Starts the report.

        Args:
            folder: The run folder.
            recipe: Gives the number of samples for each network.
            enabled: Whether to write to stderr.

        Raises:
            RunError: The run's `history.csv` is damaged.
        """
        self._path = folder / "history.csv"
        self._rows = _load_rows(self._path)
        self._totals = {
            "detector": recipe.detector_pages * recipe.repeats,
            "judge": recipe.judge_windows * recipe.repeats,
            "second-judge": recipe.judge_windows * recipe.repeats,
            "picture-judge": recipe.picture_windows * recipe.picture_repeats,
            "context": recipe.context_pages * recipe.context_repeats,
        }
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, int] = {}
        self._console, self._progress = start_progress(
            f"training {recipe.name} in {folder}", enabled=enabled, kind=Progress
        )

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row with the keys `HISTORY_COLUMNS`.

        Raises:
            OutputError: `history.csv` cannot be written.
        """
        part, samples = str(row["part"]), int(row["samples"])
        # A resumed run repeats the steps after its checkpoint, and so their rows.
        self._rows = [
            old for old in self._rows if old["part"] != part or int(old["step"]) < int(row["step"])
        ]
        self._rows.append(row)
        self._save_rows()
        total = self._totals[part]
        figures = f"loss {row['loss']:.4f}  {row['samples_per_s']:.0f}/s"
        if part not in self._tasks:
            self._tasks[part] = self._progress.add_task(part, total=total, figures="")
        samples = move_bar(self._progress, self._tasks[part], samples, figures)
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
        """Prints a line on stderr."""
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Ends the progress bars."""
        self._progress.stop()


def _load_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a resumed run, or none if it has no `history.csv` yet."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        if any(set(row) != set(HISTORY_COLUMNS) or not row["step"].isdigit() for row in rows):
            raise ValueError("other columns")
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} cannot be read ({error}): remove it to continue") from error
    return rows
