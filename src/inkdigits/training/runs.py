"""A run: one training, one folder.

settings.json    the effective recipe, seed, hashes of the data, versions
history.csv      a row per whole epoch
checkpoint.npz   all that the next epoch starts from; replaced after each epoch
curves.png       accuracy and loss of both sets
model.keras      the trained network for Keras
model.onnx       the same for ONNX Runtime
model.json       the card of both; written last, so where it is the run is whole
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import OutputExistsError, RunError
from inkdigits.files import remove_leftovers, write_text_whole, write_whole
from inkdigits.training.recipes import Recipe

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")
RECORDED_PACKAGES = ("inkdigits", "keras", "tensorflow", "torch", "jax", "numpy", "onnxruntime")


@dataclass(frozen=True)
class Settings:
    """What a run was started with.

    Attributes:
        recipe: The effective one, overrides included.
        seed: Of weights, split, order and dropout.
        data_sha256: File name to hash of the raw IDX bytes; of own pictures, their tiles'; of
            teachers, their files'.
        data: The folder given with `--data`, or None for the cache.
        backend: Keras' backend.
        versions: Package name to version.
        pictures: The folder given with `--pictures`, or None.
        teachers: The models given with `--teacher`.
    """

    recipe: Recipe
    seed: int
    data_sha256: dict[str, str]
    data: str | None
    backend: str
    versions: dict[str, str]
    pictures: str | None = None
    teachers: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state after a whole epoch.

    Attributes:
        history: A row per epoch so far, keys as `HISTORY_COLUMNS`.
        weights: The network's variables in order.
        optimizer: The optimizer's variables in order.
        best_weights: The variables at the lowest validation loss; None without early stopping.
    """

    history: list[dict[str, float]]
    weights: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]
    best_weights: list[NDArray[Any]] | None


@dataclass(frozen=True)
class Run:
    """The folder of one training."""

    folder: Path

    @property
    def keras_model(self) -> Path:
        """The trained network for Keras."""
        return self.folder / "model.keras"

    @property
    def onnx_model(self) -> Path:
        """The trained network for ONNX Runtime."""
        return self.folder / "model.onnx"

    @property
    def card(self) -> Path:
        """The card of both, written last."""
        return self.folder / "model.json"

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end and every file is whole."""
        return self.card.is_file()

    @classmethod
    def create(cls, folder: Path | None, name: str) -> Run:
        """Makes a new run folder.

        Args:
            folder: Where; None takes the first free one of `runs/<recipe>`, `runs/<recipe>-2`, …
            name: Of the recipe.

        Raises:
            OutputExistsError: The folder exists.
            RunError: It cannot be made.
        """
        try:
            if folder is not None:
                folder.mkdir(parents=True)
                return cls(folder)
            Path("runs").mkdir(exist_ok=True)
            number = 1
            while True:
                suffix = "" if number == 1 else f"-{number}"
                free = Path("runs") / f"{name}{suffix}"
                try:
                    free.mkdir()
                    return cls(free)
                except FileExistsError:
                    number += 1
        except FileExistsError:
            if folder is None:
                raise RunError(
                    "runs is there and is no folder: move it, or name another with --output"
                ) from None
            raise OutputExistsError(
                f"{folder} exists already: continue it with --resume {folder}, or choose another "
                "folder"
            ) from None
        except OSError as error:
            raise RunError(
                f"the run folder {error.filename} cannot be made ({error.strerror}): choose "
                "another one with --output"
            ) from error

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """An existing run.

        Raises:
            RunError: The folder is missing or holds no settings.
        """
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise RunError(
                f"{folder} is not there: expected the folder of a run, such as runs/quick"
            )
        if not (run.folder / "settings.json").is_file():
            raise RunError(f"{folder} holds no settings.json: it is not the folder of a run")
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second process from training in this folder; freed however this one ends.

        Removes what a process that was killed left half-written. In a finished run nothing is
        removed, since `inkdigits export` may be writing there.
        """
        import filelock  # of the extra `train`, while recipes are listed without it

        lock = filelock.FileLock(self.folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise RunError(
                f"{self.folder} is being trained by another process: wait for it or stop it"
            ) from None
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written ({error.strerror}): choose another folder"
            ) from error
        try:
            if not self.is_finished:
                remove_leftovers(self.folder)
            yield
        finally:
            lock.release()

    def save_settings(self, settings: Settings) -> None:
        """Writes `settings.json`."""
        values = {**vars(settings), "recipe": settings.recipe.to_json()}
        write_text_whole(self.folder / "settings.json", json.dumps(values, indent=2) + "\n")

    def load_settings(self) -> Settings:
        """Reads `settings.json`; RunError where it is damaged or of another version."""
        path = self.folder / "settings.json"
        try:
            values = json.loads(path.read_bytes())
            values["recipe"] = Recipe.from_json(values["recipe"])
            values["teachers"] = tuple(values.get("teachers", ()))  # which older runs do not name
            return Settings(**values)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(f"{path} cannot be read ({error}): start a new run") from error

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replaces `checkpoint.npz`, then `history.csv`, which follows from it."""
        arrays = {f"weight_{i:03}": array for i, array in enumerate(checkpoint.weights)}
        arrays |= {f"optimizer_{i:03}": array for i, array in enumerate(checkpoint.optimizer)}
        arrays |= {f"best_{i:03}": array for i, array in enumerate(checkpoint.best_weights or [])}
        with write_whole(self.folder / "checkpoint.npz") as temporary:
            np.savez(temporary, history=json.dumps(checkpoint.history), **arrays)  # type: ignore[arg-type]
        self.save_history(checkpoint.history)

    def load_checkpoint(self) -> Checkpoint | None:
        """The state after the last whole epoch; None before the first.

        Raises:
            RunError: The file is there and damaged.
        """
        path = self.folder / "checkpoint.npz"
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                groups = {
                    prefix: [arrays[name] for name in sorted(arrays) if name.startswith(prefix)]
                    for prefix in ("weight_", "optimizer_", "best_")
                }
                history = json.loads(str(arrays["history"]))
        except Exception as error:  # zipfile, NumPy and JSON each have their own
            raise RunError(f"{path} is damaged ({error}): start a new run") from error
        return Checkpoint(history, groups["weight_"], groups["optimizer_"], groups["best_"] or None)

    def save_history(self, history: list[dict[str, float]]) -> None:
        """Writes `history.csv`."""
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_text_whole(self.folder / "history.csv", text.getvalue())

    def load_history(self) -> list[dict[str, float]]:
        """The rows of `history.csv`; accuracies are shares from 0 to 1, `seconds` of the epoch."""
        path = self.folder / "history.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [
                    {name: float(value) for name, value in row.items()}
                    for row in csv.DictReader(file)
                ]
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path} cannot be read ({error})") from error


def list_versions(packages: tuple[str, ...] = RECORDED_PACKAGES) -> Mapping[str, str]:
    """Package name to version, of those that are installed."""
    found = {}
    for package in packages:
        for distribution in (package, f"{package}-cpu"):
            try:
                found[package] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return found
