"""A run: one training and its folder.

settings.json    the effective recipe, seed, SHA-256 of the data, versions
history.csv      one row per complete epoch
checkpoint.npz   the state that the next epoch starts from; replaced after each epoch
curves.png       accuracy and loss on the training and validation sets
model.keras      the trained network for Keras
model.onnx       the same network for ONNX Runtime
recipe.toml, .py the user's own recipe file, if it was trained by one; never read again
tensorboard      what `--tensorboard` writes
model.json       the card of both models; written last, so a folder with it is complete
"""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import OutputError, OutputExistsError, RunError
from inkdigits.files import iterate_names, remove_leftovers, write_text_whole, write_whole
from inkdigits.training import run_views
from inkdigits.training.recipes.reader_recipe import KIND
from inkdigits.training.recipes.tile_recipe import Recipe

_logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from pandas import DataFrame

ADOPTED = "adopted"  # key in the settings of a network that was not trained here
HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")
WRITTEN_FILES = (
    "model.json",
    *("model.keras", "model.h5", "model.onnx", "model.tflite"),
    *("model.int8.onnx", "model.int8.json"),
    *("detector.npz", "judge.npz", "second-judge.npz", "picture-judge.npz", "context.npz"),
    *("finder.onnx", "judged.onnx", "weights.npz"),
    *("history.csv", "checkpoint.npz", "curves.png", "report.html"),
    *("recipe.toml", "recipe.py"),
    "settings.json",
)
"""The files that training, adoption and export write into a run folder. The first makes a folder
that of a finished run, the last that of a run."""
WRITTEN_FOLDERS = {
    "model.savedmodel": ("saved_model.pb", "fingerprint.pb", "variables", "assets"),
    "evaluation": (
        *("evaluation.json", "confusion_matrix.png", "sample_predictions.png"),
        *("mistakes.png", "reliability.png"),
    ),
    "tensorboard": ("train", "validation"),
}
"""The folders that training, export and evaluation write there, with all that these contain."""
RECORDED_PACKAGES = ("inkdigits", "keras", "tensorflow", "torch", "jax", "numpy", "onnxruntime")


