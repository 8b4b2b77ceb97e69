"""Temperature scaling: making a network as sure as it is right (Guo et al. 2017)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError

MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0


def log_probabilities(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The natural logarithm of probabilities, finite also where one has underflowed to 0.

    Args:
        probabilities: Any shape, 0 to 1.

    Returns:
        Logarithms of the same shape; that of 0 is about -87, where float32 begins.
    """
    smallest = float(np.finfo(np.float32).tiny)
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), smallest))
    return logs


def calibrate(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float32]:
    """Soften or sharpen probabilities: softmax(log p / temperature).

    The order of the digits stays as it was, so no prediction and no accuracy changes.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        temperature: 1 changes nothing, more makes the network less sure, less makes it surer.

    Returns:
        Probabilities of shape (n, 10); each row sums to 1.

    Raises:
        ModelError: The temperature lies outside 0.05 to 20.
    """
    if not MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE:
        raise ModelError(
            f"the temperature is {temperature}, not between {MIN_TEMPERATURE:g} and "
            f"{MAX_TEMPERATURE:g}; evaluate the model again to fit one"
        )
    logits = log_probabilities(probabilities) / temperature
    # The largest exponent becomes 0, so that nothing overflows.
    weights: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


def keep_digits(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Probabilities of the ten digits, given that it is a digit.

    Args:
        probabilities: Shape (n, 10), or (n, 11) with that of none in the last column.

    Returns:
        Probabilities of shape (n, 10); each row sums to 1.
    """
    # Where none is certain beyond float32, the digits share nothing, and equally.
    smallest = float(np.finfo(np.float32).tiny)
    digits: NDArray[np.float64] = probabilities[:, :10].astype(np.float64) + smallest
    shares: NDArray[np.float32] = (digits / digits.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
