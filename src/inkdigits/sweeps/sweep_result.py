"""The result of a sweep: its trials, best first, as a table, a plot, a data frame or HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inkdigits.percentages import format_share
from inkdigits.presentation.data_frames import REAL, TEXT, WHOLE, build_frame
from inkdigits.presentation.html_fragments import render_block, render_note, render_table
from inkdigits.sweeps.search_space import Range, SearchSpace, format_value, format_values
from inkdigits.sweeps.sweep_folder import (
    PLOT,
    TABLE,
    SweepFolder,
    build_row,
    list_columns,
)
from inkdigits.sweeps.sweep_plot import plot_trials
from inkdigits.sweeps.sweep_trial import SweepTrial, rank_trials
from inkdigits.sweeps.trial_runs import list_runs
from inkdigits.text_tables import format_columns
from inkdigits.training import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_TITLES: Final = {"validation_accuracy": "accuracy", "digits_right": "digits right"}


@dataclass(frozen=True, repr=False)
class Sweep:
    """The trials of a sweep.

    Attributes:
        folder: The folder of the sweep.
        recipe: Name of the recipe.
        space: The swept fields.
        figure: Name of the figure that trials are compared by: "validation_accuracy", or
            "digits_right" of readers. Neither is measured on test images.
        trials: All trials, best first.
        best_runs: The runs of the best trial: one, or one for each seed and fold.
    """

    folder: Path
    recipe: str
    space: SearchSpace
    figure: str
    trials: tuple[SweepTrial, ...]
    best_runs: tuple[Run, ...]

    @classmethod
    def load(cls, folder: Path | str) -> Sweep:
        """Loads the sweep in a folder, whether it is finished or not.

        Raises:
            RunError: There is no sweep in the folder, or its files are damaged.
        """
        return cls.from_folder(SweepFolder.open(folder))

    @classmethod
    def from_folder(cls, opened: SweepFolder) -> Sweep:
        """Returns the trials of an open folder."""
        settings, trials = opened.settings, tuple(rank_trials(opened.trials))
        best = next((trial for trial in trials if trial.accuracy is not None), None)
        runs = [] if best is None else list_runs(settings, opened.locate(best))
        return cls(
            opened.folder,
            settings.recipe.name,
            settings.space,
            settings.figure,
            trials,
            tuple(runs),
        )

    @property
    def best(self) -> SweepTrial | None:
        """The finished trial with the highest mean; of equal ones, that with the lower loss."""
        first = self.trials[0] if self.trials else None
        return None if first is None or first.accuracy is None else first

    @property
    def table(self) -> Path:
        """The file with the table of trials."""
        return self.folder / TABLE

    @property
    def plot(self) -> Path:
        """The file with the plot of trials."""
        return self.folder / PLOT

    def __repr__(self) -> str:
        shown = [repr(str(self.folder)), f"trials={len(self.trials)}"]
        if self.best is not None:
            shown += [f"{self.figure}={self.best.accuracy:.4f}", f"best={dict(self.best.values)}"]
        return f"Sweep({', '.join(shown)})"

    def to_dict(self) -> dict[str, Any]:
        """Returns the trials as plain values."""
        return {
            "folder": str(self.folder),
            "recipe": self.recipe,
            "figure": self.figure,
            "space": {field: axis.to_json() for field, axis in self.space.items()},
            "trials": [trial.to_dict() for trial in self.trials],
            "best": None if self.best is None else self.best.to_dict(),
            "best_runs": [str(run.folder) for run in self.best_runs],
        }

    def to_table(self) -> str:
        """Returns the trials as text for a terminal."""
        header = ["trial", *self.space, _TITLES[self.figure], "SD", "epochs", "seconds", ""]
        rows: list[list[str] | None] = [header, None]
        rows += map(self._list_cells, self.trials)
        align = "<" + "".join(
            ">" if isinstance(axis, Range) else "<" for axis in self.space.values()
        )
        return "\n".join(format_columns(rows, f"{align}>>>><"))

    def to_pandas(self) -> DataFrame:
        """Returns the trials as a data frame with the columns of the CSV file.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        kinds = dict.fromkeys(list_columns(self.figure, self.space), REAL)
        kinds |= dict.fromkeys(("trial", "complete_epochs"), WHOLE)
        kinds |= dict.fromkeys(("state", "folder", "error"), TEXT)
        for field, axis in self.space.items():
            if not isinstance(axis, Range):
                kinds[field] = "object"
            elif axis.is_integer:
                kinds[field] = WHOLE
        return build_frame([build_row(trial, self.figure) for trial in self.trials], kinds)

    def plot_trials(self) -> Figure:
        """Draws the accuracy of every trial over each swept field.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return plot_trials(self.trials, self.space, self.figure)

    def describe_best(self) -> str:
        """Returns the values of the best trial, in one line."""
        if self.best is None:
            return "no trial is finished"
        return format_values(self.best.values)

    def _repr_html_(self) -> str:
        header = ["trial", *self.space, _TITLES[self.figure], "SD", "epochs", "seconds", ""]
        return render_block(
            f"{self.folder}: sweep of {self.recipe}",
            render_note(f"best: {self.describe_best()}"),
            render_table(header, map(self._list_cells, self.trials)),
        )

    def _list_cells(self, trial: SweepTrial) -> list[str]:
        row: Mapping[str, Any] = build_row(trial, self.figure)
        figure, spread = trial.accuracy, row[f"{self.figure}_sd"]
        remark = {"finished": "", "failed": f"failed: {trial.error}"}.get(trial.state, trial.state)
        if trial.state == "stopped":
            remark = f"stopped at {format_share(trial.reached or 0.0, 2)}"
        return [
            str(trial.number),
            *(format_value(trial.values[field]) for field in self.space),
            "" if figure is None else format_share(figure, 2),
            "" if spread is None else f"{100 * spread:.2f}",
            str(trial.epochs or ""),
            f"{trial.seconds:.0f}",
            remark,
        ]
