"""The progress bar of all training, on stderr."""

from __future__ import annotations

from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

Bar = TypeVar("Bar", bound=Progress)


def start_progress(
    title: str, *columns: ProgressColumn, enabled: bool, kind: type[Bar]
) -> tuple[Console, Bar]:
    """Prints a title, and starts a progress bar whose tasks have a field `figures`.

    Args:
        title: First line.
        columns: Columns between the bar and the figures.
        enabled: Whether to write to stderr. The bar itself needs a terminal.
        kind: The class of the bar.

    Returns:
        The console for further lines, and the bar.
    """
    console = Console(stderr=True, quiet=not enabled, highlight=False, markup=False)
    progress = kind(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (enabled and console.is_terminal),
    )
    progress.start()
    console.print(title, soft_wrap=True)
    return console, progress


def move_bar(progress: Progress, task: TaskID, completed: int, figures: str) -> int:
    """Moves the bar of a task, at most to its end.

    Steps are run several at once, and samples are drawn in batches, so the last of them may exceed
    the total.

    Args:
        progress: The bar of `start_progress`.
        task: One of its tasks, with a total.
        completed: What is done, on the scale of the total.
        figures: What is shown beside the bar.

    Returns:
        What is shown as done.
    """
    (total,) = (known.total for known in progress.tasks if known.id == task)
    shown = completed if total is None else min(completed, int(total))
    progress.update(task, completed=shown, figures=figures)
    return shown
