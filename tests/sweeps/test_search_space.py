"""How the fields of a sweep and their values are written."""

from __future__ import annotations

from typing import Any

import pytest

from inkdigits.errors import RecipeError
from inkdigits.sweeps.search_space import (
    Choices,
    Range,
    format_values,
    list_combinations,
    load_space,
    parse_space,
)
from inkdigits.training import READER_RECIPES, RECIPES

QUICK = RECIPES["quick"]


@pytest.mark.parametrize(
    ("text", "expected", "is_log"),
    [
        ("learning_rate=1e-3..1e-2", Range(1e-3, 1e-2, False), True),
        ("learning_rate=0.001..0.0099", Range(0.001, 0.0099, False), False),
        ("beta_2=.9...999", Range(0.9, 0.999, False), False),
        ("outliers=0.01..0.5", Range(0.01, 0.5, False), True),
        ("batch_size=8..1024", Range(8, 1024, True), False),
        ("patience=1..5", Range(1, 5, True), False),
    ],
)
def test_ranges(text: str, expected: Range, is_log: bool) -> None:
    (axis,) = parse_space([text], QUICK).values()

    assert isinstance(axis, Range)
    assert axis == expected
    assert type(axis.low) is (int if expected.is_integer else float)
    assert axis.is_log is is_log


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("batch_size=64,128,256", (64, 128, 256)),
        ("learning_rate=1e-3, 2e-3", (1e-3, 2e-3)),
        ("schedule=constant,cosine", ("constant", "cosine")),
        ("augmentation=none,affine", ("none", "affine")),
        ("patience=3,none", (3, None)),
        ("optimizer=sgd(momentum=0.9, nesterov=True)", ("sgd(momentum=0.9, nesterov=True)",)),
        ("class_weight=balanced,[1,1,1,1,1,1,1,1,1,2]", ("balanced", [1] * 9 + [2])),
        ("epochs=5", (5,)),
    ],
)  # fmt: skip
def test_choices(text: str, values: tuple[Any, ...]) -> None:
    assert list(parse_space([text], QUICK).values()) == [Choices(values)]


def test_networks_are_choices_too() -> None:
    other = RECIPES["classic"].to_json()["network"]
    space = parse_space({"network": [QUICK.to_json()["network"], other]}, QUICK)

    assert space["network"] == Choices((QUICK.to_json()["network"], other))
    assert load_space({name: axis.to_json() for name, axis in space.items()}) == space


def test_python_takes_tuples_as_ranges_and_lists_as_choices() -> None:
    texts = ["learning_rate=1e-3..1e-2", "batch_size=64,128", "patience=1..4"]
    values = {"learning_rate": (1e-3, 1e-2), "batch_size": [64, 128], "patience": "1..4"}

    assert parse_space(values, QUICK) == parse_space(texts, QUICK)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["learnig_rate=1e-3..1e-2"], "'learnig_rate': did you mean 'learning_rate'\\?$"),
        (["name=a,b"], "unknown recipe field 'name'"),
        (["learning_rate"], "has no values; expected field=low..high"),
        (["learning_rate="], "has no values"),
        (["learning_rate=1e-2..1e-3"], "is empty: the first number must be below the second"),
        (["learning_rate=1e-3..100"], "learning_rate is 100.0; expected a number between 0 and 10"),
        (["batch_size=1.5..3"], "batch_size takes integers"),
        (["batch_size=0..3"], "batch_size is 0"),
        (["batch_size=64,many"], "batch_size is 'many'"),
        (["schedule=1..3"], "schedule has no range; expected a list"),
        (["schedule=cosine,linear"], "schedule is 'linear'"),
        (["batch_size=64,64"], "batch_size has a value twice: 64, 64"),
        (["batch_size=64", "batch_size=128"], "batch_size is swept twice"),
        ([], "nothing to sweep"),
        ({"batch_size": []}, "batch_size has no values"),
        ({"batch_size": (1, 2, 3)}, "expected two numbers as a tuple"),
    ],
    ids=str,
)
def test_wrong_descriptions_are_explained(over: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_space(over, QUICK)

    assert "\n" not in str(caught.value)


def test_the_fields_of_a_reader_are_its_own() -> None:
    reader = READER_RECIPES["reader-quick"]

    assert parse_space(["weight_decay=1e-5..1e-3"], reader)["weight_decay"].to_json() == {
        "low": 1e-5,
        "high": 1e-3,
        "is_integer": False,
    }
    with pytest.raises(RecipeError, match="unknown recipe field 'epochs'"):
        parse_space(["epochs=1..3"], reader)


def test_few_combinations_are_listed() -> None:
    space = parse_space(["batch_size=64,128", "epochs=1..3"], QUICK)

    assert list_combinations(space, 5) is None
    assert list_combinations(space, 6) == [
        {"batch_size": size, "epochs": n} for size in (64, 128) for n in (1, 2, 3)
    ]
    assert list_combinations(parse_space(["learning_rate=0.1..0.2"], QUICK), 10**9) is None


def test_values_are_short_in_messages() -> None:
    values = {"learning_rate": 0.00123456, "batch_size": 64, "patience": None, "optimizer": "adam"}

    assert (
        format_values(values) == "learning_rate=0.001235 batch_size=64 patience=none optimizer=adam"
    )
