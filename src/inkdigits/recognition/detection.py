"""Detection of marks: a grey picture to bounding boxes with classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError, PictureError
from inkdigits.recognition.devices import count_cores
from inkdigits.recognition.session import Session
from inkdigits.results.alphabet import N_CLASSES

_BLANK = (64, 64)  # height and width of the blank picture that a new model is tested with
_INPUT = ("picture", "tensor(uint8)", 2)
# Name, type, number of dimensions and last dimension of each output; None: any.
_OUTPUTS = {
    "boxes": ("tensor(float)", 2, 4),
    "classes": ("tensor(int64)", 1, None),
    "scores": ("tensor(float)", 1, None),
    "probabilities": ("tensor(float)", 2, N_CLASSES + 1),
    "unread": ("tensor(int64)", 0, None),
}
# Readers of earlier versions lack these outputs, or the last of them.
_CANDIDATES = {
    "candidate_boxes": ("tensor(float)", 2, 4),
    "candidate_probabilities": ("tensor(float)", 2, N_CLASSES + 1),
    "candidate_fills": ("tensor(bool)", 1, None),
}


@dataclass(frozen=True)
class Candidates:
    """All boxes that may show marks, before those are dropped that a better one rules out.

    Attributes:
        boxes: float32, shape (n, 4): x, y, width, height in pixels of the picture.
        probabilities: float32, shape (n, 17): probability of each class, and of no mark in the last
            column; rows sum to 1.
        fills: bool, shape (n,): whether the mark, if it is one, fills the picture, so that there
            are no others beside it.

    Raises:
        ValueError: The arrays have other shapes.
    """

    boxes: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    fills: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.boxes)
        expected = [(n, 4), (n, N_CLASSES + 1), (n,)]
        shapes = [array.shape for array in (self.boxes, self.probabilities, self.fills)]
        if shapes != expected:
            raise ValueError(f"candidates have shapes {shapes}; expected {expected}")


@dataclass(frozen=True)
class Detections:
    """The marks detected in a picture, sorted by score in descending order.

    Attributes:
        boxes: float32, shape (n, 4): x, y, width, height in pixels of the picture.
        classes: int64, shape (n,): indices into `alphabet.CLASS_NAMES`; 0 to 9 are digits.
        scores: float32, shape (n,), 0 to 1: the probability of the class.
        probabilities: float32, shape (n, 17): probability of each class, and of no mark in the last
            column; rows sum to 1.
        unread: Number of marks, and of regions with small writing, that were skipped because the
            compute budget was used up.
        candidates: The boxes that these marks were selected from; None: a reader of an early
            version, which does not return them.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    unread: int = 0
    candidates: Candidates | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        expected = {
            "boxes": (n, 4),
            "classes": (n,),
            "scores": (n,),
            "probabilities": (n, N_CLASSES + 1),
        }
        shapes = {name: getattr(self, name).shape for name in expected}
        if shapes != expected:
            raise ValueError(f"detections have shapes {shapes}; expected {expected}")

    def __len__(self) -> int:
        """The number of marks."""
        return len(self.boxes)

    def list_candidates(self) -> Candidates:
        """Returns the boxes to select marks from: the marks themselves without candidates."""
        none = np.zeros(len(self), np.bool_)
        return self.candidates or Candidates(self.boxes, self.probabilities, none)


class Detector:
    """Runs a reader in an ONNX file with ONNX Runtime.

    On the CPU, all cores share the work within each layer, because a picture cannot be split.
    Thread-safe.
    """

    def __init__(self, path: Path, *, n_threads: int | None = None, device: str = "cpu") -> None:
        """Loads the file.

        Args:
            path: The `.onnx` file.
            n_threads: Number of cores for one call; None: as many as `count_cores` returns.
            device: Where it runs, as in `Session`.

        Raises:
            ModelError: The file is missing, not ONNX, has other inputs and outputs than a reader,
                or its outputs for a blank picture are not detections.
        """
        n_threads = n_threads or count_cores()
        self._session = Session(path, n_threads=n_threads, frees_memory=True, device=device)
        inputs, outputs = self._session.inputs, self._session.outputs
        found = {o.name: (o.type, len(o.shape), o.shape[-1] if o.shape else None) for o in outputs}

        def is_there(name: str, kind: tuple[str, int, int | None]) -> bool:
            return (
                name in found and found[name][:2] == kind[:2] and kind[2] in (None, found[name][2])
            )

        is_reader = [(i.name, i.type, len(i.shape)) for i in inputs] == [_INPUT] and all(
            is_there(name, kind) for name, kind in _OUTPUTS.items()
        )
        if not is_reader:
            raise ModelError(
                f"{path} maps {[(i.name, i.type, i.shape) for i in inputs]} to "
                f"{[(o.name, o.type, o.shape) for o in outputs]}; expected a uint8 picture "
                f"(height, width) to {', '.join(_OUTPUTS)}, as written by 'inkdigits train reader'"
            )
        candidates = (name for name, kind in _CANDIDATES.items() if is_there(name, kind))
        self._outputs = [*_OUTPUTS, *candidates]
        self._session.check_first_run(lambda: self(np.zeros(_BLANK, np.uint8)))

    def __call__(self, pixels: NDArray[np.uint8]) -> Detections:
        """Detects the marks in a picture.

        Args:
            pixels: Grey picture: uint8, shape (height, width), at least one pixel.

        Raises:
            PictureError: The array has another type or shape, or no pixels.
            ModelError: The model fails, takes too long, or its outputs are not detections.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 2 or not pixels.size:
            raise PictureError(
                f"the picture is {pixels.dtype} of shape {pixels.shape}; expected uint8 of shape "
                "(height, width), grey, at least one pixel"
            )
        outputs = self._session.run({_INPUT[0]: pixels}, self._outputs)
        boxes, classes, scores, probabilities, unread, *candidates = outputs
        if not all(
            np.isfinite(array).all() for array in (boxes, scores, probabilities, *candidates)
        ):
            raise ModelError(
                f"{self._session.path} returns values that are not finite: train the model again"
            )
        try:
            found = Detections(
                boxes,
                classes,
                scores,
                probabilities,
                int(unread),
                _build_candidates(candidates),
            )
        except (TypeError, ValueError) as error:
            raise ModelError(f"{self._session.path} returns invalid detections: {error}") from error
        if len(found) and not 0 <= found.classes.min() <= found.classes.max() < N_CLASSES:
            raise ModelError(
                f"{self._session.path} returns classes from {found.classes.min()} to "
                f"{found.classes.max()}: expected 0 to {N_CLASSES - 1}"
            )
        return found


def _build_candidates(outputs: Sequence[NDArray[Any]]) -> Candidates | None:
    """Returns the candidates from the outputs in `_CANDIDATES`; early readers lack some of them."""
    if len(outputs) < 2:
        return None
    boxes, probabilities, *fills = outputs
    return Candidates(boxes, probabilities, fills[0] if fills else np.zeros(len(boxes), np.bool_))
