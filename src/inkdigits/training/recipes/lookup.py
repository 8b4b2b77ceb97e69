"""Finds recipes by name, and replaces some of their fields."""

from __future__ import annotations

import ast
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

from inkdigits.errors import RecipeError
from inkdigits.suggestions import describe_unknown
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import parse_layers
from inkdigits.training.recipes.reader_recipe import READER_RECIPES, ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe

_NO_VALUE = ("null", "none")


def find_recipe(
    name: str, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> Recipe | ReaderRecipe:
    """Returns the recipe of this name, of either kind, with some fields replaced.

    Args:
        name: A key of `RECIPES` or `READER_RECIPES`.
        overrides: Field names to values, or strings `field=value` as on the command line. Values
            are written as JSON, as `inkdigits recipes` prints them, or as in Python; the value of
            a field without a value is null, none or None. Words need no quotes.

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

    Examples:
        >>> get_recipe("quick", {"epochs": 3}).epochs
        3
    """
    if name not in RECIPES:
        raise RecipeError(describe_unknown("recipe", name, list(RECIPES)))
    return override_fields(RECIPES[name], overrides)


def override_fields(recipe: Recipe, overrides: Mapping[str, Any] | Sequence[str]) -> Recipe:
    """Returns a recipe for tiles with some fields replaced.

    Args:
        recipe: The recipe.
        overrides: As in `find_recipe`.

    Raises:
        RecipeError: As in `find_recipe`.
    """
    values = check_overrides(overrides, Recipe)
    if "network" in values:
        values["network"] = parse_layers(values["network"])
    return replace(recipe, **values)


def get_reader_recipe(name: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> ReaderRecipe:
    """Returns the reader recipe of this name, with some fields replaced.

    Args:
        name: A key of `READER_RECIPES`.
        overrides: As in `find_recipe`.

    Raises:
        RecipeError: An unknown field, or an invalid value.
    """
    return replace(READER_RECIPES[name], **check_overrides(overrides, ReaderRecipe))


def replace_fields(
    recipe: Recipe | ReaderRecipe, values: Mapping[str, Any], options: Iterable[str] = ()
) -> Recipe | ReaderRecipe:
    """Returns a recipe with some fields replaced.

    Args:
        recipe: The recipe.
        values: Field names to values. The network may consist of layers or of their JSON form.
        options: Other names that the caller accepts, to suggest for an unknown field.

    Raises:
        RecipeError: An unknown field, or an invalid value.
    """
    known = _list_fields(type(recipe))
    for name in values:
        if name not in known:
            problem = describe_unknown("keyword", name, [*known, *options])
            others = set(_list_fields(Recipe)) | set(_list_fields(ReaderRecipe))
            if name in others:
                problem = (
                    f"recipe {recipe.name!r} has no {name!r}: its fields are {', '.join(known)}"
                )
            raise RecipeError(problem)
    values = dict(values)
    if "network" in values:
        values["network"] = parse_layers(values["network"])
    return replace(recipe, **values)


def _list_fields(kind: type[Recipe | ReaderRecipe]) -> list[str]:
    """Returns the names of the fields that can be replaced."""
    return [field.name for field in fields(kind) if field.name != "name"]


def check_overrides(
    overrides: Mapping[str, Any] | Sequence[str], kind: type[Recipe | ReaderRecipe]
) -> dict[str, Any]:
    """Returns field names to values; the values are not checked.

    Args:
        overrides: As in `find_recipe`.
        kind: The class of the recipe.

    Raises:
        RecipeError: An unknown field, or a text that is not `field=value`.
    """
    known = _list_fields(kind)
    if not isinstance(overrides, Mapping):
        overrides = dict(_parse_override(text, kind) for text in overrides)
    for field in overrides:
        if field not in known:
            raise RecipeError(describe_unknown("recipe field", field, known))
    return dict(overrides)


def _parse_override(text: str, kind: type[Recipe | ReaderRecipe]) -> tuple[str, Any]:
    field, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise RecipeError(f"--set {text!r} has no '='; expected field=value, such as epochs=3")
    # Only in fields that may have no value: "none" is the name of an augmentation, too.
    if value.lower() in _NO_VALUE and types.NoneType in get_args(get_type_hints(kind).get(field)):
        return field, None
    for parse in (json.loads, ast.literal_eval):
        try:
            return field, parse(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return field, value  # a plain word, such as schedule=cosine
