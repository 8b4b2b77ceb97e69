"""The recipe of a network for tiles: its layers and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.call_texts import parse_call
from inkdigits.training.recipes.field_checks import (
    check_choice,
    check_class_weight,
    check_fraction,
    check_integer,
)
from inkdigits.training.recipes.layers import Layer, parse_layers

Schedule = Literal["constant", "one-cycle", "cosine"]
Augmentation = Literal["none", "affine", "distortions", "pictures"]
Precision = Literal["float32", "bfloat16"]

LABEL_LOSS = "sparse_categorical_crossentropy"
"""The loss that takes labels. All others take probabilities, one for each output."""


@dataclass(frozen=True)
class Recipe:
    """How a network for tiles is built and trained.

    Attributes:
        name: The name that `inkdigits train` takes.
        summary: One line for `inkdigits recipes`.
        network: The layers, input first.
        epochs: Maximum number of passes over the training images.
        batch_size: Images per step.
        learning_rate: Learning rate of the optimizer; with a schedule, its highest value.
        schedule: "constant"; "one-cycle" rises linearly over the first fifth of the steps and falls
            to 0 along a cosine (Smith and Topin, 2017); "cosine" only falls (Loshchilov and Hutter,
            2017).
        beta_1: Adam's decay of the mean gradient (Kingma and Ba, 2015). Not for optimizers without
            such a setting.
        beta_2: Adam's decay of the mean squared gradient. As `beta_1`.
        validation_images: Number of training images held out for validation, chosen at random by
            the seed.
        training_images: Number of the remaining images to train on; None: all.
        patience: Number of epochs without a lower validation loss after which training stops; the
            weights with the lowest validation loss are restored. None: no early stopping, the last
            weights are kept.
        augmentation: "none"; "affine" rotates, scales and shifts each digit a little, with new
            random values in each epoch; "distortions" also shears and bends it; "pictures" draws
            each digit in each epoch as digits look in real pictures, and validates on such digits
            too.
        outliers: Number of tiles without a digit that each epoch adds, as a fraction of the
            training images. If it is above 0, the network has an eleventh output for them.
        precision: Arithmetic of training. "bfloat16" computes in 16 bits and keeps the weights in
            32 (Micikevicius et al., 2018; Kalamkar et al., 2019). It is several times as fast on
            processors that support it; on others `train` uses "float32" instead. The trained model
            computes in float32 in both cases.
        optimizer: Name of an optimizer of Keras, such as "adam", "adamw", "sgd", "lion" or "muon",
            or a call with its other settings, such as "sgd(momentum=0.9, nesterov=True)".
        loss: Name of a loss of Keras, such as "categorical_focal_crossentropy", or a call such as
            "categorical_crossentropy(label_smoothing=0.1)". With teachers, the default stands for
            "categorical_crossentropy". Validation reports the same loss.
        class_weight: Weight of each class in the loss: one number for each output, or "balanced",
            which weights classes by the inverse of their number of images. None: all the same.
    """

    name: str
    summary: str
    network: tuple[Layer, ...]
    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    beta_1: float = 0.9
    beta_2: float = 0.999
    validation_images: int = 5_000
    training_images: int | None = None
    patience: int | None = None
    augmentation: Augmentation = "none"
    outliers: float = 0.0
    precision: Precision = "float32"
    optimizer: str = "adam"
    loss: str = LABEL_LOSS
    class_weight: Literal["balanced"] | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "validation_images"):
            check_integer(name, getattr(self, name), 1)
        for name in ("training_images", "patience"):
            check_integer(name, getattr(self, name), 1, optional=True)
        for name, highest in (("learning_rate", 10.0), ("beta_1", 1.0), ("beta_2", 1.0)):
            check_fraction(name, getattr(self, name), highest)
        if self.outliers != 0:
            check_fraction("outliers", self.outliers, 1.0)
        for name, choices in (
            ("schedule", get_args(Schedule)),
            ("augmentation", get_args(Augmentation)),
            ("precision", get_args(Precision)),
        ):
            check_choice(name, getattr(self, name), choices)
        for name in ("optimizer", "loss"):
            if not isinstance(getattr(self, name), str):
                raise RecipeError(
                    f"{name} is {str(getattr(self, name))[:60]!r}; expected the name of one of "
                    f"Keras, such as {'adam' if name == 'optimizer' else LABEL_LOSS!r}"
                )
            parse_call(name, getattr(self, name))
        if isinstance(self.class_weight, list):  # as JSON and TOML have it
            object.__setattr__(self, "class_weight", tuple(self.class_weight))
        check_class_weight(self.class_weight, self.n_outputs)
        if not self.network or not all(isinstance(layer, Layer) for layer in self.network):
            raise RecipeError(
                "network is empty or contains values that are not layers; expected a list such as "
                '[["Conv2D", [32, 3], {"activation": "relu"}], …]'
            )

    @property
    def n_outputs(self) -> int:
        """Number of network outputs: ten digits, plus "not a digit" if the recipe uses outliers."""
        return 11 if self.outliers else 10

    @property
    def takes_labels(self) -> bool:
        """Whether the loss compares with labels, and not with one probability for each output."""
        return self.loss == LABEL_LOSS

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as plain JSON, which `from_json` reads."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        weights = values["class_weight"]
        return {
            **values,
            "network": [layer.to_json() for layer in self.network],
            "class_weight": list(weights) if isinstance(weights, tuple) else weights,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Builds a recipe from the result of `to_json`.

        Raises:
            RecipeError: A field that is missing or unknown, or an invalid value.
        """
        try:
            return cls(**{**values, "network": parse_layers(values["network"])})
        except (KeyError, TypeError) as error:
            raise RecipeError(
                f"unsupported recipe format ({error}): train again with this version"
            ) from error
