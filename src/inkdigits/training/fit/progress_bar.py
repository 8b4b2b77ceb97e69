"""The progress bar of all training, on stderr."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def start_progress(title: str, *columns: ProgressColumn, enabled: bool) -> tuple[Console, Progress]:
    """Prints a title, and starts a progress bar whose tasks have a field `figures`.

    Args:
        title: First line.
        columns: Columns between the bar and the figures.
        enabled: Whether to write to stderr. The bar itself needs a terminal.

    Returns:
        The console for further lines, and the bar.
    """
    console = Console(stderr=True, quiet=not enabled, highlight=False, markup=False)
    progress = Progress(
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
