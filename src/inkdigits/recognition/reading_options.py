"""The options for reading pictures, which Python, the command line and HTTP share."""

from __future__ import annotations

import warnings
from typing import Final, Literal, TypeAlias, get_args

from inkdigits.errors import UsageError

Digits: TypeAlias = Literal["all", "one"]
"""How many digits a picture shows: "all" reads every digit, "one" expects exactly one."""

DIGITS: Final[tuple[Digits, ...]] = get_args(Digits)
"""The values of the option `digits`; the first one is the default."""

FORMER_DIGITS: Final = {"any": "all"}
"""Former values of `digits`, which the command line and HTTP accept, to their successors."""


def expects_one_digit(digits: Digits, one_digit: bool | None = None) -> bool:
    """Checks the option `digits`, and returns whether exactly one digit is expected.

    Args:
        digits: "all" or "one".
        one_digit: The deprecated option that `digits` replaces: True is "one", False is "all".
            None: not given.

    Raises:
        UsageError: `digits` has another value, or contradicts `one_digit`.
    """
    if digits not in DIGITS:
        raise UsageError(f"invalid digits {digits!r}: expected {' or '.join(map(repr, DIGITS))}")
    if one_digit is None:
        return digits == "one"
    successor = "one" if one_digit else "all"
    warnings.warn(
        f'one_digit={one_digit} is deprecated: use digits="{successor}"',
        DeprecationWarning,
        stacklevel=3,  # the line that calls the function with the option
    )
    if digits == "one" and not one_digit:
        raise UsageError("digits='one' contradicts one_digit=False: leave one_digit out")
    return bool(one_digit)


def check_threshold(threshold: float | None) -> float | None:
    """Returns the threshold.

    Raises:
        UsageError: The threshold is not None and not a number from 0 to 1.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"invalid threshold {threshold:g}: expected a number from 0 to 1")
    return threshold
