"""The progress of training a network for tiles, shown on stderr."""

from __future__ import annotations

from typing import Any

from rich.progress import MofNCompleteColumn

from inkdigits.training.fit.progress_bar import move_bar, start_progress
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import Run


class TileReport:
    """Shows a progress bar during an epoch, and prints a line after it."""

    def __init__(self, run: Run, recipe: Recipe, *, enabled: bool) -> None:
        self._n_epochs = recipe.epochs
        self._console, self._progress = start_progress(
            f"training {recipe.name} in {run.folder}", MofNCompleteColumn(), enabled=enabled
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

    def end_epoch(self, row: dict[str, float]) -> None:
        """Prints the line of a complete epoch."""
        self._console.print(
            f"epoch {row['epoch']}/{self._n_epochs}  "
            f"loss {row['loss']:.4f}  accuracy {row['accuracy']:.2%}  "
            f"val_loss {row['val_loss']:.4f}  val_accuracy {row['val_accuracy']:.2%}  "
            f"{row['seconds']:.1f} s",
            soft_wrap=True,
        )

    def close(self) -> None:
        """Ends the progress bar."""
        self._progress.stop()
