"""Builds the optimizer and the loss that a recipe names as Keras does."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import RecipeError
from inkdigits.suggestions import describe_unknown
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.call_texts import parse_call
from inkdigits.training.recipes.tile_recipe import LABEL_LOSS, Recipe

# Names of `keras.optimizers` that are no optimizers to choose: bases, wrappers of other optimizers,
# and one whose weights need a conversion before validation.
_NO_CHOICE = {"optimizer", "lossscaleoptimizer", "multioptimizer", "schedulefreeadamw"}
_NO_SETTINGS = ("self", "kwargs", "name", "learning_rate")
_DECAYS = ("beta_1", "beta_2")


def build_optimizer(recipe: Recipe, n_steps: int) -> Any:
    """Builds the optimizer with the recipe's learning rate schedule.

    Args:
        recipe: Gives the optimizer, the learning rate, the schedule and both decays.
        n_steps: Number of steps of the whole training, over which the schedule extends.

    Raises:
        RecipeError: An optimizer that Keras does not have, or that lacks one of the settings.
    """
    optimizers = load_keras().optimizers
    kind, settings = _find("optimizer", recipe, optimizers, optimizers.Optimizer)
    # Optimizers other than Adam have defaults of their own, such as Lion's beta_2 of 0.99.
    is_adam = kind is optimizers.Adam
    for name in _DECAYS:
        value = getattr(recipe, name)
        if name not in settings and (is_adam or value != getattr(Recipe, name)):
            settings[name] = value
    if "learning_rate" in settings:
        raise RecipeError(
            f"optimizer is {recipe.optimizer!r}: the learning rate is a field of the recipe, "
            "learning_rate"
        )
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
    return _make("optimizer", recipe.optimizer, kind, {"learning_rate": rate, **settings})


def build_loss(recipe: Recipe, *, with_labels: bool) -> Any:
    """Builds the loss of a recipe.

    Args:
        recipe: Names the loss.
        with_labels: Whether the targets are labels, and not one probability for each output. With
            probabilities, the default loss is the categorical cross-entropy.

    Returns:
        A loss of Keras, or the name of one.

    Raises:
        RecipeError: A loss that Keras does not have, with an unknown setting, or that does not
            compare probabilities.
    """
    if recipe.takes_labels:
        return LABEL_LOSS if with_labels else "categorical_crossentropy"
    losses = load_keras().losses
    kind, settings = _find("loss", recipe, losses, losses.Loss)
    loss = _make("loss", recipe.loss, kind, settings)
    even = np.full((2, recipe.n_outputs), 1 / recipe.n_outputs, np.float32)
    certain = np.eye(recipe.n_outputs, dtype=np.float32)[:2]
    try:
        is_number = np.isfinite(float(loss(certain, even)))
    except Exception:  # the backends have no common error class
        is_number = False
    if not is_number:
        raise RecipeError(
            f"loss is {recipe.loss!r}, which does not compare the probabilities of "
            f"{recipe.n_outputs} classes; expected one such as {LABEL_LOSS!r} or "
            "'categorical_focal_crossentropy'"
        )
    return loss


def compute_class_weight(recipe: Recipe, targets: NDArray[Any]) -> dict[int, float] | None:
    """Computes the weight of each class in the loss.

    Args:
        recipe: Gives the weights, or how to find them.
        targets: Labels, int32 (n,), or probabilities, float32 (n, n_outputs).

    Returns:
        Class to weight. "balanced" weights a class by n / (n_classes · n of that class), so that
        all classes together weigh as much as without weights. None: all weigh the same.
    """
    if recipe.class_weight is None:
        return None
    if recipe.class_weight == "balanced":
        labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
        counts = np.bincount(labels, minlength=recipe.n_outputs)
        weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return dict(enumerate(weights.tolist()))
    return {place: float(weight) for place, weight in enumerate(recipe.class_weight)}


def _find(field: str, recipe: Recipe, module: Any, base: type) -> tuple[Any, dict[str, Any]]:
    """Returns the class that a field names, and the settings that it gives."""
    name, arguments, settings = parse_call(field, getattr(recipe, field))
    known = {
        word.lower(): kind
        for word, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, base) and word.lower() not in _NO_CHOICE
    }
    known.pop("loss", None)
    kind = known.get(name.replace("_", "").lower())
    if kind is None:
        names = [word.__name__ for word in known.values()]
        raise RecipeError(describe_unknown(f"{field} of Keras", name, sorted(set(names))))
    if arguments:
        raise RecipeError(
            f"{field} is {getattr(recipe, field)!r}; expected its settings by name, such as "
            f"{name}({'momentum=0.9' if field == 'optimizer' else 'label_smoothing=0.1'})"
        )
    return kind, settings


def _make(field: str, text: str, kind: Any, settings: dict[str, Any]) -> Any:
    known = inspect.signature(kind.__init__).parameters
    for name in settings:
        if name not in known:
            names = [word for word in known if word not in _NO_SETTINGS]
            raise RecipeError(f"{field} is {text!r}: " + describe_unknown("setting", name, names))
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(f"{field} is {text!r}: {reason}") from error
