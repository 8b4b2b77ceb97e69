"""Distillation: targets for tiles from trained networks, the teachers (Hinton et al., 2015)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition import Recognizer, combine
from inkdigits.recognition.calibration import keep_digits
from inkdigits.recognition.recognizer import DEFAULT_MODEL

TEACHER_SHARE: Final = 0.5
"""Weight of the teachers in a target; the label has the rest. 0.9 was worse in validation."""


class Teacher:
    """Trained networks whose mean probabilities are mixed with the label of each tile.

    Attributes:
        sha256: SHA-256 of each teacher's model file, with the keys "teacher 1", "teacher 2", …
    """

    def __init__(
        self, models: Sequence[Path | str], n_outputs: int, class_names: tuple[str, ...] = ()
    ) -> None:
        """Loads the teachers.

        Args:
            models: Folders of runs, or `.onnx` files with their cards; at least one.
            n_outputs: Number of outputs of the network to train: 10, or 11 with a not-a-digit
                class; another number of other classes than digits.
            class_names: Names of the classes; empty for digits.

        Raises:
            ModelError: A model is missing or damaged.
            UsageError: A teacher is a reader or has other classes, or the network to train has a
                not-a-digit class, but a teacher has none.
        """
        loaded = [Recognizer.load(model) for model in models]
        for model, recognizer in zip(models, loaded, strict=True):
            # The model that comes with inkdigits has a network for tiles beside its reader.
            if not recognizer.judges_tiles and Path(model) != DEFAULT_MODEL:
                raise UsageError(
                    f"the teacher {model} reads whole pictures: expected a network for tiles, such "
                    "as that of 'inkdigits train pictures'"
                )
        for model, recognizer in zip(models, loaded, strict=True):
            if recognizer.card.class_names != class_names:
                known, needed = (
                    ", ".join(n[:3]) + ", …" if n else "digits"
                    for n in (recognizer.card.class_names, class_names)
                )
                raise UsageError(
                    f"the teacher {model} has other classes: expected {needed}, not {known}"
                )
        self._teachers = combine(loaded)
        self._n_outputs = n_outputs
        if len(self._teachers.card.labels) < n_outputs:
            raise UsageError(
                f"the teacher {' '.join(map(str, models))} has no not-a-digit class, but this "
                "recipe needs it: choose runs of recipes with outliers, such as 'pictures'"
            )
        files = [path / "model.onnx" if path.is_dir() else path for path in map(Path, models)]
        self.sha256 = {
            f"teacher {number}": hashlib.sha256(file.read_bytes()).hexdigest()
            for number, file in enumerate(files, start=1)
        }

    def __call__(self, tiles: NDArray[np.uint8], labels: NDArray[Any]) -> NDArray[np.float32]:
        """Computes the targets of tiles.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.
            labels: int32, shape (n,), 0 to 9, or 10 for "not a digit".

        Returns:
            Probabilities, float32, shape (n, n_outputs), each row summing to 1.
        """
        taught = self._teachers.network(tiles)
        n_classes = self._teachers.card.n_classes
        if self._n_outputs == n_classes:
            taught = keep_digits(taught, n_classes)
        certain = encode_one_hot(labels, self._n_outputs)
        return TEACHER_SHARE * taught + np.float32(1 - TEACHER_SHARE) * certain


def encode_one_hot(labels: NDArray[Any], n_outputs: int) -> NDArray[np.float32]:
    """Returns one-hot rows for labels: integers, shape (n,), to float32, shape (n, n_outputs)."""
    rows: NDArray[np.float32] = np.eye(n_outputs, dtype=np.float32)[labels]
    return rows
