"""Networks as the recognizer sees them: tiles in, probabilities out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError
from inkdigits.recognition.card import N_OUTPUTS, TILE_SHAPE
from inkdigits.recognition.session import Session, check_probabilities

BATCH = 128  # tiles at a time: what passes between two layers still fits into a core's cache
LEAST_SHARE = 16  # tiles for which it is worth to wake another core
MAX_EXCESS = 1e-3  # of a sum of probabilities over 1: more than 16-bit arithmetic rounds


class Network(Protocol):
    """A trained network in whichever form."""

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classifies tiles.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, 10): probabilities of the digits 0 to 9, each row summing to 1; or
            (n, 11), the last of them that it is none.
        """
        ...


class OnnxNetwork:
    """A network in an ONNX file, run by ONNX Runtime on the CPU.

    The cores share the tiles rather than the work within each layer: so they never wait for each
    other, and a single tile wakes none but its own. Calls from several threads are welcome.
    """

    def __init__(self, path: Path) -> None:
        """Loads the file.

        Raises:
            ModelError: No such file, no ONNX, other inputs and outputs than tiles and ten
                probabilities, or no probabilities for a blank tile.
        """
        self._session = Session(path, n_threads=1)
        inputs, outputs = self._session.inputs, self._session.outputs
        signature = [(i.type, *(i.shape or ())[1:]) for i in (*inputs, *outputs)]
        expected = [[("tensor(uint8)", *TILE_SHAPE), ("tensor(float)", n)] for n in N_OUTPUTS]
        has_any_batch = not any(isinstance(i.shape[0], int) for i in inputs if i.shape)
        if len(inputs) != 1 or signature not in expected or not has_any_batch:
            raise ModelError(
                f"{path} maps {[(i.type, i.shape) for i in inputs]} to "
                f"{[(o.type, o.shape) for o in outputs]}; expected uint8 tiles (n, 28, 28) to "
                "float probabilities (n, 10) or (n, 11), as 'inkdigits export --format onnx' "
                "writes them"
            )
        self._input = inputs[0].name
        self._n_outputs = int(outputs[0].shape[1])
        self._n_cores = os.cpu_count() or 1
        self._cores = ThreadPoolExecutor(self._n_cores, "inkdigits-network")
        self._session.try_out(self._classify_blank)

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`.

        Raises:
            ModelError: The model fails, takes too long, or gives no finite probabilities.
        """
        share = -(-len(tiles) // self._n_cores)
        size = min(BATCH, max(share, LEAST_SHARE))
        parts = [tiles[start : start + size] for start in range(0, len(tiles), size)]
        if not parts:
            return np.zeros((0, self._n_outputs), np.float32)
        if len(parts) == 1:
            return self._run(tiles)
        return np.concatenate(list(self._cores.map(self._run, parts)))

    def _run(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        (probabilities,) = self._session.run({self._input: tiles})
        shape = len(tiles), self._n_outputs
        return check_probabilities(self._session.path, probabilities, shape)

    def _classify_blank(self) -> None:
        """Raises ModelError if the answer for a blank tile is not a set of probabilities."""
        (row,) = self._run(np.zeros((1, *TILE_SHAPE), np.uint8))
        if row.min() < 0 or abs(row.sum() - 1) > MAX_EXCESS:
            raise ModelError(
                f"{self._session.path} gives a blank tile {row.sum():g} as the sum of "
                f"probabilities, the least of them {row.min():g}: expected 1, and none below 0, as "
                "softmax gives them"
            )
