"""The recipe of the reader: on how many drawn pages its networks are trained, and how.

The networks are trained one after the other, from random weights. The training pages are drawn
during training (`inkdigits.synthesis`). They are written with MNIST's
training digits, with handwriting and print fonts, and with digits drawn stroke by stroke.

- The detector sees whole pages of 256 × 256 pixels. It learns the position, size and class of each
  mark: a digit, point, comma, dash, slash, plus, or any other sign.
- The judge sees windows of 48 × 48 pixels around the boxes that the detector finds, and around
  places without a mark. It learns to classify a window. There may be a second one, which is larger.
- The picture judge sees whole pictures, made as small as a window. It learns which mark fills the
  picture, if there is one: a digit among noise or damage is one mark, in which the detector may see
  several. It starts from the weights of the judge.
- The context network sees the boxes of whole pages with the classes that the others give them. It
  learns to correct them by the boxes around. Its pages are written with digits and fonts that the
  other networks were not trained on; more of them than of the other networks' pages are blank.

At the end, the networks are combined into one ONNX graph. The temperature of the probabilities is
chosen on pages written with digits and fonts that training does not use.

`inkdigits train reader` trains it on a processor, `inkdigits train reader-large` trains larger
networks on a GPU, `inkdigits train reader-quick` trains on fewer pages, and `inkdigits train
--resume RUN` continues an interrupted run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.field_checks import check_choice, check_fraction, check_integer
from inkdigits.training.recipes.tile_recipe import Precision

NetworkSize = Literal["small", "large"]
StartParts = Literal["both", "judge"]

KIND: Final = "reader"
"""Marks the recipe of a reader in settings and cards; recipes for tiles have no such field."""

_LEAST_DIGITS: Final = 100
"""A random sample of fewer digits may lack one of the ten. At 100, 3 of 10,000 samples do."""


@dataclass(frozen=True)
class ReaderRecipe:
    """How a reader is trained.

    Attributes:
        name: The name that `inkdigits train` takes.
        summary: One line for `inkdigits recipes`.
        detector_pages: Number of drawn pages that the detector is trained on.
        judge_windows: Number of windows that the judge is trained on.
        page_batch: Pages per step of the detector.
        window_batch: Windows per step of the judge.
        learning_rate: Highest learning rate of AdamW (Loshchilov and Hutter, 2019). It rises over
            the first steps, and falls to 0 over the last three tenths of them.
        weight_decay: Weight decay of AdamW.
        average: Momentum of the running mean of the weights, which training ends with (Polyak and
            Juditsky, 1992).
        glyphs: Number of MNIST digits that are prepared with several pens and shapes, for writing
            pages.
        validation_images: Number of MNIST training digits that no training page is written with.
        validation_pages: Number of pages, written with these digits and with fonts that training
            does not use, on which the reader's temperature is chosen. With 400 pages of about
            twelve marks each, fractions of digits have a standard error of 0.5 %.
        precision: As in `Recipe.precision`.
        start: The `weights.npz` of a finished reader, from which training starts; None: random
            weights.
        start_parts: Which networks start from it: "both" for all of them, or only the "judge".
        detector_size: Size of the detector. "small" trains on a processor in hours, "large" on a
            GPU.
        second_judge: Whether a second, larger judge is trained, on other pages. The mean of the log
            probabilities of both counts, since they make different mistakes (deep ensembles;
            Lakshminarayanan et al., 2017).
        repeats: How often each page and window is used for training. On a GPU, drawing takes
            longer than training.
        picture_windows: Number of windows of whole pictures that the picture judge is trained on;
            0: a reader without one.
        picture_repeats: As `repeats`, for the picture judge.
        context_pages: Number of pages whose boxes the context network is trained on; 0: a reader
            without one.
        context_batch: Pages per step of the context network.
        context_repeats: As `repeats`, for the context network. Reading a page takes far longer than
            a step.
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
    start_parts: StartParts = "both"
    detector_size: NetworkSize = "small"
    second_judge: bool = False
    repeats: int = 1
    picture_windows: int = 500_000
    picture_repeats: int = 2
    context_pages: int = 17_000
    context_batch: int = 32
    context_repeats: int = 5

    def __post_init__(self) -> None:
        for name, least in (
            ("detector_pages", 1),
            ("judge_windows", 1),
            ("page_batch", 1),
            ("window_batch", 5),  # one page fills at most a third of a batch
            ("glyphs", _LEAST_DIGITS),
            ("validation_images", _LEAST_DIGITS),
            ("validation_pages", 1),
            ("repeats", 1),
            ("picture_windows", 0),
            ("picture_repeats", 1),
            ("context_pages", 0),
            ("context_batch", 1),
            ("context_repeats", 1),
        ):
            check_integer(name, getattr(self, name), least)
        for name in ("learning_rate", "weight_decay", "average"):
            check_fraction(name, getattr(self, name), 1.0)
        if self.start is not None and not Path(self.start).is_file():
            raise RecipeError(
                f"start is {self.start!r}; expected the weights.npz of a finished reader"
            )
        check_choice("precision", self.precision, get_args(Precision))
        check_choice("start_parts", self.start_parts, get_args(StartParts))
        check_choice("detector_size", self.detector_size, get_args(NetworkSize))

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as plain JSON, which `load_reader_recipe` reads."""
        return {"kind": KIND, **asdict(self)}


READER_RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        ReaderRecipe(
            name="reader",
            summary="finds and reads the digits of a picture; six hours on 2 cores",
            detector_pages=400_000,
            judge_windows=5_000_000,
            picture_windows=250_000,
        ),
        ReaderRecipe(
            name="reader-large",
            summary="the same with a larger detector and two judges, on a GPU: the default reader",
            detector_pages=517_000,
            judge_windows=5_000_000,
            page_batch=64,
            learning_rate=3e-3,
            detector_size="large",
            second_judge=True,
            repeats=3,
        ),
        ReaderRecipe(
            name="reader-quick",
            summary="the same, trained on a tenth of the pages",
            detector_pages=40_000,
            judge_windows=400_000,
            picture_windows=30_000,
            context_pages=2_000,
        ),
    )
}


def load_reader_recipe(values: Mapping[str, Any]) -> ReaderRecipe:
    """Builds a recipe from the result of `ReaderRecipe.to_json`.

    Raises:
        RecipeError: A field that is missing or unknown, or an invalid value.
    """
    given = {name: value for name, value in values.items() if name != "kind"}
    known = {field.name for field in fields(ReaderRecipe)}
    # Early versions did not write these.
    later = {"detector_size", "second_judge", "start_parts", "repeats"}
    later |= {"context_pages", "context_batch", "context_repeats"}
    required = known - later - {"picture_windows", "picture_repeats"}
    if values.get("kind") != KIND or not required <= set(given) <= known:
        differing = ", ".join(sorted((set(given) - known) | (required - set(given)))) or "kind"
        raise RecipeError(
            f"unsupported reader recipe format ({differing}): train again with this version"
        )
    # Their readers had neither of these networks.
    return ReaderRecipe(**{"picture_windows": 0, "context_pages": 0, **given})
