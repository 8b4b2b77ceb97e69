"""The recipes of the reader: how many drawn pages its two networks see, and how they learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from inkdigits.errors import RecipeError
from inkdigits.training.recipes import Precision, check_overrides

KIND: Final = "reader"
"""Tells the recipe of a reader from that of a tile network, in settings and cards."""


@dataclass(frozen=True)
class ReaderRecipe:
    """How a reader is fitted.

    Attributes:
        name: What `inkdigits train` calls it.
        summary: One line for `inkdigits recipes`.
        detector_pages: Drawn pages that the detector sees, each once.
        judge_windows: Windows that the judge sees, each once.
        page_batch: Pages for each step of the detector.
        window_batch: Windows for each step of the judge.
        learning_rate: Highest one of AdamW (Loshchilov and Hutter, 2019); it rises over the first
            steps, and falls to 0 over the last three tenths of them.
        weight_decay: Of AdamW.
        average: Momentum of the running mean of the weights that the fit ends with (Polyak and
            Juditsky, 1992).
        glyphs: MNIST digits prepared in several pens and forms, from which pages are written.
        validation_images: MNIST training digits from which nothing is drawn for training.
        precision: As in `Recipe.precision`.
    """

    name: str
    summary: str
    detector_pages: int
    judge_windows: int
    page_batch: int = 16
    window_batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    average: float = 0.998
    glyphs: int = 30_000
    validation_images: int = 5_000
    precision: Precision = "bfloat16"

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values, and what kind of recipe it is."""
        return {"kind": KIND, **asdict(self)}


READER_RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        ReaderRecipe(
            name="reader",
            summary="finds and reads the marks of a picture: the default reader",
            detector_pages=400_000,
            judge_windows=6_000_000,
        ),
        ReaderRecipe(
            name="reader-quick",
            summary="the same from fewer pages, in half an hour on 2 cores",
            detector_pages=40_000,
            judge_windows=600_000,
        ),
    )
}


def get_reader_recipe(name: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> ReaderRecipe:
    """A recipe of a reader by its name, with some fields replaced.

    Args:
        name: One of `READER_RECIPES`.
        overrides: As in `get_recipe`.

    Raises:
        RecipeError: An unknown field, or a value that is not of the field's type.
    """
    recipe = READER_RECIPES[name]
    known = [field.name for field in fields(ReaderRecipe) if field.name != "name"]
    values = check_overrides(overrides, known)
    for field, value in values.items():
        expected = type(getattr(recipe, field))
        if not isinstance(value, expected) or isinstance(value, bool):
            raise RecipeError(
                f"{field} is {value!r}; expected a value such as {getattr(recipe, field)!r}"
            )
        if isinstance(value, int | float) and value <= 0:
            raise RecipeError(f"{field} is {value!r}; expected more than 0")
    return replace(recipe, **values)


def load_reader_recipe(values: Mapping[str, Any]) -> ReaderRecipe:
    """A recipe from what `ReaderRecipe.to_json` gave.

    Raises:
        RecipeError: A field that is missing or unknown.
    """
    given = {name: value for name, value in values.items() if name != "kind"}
    known = {field.name for field in fields(ReaderRecipe)}
    if values.get("kind") != KIND or set(given) != known:
        differing = ", ".join(sorted(set(given) ^ known)) or "kind"
        raise RecipeError(f"unsupported recipe of a reader ({differing}): train it again")
    return ReaderRecipe(**given)
