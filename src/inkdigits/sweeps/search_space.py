"""The fields of a recipe that a sweep changes, each over a range or a list of values."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, get_args, get_type_hints

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.lookup import check_overrides, replace_fields
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe

_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE: Final = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_LOG_SPAN: Final = 10.0
"""Ranges of positive floats whose ends differ at least by this factor are log-uniform."""
_BRACKETS: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}

Axis: TypeAlias = "Range | Choices"
Over: TypeAlias = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True)
class Range:
    """All numbers between two ends, which belong to it.

    Attributes:
        low: The lower end.
        high: The upper end.
        is_integer: Whether it contains integers only.
    """

    low: float
    high: float
    is_integer: bool

    @property
    def is_log(self) -> bool:
        """Whether values are log-uniform, and not uniform."""
        return not self.is_integer and self.low > 0 and self.high >= _LOG_SPAN * self.low

    @property
    def n_values(self) -> float:
        """Number of values, infinity for floats."""
        return self.high - self.low + 1 if self.is_integer else math.inf

    def list_values(self) -> list[Any]:
        """Returns the values of a range of integers."""
        return list(range(int(self.low), int(self.high) + 1))

    def to_json(self) -> dict[str, Any]:
        """Returns the range as plain values, which `load_space` reads."""
        return {"low": self.low, "high": self.high, "is_integer": self.is_integer}


@dataclass(frozen=True)
class Choices:
    """A list of values.

    Attributes:
        values: Plain values, as in a recipe's JSON.
    """

    values: tuple[Any, ...]

    @property
    def n_values(self) -> float:
        """Number of values."""
        return len(self.values)

    def list_values(self) -> list[Any]:
        """Returns the values."""
        return list(self.values)

    def to_json(self) -> dict[str, Any]:
        """Returns the list as plain values, which `load_space` reads."""
        return {"choices": list(self.values)}


SearchSpace: TypeAlias = Mapping[str, Axis]


def parse_space(over: Over, recipe: Recipe | ReaderRecipe) -> dict[str, Axis]:
    """Returns the search space that a user describes.

    Args:
        over: Texts such as "learning_rate=1e-3..1e-2" or "batch_size=64,128,256", or a dictionary
            from field names to the part after "="; in a dictionary, a range is also a tuple of two
            numbers, and choices are also a list.
        recipe: The recipe whose fields are swept.

    Raises:
        RecipeError: An unknown field, one that is given twice, or a value that the field cannot
            have.
    """
    kind = type(recipe)
    space: dict[str, Axis] = {}
    for field, value in _split_fields(over):
        check_overrides({field: None}, kind)
        if field in space:
            raise RecipeError(f"{field} is swept twice: give all of its values in one --over")
        space[field] = _parse_axis(field, value, kind)
        axis = space[field]
        ends = [axis.low, axis.high] if isinstance(axis, Range) else axis.list_values()
        for end in ends:
            replace_fields(recipe, {field: end})
    if not space:
        raise RecipeError(
            "nothing to sweep: name at least one field, such as --over learning_rate=1e-3..1e-2"
        )
    return space


def load_space(values: Mapping[str, Any]) -> dict[str, Axis]:
    """Returns the search space of the result of `to_json` for each field.

    Raises:
        KeyError, TypeError: The values are not such a result.
    """
    return {
        field: Choices(tuple(axis["choices"])) if "choices" in axis else Range(**axis)
        for field, axis in values.items()
    }


def list_combinations(space: SearchSpace, limit: int) -> list[dict[str, Any]] | None:
    """Returns all combinations of values, the last field changing first.

    Args:
        space: The search space.
        limit: The largest number of combinations to list.

    Returns:
        The combinations, or None if there are more than `limit`.
    """
    if math.prod(axis.n_values for axis in space.values()) > limit:
        return None
    lists = [axis.list_values() for axis in space.values()]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*lists)]


def format_value(value: Any) -> str:
    """Returns the value of a field in a few characters; numbers have four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def format_values(values: Mapping[str, Any]) -> str:
    """Returns the values of a trial, such as "learning_rate=0.002 batch_size=64"."""
    return " ".join(f"{field}={format_value(value)}" for field, value in values.items())


def _split_fields(over: Over) -> list[tuple[str, Any]]:
    if isinstance(over, Mapping):
        return list(over.items())
    pairs = []
    for text in over:
        field, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise RecipeError(
                f"--over {text!r} has no values; expected field=low..high, such as "
                "learning_rate=1e-3..1e-2, or field=value,value"
            )
        pairs.append((field, value))
    return pairs


def _parse_axis(field: str, value: Any, kind: type[Recipe | ReaderRecipe]) -> Axis:
    if isinstance(value, tuple):
        if len(value) != 2 or not all(type(end) in (int, float) for end in value):
            raise RecipeError(
                f"{field} is swept over {str(value)[:60]}; expected two numbers as a tuple, or "
                "values as a list"
            )
        low, high = map(repr, value)
        return _build_range(field, low, high, kind)
    if isinstance(value, list):
        choices = value
    else:
        text = str(value)
        found = _RANGE.fullmatch(text)
        if found is not None:
            return _build_range(field, found[1], found[2], kind)
        choices = [
            check_overrides([f"{field}={part}"], kind)[field] for part in _split_choices(text)
        ]
    plain = tuple(json.loads(json.dumps(choice)) for choice in choices)
    if not plain:
        raise RecipeError(f"{field} has no values to sweep over: give at least one")
    if any(choice in plain[:number] for number, choice in enumerate(plain)):
        raise RecipeError(f"{field} has a value twice: {', '.join(map(format_value, plain))}")
    return Choices(plain)


def _build_range(field: str, low: str, high: str, kind: type[Recipe | ReaderRecipe]) -> Range:
    hint = get_type_hints(kind)[field]
    types = get_args(hint) or (hint,)
    if int in types:
        if not (_is_integer(low) and _is_integer(high)):
            raise RecipeError(
                f"{field} takes integers; expected a range such as {field}=32..256, not "
                f"{low}..{high}"
            )
    elif float not in types:
        raise RecipeError(
            f"{field} has no range; expected a list of values, such as {field}=first,second"
        )
    is_integer = int in types
    first, last = (int(low), int(high)) if is_integer else (float(low), float(high))
    if not first < last:
        raise RecipeError(
            f"the range {field}={low}..{high} is empty: the first number must be below the second"
        )
    return Range(first, last, is_integer)


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", text) is not None


def _split_choices(text: str) -> list[str]:
    """Splits at the commas outside of brackets and quotation marks."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += 0 if quote else _BRACKETS.get(letter, 0)
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
