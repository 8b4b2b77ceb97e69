"""The progress of training a network for tiles, shown on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.progress import MofNCompleteColumn

from inkdigits.training.fit.progress_bar import move_bar, start_progress
from inkdigits.training.fit.terminal_curves import CurvesProgress
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.tile_recipe import Recipe


class TileReport:
    """Shows a progress bar during an epoch, and prints a line after it."""

    def __init__(self, title: str, recipe: Recipe, *, enabled: bool) -> None:
        self._n_epochs = recipe.epochs
        self._console, self._progress = start_progress(
            title, MofNCompleteColumn(), enabled=enabled, kind=CurvesProgress
        )

    def follow_epoch(self, epoch: int, n_steps: int) -> Any:
        """Returns a Keras callback that updates the progress bar of an epoch."""
        progress, label = self._progress, f"epoch {epoch}/{self._n_epochs}"
        task = progress.add_task(label, total=n_steps, figures="")

        class FollowSteps(load_keras().callbacks.Callback):  # type: ignore[misc]
            def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
                if not progress.disable:
                    figures = f"loss {logs['loss']:.4f}  accuracy {logs['accuracy']:.2%}"
                    move_bar(progress, task, batch + 1, figures)

            def on_train_end(self, logs: dict[str, float]) -> None:
                progress.remove_task(task)

        return FollowSteps()

    def end_epoch(self, history: Sequence[dict[str, float]]) -> None:
        """Prints the line of the last complete epoch, and adds it to the curves."""
        row = history[-1]
        self._progress.history = tuple(history)
        self._console.print(
            f"epoch {row['epoch']}/{self._n_epochs}  "
            f"loss {row['loss']:.4f}  accuracy {row['accuracy']:.2%}  "
            f"val_loss {row['val_loss']:.4f}  val_accuracy {row['val_accuracy']:.2%}  "
            f"{row['seconds']:.1f} s",
            soft_wrap=True,
        )

    def say(self, line: str) -> None:
        """Prints a line on stderr."""
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Ends the progress bar."""
        self._progress.stop()
