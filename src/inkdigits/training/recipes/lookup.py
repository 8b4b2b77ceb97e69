"""Finds recipes by name, and replaces some of their fields."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from inkdigits.errors import RecipeError
from inkdigits.suggestions import describe_unknown
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import parse_layers
from inkdigits.training.recipes.reader_recipe import READER_RECIPES, ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe


def find_recipe(
    name: str, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> Recipe | ReaderRecipe:
    """Returns the recipe of this name, of either kind, with some fields replaced.

    Args:
        name: A key of `RECIPES` or `READER_RECIPES`.
        overrides: Field names to values, or strings `field=value` as on the command line.

    Raises:
        RecipeError: An unknown recipe or field, or an invalid value. The message names the most
            similar known names.
    """
    if name in READER_RECIPES:
        return get_reader_recipe(name, overrides)
    if name not in RECIPES:
        raise RecipeError(describe_unknown("recipe", name, [*RECIPES, *READER_RECIPES]))
    return get_recipe(name, overrides)


def get_recipe(name: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> Recipe:
    """Returns the recipe for tiles of this name, with some fields replaced.

    Args:
        name: A key of `RECIPES`.
        overrides: As in `find_recipe`.

    Raises:
        RecipeError: As in `find_recipe`.
    """
    if name not in RECIPES:
        raise RecipeError(describe_unknown("recipe", name, list(RECIPES)))
    values = _check_overrides(overrides, [f.name for f in fields(Recipe) if f.name != "name"])
    if "network" in values:
        values["network"] = parse_layers(values["network"])
    return replace(RECIPES[name], **values)


def get_reader_recipe(name: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> ReaderRecipe:
    """Returns the reader recipe of this name, with some fields replaced.

    Args:
        name: A key of `READER_RECIPES`.
        overrides: As in `find_recipe`.

    Raises:
        RecipeError: An unknown field, or an invalid value.
    """
    known = [field.name for field in fields(ReaderRecipe) if field.name != "name"]
    return replace(READER_RECIPES[name], **_check_overrides(overrides, known))


def _check_overrides(
    overrides: Mapping[str, Any] | Sequence[str], known: Sequence[str]
) -> dict[str, Any]:
    if not isinstance(overrides, Mapping):
        overrides = dict(_parse_override(text) for text in overrides)
    for field in overrides:
        if field not in known:
            raise RecipeError(describe_unknown("recipe field", field, known))
    return dict(overrides)


def _parse_override(text: str) -> tuple[str, Any]:
    field, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"--set {text!r} has no '='; expected field=value, such as epochs=3")
    try:
        return field.strip(), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return field.strip(), value.strip()  # a plain word, such as schedule=cosine
