"""Networks, recipes, the fit, the run folder and export; needs Keras, `inkdigits[train]`.

Importing this package loads no framework: that happens when something is trained or loaded.
"""

from inkdigits.training.export import FORMATS, export
from inkdigits.training.fitting import resume, train
from inkdigits.training.loading import load_recognizer
from inkdigits.training.reader_recipes import READER_RECIPES, ReaderRecipe
from inkdigits.training.recipes import RECIPES, Layer, Recipe, get_recipe
from inkdigits.training.runs import Run

__all__ = [
    "FORMATS",
    "READER_RECIPES",
    "RECIPES",
    "Layer",
    "ReaderRecipe",
    "Recipe",
    "Run",
    "export",
    "get_recipe",
    "load_recognizer",
    "resume",
    "train",
]
