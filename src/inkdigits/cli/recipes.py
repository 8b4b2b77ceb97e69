"""`inkdigits recipes`: lists the recipes of `inkdigits train`, and shows one of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from inkdigits.cli import exit_status
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_json
from inkdigits.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from inkdigits.training.recipes import ReaderRecipe, Recipe

USAGE = "inkdigits recipes [RECIPE] [--json | --toml]"
EXAMPLES = (
    "inkdigits recipes",
    "inkdigits recipes dropout",
    "inkdigits recipes classic --toml > my.toml",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="show the layers, fields and published figures of this recipe, or of your own .toml "
        "or .py file",
    )
    add_json(parser)
    parser.add_argument(
        "--toml",
        action="store_true",
        help="print the recipe as a file to change and train with 'inkdigits train my.toml'",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training.recipes import READER_RECIPES, RECIPES

    recipes: list[Recipe | ReaderRecipe] = [*RECIPES.values(), *READER_RECIPES.values()]
    if options.json and options.toml:
        raise UsageError("--json and --toml print the same recipe: choose one of them")
    if options.recipe is not None:
        _show(options)
    elif options.toml:
        raise UsageError("--toml prints one recipe: name it")
    elif options.json:
        print(json.dumps([recipe.to_json() for recipe in recipes], indent=2))
    else:
        for recipe in recipes:
            print(f"{recipe.name:20} {recipe.summary}")
    return exit_status.OK


def _show(options: argparse.Namespace) -> None:
    from inkdigits.training.model_files.recipe_sources import open_recipe
    from inkdigits.training.recipes import Recipe
    from inkdigits.training.recipes.published_figures import find_published
    from inkdigits.training.recipes.toml_recipes import write_toml

    recipe, source = open_recipe(options.recipe)
    if options.json:
        print(json.dumps(recipe.to_json(), indent=2))
    elif not isinstance(recipe, Recipe):
        if options.toml:
            raise UsageError(
                f"{recipe.name} has no layers to change: --toml is for networks for tiles"
            )
        for line in _list_fields(recipe):
            print(line)
    elif options.toml:
        print(write_toml(recipe), end="")
    else:
        for line in _describe(recipe):
            print(line)
        if source is not None and source.added:
            print(f"\nadded: {'; '.join(source.added)}")
        if source is None and (published := find_published(recipe.name)) is not None:
            print(f"\n{published}")


def _describe(recipe: Recipe) -> Iterator[str]:
    """Yields the lines that show a recipe for tiles."""
    yield f"{recipe.name}: {recipe.summary}"
    yield ""
    try:
        yield from _tabulate(recipe)
    except MissingExtraError as error:
        yield from (repr(layer) for layer in recipe.network)
        yield f"for shapes and parameters: {error}"
    yield ""
    yield from _list_fields(recipe)


def _tabulate(recipe: Recipe) -> Iterator[str]:
    from inkdigits.text_tables import format_columns
    from inkdigits.training.networks.layer_table import describe_layers
    from inkdigits.training.networks.tile_network import build_network

    rows = describe_layers(build_network(recipe))
    totals = sum(row.n_parameters for row in rows), sum(row.n_operations or 0 for row in rows)
    cells: list[list[str] | None] = [["layer", "output", "parameters", "operations"], None]
    for row in rows:
        shape = " × ".join("?" if side is None else str(side) for side in row.shape)
        operations = "?" if row.n_operations is None else f"{row.n_operations:,}"
        cells.append([row.name, shape, f"{row.n_parameters:,}", operations])
    cells += [None, ["together", "", *(f"{total:,}" for total in totals)]]
    yield from format_columns(cells, "<>>>")
    yield "operations: multiplications with weights for one tile, each with its addition"


def _list_fields(recipe: Recipe | ReaderRecipe) -> Iterator[str]:
    values = recipe.to_json()
    for name, value in values.items():
        if name not in ("name", "summary", "network", "kind"):
            yield f"{name:18} {'none' if value is None else value}"
