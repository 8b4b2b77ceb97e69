"""The fields of both kinds of recipe as keywords, for type checkers and completion in editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from inkdigits.training.recipes.layers import Layer
from inkdigits.training.recipes.reader_recipe import NetworkSize, StartParts
from inkdigits.training.recipes.tile_recipe import Augmentation, Precision, Schedule


class TileFields(TypedDict, total=False):
    """The fields of `Recipe`, each of them optional."""

    summary: str
    network: Sequence[Layer | Sequence[Any]]
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Schedule
    beta_1: float
    beta_2: float
    validation_images: int
    training_images: int | None
    patience: int | None
    augmentation: Augmentation
    outliers: float
    precision: Precision
    optimizer: str
    loss: str
    class_weight: Literal["balanced"] | tuple[float, ...] | None
    n_classes: int


class RecipeFields(TileFields, total=False):
    """The fields of `Recipe` and `ReaderRecipe`, each of them optional."""

    detector_pages: int
    judge_windows: int
    page_batch: int
    window_batch: int
    weight_decay: float
    average: float
    glyphs: int
    validation_pages: int
    start: str | None
    start_parts: StartParts
    detector_size: NetworkSize
    second_judge: bool
    repeats: int
    picture_windows: int
    picture_repeats: int
    context_pages: int
    context_batch: int
    context_repeats: int
