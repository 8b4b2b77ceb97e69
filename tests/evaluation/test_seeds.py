"""Means and deviations are over seeds of one recipe alone."""

from __future__ import annotations

import statistics
from dataclasses import MISSING, fields
from typing import Any

import pytest

from inkdigits.errors import UsageError
from inkdigits.evaluation import RecipeSummary, summarise_seeds
from inkdigits.evaluation.seeds import DEFAULT_FIELDS
from inkdigits.recognition import Card
from inkdigits.training.recipes import Recipe


def make_card(name: str, seed: int, data: str = "mnist", **fields: Any) -> Card:
    return Card({"name": name, **fields}, seed, {"train": data}, {})


def group(*cards: Card) -> list[tuple[int, ...]]:
    return [one.positions for one in summarise_seeds(cards, [0.5] * len(cards))]


def test_seeds_of_a_recipe_are_summarised() -> None:
    accuracies = [0.9917, 0.9921, 0.9925]

    (summary,) = summarise_seeds([make_card("best", seed) for seed in (2, 0, 1)], accuracies)

    assert isinstance(summary, RecipeSummary)
    assert summary.accuracy.mean == pytest.approx(statistics.fmean(accuracies))
    assert summary.accuracy.sd == pytest.approx(statistics.stdev(accuracies))
    assert str(summary) == "seeds 2, 0, 1 of best: 99.21 % ± 0.04 (n = 3)"
    assert summary.to_json() == {
        "recipe": "best",
        "seeds": [2, 0, 1],
        "accuracy_mean": summary.accuracy.mean,
        "accuracy_sd": summary.accuracy.sd,
    }


def test_one_model_has_no_deviation() -> None:
    (summary,) = summarise_seeds([make_card("best", 4)], [0.9917])

    assert summary.accuracy.sd is None
    assert str(summary) == "seed 4 of best: 99.17 % (n = 1)"


def test_unlike_models_stand_alone() -> None:
    best = [make_card("best", seed) for seed in (0, 1)]

    assert group(best[0], make_card("small", 1)) == [(0,), (1,)]
    assert group(best[0], make_card("small", 0), best[1]) == [(0, 2), (1,)]
    assert group(best[0], make_card("best", 1, epochs=3)) == [(0,), (1,)]
    assert group(best[0], make_card("best", 1, data="own")) == [(0,), (1,)]


def test_cards_from_before_a_field_existed_belong_to_those_with_it() -> None:
    older = make_card("best", 0, batch_size=64)
    newer = make_card("best", 1, batch_size=64, optimizer="adam", class_weight=None)
    other = make_card("best", 2, batch_size=64, optimizer="lion")

    assert group(older, other, newer) == [(0, 2), (1,)]


def test_the_fields_of_older_cards_have_the_defaults_of_recipes() -> None:
    defaults = {
        field.name: field.default for field in fields(Recipe) if field.default is not MISSING
    }

    assert defaults == DEFAULT_FIELDS


def test_same_seed_twice_is_no_second_seed() -> None:
    cards = [make_card("best", seed) for seed in (0, 1, 0)]

    assert group(*cards) == [(0,), (1,), (2,)]


@pytest.mark.parametrize("n", [0, 2])
def test_every_model_has_one_accuracy(n: int) -> None:
    with pytest.raises(UsageError, match=f"{n} accuracies of 1 models"):
        summarise_seeds([make_card("best", 0)], [0.5] * n)
    with pytest.raises(UsageError):
        summarise_seeds([], [])
