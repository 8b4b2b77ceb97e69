"""Shares and confidences in per cent, which are not rounded to a certainty that they lack."""

from __future__ import annotations

import math
from typing import Final

_ALMOST_ONE: Final = math.nextafter(1, 0)


def format_share(share: float, places: int = 1, unit: str = "%") -> str:
    """Formats a share in per cent. Only a share of exactly 1 becomes "100.0%".

    Args:
        share: 0 to 1.
        places: Number of decimal places.
        unit: What follows the number, such as " %" in figures.

    Returns:
        Text such as "98.3%"; "> 99.9%" for a share below 1 that would be rounded to 100.
    """
    shown = f"{100 * share:.{places}f}"
    if share < 1 and float(shown) >= 100:
        return f"> {100 - 10**-places:.{places}f}{unit}"
    return f"{shown}{unit}"


def format_confidence(confidence: float, places: int = 1, unit: str = "%") -> str:
    """Formats a confidence in per cent, as `format_share` does, but never as 100.

    A network computes with a limited number of bits, so its confidence can be exactly 1, although
    it is not certain.
    """
    return format_share(min(confidence, _ALMOST_ONE), places, unit)