@dataclass(frozen=True)
class Settings:
    """The settings that a run was started with.

    Attributes:
        recipe: The effective recipe, with overrides applied.
        seed: Seed of the weights, the validation split, the order of the images and dropout.
        data_sha256: SHA-256 by file name: of the uncompressed IDX files, of the tiles of the user's
            own pictures, and of the teachers' model files.
        data: The folder given with `--data`, or None for the cache.
        backend: The backend of Keras.
        versions: Package name to version.
        pictures: The folder given with `--pictures`, or None.
        teachers: The models given with `--teacher`.
        recipe_sha256: SHA-256 of the user's own recipe file, of which the folder has a copy; None
            for a recipe of the catalogue. The copy is never executed: `recipe` holds all of it.
        tensorboard: Whether to write the folder for TensorBoard.
        mlflow_run: Identifier of the run of MLflow that records the training; None: there is none.
        fold: Number of the fold that is validated on, from 0, and the number of folds; None outside
            of a cross-validation, where the recipe says how many images are validated on.
        class_names: Names of the classes; empty for digits.
    """

    recipe: Recipe
    seed: int
    data_sha256: dict[str, str]
    data: str | None
    backend: str
    versions: dict[str, str]
    pictures: str | None = None
    teachers: tuple[str, ...] = ()
    recipe_sha256: str | None = None
    tensorboard: bool = False
    mlflow_run: str | None = None
    fold: tuple[int, int] | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of training after a complete epoch.

    Attributes:
        history: One row per epoch so far, with the keys `HISTORY_COLUMNS`.
        weights: The network's variables, in Keras' order.
        optimizer: The optimizer's variables, in Keras' order.
        best_weights: The network's variables at the lowest validation loss; None without early
            stopping.
    """

    history: list[dict[str, float]]
    weights: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]
    best_weights: list[NDArray[Any]] | None


@dataclass(frozen=True, repr=False)
class Run:
    """The folder of one training. A run is accepted wherever its path is."""

    folder: Path

    def __fspath__(self) -> str:
        """Returns the path of the folder, so that `predict(picture, model=run)` works."""
        return str(self.folder)

    def __repr__(self) -> str:
        return run_views.format_line(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Returns the run as plain values: settings, figures of the card, and history."""
        return run_views.describe_folder(self.folder, is_finished=self.is_finished)

    def to_pandas(self) -> DataFrame:
        """Returns the history as a data frame: a row for each epoch, or each report of a reader.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return run_views.frame_history(run_views.list_history(self.folder))

    def _repr_html_(self) -> str:
        return run_views.render_run(self.to_dict())

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
        """The card of both models, which is written last."""
        return self.folder / "model.json"

    @property
    def is_finished(self) -> bool:
        """True if training has finished and every file is complete."""
        return self.card.is_file()

    @classmethod
    def create(cls, folder: Path | None, name: str, *, overwrite: bool = False) -> Run:
        """Creates a new run folder.

        Args:
            folder: The folder to create; None: the first of `runs/<recipe>`, `runs/<recipe>-2`, …
                that does not exist.
            name: Name of the recipe.
            overwrite: Whether the folder may be that of an earlier run, or empty. Nothing is
                removed before `replace`.

        Raises:
            OutputExistsError: The folder exists, or with `overwrite` is not the folder of a run.
            RunError: The folder cannot be created.
        """
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=overwrite)
                run = cls(folder)
                run._check_replaceable()
                return run
            Path("runs").mkdir(exist_ok=True)
            names = iterate_names(Path("runs") / name)
            while True:
                free = next(names)
                with suppress(FileExistsError):
                    free.mkdir()
                    return cls(free)
        except OutputExistsError:
            raise
        except FileExistsError:
            if folder is None:
                raise RunError(
                    "'runs' exists and is not a folder: move it, or choose a run folder with "
                    "--output"
                ) from None
            if not folder.is_dir():
                raise OutputExistsError(
                    f"{folder} exists already and is not a folder: choose another name"
                ) from None
            raise OutputExistsError(
                f"{folder} exists already: continue it with --resume {folder}, replace it with "
                "--force, or choose another folder"
            ) from None
        except OSError as error:
            raise RunError(
                f"the run folder {error.filename} cannot be created ({error.strerror}): choose "
                "another one with --output"
            ) from error

    def _check_replaceable(self) -> None:
        """Raises OutputExistsError if the folder contains files, but is not that of a run."""
        is_run = False
        with suppress(OSError, ValueError, RecursionError):
            settings = json.loads((self.folder / "settings.json").read_bytes())
            is_run = isinstance(settings, dict) and bool({"recipe", ADOPTED} & settings.keys())
        if not is_run and any(path.name != ".lock" for path in self.folder.iterdir()):
            raise OutputExistsError(
                f"{self.folder} exists already and is not the folder of a run: choose another one"
            )

    def clear(self) -> list[str]:
        """Removes what an earlier run wrote into the folder. Call it while the run is locked.

        Only files under the names that training, adoption, export and evaluation use are removed,
        and folders only if they contain nothing else.

        Returns:
            The names of the files and folders that were removed.

        Raises:
            OutputError: A file cannot be removed.
        """
        removed = []
        try:
            for name in (WRITTEN_FILES[0], *WRITTEN_FOLDERS, *WRITTEN_FILES[1:]):
                path = self.folder / name
                if path.is_file() or path.is_symlink():
                    path.unlink()
                    removed.append(name)
                elif path.is_dir() and {inner.name for inner in path.iterdir()} <= {
                    *WRITTEN_FOLDERS.get(name, ())
                }:
                    shutil.rmtree(path)
                    removed.append(f"{name}/")
        except OSError as error:
            raise OutputError(
                f"{path} cannot be replaced ({error.strerror}): choose another folder"
            ) from error
        return removed

    def discard(self) -> None:
        """Removes a run that could not be written, and its folder if it contains nothing else."""
        self.clear()
        with suppress(OSError):
            (self.folder / ".lock").unlink(missing_ok=True)
            self.folder.rmdir()

    def replace(self) -> None:
        """Removes what an earlier run wrote, as `clear`, and logs what was removed and kept."""
        if removed := self.clear():
            kept = sorted({path.name for path in self.folder.iterdir()} - {".lock"})
            rest = f"; kept {', '.join(kept)}" if kept else ""
            _logger.info("replaced in %s: %s%s", self.folder, ", ".join(removed), rest)

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """Opens an existing run.

        Raises:
            RunError: The folder is missing or has no `settings.json`.
        """
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise RunError(
                f"no such folder: {folder}; expected the folder of a run, such as runs/quick"
            )
        if not (run.folder / "settings.json").is_file():
            raise RunError(
                f"no settings.json in {folder}: expected the folder of a run, such as runs/quick"
            )
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder, so that only one process trains in it.

        The lock is released whichever way the process ends. Removes the partly written files of a
        process that was killed, except in a finished run, where `inkdigits export` may be writing.

        Raises:
            RunError: Another process holds the lock, or the folder cannot be written.
        """
        import filelock  # from the extra `train`, which listing recipes does not need

        lock = filelock.FileLock(self.folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise RunError(
                f"another process is training in {self.folder}: wait for it or stop it"
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

    def reopen(self, settings: Settings) -> None:
        """Makes a finished run one to continue, with other settings; its models stay until the end.

        Raises:
            OutputError: A file cannot be written.
        """
        try:
            self.card.unlink(missing_ok=True)  # first: a finished run has the settings of its card
        except OSError as error:
            raise OutputError(
                f"{self.card} cannot be replaced ({error.strerror}): check its permissions"
            ) from error
        self.save_settings(settings)

    def save_settings(self, settings: Settings) -> None:
        """Writes `settings.json`."""
        values = {**vars(settings), "recipe": settings.recipe.to_json()}
        write_text_whole(self.folder / "settings.json", json.dumps(values, indent=2) + "\n")

    def load_settings(self) -> Settings:
        """Reads `settings.json`.

        Raises:
            RunError: The file is damaged, written by an incompatible version, or that of an
                adopted network, which has no recipe.
        """
        path = self.folder / "settings.json"
        try:
            values = json.loads(path.read_bytes())
            if ADOPTED in values:
                raise RunError(
                    f"{self.folder} holds an adopted network, which has no recipe to train with: "
                    "train it where it came from, and adopt it again"
                )
            values["recipe"] = Recipe.from_json(values["recipe"])
            values["teachers"] = tuple(values.get("teachers", ()))  # missing in older runs
            values["class_names"] = tuple(values.get("class_names", ()))
            if values.get("fold") is not None:
                number, n_folds = values["fold"]
                values["fold"] = (number, n_folds)
            return Settings(**values)
        except RunError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(f"{path} cannot be read ({error}): start a new run") from error

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replaces `checkpoint.npz`, then `history.csv`, which repeats the checkpoint's history.

        Raises:
            OutputError: A file cannot be written.
        """
        arrays = {f"weight_{i:03}": array for i, array in enumerate(checkpoint.weights)}
        arrays |= {f"optimizer_{i:03}": array for i, array in enumerate(checkpoint.optimizer)}
        arrays |= {f"best_{i:03}": array for i, array in enumerate(checkpoint.best_weights or [])}
        with write_whole(self.folder / "checkpoint.npz") as temporary:
            np.savez(temporary, history=json.dumps(checkpoint.history), **arrays)  # type: ignore[arg-type]
        self.save_history(checkpoint.history)

    def load_checkpoint(self) -> Checkpoint | None:
        """Returns the state after the last complete epoch, or None before the first one ends.

        Raises:
            RunError: The checkpoint is damaged.
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
        except Exception as error:  # zipfile, NumPy and JSON have no common error class
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
        """Returns the rows of `history.csv`: accuracies from 0 to 1, and `seconds` per epoch.

        Raises:
            RunError: The file is missing or damaged.
        """
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
    """Returns package name to version, for the packages that are installed."""
    found = {}
    for package in packages:
        for distribution in (package, f"{package}-cpu"):
            try:
                found[package] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return found


def is_reader_run(folder: Path) -> bool:
    """Returns True if the settings in a run folder are those of a reader."""
    try:
        settings = json.loads((folder / "settings.json").read_bytes())
        return bool(settings["recipe"]["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
