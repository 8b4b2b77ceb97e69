"""Distillation: a network learns what trained ones see in each tile (Hinton et al., 2015)."""

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
from inkdigits.recognition.card import LABELS

TEACHER_SHARE: Final = 0.5
"""Of a target, that the teachers say; the label says the rest. 0.9 was worse in validation."""


class Teacher:
    """Trained networks whose mean judgement of each tile is taught beside its label.

    Attributes:
        sha256: A name for each model to the hash of its file.
    """

    def __init__(self, models: Sequence[Path | str], n_outputs: int) -> None:
        """Loads the networks.

        Args:
            models: Folders of runs, or `.onnx` files with their cards; at least one.
            n_outputs: Of the network that learns: 10, or 11 where it learns what is no digit.

        Raises:
            ModelError: No such model, or a damaged one.
            UsageError: The network is to learn what is no digit, which not all models know.
        """
        self._judge = combine([Recognizer.load(model) for model in models])
        self._n_outputs = n_outputs
        if len(self._judge.card.labels) < n_outputs:
            raise UsageError(
                f"the teacher {' '.join(map(str, models))} does not know what is no digit, and "
                "this recipe learns it: name runs of recipes with outliers, such as 'pictures'"
            )
        files = [path / "model.onnx" if path.is_dir() else path for path in map(Path, models)]
        self.sha256 = {
            f"teacher {number}": hashlib.sha256(file.read_bytes()).hexdigest()
            for number, file in enumerate(files, start=1)
        }

    def __call__(self, tiles: NDArray[np.uint8], labels: NDArray[Any]) -> NDArray[np.float32]:
        """What to learn of tiles.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.
            labels: int32, shape (n,), 0 to 9, and 10 for what is no digit.

        Returns:
            Probabilities, float32, shape (n, n_outputs), each row summing to 1.
        """
        judged = self._judge.network(tiles)
        if self._n_outputs == len(LABELS):
            judged = keep_digits(judged)
        told = encode_one_hot(labels, self._n_outputs)
        return TEACHER_SHARE * judged + np.float32(1 - TEACHER_SHARE) * told


def encode_one_hot(labels: NDArray[Any], n_outputs: int) -> NDArray[np.float32]:
    """Probabilities of labels that are certain: shape (n,) to float32, shape (n, n_outputs)."""
    rows: NDArray[np.float32] = np.eye(n_outputs, dtype=np.float32)[labels]
    return rows
