from __future__ import annotations

import pytest

from inkdigits.suggestions import ask_for, describe_unknown, find_nearest

RECIPES = ("classic", "classic-small-batch", "dropout", "quick")
COMMANDS = ("train", "evaluate", "predict", "export", "adopt", "data", "serve", "recipes")
OPTIONS = ("help", "seed", "quiet", "set", "output", "json", "learning_rate")
FILES = ("1.png", "7.png", "seven.png", "IMG_0412.JPG", "notes.txt")


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("clasic-small", RECIPES, ["classic-small-batch"]),
        ("class", RECIPES, ["classic", "classic-small-batch"]),
        ("drop-out", RECIPES, ["dropout"]),
        ("Quick", RECIPES, ["quick"]),
        ("trian", COMMANDS, ["train"]),
        ("eval", COMMANDS, ["evaluate"]),  # a beginning
        ("training", COMMANDS, ["train"]),
        ("lerning-rate", OPTIONS, ["learning_rate"]),
        ("seven.pgn", FILES, ["seven.png"]),
        ("seven", FILES, ["seven.png"]),
        ("img_0412.jpg", FILES, ["IMG_0412.JPG"]),
    ],
)
def test_similar_names_are_found_with_the_nearest_first(
    name: str, known: tuple[str, ...], nearest: list[str]
) -> None:
    assert find_nearest(name, known) == nearest


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("xyzzy", RECIPES),
        ("", RECIPES),
        ("version", COMMANDS),
        ("info", COMMANDS),
        ("model", OPTIONS),
        ("suite", OPTIONS),  # of another command; "quiet" shares most of its letters
        ("p", COMMANDS),
        ("3.png", FILES),  # another digit is no misspelling
        ("IMG_0413.JPG", FILES),
    ],
)
def test_no_suggestion_is_made_rather_than_a_wrong_one(name: str, known: tuple[str, ...]) -> None:
    assert find_nearest(name, known) == []


def test_the_beginning_of_many_names_suggests_none_of_them() -> None:
    names = [f"{letter * 20}" for letter in "abcd"]

    assert find_nearest("img", [f"img-{name}" for name in names[:3]]) == [
        f"img-{name}" for name in names[:3]
    ]
    assert find_nearest("img", [f"img-{name}" for name in names]) == []


def test_a_question_names_each_suggestion() -> None:
    assert ask_for(["train"]) == "did you mean 'train'?"
    assert ask_for(["train", "data"]) == "did you mean 'train' or 'data'?"


def test_an_unknown_name_is_described_with_suggestions_or_with_all_names() -> None:
    assert describe_unknown("recipe", "drop-out", RECIPES) == (
        "unknown recipe 'drop-out': did you mean 'dropout'?"
    )
    assert describe_unknown("recipe", "x", iter(RECIPES)) == (
        "unknown recipe 'x': expected one of classic, classic-small-batch, dropout, quick"
    )
