from __future__ import annotations

import pytest

from inkdigits.suggestions import ask_for, describe_unknown, find_nearest

RECIPES = ("classic", "classic-small-batch", "dropout", "quick")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("clasic-small", ["classic-small-batch", "classic"]),
        ("drop-out", ["dropout"]),
        ("Quick", ["quick"]),
        ("xyzzy", []),
        ("", []),
    ],
)
def test_similar_names_are_found_with_the_nearest_first(name: str, nearest: list[str]) -> None:
    assert find_nearest(name, RECIPES) == nearest


def test_a_question_names_each_suggestion() -> None:
    assert ask_for(["train"]) == "did you mean 'train'?"
    assert ask_for(["train", "data"]) == "did you mean 'train' or 'data'?"


def test_an_unknown_name_is_described_with_suggestions_or_with_all_names() -> None:
    assert describe_unknown("recipe", "drop-out", RECIPES) == (
        "unknown recipe 'drop-out': did you mean 'dropout'?"
    )
    assert describe_unknown("recipe", "x", RECIPES) == (
        "unknown recipe 'x': expected one of classic, classic-small-batch, dropout, quick"
    )
