from __future__ import annotations

from typing import Any

import pytest

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.call_texts import parse_call
from inkdigits.training.recipes.layers import Layer, parse_layers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adam", ("adam", [], {})),
        (" Flatten() ", ("Flatten", [], {})),
        ("sgd(momentum=0.9, nesterov=True)", ("sgd", [], {"momentum": 0.9, "nesterov": True})),
        ("Conv2D(8, (3, 5), name=None)", ("Conv2D", [8, [3, 5]], {"name": None})),
        ("Rescaling(1 / 255)", ("Rescaling", [1 / 255], {})),
        ("Rescaling(-1)", ("Rescaling", [-1], {})),
    ],
)
def test_calls_are_read_as_python_reads_them(text: str, expected: Any) -> None:
    assert parse_call("field", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "a b", "keras.layers.Dense(1)", "f(", "f(**{})", "f(*[1])", "f(x)", "f(1/0)"),
        *("__import__('os').system('true')", "f(__import__('os'))", "f(g(1))", "(" * 2_000),
    ],
)
def test_anything_else_is_refused_and_not_run(text: str) -> None:
    with pytest.raises(RecipeError, match=r"field is .*; expected a name, or a call") as caught:
        parse_call("field", text)

    assert "\n" not in str(caught.value)


def test_layers_may_be_texts() -> None:
    texts = ['Conv2D(8, 3, activation="relu")', "Flatten"]

    assert parse_layers(texts) == (Layer("Conv2D", 8, 3, activation="relu"), Layer("Flatten"))
