"""Recipes as TOML files: reads a user's own, and writes any recipe as one to start from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import RecipeError
from inkdigits.suggestions import describe_unknown
from inkdigits.training.recipes.added_layers import complete_layers
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import MODEL, Layer, parse_layers
from inkdigits.training.recipes.tile_recipe import Recipe

START: Final = "start"
"""Key of a file that names the recipe of the catalogue whose fields it changes."""
_DEFAULTS: Final = {"epochs": 10, "batch_size": 128}
"""Of fields without a default: those of `classic`."""


def read_toml_recipe(path: Path) -> tuple[Recipe, tuple[str, ...]]:
    """Reads a recipe file.

    The keys of the file are the fields of a recipe; `start` names a recipe whose fields hold where
    the file has none. The recipe is named after the file.

    Args:
        path: The file.

    Returns:
        The recipe, and what was added to its network, in words.

    Raises:
        RecipeError: The file is missing or not TOML, or has an unknown key or an invalid value.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise RecipeError(f"{path} cannot be read ({reason}): expected a recipe file") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from error
    start = values.pop(START, None)
    if start is not None and start not in RECIPES:
        raise RecipeError(f"{path}: " + describe_unknown("recipe", str(start), RECIPES))
    if "network" in values:
        values["network"] = parse_layers(values["network"])
    elif start is None:
        raise RecipeError(
            f"{path} has no network: expected a list such as "
            "network = ['Conv2D(32, 3, activation=\"relu\")', 'Flatten', 'Dense(10)'], or the "
            f'name of a recipe to change: {START} = "classic"'
        )
    return make_recipe(path, values, RECIPES[start] if start is not None else None)


def make_recipe(
    path: Path, values: Mapping[str, Any], start: Recipe | None = None
) -> tuple[Recipe, tuple[str, ...]]:
    """Builds the recipe of a user's own file, and completes its network.

    Args:
        path: The file, which gives the recipe its name.
        values: Field names to values; the network as layers.
        start: The recipe whose fields hold where `values` has none; None: the defaults.

    Returns:
        The recipe, and what was added to its network, in words.

    Raises:
        RecipeError: A field is unknown, a value is invalid, or the network does not take tiles.
    """
    known = [field.name for field in fields(Recipe) if field.name != "name"]
    for name in values:
        if name not in known:
            raise RecipeError(f"{path}: " + describe_unknown("recipe field", name, [*known, START]))
    given = dict(values)
    added: tuple[str, ...] = ()
    network = given.get("network")
    if network and not any(layer.kind == MODEL for layer in network):
        given["network"], added = complete_layers(network, source=str(path))
    base = {**_DEFAULTS, "summary": f"from {path.name}"}
    if start is not None:
        base = {field.name: getattr(start, field.name) for field in fields(Recipe)}
    name = "".join(letter if letter.isalnum() else "-" for letter in path.stem).strip("-")
    try:
        return Recipe(**{**base, **given, "name": name or "own"}), added
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def write_toml(recipe: Recipe) -> str:
    """Returns a recipe as the text of a TOML file, which `read_toml_recipe` reads.

    Fields with their default value are left out.
    """
    defaults = {field.name: field.default for field in fields(Recipe)}
    values = recipe.to_json()
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
        if name not in ("name", "network") and value is not None and value != defaults[name]
        if defaults[name] is not MISSING or name in ("summary", *_DEFAULTS)
    ]
    layers = "".join(f"    {_quote(_format_layer(layer))},\n" for layer in recipe.network)
    return "\n".join([*lines, "network = [", layers + "]", ""])


def _format_layer(layer: Layer) -> str:
    words = [repr(argument) for argument in layer.arguments]
    words += [f"{name}={value!r}" for name, value in layer.settings.items()]
    return f"{layer.kind}({', '.join(words)})" if words else layer.kind


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
