"""Recipes: named, frozen sets of network and hyper-parameters.

`tile_recipe` and `reader_recipe` define the two kinds, `catalogue` lists those for tiles, and
`lookup` finds a recipe by its name and replaces some of its fields. Nothing here loads a training
framework.
"""

from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import Layer
from inkdigits.training.recipes.lookup import find_recipe, get_recipe
from inkdigits.training.recipes.reader_recipe import READER_RECIPES, ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe

__all__ = [
    "READER_RECIPES",
    "RECIPES",
    "Layer",
    "ReaderRecipe",
    "Recipe",
    "find_recipe",
    "get_recipe",
]
