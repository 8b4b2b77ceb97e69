"""Which of several models are one recipe with different seeds, and the spread of these alone.

A standard deviation over models says how much the seed changes a figure. Over models of different
recipes or data it says nothing, so only models that differ in nothing but their seed are
summarised together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from inkdigits.errors import UsageError
from inkdigits.evaluation.metrics import Summary, summarise
from inkdigits.recognition.card import Card

DEFAULT_FIELDS: Final[dict[str, Any]] = {
    "learning_rate": 1e-3,
    "schedule": "constant",
    "beta_1": 0.9,
    "beta_2": 0.999,
    "validation_images": 5_000,
    "training_images": None,
    "patience": None,
    "augmentation": "none",
    "outliers": 0.0,
    "precision": "float32",
    "optimizer": "adam",
    "loss": "sparse_categorical_crossentropy",
    "class_weight": None,
    "n_classes": 10,
}
"""Fields of a recipe that cards may lack, with what this means: those of earlier versions do, and
those of digits have no number of classes."""


@dataclass(frozen=True)
class RecipeSummary:
    """The accuracies of models of one recipe, trained on the same data with different seeds.

    Attributes:
        recipe: Name of the recipe.
        seeds: Seed of each model, in the order of the models.
        positions: Position of each model among all models that were summarised.
        accuracy: Mean and spread of their accuracies; the spread is None for one model.
    """

    recipe: str
    seeds: tuple[int, ...]
    positions: tuple[int, ...]
    accuracy: Summary

    def to_json(self) -> dict[str, Any]:
        """Returns the summary as numbers and lists."""
        return {
            "recipe": self.recipe,
            "seeds": list(self.seeds),
            "accuracy_mean": self.accuracy.mean,
            "accuracy_sd": self.accuracy.sd,
        }

    def name_seeds(self) -> str:
        """Returns recipe and seeds, such as "seeds 0, 1, 2 of dropout"."""
        word = "seed" if len(self.seeds) == 1 else "seeds"
        return f"{word} {', '.join(map(str, self.seeds))} of {self.recipe}"

    def __str__(self) -> str:
        return f"{self.name_seeds()}: {self.accuracy}"


def summarise_seeds(cards: Sequence[Card], accuracies: Sequence[float]) -> list[RecipeSummary]:
    """Returns the mean and spread of accuracies over the seeds of each recipe.

    Models belong together if their cards have the same recipe, with all its fields, and the same
    data, teachers included. A field that an older card lacks has its default. If two of them have
    the same seed too, such as a network and its export, each of them stands alone.

    Args:
        cards: Card of each model.
        accuracies: Accuracy of each model, 0 to 1, all measured on the same images.

    Returns:
        One summary for each group of models, in the order of their first models.

    Raises:
        UsageError: `cards` is empty, `accuracies` has another length, or an accuracy is not finite.
    """
    if not cards or len(cards) != len(accuracies):
        raise UsageError(
            f"cannot summarise {len(accuracies)} accuracies of {len(cards)} models: expected one "
            "accuracy for each of at least one model"
        )
    groups: dict[str, list[int]] = {}
    for position, card in enumerate(cards):
        recipe = {**DEFAULT_FIELDS, **card.recipe}
        key = json.dumps([recipe, card.data_sha256], sort_keys=True)
        groups.setdefault(key, []).append(position)
    parts: list[list[int]] = []
    for positions in groups.values():
        is_repeated = len({cards[position].seed for position in positions}) < len(positions)
        parts += [[position] for position in positions] if is_repeated else [positions]
    return [
        RecipeSummary(
            recipe=str(cards[positions[0]].recipe.get("name", "model")),
            seeds=tuple(cards[position].seed for position in positions),
            positions=tuple(positions),
            accuracy=summarise([accuracies[position] for position in positions]),
        )
        for positions in sorted(parts)
    ]
