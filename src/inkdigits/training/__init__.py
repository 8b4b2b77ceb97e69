"""Training: recipes, networks, samples, model files, the fit; needs Keras, `inkdigits[train]`.

The parts, each of which imports only those above it:

recipes       named, frozen sets of network and hyper-parameters
run_views     what a run's folder contains, in one line, as HTML and as a data frame
runs          one training and its folder
networks      Keras networks for tiles and of the reader
samples       the images, pages and targets that networks are trained on
model_files   export, conversion and loading of models; the reader's ONNX graph
fit           training itself: steps, checkpoints, progress, validation

Importing this package loads no framework. Training or loading a model does.
"""

from inkdigits.training.fit.cross_validation import CrossValidation, cross_validate
from inkdigits.training.fit.entry_points import resume, train
from inkdigits.training.fit.learning_rate_finder import LearningRateTest, find_learning_rate
from inkdigits.training.model_files.adoption import Adoption, Trial, adopt
from inkdigits.training.model_files.conversion import FORMATS, export
from inkdigits.training.model_files.loading import load_recognizer
from inkdigits.training.recipes.catalogue import RECIPES
from inkdigits.training.recipes.layers import Layer
from inkdigits.training.recipes.lookup import get_recipe
from inkdigits.training.recipes.reader_recipe import READER_RECIPES, ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import Run

__all__ = [
    "FORMATS",
    "READER_RECIPES",
    "RECIPES",
    "Adoption",
    "CrossValidation",
    "Layer",
    "LearningRateTest",
    "ReaderRecipe",
    "Recipe",
    "Run",
    "Trial",
    "adopt",
    "cross_validate",
    "export",
    "find_learning_rate",
    "get_recipe",
    "load_recognizer",
    "resume",
    "train",
]
