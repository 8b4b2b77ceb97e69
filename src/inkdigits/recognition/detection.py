"""The reader's network: a grey picture in, boxes of marks with classes and probabilities out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError, PictureError
from inkdigits.recognition.alphabet import N_CLASSES
from inkdigits.recognition.session import Session

_BLANK = (64, 64)  # height and width of the first picture
_INPUT = ("picture", "tensor(uint8)", 2)
# Name, type and last lengths of each output; None: any.
_OUTPUTS = {
    "boxes": ("tensor(float)", 2, 4),
    "classes": ("tensor(int64)", 1, None),
    "scores": ("tensor(float)", 1, None),
    "probabilities": ("tensor(float)", 2, N_CLASSES + 1),
    "unread": ("tensor(int64)", 0, None),
}


@dataclass(frozen=True)
class Detections:
    """The marks found in a picture, best first.

    Attributes:
        boxes: float32, shape (n, 4): x, y, width, height in pixels of the picture.
        classes: int64, shape (n,): indices of `alphabet.CLASS_NAMES`, 0 to 9 digits.
        scores: float32, shape (n,), 0 to 1: the probability of the class, falling.
        probabilities: float32, shape (n, 17): of each class and, last, of no mark; rows sum to 1.
        unread: How many marks, and parts of the picture with writing too small to read at the
            scales looked at, were left out, as the budget was spent.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    unread: int = 0

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
            raise ValueError(f"detections have the shapes {shapes}; expected {expected}")

    def __len__(self) -> int:
        """The number of marks."""
        return len(self.boxes)


class Detector:
    """A reader in an ONNX file, run by ONNX Runtime on the CPU.

    The cores share the work within each layer, as a picture is one piece. Calls from several
    threads are welcome.
    """

    def __init__(self, path: Path, *, n_threads: int | None = None) -> None:
        """Loads the file.

        Args:
            path: The `.onnx` file.
            n_threads: Cores that one call may use; None: all of them.

        Raises:
            ModelError: No such file, no ONNX, other inputs and outputs than a reader's, or no
                detections for a blank picture.
        """
        self._session = Session(path, n_threads=n_threads or os.cpu_count() or 1)
        inputs, outputs = self._session.inputs, self._session.outputs
        found = {o.name: (o.type, len(o.shape), o.shape[-1] if o.shape else None) for o in outputs}
        is_reader = [(i.name, i.type, len(i.shape)) for i in inputs] == [_INPUT] and all(
            name in found and found[name][:2] == kind[:2] and kind[2] in (None, found[name][2])
            for name, kind in _OUTPUTS.items()
        )
        if not is_reader:
            raise ModelError(
                f"{path} maps {[(i.name, i.type, i.shape) for i in inputs]} to "
                f"{[(o.name, o.type, o.shape) for o in outputs]}; expected a uint8 picture "
                f"(height, width) to {', '.join(_OUTPUTS)}, as 'inkdigits train reader' writes them"
            )
        self._session.try_out(lambda: self(np.zeros(_BLANK, np.uint8)))

    def __call__(self, pixels: NDArray[np.uint8]) -> Detections:
        """Finds the marks in a picture.

        Args:
            pixels: Grey picture: uint8, shape (height, width), of any size from one pixel.

        Raises:
            PictureError: Another type or shape, or no pixels.
            ModelError: The model fails, takes too long, or gives something else than detections.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 2 or not pixels.size:
            raise PictureError(
                f"the picture is {pixels.dtype} of shape {pixels.shape}; expected uint8 of shape "
                "(height, width), grey, at least one pixel"
            )
        outputs = self._session.run({_INPUT[0]: pixels}, list(_OUTPUTS))
        boxes, classes, scores, probabilities, unread = outputs
        if not all(np.isfinite(array).all() for array in (boxes, scores, probabilities)):
            raise ModelError(
                f"{self._session.path} gives numbers that are not finite: train it anew"
            )
        try:
            found = Detections(boxes, classes, scores, probabilities, int(unread))
        except (TypeError, ValueError) as error:
            raise ModelError(f"{self._session.path} gives no detections: {error}") from error
        if len(found) and not 0 <= found.classes.min() <= found.classes.max() < N_CLASSES:
            raise ModelError(
                f"{self._session.path} gives classes from {found.classes.min()} to "
                f"{found.classes.max()}: expected 0 to {N_CLASSES - 1}"
            )
        return found
