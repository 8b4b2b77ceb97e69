"""Calibration of probabilities by temperature scaling (Guo et al. 2017)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError

MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0


def log_probabilities(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Returns the natural logarithm of probabilities, finite also for 0.

    Args:
        probabilities: Any shape, 0 to 1.

    Returns:
        float64, same shape; about -87 for 0, the logarithm of the smallest float32.
    """
    smallest = float(np.finfo(np.float32).tiny)
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), smallest))
    return logs


def calibrate(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float32]:
    """Applies a temperature to probabilities: softmax(log p / temperature).

    The order of the classes does not change, so predictions and accuracy stay the same.

    Args:
        probabilities: Shape (n, classes), 0 to 1; each row sums to 1.
        temperature: 1 changes nothing; larger values lower the confidence, smaller ones raise it.

    Returns:
        float32, same shape; each row sums to 1.

    Raises:
        ModelError: The temperature is outside 0.05 to 20.
    """
    if not MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE:
        raise ModelError(
            f"invalid temperature {temperature}: expected {MIN_TEMPERATURE:g} to "
            f"{MAX_TEMPERATURE:g}; evaluate the model again to fit it"
        )
    logits = log_probabilities(probabilities) / temperature
    # The largest exponent is 0, which prevents overflow.
    weights: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


def keep_digits(
    probabilities: NDArray[np.floating[Any]], n_classes: int = 10
) -> NDArray[np.float32]:
    """Returns the probabilities of the ten digits, given that each image shows a digit.

    Args:
        probabilities: Shape (n, 10), or (n, 11) with the not-a-digit class in the last column.
        n_classes: Number of classes instead of ten, of networks for other pictures than digits.

    Returns:
        float32, shape (n, n_classes); each row sums to 1.
    """
    # If all digits have underflowed to 0, they become equally likely.
    smallest = float(np.finfo(np.float32).tiny)
    digits: NDArray[np.float64] = probabilities[:, :n_classes].astype(np.float64) + smallest
    shares: NDArray[np.float32] = (digits / digits.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
