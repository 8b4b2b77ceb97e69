"""The recipes of the reader: how many drawn pages its two networks see, and how they learn.

Two networks are fitted one after the other, both from nothing, to pages that are drawn while they
learn, each page once (`inkdigits.synthesis`): in MNIST's training digits, in fonts of handwriting
and print, and by hands of strokes.

- The detector sees whole pages of 256 × 256 pixels. It learns where marks are, how large, and of
  which class: a digit, a point, comma, dash, slash, plus, or any other sign.
- The judge sees windows of 48 × 48 pixels around marks, as the detector finds them, and around what
  is none. It learns what a window holds.

At the end both become one ONNX graph. The temperature of the probabilities is chosen on pages that
are written in digits and fonts kept from training.

`inkdigits train reader`, or `inkdigits train reader-quick` for fewer pages; `--resume` continues
one that was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, get_args

from inkdigits.errors import RecipeError
from inkdigits.training.recipes import (
    RECIPES,
    Precision,
    Recipe,
    check_overrides,
    describe_unknown,
    get_recipe,
)

KIND: Final = "reader"
"""Tells the recipe of a reader from that of a tile network, in settings and cards."""


_LEAST_DIGITS: Final = 100
"""Among fewer digits chosen at random, one of the ten may be missing: here 3 times in 10,000."""


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
        validation_pages: Pages, drawn from them and from fonts kept from training, on which the
            reader's temperature is chosen; 400 of about twelve marks each
            give shares of digits a standard error of 0.5 %.
        precision: As in `Recipe.precision`.
        start: The `weights.npz` of a finished reader, from whose weights the fit goes on; None:
            fresh weights.
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
    validation_pages: int = 400
    precision: Precision = "bfloat16"
    start: str | None = None

    def __post_init__(self) -> None:
        for name, least in (
            ("detector_pages", 1),
            ("judge_windows", 1),
            ("page_batch", 1),
            ("window_batch", 5),  # no page gives more than a third of a batch
            ("glyphs", _LEAST_DIGITS),
            ("validation_images", _LEAST_DIGITS),
            ("validation_pages", 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise RecipeError(
                    f"{name} is {value!r}; expected a whole number of at least {least}"
                )
        for name, highest in (("learning_rate", 1.0), ("weight_decay", 1.0), ("average", 1.0)):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 < value < highest:
                raise RecipeError(
                    f"{name} is {value!r}; expected a number between 0 and {highest:g}"
                )
        if self.start is not None and not Path(self.start).is_file():
            raise RecipeError(
                f"start is {self.start!r}; expected the weights.npz of a finished reader"
            )
        if self.precision not in get_args(Precision):
            raise RecipeError(
                f"precision is {self.precision!r}; expected one of {', '.join(get_args(Precision))}"
            )

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
            judge_windows=5_000_000,
        ),
        ReaderRecipe(
            name="reader-quick",
            summary="the same from a tenth of the pages",
            detector_pages=40_000,
            judge_windows=400_000,
        ),
    )
}


def get_reader_recipe(name: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> ReaderRecipe:
    """A recipe of a reader by its name, with some fields replaced.

    Args:
        name: One of `READER_RECIPES`.
        overrides: As in `get_recipe`.

    Raises:
        RecipeError: An unknown field, or a value that does not fit it.
    """
    recipe = READER_RECIPES[name]
    known = [field.name for field in fields(ReaderRecipe) if field.name != "name"]
    return replace(recipe, **check_overrides(overrides, known))


def find_recipe(
    name: str, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> Recipe | ReaderRecipe:
    """A recipe of either kind by its name, with some fields replaced.

    Args:
        name: One of `RECIPES` or `READER_RECIPES`.
        overrides: As in `get_recipe`.

    Raises:
        RecipeError: An unknown recipe or field, naming its nearest neighbours, or a value that
            does not fit.
    """
    if name in READER_RECIPES:
        return get_reader_recipe(name, overrides)
    if name not in RECIPES:
        raise RecipeError(describe_unknown("recipe", name, [*RECIPES, *READER_RECIPES]))
    return get_recipe(name, overrides)


def load_reader_recipe(values: Mapping[str, Any]) -> ReaderRecipe:
    """A recipe from what `ReaderRecipe.to_json` gave.

    Raises:
        RecipeError: A field that is missing or unknown, or a value that does not fit.
    """
    given = {name: value for name, value in values.items() if name != "kind"}
    known = {field.name for field in fields(ReaderRecipe)}
    if values.get("kind") != KIND or set(given) != known:
        differing = ", ".join(sorted(set(given) ^ known)) or "kind"
        raise RecipeError(f"unsupported recipe of a reader ({differing}): train it again")
    return ReaderRecipe(**given)


def is_reader_run(folder: Path) -> bool:
    """Whether a run's folder is one of a reader; one without readable settings is not."""
    try:
        settings = json.loads((folder / "settings.json").read_bytes())
        return bool(settings["recipe"]["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
