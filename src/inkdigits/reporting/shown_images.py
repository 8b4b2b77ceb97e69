"""Which images a report shows: the validation images of a run, or test images.

Whoever looks at mistakes and then changes a recipe has chosen with these images. So the default are
the validation images, which are there to choose with; the test images stay for figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist, split_validation
from inkdigits.data.folder import TRAIN_IMAGES, TRAIN_LABELS
from inkdigits.data.leakage import load_training_data
from inkdigits.errors import DataFormatError, DataUnavailableError, RecipeError, UsageError
from inkdigits.recognition.card import Card
from inkdigits.suggestions import describe_unknown
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.samples.tile_epochs import draw_tiles

PARTS: Final = ("validation", "test")
"""The images that a report can show."""


_LONGEST_SIGN: Final = 2


@dataclass(frozen=True, eq=False)
class ShownImages:
    """Labelled images, and which ones they are.

    Attributes:
        labelled: The images.
        description: Which ones, such as "the 5,000 validation images of the run".
    """

    labelled: LabelledImages
    description: str


def choose_images(card: Card, images: str, data: Path | str | None) -> ShownImages:
    """Returns the images that a report on a network shows.

    Args:
        card: Card of the network. The recipe and the seed say which images were for validation.
        images: "validation" or "test".
        data: As in `evaluate_tiles` or `train`; None: MNIST.

    Raises:
        UsageError: Another value for `images`; or the validation images are unknown, because the
            network was not trained with a recipe, or was trained on other images than these.
        DataFormatError, DataUnavailableError: The images are missing or damaged.
    """
    if images not in PARTS:
        raise UsageError(describe_unknown("value of images", images, PARTS))
    if images == "test":
        mnist = (
            fetch_mnist()
            if data is None
            else load_mnist(data, required=["test"], class_names=card.class_names)
        )
        return ShownImages(mnist.test, mnist.describe_test())
    _, validation = _split(card, data)
    description = f"the {len(validation):,} validation images of the run"
    return ShownImages(validation, f"{description}, which it was not trained on")


def draw_batch(
    recipe: Recipe, labelled: LabelledImages, n: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Draws tiles as the recipe draws them for training.

    Args:
        recipe: Gives the augmentation and the fraction of tiles without a digit.
        labelled: Training images to draw from.
        n: Number of tiles, at least 1.
        seed: Seed of the choice and of the augmentation.

    Returns:
        Tiles, uint8, shape (n, 28, 28), 0 background, 255 full ink; and labels, int32, shape (n,),
        0 to 9, or 10 for "not a digit"; of other classes, their labels.
    """
    random = np.random.default_rng(seed)
    chosen = labelled.take(random.permutation(len(labelled))[:n])
    tiles, labels = draw_tiles(recipe, chosen.images, chosen.labels, random)
    return tiles[:n], labels[:n]


def load_batch(
    card: Card, n: int, seed: int, data: Path | str | None
) -> tuple[NDArray[np.uint8], NDArray[Any]] | None:
    """Returns `draw_batch` on the training images of a network.

    None if they are unknown, or not in the data, which may have test images only.
    """
    try:
        training, _ = _split(card, data)
        recipe = Recipe.from_json(card.recipe)
        used = training.take(range(min(len(training), recipe.training_images or len(training))))
        return draw_batch(recipe, used, n, seed)
    except (DataFormatError, DataUnavailableError, RecipeError, UsageError):
        return None


def list_names(card: Card) -> list[str]:
    """Returns the name of each class of a network, in the order of the labels."""
    return [card.name_label(label) for label in card.class_labels]


def name_kind(card: Card, other: str = "class") -> str:
    """Returns "digit", or another word for networks that tell other classes apart."""
    return other if card.class_names else "digit"


def choose_signs(card: Card) -> list[str]:
    """Returns what stands for each class on a map: its name, or its label if names are long."""
    names = list_names(card)
    if any(len(name) > _LONGEST_SIGN for name in names):
        return [str(label) for label in card.class_labels]
    return names


def _split(card: Card, data: Path | str | None) -> tuple[LabelledImages, LabelledImages]:
    """Returns the training and validation images that a network was trained with."""
    n_validation = card.recipe.get("validation_images")
    if not isinstance(n_validation, int) or TRAIN_IMAGES not in card.data_sha256:
        raise UsageError(
            "the validation images of this model are unknown, because it was not trained with a "
            "recipe: report on test images with images='test' (--images test)"
        )
    mnist = load_training_data(data, class_names=card.class_names, report=False)
    names = TRAIN_IMAGES, TRAIN_LABELS
    if any(mnist.sha256.get(name) != card.data_sha256.get(name) for name in names):
        raise UsageError(
            f"the training images in {mnist.source} are not those of this model: name its images "
            "with data (--data), or report on test images with images='test' (--images test)"
        )
    return split_validation(mnist.train, n_validation, card.seed)
