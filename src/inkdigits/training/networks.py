"""Keras networks from the lists in the recipes."""

from __future__ import annotations

from typing import Any

from inkdigits.errors import RecipeError
from inkdigits.recognition.card import TILE_SHAPE
from inkdigits.training.frameworks import load_keras
from inkdigits.training.recipes import Recipe


def build_network(recipe: Recipe) -> Any:
    """Builds the network of a recipe, with fresh weights.

    The weights are float32 whatever the precision, so that those of one fit another.

    Args:
        recipe: Names the layers, and the precision they compute in; the last one always gives
            its probabilities in float32.

    Returns:
        A `keras.Sequential` from uint8 tiles, shape (n, 28, 28), to float32 probabilities,
        shape (n, 10), or (n, 11) for a recipe with outliers.

    Raises:
        RecipeError: A layer that Keras does not have or cannot build, or another input or output.
    """
    layers = load_keras().layers
    built = []
    for layer in recipe.network:
        settings = layer.settings
        if recipe.precision == "bfloat16" and layer is not recipe.network[-1]:
            settings = {"dtype": "mixed_bfloat16", **settings}
        try:
            built.append(getattr(layers, layer.kind)(*layer.arguments, **settings))
        except (AttributeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise RecipeError(f"recipe {recipe.name}: {layer} cannot be built: {reason}") from error
    try:
        network = load_keras().Sequential(built, name=recipe.name.replace("-", "_"))
        shapes = network.input_shape, network.output_shape
    except (TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(f"recipe {recipe.name}: its layers do not fit: {reason}") from error
    expected = (None, *TILE_SHAPE), (None, recipe.n_outputs)
    if shapes != expected:
        raise RecipeError(
            f"recipe {recipe.name} maps {shapes[0]} to {shapes[1]}; expected {expected[0]} to "
            f"{expected[1]}"
        )
    return network


def build_optimizer(recipe: Recipe, n_steps: int) -> Any:
    """Adam with the recipe's schedule.

    Args:
        recipe: Gives rates and schedule.
        n_steps: Steps of the whole fit, which the schedule spans.
    """
    optimizers = load_keras().optimizers
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(recipe.learning_rate, n_steps)
    elif recipe.schedule == "one-cycle":
        warmup_steps = max(1, n_steps // 5)
        rate = optimizers.schedules.CosineDecay(
            recipe.learning_rate / 25,
            max(1, n_steps - warmup_steps),
            warmup_target=recipe.learning_rate,
            warmup_steps=warmup_steps,
        )
    return optimizers.Adam(rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2)
