"""Classification of tiles: the interface of a network for tiles, and its ONNX implementation."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError
from inkdigits.recognition.card import MAX_CLASSES, MIN_OUTPUTS, TILE_SHAPE
from inkdigits.recognition.session import Session, check_probabilities

BATCH = 128  # tiles per run: the activations of a layer still fit into the cache of a core
MIN_TILES_PER_CORE = 16  # fewer tiles are not worth the use of another core
MAX_SUM_ERROR = 1e-3  # of the sum of probabilities: more than the rounding errors of 16 bits


class Network(Protocol):
    """A trained network for tiles, in any format."""

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classifies tiles.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, 10): probabilities of the digits 0 to 9; or shape (n, 11) with the
            not-a-digit class in the last column. Networks for other classes have a column for each
            of them. Each row sums to 1.
        """
        ...


class OnnxNetwork:
    """Runs a network in an ONNX file with ONNX Runtime.

    On the CPU, the tiles, not the work within each layer, are distributed over the cores. So the
    cores never wait for each other, and a single tile uses only one of them. Thread-safe.

    Attributes:
        path: The file.
        n_outputs: Number of probabilities of a tile.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        """Loads the file.

        Args:
            path: The `.onnx` file.
            device: Where it runs, as in `Session`.

        Raises:
            ModelError: The file is missing, not ONNX, has other inputs and outputs than tiles and
                their probabilities, or its outputs for a blank tile are not probabilities.
        """
        self.path = path
        self._session = Session(path, n_threads=1, device=device)
        inputs, outputs = self._session.inputs, self._session.outputs
        signature = [(i.type, *(i.shape or ())[1:]) for i in (*inputs, *outputs)]
        n_outputs = signature[-1][-1]
        expected = [("tensor(uint8)", *TILE_SHAPE), ("tensor(float)", n_outputs)]
        is_row = isinstance(n_outputs, int) and MIN_OUTPUTS <= n_outputs <= MAX_CLASSES
        has_any_batch = not any(isinstance(i.shape[0], int) for i in inputs if i.shape)
        if len(inputs) != 1 or signature != expected or not is_row or not has_any_batch:
            raise ModelError(
                f"{path} maps {[(i.type, i.shape) for i in inputs]} to "
                f"{[(o.type, o.shape) for o in outputs]}; expected uint8 tiles (n, 28, 28) to "
                "float probabilities (n, 10) or (n, 11), or of other classes than digits, as "
                "written by 'inkdigits export --format onnx'"
            )
        self._input = inputs[0].name
        self.n_outputs = int(outputs[0].shape[1])
        self._n_cores = (os.cpu_count() or 1) if device == "cpu" else 1
        self._cores = ThreadPoolExecutor(self._n_cores, "inkdigits-network")
        self._session.check_first_run(self._classify_blank)

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`.

        Raises:
            ModelError: The model fails, takes too long, or its outputs are not finite
                probabilities.
        """
        share = -(-len(tiles) // self._n_cores)
        size = min(BATCH, max(share, MIN_TILES_PER_CORE))
        parts = [tiles[start : start + size] for start in range(0, len(tiles), size)]
        if not parts:
            return np.zeros((0, self.n_outputs), np.float32)
        if len(parts) == 1:
            return self._run(tiles)
        return np.concatenate(list(self._cores.map(self._run, parts)))

    def _run(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        (probabilities,) = self._session.run({self._input: tiles})
        shape = len(tiles), self.n_outputs
        return check_probabilities(self._session.path, probabilities, shape)

    def _classify_blank(self) -> None:
        """Raises ModelError if the outputs for a blank tile are not probabilities."""
        (row,) = self._run(np.zeros((1, *TILE_SHAPE), np.uint8))
        if row.min() < 0 or abs(row.sum() - 1) > MAX_SUM_ERROR:
            raise ModelError(
                f"the outputs of {self._session.path} for a blank tile are not probabilities (sum "
                f"{row.sum():g}, minimum {row.min():g}): expected the sum 1 and no negative "
                "values, as softmax returns them"
            )
