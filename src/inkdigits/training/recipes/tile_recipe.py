"""The recipe of a network for tiles: its layers and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, get_args

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


N_DIGITS: Final = 10

DRAWN_AS_DIGITS: Final = "pictures"
"""The augmentation that knows the strokes of digits."""

_AFTER_OUTPUTS: Final = ("Softmax", "Activation", "Dropout", "Rescaling")
"""Layers that may follow the layer of outputs, and keep their number."""


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
        n_classes: Number of classes. `train` takes it from the data set.
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
    n_classes: int = N_DIGITS

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "validation_images"):
            check_integer(name, getattr(self, name), 1)
        check_integer("n_classes", self.n_classes, 2)
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
        if self.n_classes != N_DIGITS and (self.outliers or self.augmentation == DRAWN_AS_DIGITS):
            raise RecipeError(
                f"recipe {self.name} is made for digits, by {_describe_digits(self)}: expected "
                f"n_classes=10, not {self.n_classes}, or a recipe such as quick"
            )
        if not self.network or not all(isinstance(layer, Layer) for layer in self.network):
            raise RecipeError(
                "network is empty or contains values that are not layers; expected a list such as "
                '[["Conv2D", [32, 3], {"activation": "relu"}], …]'
            )

    @property
    def n_outputs(self) -> int:
        """Number of network outputs: ten digits, plus "not a digit" if the recipe uses outliers."""
        return self.n_classes + bool(self.outliers)

    @property
    def takes_labels(self) -> bool:
        """Whether the loss compares with labels, and not with one probability for each output."""
        return self.loss == LABEL_LOSS

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as plain JSON, which `from_json` reads."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        weights = values["class_weight"]
        if self.n_classes == N_DIGITS:  # earlier versions read the recipes of digits
            del values["n_classes"]
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


def set_classes(recipe: Recipe, n_classes: int) -> Recipe:
    """Returns a recipe for a data set with another number of classes.

    If the network ends in a dense layer with an output for each of the recipe's classes, it gets an
    output for each of the new ones.

    Args:
        recipe: The recipe.
        n_classes: Number of classes of the data set.

    Raises:
        RecipeError: The recipe names another number of classes itself, or is made for digits.
    """
    if recipe.n_classes == n_classes:
        return recipe
    if recipe.n_classes != N_DIGITS:
        raise RecipeError(
            f"recipe {recipe.name} has n_classes={recipe.n_classes}, but the data set has "
            f"{n_classes} classes: leave n_classes out, or name the data set with dataset "
            "(--dataset)"
        )
    layers = list(recipe.network)
    for number in reversed(range(len(layers))):
        layer = layers[number]
        if layer.kind == "Dense":
            layers[number] = _replace_units(layer, n_classes)
            break
        if layer.kind not in _AFTER_OUTPUTS:
            break
    return replace(recipe, network=tuple(layers), n_classes=n_classes)


def _replace_units(layer: Layer, n: int) -> Layer:
    """Returns a dense layer of ten units with `n`; another dense layer as it is."""
    if layer.arguments and layer.arguments[0] == N_DIGITS:
        return Layer(layer.kind, n, *layer.arguments[1:], **layer.settings)
    if layer.settings.get("units") == N_DIGITS:
        return Layer(layer.kind, *layer.arguments, **{**layer.settings, "units": n})
    return layer


def _describe_digits(recipe: Recipe) -> str:
    if recipe.outliers:
        return f"its not-a-digit class (outliers={recipe.outliers:g})"
    return f"its augmentation '{recipe.augmentation}'"
