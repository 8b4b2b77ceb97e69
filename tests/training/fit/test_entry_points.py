"""`train`: the fields of the recipe as keywords, and what is rejected before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import inkdigits
from inkdigits.data import Mnist
from inkdigits.errors import RecipeError, UsageError
from inkdigits.training import READER_RECIPES, RECIPES, Layer
from inkdigits.training.recipes.lookup import replace_fields

SMOKE, READER = RECIPES["smoke"], READER_RECIPES["reader"]


def test_fields_are_keywords(mnist: Mnist, tmp_path: Path) -> None:
    run = inkdigits.train(
        SMOKE, epochs=1, training_images=200, output=tmp_path / "run", progress=False
    )

    recipe = json.loads((run.folder / "settings.json").read_bytes())["recipe"]
    expected = replace(SMOKE, epochs=1, training_images=200, precision=recipe["precision"])
    assert recipe == json.loads(json.dumps(expected.to_json()))


@pytest.mark.parametrize("field", [field.name for field in fields(SMOKE) if field.name != "name"])
def test_every_field_can_be_replaced(field: str) -> None:
    other = RECIPES["best"]

    found = replace_fields(SMOKE, {field: getattr(other, field)})

    assert found == replace(SMOKE, **{field: getattr(other, field)})


def test_a_network_may_be_given_as_json() -> None:
    layers = [layer.to_json() for layer in RECIPES["best"].network]

    found = replace_fields(SMOKE, {"network": layers})

    assert found == replace(SMOKE, network=RECIPES["best"].network)
    assert all(isinstance(layer, Layer) for layer in found.network)


@pytest.mark.parametrize(
    ("recipe", "keywords", "message"),
    [
        ("quick", {"epoch": 3}, "unknown keyword 'epoch': did you mean 'epochs'?"),
        ("quick", {"sed": 1}, "unknown keyword 'sed': did you mean 'seed'?"),
        ("quick", {"ouput": "runs"}, "unknown keyword 'ouput': did you mean 'output'?"),
        (SMOKE, {"batchsize": 3}, "unknown keyword 'batchsize': did you mean 'batch_size'?"),
        ("quick", {"name": "mine"}, "unknown keyword 'name'"),
        (
            "quick",
            {"xyzzy": 1},
            "unknown keyword 'xyzzy': expected one of summary, network, epochs",
        ),
        ("reader", {"epochs": 3}, "recipe 'reader' has no 'epochs': its fields are summary, det"),
        (READER, {"detector_page": 3}, "unknown keyword 'detector_page': did you mean 'detector_p"),
        ("quick", {"detector_pages": 3}, "recipe 'quick' has no 'detector_pages': its fields are"),
        ("quick", {"epochs": 0}, "epochs is 0; expected a whole number"),
        ("quick", {"schedule": "cosin"}, "schedule is 'cosin'; expected one of"),
        ("quick", {"network": 3}, "network is '3'; expected a list"),
    ],
    ids=str,
)
def test_wrong_keywords_are_one_line(recipe: Any, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        inkdigits.train(recipe, **keywords)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_keywords_join_the_overrides_of_the_command_line() -> None:
    with pytest.raises(RecipeError, match="epochs is 0"):
        inkdigits.train("quick", overrides=["batch_size=64"], epochs=0)
    with pytest.raises(RecipeError, match="did you mean 'batch_size'"):
        inkdigits.train("quick", overrides=["batchsize=64"], epochs=3)


def test_the_former_name_of_teacher_works_with_a_warning(tmp_path: Path) -> None:
    with (
        pytest.warns(DeprecationWarning, match="teachers is deprecated: use teacher") as warnings,
        pytest.raises(UsageError, match="leave pictures and teacher out"),
    ):
        inkdigits.train("reader", teachers=[tmp_path])

    assert warnings[0].filename == __file__
    for teacher in (tmp_path, str(tmp_path), [tmp_path]):
        with pytest.raises(UsageError, match="leave pictures and teacher out"):
            inkdigits.train("reader", teacher=teacher)
