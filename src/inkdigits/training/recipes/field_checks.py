"""Checks of the fields of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inkdigits.errors import RecipeError


def check_integer(name: str, value: Any, least: int, *, optional: bool = False) -> None:
    """Raises RecipeError unless a field is an integer of at least `least`, or an optional None."""
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RecipeError(
            f"{name} is {value!r}; expected a whole number of at least {least}"
            + ", or none" * optional
        )


def check_fraction(name: str, value: Any, highest: float) -> None:
    """Raises RecipeError unless a field is a number above 0 and below `highest`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < highest:
        raise RecipeError(f"{name} is {value!r}; expected a number between 0 and {highest:g}")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises RecipeError unless a field is one of `choices`."""
    if value not in choices:
        raise RecipeError(f"{name} is {value!r}; expected one of {', '.join(choices)}")


def check_class_weight(value: Any, n_outputs: int) -> None:
    """Raises RecipeError unless a field is None, "balanced", or one weight for each output."""
    if value is None or value == "balanced":
        return
    is_list = isinstance(value, tuple) and len(value) == n_outputs
    if not is_list or not all(
        isinstance(part, int | float) and not isinstance(part, bool) and 0 <= part < float("inf")
        for part in value
    ):
        raise RecipeError(
            f"class_weight is {str(value)[:60]!r}; expected 'balanced', none, or a list of "
            f"{n_outputs} numbers of at least 0"
        )
