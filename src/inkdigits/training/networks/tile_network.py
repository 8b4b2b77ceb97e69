"""Builds the Keras network of a recipe for tiles."""

from __future__ import annotations

import copy
from typing import Any

from inkdigits.errors import RecipeError
from inkdigits.recognition.card import TILE_SHAPE
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.keras_classes import list_classes, runs_code
from inkdigits.training.recipes.layers import MODEL, Layer
from inkdigits.training.recipes.tile_recipe import Recipe


def build_network(recipe: Recipe) -> Any:
    """Builds the network of a recipe, with random weights.

    The weights are float32 for every precision, so they can be copied between precisions.

    Args:
        recipe: Gives the layers and the precision they compute in. The last layer always computes
            in float32.

    Returns:
        A `keras.Sequential`, or for a model with branches a `keras.Model`. It maps uint8 tiles,
        shape (n, 28, 28), 0 background, 255 full ink, to float32 probabilities, shape (n, 10), or
        (n, 11) for a recipe with outliers.

    Raises:
        RecipeError: A layer that Keras does not have or cannot build, or a wrong input or output
            shape.
    """
    name = recipe.name.replace("-", "_")
    built = [part for layer in recipe.network for part in _build_layer(recipe, layer)]
    try:
        network = _connect(built, name)
        shapes = network.input_shape, network.output_shape
    except (TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"recipe {recipe.name}: its layers do not fit together: {reason}"
        ) from error
    expected = (None, *TILE_SHAPE), (None, recipe.n_outputs)
    if shapes != expected:
        raise RecipeError(
            f"recipe {recipe.name} maps {shapes[0]} to {shapes[1]}; expected {expected[0]} to "
            f"{expected[1]}"
        )
    return network


def _build_layer(recipe: Recipe, layer: Layer) -> list[Any]:
    """Builds a layer, or those of a whole sequential model. A model with branches stays whole."""
    keras = load_keras()
    settings = layer.settings
    if recipe.precision == "bfloat16" and layer is not recipe.network[-1]:
        settings = {"dtype": "mixed_bfloat16", **settings}
    try:
        if layer.kind != MODEL:
            return [getattr(keras.layers, layer.kind)(*layer.arguments, **settings)]
        (config,) = layer.arguments
        for module, name in list_classes(config):
            if runs_code(module, name):
                raise RecipeError(
                    f"recipe {recipe.name} has the layer {module}.{name}, which can run code; "
                    "expected only layers of Keras, and no Lambda layer"
                )
        # Plain data: `safe_mode` and the check above keep code out of it. Keras takes it apart.
        model = keras.saving.deserialize_keras_object(copy.deepcopy(config), safe_mode=True)
    except RecipeError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"recipe {recipe.name}: cannot build {str(layer)[:200]}: {reason}"
        ) from error
    return list(model.layers) if isinstance(model, keras.Sequential) else [model]


def _connect(parts: list[Any], name: str) -> Any:
    """Connects layers one after the other, input first.

    The layers of a model with branches become layers of the network itself, so that each of them
    can be seeded, shown and exported.
    """
    keras = load_keras()
    if not any(isinstance(part, keras.Model) for part in parts):
        return keras.Sequential(parts, name=name)
    tensor = parts[0]
    for part in parts[1:]:
        # `Function.call` connects the layers of a model; calling the model would make it a layer.
        is_model = isinstance(part, keras.Model)
        tensor = keras.Function.call(part, tensor) if is_model else part(tensor)
    return keras.Model(parts[0], tensor, name=name)
