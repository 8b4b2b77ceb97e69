"""`inkdigits recipes`: lists the recipes of `inkdigits train`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from inkdigits.cli import exit_status
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_json

if TYPE_CHECKING:
    from inkdigits.training.recipes import ReaderRecipe, Recipe

USAGE = "inkdigits recipes [RECIPE] [--json]"
EXAMPLES = (
    "inkdigits recipes",
    "inkdigits recipes dropout",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="show all fields of this recipe as JSON"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training.recipes import READER_RECIPES, RECIPES, find_recipe

    recipes: list[Recipe | ReaderRecipe] = [*RECIPES.values(), *READER_RECIPES.values()]
    if options.recipe is not None:
        print(json.dumps(find_recipe(options.recipe).to_json(), indent=2))
    elif options.json:
        print(json.dumps([recipe.to_json() for recipe in recipes], indent=2))
    else:
        for recipe in recipes:
            print(f"{recipe.name:20} {recipe.summary}")
    return exit_status.OK
