"""Other light on drawn pictures: inverted, with less contrast, or with noise.

Pictures that are used for training several times differ each time.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_INVERTED_SHARE: Final = 0.25
_NOISY_SHARE: Final = 0.5
_CONTRASTS: Final = (0.5, 1.1)
_SHIFT: Final = 20.0
"""Largest change of a picture's brightness, in grey values."""
_NOISE: Final = {"u1": 8.0, "f2": 0.2}
"""Largest standard deviation of the noise, in grey values for pictures, and in standard deviations
of the window for standardised windows."""


def vary_light(inputs: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    """Returns pictures or windows in other light.

    Args:
        inputs: Pictures, uint8, shape (n, height, width); or standardised windows, float16, shape
            (n, side, side), whose brightness and contrast stay.
        random: Random number generator.

    Returns:
        An array of the same shape and dtype.
    """
    n = len(inputs)
    column = (n, 1, 1)
    values = inputs.astype(np.float32)
    factors = np.where(random.random(column) < _INVERTED_SHARE, -1, 1).astype(np.float32)
    is_picture = inputs.dtype == np.uint8
    if is_picture:
        factors *= random.uniform(*_CONTRASTS, column).astype(np.float32)
        middle = np.float32(127.5)
        shifts = random.uniform(-_SHIFT, _SHIFT, column).astype(np.float32)
        values = (values - middle) * factors + middle + shifts
    else:
        values *= factors
    strengths = random.uniform(0, _NOISE[inputs.dtype.str[1:]], column).astype(np.float32)
    strengths *= random.random(column) < _NOISY_SHARE
    values += strengths * random.standard_normal(values.shape, np.float32)
    if is_picture:
        values = np.clip(np.round(values), 0, 255)
    return values.astype(inputs.dtype)
