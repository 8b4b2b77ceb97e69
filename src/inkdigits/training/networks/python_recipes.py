"""Recipes as Python files: a Keras model, or a function that builds one, with fields beside it.

The file is executed when a user trains by it. Its model becomes plain data, the configuration that
Keras writes, so that the run can be resumed, loaded and exported without the file.
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import InkdigitsError, RecipeError
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.keras_classes import list_classes, runs_code
from inkdigits.training.recipes.added_layers import SCALING, build_head
from inkdigits.training.recipes.layers import MODEL, Layer
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.recipes.toml_recipes import make_recipe

BUILDERS: Final = (
    *("build_model", "build_network", "build", "create_model", "make_model", "get_model"),
)
"""Names of a function that builds the model, without arguments."""
MODELS: Final = ("model", "network")
"""Names of the model itself."""
_MODULE: Final = "inkdigits_recipe"


def read_python_recipe(path: Path) -> tuple[Recipe, tuple[str, ...]]:
    """Executes a Python file, and builds a recipe from its model and fields.

    Args:
        path: The file. It defines a function or a model with one of the names in `BUILDERS` and
            `MODELS`, and may set fields of a recipe, such as `epochs = 5`.

    Returns:
        The recipe, and what was added to its network, in words.

    Raises:
        RecipeError: The file is missing, fails, has no model, or has one that is not made of
            layers of Keras alone.
        MissingExtraError: Keras is not installed.
    """
    load_keras()
    values = _execute(path)
    model = _find_model(path, values)
    known = {field.name for field in fields(Recipe)} - {"name", "network"}
    given = {name: values[name] for name in known if name in values}
    if given.get("precision", "float32") != "float32":
        raise RecipeError(f"{path}: a Keras model has its own precision: leave precision out")
    network, added = describe_model(path, model)
    recipe, _ = make_recipe(path, {**given, "network": network})
    return recipe, added


def describe_model(source: Path, model: Any) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Returns a Keras model as the network of a recipe, and what was added to it, in words.

    The network has the architecture of the model. Its weights are drawn anew, by the seed.

    Raises:
        RecipeError: The model has several inputs or outputs, does not take tiles, or contains
            layers from outside Keras.
    """
    keras = load_keras()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model), default=_refuse))
    for key in ("build_config", "compile_config"):
        config.pop(key, None)
    classes = list(list_classes(config))
    for module, name in classes:
        if runs_code(module, name):
            raise RecipeError(
                f"{source} has the layer {module}.{name}; expected only layers of Keras, and no "
                "Lambda layer, so that the trained network can be loaded without this file"
            )
    names = {name for _, name in classes}
    built = getattr(model, "built", False) and bool(model.inputs)
    if built and (len(model.inputs), len(model.outputs)) != (1, 1):
        raise RecipeError(
            f"{source} has a model with {len(model.inputs)} inputs and {len(model.outputs)} "
            "outputs; expected one of each"
        )
    shape = [*model.input_shape[1:]] if built else [28, 28, 1]
    is_scaled = bool(names & set(SCALING))
    head, added = build_head(shape, scaled=is_scaled, source=str(source))
    tail = []
    last = model.layers[-1] if model.layers else None
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    if activation == "linear":
        tail.append(Layer("Softmax"))
        added.append("Softmax, for probabilities")
    return (*head, Layer(MODEL, config), *tail), tuple(added)


def _execute(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RecipeError(f"no such file: {path}; expected a Python file with a Keras model")
    with _own_folder_first(path.resolve().parent):
        try:
            return runpy.run_path(str(path), run_name=_MODULE)
        except InkdigitsError:
            raise
        except (Exception, SystemExit) as error:
            raise RecipeError(_explain(path, error)) from error


@contextmanager
def _own_folder_first(folder: Path) -> Iterator[None]:
    """Lets a file import the modules beside it, as `python FILE` does."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _find_model(path: Path, values: dict[str, Any]) -> Any:
    model_class = load_keras().Model
    for name in BUILDERS:
        if callable(values.get(name)) and not isinstance(values[name], model_class):
            try:
                model = values[name]()
            except Exception as error:
                raise RecipeError(_explain(path, error)) from error
            if not isinstance(model, model_class):
                raise RecipeError(
                    f"{path}: {name}() returns {type(model).__name__}; expected a Keras model"
                )
            return model
    models = [values[name] for name in MODELS if isinstance(values.get(name), model_class)]
    if not models:
        models = [value for value in values.values() if isinstance(value, model_class)]
    if not models:
        raise RecipeError(
            f"{path} has no Keras model: expected model = keras.Sequential([…]), or a function "
            "build_model() that returns one"
        )
    return models[0]


def _explain(path: Path, error: BaseException) -> str:
    """Returns an error of a user's file in one line, with the line of the file it comes from."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    place = f", line {lines[-1]}" if lines and lines[-1] else ""
    reason = (str(error).strip().splitlines() or ["no message"])[0][:200]
    return f"{path}{place}: {type(error).__name__}: {reason}"


def _refuse(value: object) -> None:
    raise RecipeError(f"a layer has the setting {str(value)[:60]!r}; expected plain values")
