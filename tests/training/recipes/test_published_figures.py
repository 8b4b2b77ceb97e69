from __future__ import annotations

import pytest

from inkdigits.training.recipes import RECIPES
from inkdigits.training.recipes.published_figures import find_published


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"smoke"}))
def test_each_recipe_states_its_accuracy_and_command(name: str) -> None:
    published = find_published(name)

    assert published is not None
    assert "of the test images; fitted in" in published.splitlines()[0]
    assert f"`inkdigits train {name} " in published


@pytest.mark.parametrize("name", ["smoke", "reader", "nothing"])
def test_what_is_not_published_has_none(name: str) -> None:
    assert find_published(name) is None
