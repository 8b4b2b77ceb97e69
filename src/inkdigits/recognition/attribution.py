"""Which ink a reading rests on: the fall of its probability where a place is covered.

Occlusion, after Zeiler and Fergus (2014); it asks the network alone, in whichever form that is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

COVER = 5  # pixels a side: wider than a stroke, which is covered whole


def compute_occlusion(
    tile: NDArray[np.uint8], classify: Classify, digit: int, *, cover: int = COVER, step: int = 1
) -> NDArray[np.float32]:
    """How much the probability of a digit falls when a place of its tile is covered.

    Args:
        tile: uint8, shape (28, 28), 0 background, 255 full ink.
        classify: Probabilities of tiles (n, 28, 28), float32, shape (n, 10), as
            `Recognizer.classify` gives them.
        digit: Whose probability is looked at, 0 to 9.
        cover: Height and width in pixels of the square of background that covers; odd.
        step: Pixels from one place of the square to the next, each way; what lies between takes the
            value of the place before it, and the network is asked for as many fewer tiles.

    Returns:
        float32, shape (28, 28), -1 to 1: the fall with the square's middle on that pixel; less
        than 0 where the digit becomes likelier, and 0 where the square covers no ink.

    Raises:
        UsageError: No such digit, a cover that is even or less than 1, or a step less than 1.
    """
    if not 0 <= digit <= 9:
        raise UsageError(f"{digit} is no digit: expected 0 to 9")
    if cover < 1 or cover % 2 == 0:
        raise UsageError(f"a cover of {cover} pixels has no middle: expected an odd number")
    if step < 1:
        raise UsageError(f"a step of {step} pixels leads nowhere: expected at least 1")
    reach = cover // 2
    falls = np.zeros(tile.shape, np.float32)
    # Elsewhere nothing changes, and the network need not be asked.
    touches = _widen(tile > 0, reach)
    places = np.zeros_like(touches)
    places[::step, ::step] = touches[::step, ::step]
    rows, columns = np.nonzero(places)
    if not len(rows):
        return falls
    covered = np.repeat(tile[np.newaxis], len(rows) + 1, axis=0)  # the last one stays whole
    for one, row, column in zip(covered[:-1], rows, columns, strict=True):
        one[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = 0
    probabilities = classify(covered)[:, digit]
    falls[rows, columns] = probabilities[-1] - probabilities[:-1]
    if step > 1:
        coarse = falls[::step, ::step].repeat(step, axis=0).repeat(step, axis=1)
        falls = np.where(touches, coarse[: len(tile), : tile.shape[1]], np.float32(0))
    return falls


def _widen(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """What lies within a square around something in the mask, by as many pixels each way."""
    padded = np.pad(mask, reach)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
    return np.asarray(windows.any(axis=(2, 3)))
