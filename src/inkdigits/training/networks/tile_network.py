"""Builds the Keras network and the optimizer of a recipe for tiles."""

from __future__ import annotations

from typing import Any

from inkdigits.errors import RecipeError
from inkdigits.recognition.card import TILE_SHAPE
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.tile_recipe import Recipe


def build_network(recipe: Recipe) -> Any:
    """Builds the network of a recipe, with random weights.

    The weights are float32 for every precision, so they can be copied between precisions.

    Args:
        recipe: Gives the layers and the precision they compute in. The last layer always computes
            in float32.

    Returns:
        A `keras.Sequential` that maps uint8 tiles, shape (n, 28, 28), 0 background, 255 full ink,
        to float32 probabilities, shape (n, 10), or (n, 11) for a recipe with outliers.

    Raises:
        RecipeError: A layer that Keras does not have or cannot build, or a wrong input or output
            shape.
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
            raise RecipeError(f"recipe {recipe.name}: cannot build {layer}: {reason}") from error
    try:
        network = load_keras().Sequential(built, name=recipe.name.replace("-", "_"))
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


def build_optimizer(recipe: Recipe, n_steps: int) -> Any:
    """Builds the Adam optimizer with the recipe's learning rate schedule.

    Args:
        recipe: Gives the learning rate, the schedule and both decays.
        n_steps: Number of steps of the whole training, over which the schedule extends.
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
