"""The recipes: each a frozen set of network and hyper-parameters, with its network as one list.

A layer is written as Keras names it, `Layer("Conv2D", 32, 3, activation="relu")`, so that this
file can be read, listed and overridden without loading a training framework.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from inkdigits.errors import RecipeError

Schedule = Literal["constant", "one-cycle", "cosine"]
Augmentation = Literal["none", "affine", "distortions", "pictures"]
Precision = Literal["float32", "bfloat16"]


class Layer:
    """One layer: the name of a class in `keras.layers` and its arguments."""

    def __init__(self, kind: str, *arguments: Any, **settings: Any) -> None:
        self.kind = kind
        self.arguments = arguments
        self.settings = settings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        words = [repr(self.kind), *map(repr, self.arguments)]
        words += [f"{name}={value!r}" for name, value in self.settings.items()]
        return f"Layer({', '.join(words)})"

    def to_json(self) -> list[Any]:
        """`[kind, [arguments], {settings}]`."""
        return [self.kind, list(self.arguments), dict(self.settings)]


# The tile as it comes, uint8 (28, 28); scaling to [0, 1] lies inside the network's graph.
TILE = (
    Layer("Input", [28, 28], dtype="uint8"),
    Layer("Rescaling", 1 / 255, dtype="float32"),
    Layer("Reshape", [28, 28, 1]),
)


@dataclass(frozen=True)
class Recipe:
    """How a network is built and fitted.

    Attributes:
        name: What `inkdigits train` calls it.
        summary: One line for `inkdigits recipes`.
        network: The layers, input first.
        epochs: At most so many passes over the training images.
        batch_size: Images per step.
        learning_rate: Of Adam; the highest one where the schedule moves it.
        schedule: "constant"; "one-cycle" rises linearly over the first fifth and falls to 0 along
            a cosine (Smith and Topin, 2017); "cosine" only falls (Loshchilov and Hutter, 2017).
        beta_1: Adam's decay of the mean gradient (Kingma and Ba, 2015).
        beta_2: Adam's decay of the mean squared gradient.
        validation_images: Held out of the training images, at random by the seed.
        training_images: Use only so many of the remaining ones; None: all.
        patience: Stop once the validation loss has not fallen for so many epochs, and restore the
            weights of its lowest; None: never stop early, keep the last weights.
        augmentation: "none"; "affine" turns, zooms and shifts each digit a little, anew in each
            epoch; "distortions" shears and bends it as well; "pictures" draws each digit anew in
            each epoch, as real pictures show digits, and validates on such digits too.
        outliers: Tiles of no digit that each epoch adds, as a share of the training images; where
            there are any, the network has an eleventh output for them.
        precision: Of the arithmetic of the fit. "bfloat16" computes in 16 bits and keeps the
            weights in 32 (Micikevicius et al., 2018; Kalamkar et al., 2019), several times as fast
            on processors that have it; on others `train` takes "float32" instead. The model that
            comes out computes in float32 either way.
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

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "validation_images", "training_images", "patience"):
            value = getattr(self, name)
            if value is None and name in ("training_images", "patience"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise RecipeError(f"{name} is {value!r}; expected a whole number of at least 1")
        for name, highest in (
            ("learning_rate", 10.0), ("beta_1", 1.0), ("beta_2", 1.0), ("outliers", 1.0)
        ):  # fmt: skip
            value = getattr(self, name)
            if value == 0 and name == "outliers":
                continue
            if (
                not isinstance(value, int | float)
                or isinstance(value, bool)
                or not 0 < value < highest
            ):
                raise RecipeError(
                    f"{name} is {value!r}; expected a number between 0 and {highest:g}"
                )
        for name, words in (
            ("schedule", get_args(Schedule)),
            ("augmentation", get_args(Augmentation)),
            ("precision", get_args(Precision)),
        ):
            if getattr(self, name) not in words:
                raise RecipeError(
                    f"{name} is {getattr(self, name)!r}; expected one of {', '.join(words)}"
                )
        if not self.network or not all(isinstance(layer, Layer) for layer in self.network):
            raise RecipeError(
                "network is empty or holds something else than layers; expected a list such as "
                '[["Conv2D", [32, 3], {"activation": "relu"}], …]'
            )

    @property
    def n_outputs(self) -> int:
        """Of the network: one for each digit, and one for what is none where there are outliers."""
        return 11 if self.outliers else 10

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON; `from_json` gives it back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**values, "network": [layer.to_json() for layer in self.network]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Rebuilds a recipe from `to_json`; RecipeError where fields are missing or unknown."""
        try:
            return cls(**{**values, "network": _parse_network(values["network"])})
        except (KeyError, TypeError) as error:
            raise RecipeError(f"this is no recipe of this version ({error})") from error


CLASSIC = Recipe(
    name="classic",
    summary="the CNN of the classic tutorials: two convolutions, Dense 128, Adam, 10 epochs",
    network=(
        *TILE,
        Layer("Conv2D", 32, 3, activation="relu"),  # (28, 28, 1) -> (26, 26, 32)
        Layer("MaxPooling2D", 2),  # -> (13, 13, 32)
        Layer("Conv2D", 64, 3, activation="relu"),  # -> (11, 11, 64)
        Layer("MaxPooling2D", 2),  # -> (5, 5, 64)
        Layer("Flatten"),  # -> (1600,)
        Layer("Dense", 128, activation="relu"),
        Layer("Dense", 10, activation="softmax"),
    ),
    epochs=10,
    batch_size=128,
    schedule="cosine",  # with "constant" the last steps still jump: 99.64 % of the training images
)
"""99.12 % ± 0.02 (n = 3) of the test images; fitted in 98 s on 2 cores.

`inkdigits train classic --seed 0`, seeds 0 to 2, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

CLASSIC_SMALL_BATCH = replace(
    CLASSIC,
    name="classic-small-batch",
    summary="the same at batch size 8: sixteen times the steps",
    batch_size=8,
)
"""99.28 % (n = 1) of the test images; fitted in 351 s on 2 cores.

`inkdigits train classic-small-batch --seed 0`, seed 0, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

DROPOUT = Recipe(
    name="dropout",
    summary="batch normalisation, Dense 256 and 64, 30 % dropout, 90/10 split, early stopping",
    network=(
        *TILE,
        Layer("Conv2D", 32, 3, activation="relu"),  # (28, 28, 1) -> (26, 26, 32)
        Layer("BatchNormalization", momentum=0.9),
        Layer("MaxPooling2D", 2),  # -> (13, 13, 32)
        Layer("Conv2D", 64, 3, activation="relu"),  # -> (11, 11, 64)
        Layer("BatchNormalization", momentum=0.9),
        Layer("MaxPooling2D", 2),  # -> (5, 5, 64)
        Layer("Flatten"),  # -> (1600,)
        Layer("Dense", 256, activation="relu"),
        Layer("BatchNormalization", momentum=0.9),
        Layer("Dropout", 0.3),
        Layer("Dense", 64, activation="relu"),
        Layer("BatchNormalization", momentum=0.9),
        Layer("Dropout", 0.3),
        Layer("Dense", 10, activation="softmax"),
    ),
    epochs=10,
    batch_size=128,
    schedule="cosine",  # 99.10 % of 10,000 validation images; "constant" 98.84 %
    validation_images=6_000,
    patience=3,
)
"""99.29 % ± 0.07 (n = 3) of the test images; fitted in 159 s on 2 cores.

`inkdigits train dropout --seed 0`, seeds 0 to 2, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

QUICK = Recipe(
    name="quick",
    summary="two epochs under a one-cycle schedule: seconds",
    network=(
        *TILE,
        # Strides instead of a pooling, whose many pixels take most of the time.
        Layer("Conv2D", 16, 5, strides=2, activation="relu"),  # (28, 28, 1) -> (12, 12, 16)
        Layer("Conv2D", 32, 3, activation="relu"),  # -> (10, 10, 32)
        Layer("MaxPooling2D", 2),  # -> (5, 5, 32)
        Layer("Flatten"),  # -> (800,)
        Layer("Dense", 128, activation="relu"),
        Layer("Dense", 10, activation="softmax"),
    ),
    epochs=2,  # two give 98.91 % of 10,000 validation images, one 98.44 %
    batch_size=256,
    learning_rate=1e-2,
    schedule="one-cycle",
    beta_1=0.7,
    beta_2=0.9,
    validation_images=2_000,
    precision="bfloat16",
)
"""99.11 % ± 0.06 (n = 5) of the test images; fitted in 7 s on 2 cores.

`inkdigits train quick --seed 0`, seeds 0 to 4, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

PICTURES = Recipe(
    name="pictures",
    summary="made for real pictures: augmentation, and an eleventh output for what is no digit",
    network=(
        *TILE,
        Layer("Conv2D", 32, 3, activation="relu"),  # (28, 28, 1) -> (26, 26, 32)
        Layer("Conv2D", 48, 3, activation="relu"),  # -> (24, 24, 48)
        Layer("MaxPooling2D", 2),  # -> (12, 12, 48)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Conv2D", 96, 3, activation="relu"),  # -> (10, 10, 96)
        Layer("Conv2D", 128, 3, activation="relu"),  # -> (8, 8, 128)
        Layer("MaxPooling2D", 2),  # -> (4, 4, 128)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Flatten"),  # -> (2048,)
        Layer("Dropout", 0.3),
        Layer("Dense", 256, activation="relu"),
        Layer("Dropout", 0.3),
        Layer("Dense", 11, activation="softmax"),
    ),
    epochs=24,
    batch_size=128,
    learning_rate=2e-3,
    schedule="one-cycle",
    augmentation="pictures",
    outliers=0.35,
    precision="bfloat16",
)
"""99.56 % ± 0.02 (n = 3) of the test images; fitted in 1123 s on 2 cores.

`inkdigits train pictures --seed 0`, seeds 0 to 2, with Keras 3.15.1 on TensorFlow 2.21.0.
"""


def _build_strided(first: int, second: int, third: int, last: int) -> tuple[Layer, ...]:
    """The one network of `best` and `strided`, by the channels of its convolutions.

    After Deotte, MNIST-CNN-99.75 (2018), but without batch normalisation of the two widest maps,
    to save its time.
    """
    return (
        *TILE,
        Layer("Conv2D", first, 3, activation="relu"),  # (28, 28, 1) -> (26, 26, first)
        Layer("Conv2D", first, 3, activation="relu"),  # -> (24, 24, first)
        Layer("Conv2D", second, 5, strides=2, padding="same", activation="relu"),  # -> (12, 12, …)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Dropout", 0.4),
        Layer("Conv2D", third, 3, activation="relu"),  # -> (10, 10, third)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Conv2D", third, 3, activation="relu"),  # -> (8, 8, third)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Conv2D", third, 5, strides=2, padding="same", activation="relu"),  # -> (4, 4, third)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Dropout", 0.4),
        Layer("Conv2D", last, 4, activation="relu"),  # -> (1, 1, last)
        Layer("BatchNormalization", momentum=0.9),
        Layer("Flatten"),
        Layer("Dropout", 0.4),
        Layer("Dense", 10, activation="softmax"),
    )


STRIDED = Recipe(
    name="strided",
    summary="strides instead of pooling, turned and shifted digits: the teacher of `best`",
    network=_build_strided(32, 32, 64, 128),
    epochs=24,
    batch_size=128,
    learning_rate=3e-3,
    schedule="one-cycle",
    validation_images=2_000,
    augmentation="affine",
    precision="bfloat16",
)
"""99.68 % ± 0.03 (n = 3) of the test images; fitted in 505 s on 2 cores.

`inkdigits train strided --seed 0`, seeds 0 to 2, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

BEST = replace(
    STRIDED,
    name="best",
    summary="the most accurate on MNIST: `strided`, wider, taught by it (`--teacher`)",
    network=_build_strided(32, 64, 96, 192),
    epochs=30,
)
"""99.68 % ± 0.03 (n = 5) of the test images; fitted in 1271 s on 2 cores.

`inkdigits train best --teacher runs/figures/strided-*/model.int8.onnx --seed 0`, seeds 0 to 4, with
Keras 3.15.1 on TensorFlow 2.21.0; the teachers are `strided` of seeds 0 to 2, exported in 8 bits.
The mean over nine shifts (`inkdigits evaluate --shifts`) has 99.72 % ± 0.04 (n = 5).
"""


def _build_five_convolutions(
    first: int, second: int, third: int, fourth: int, fifth: int, *, dropout: float
) -> tuple[Layer, ...]:
    """The one network of `small` and `tiny`, by the channels of its convolutions."""
    normalised = (Layer("BatchNormalization", momentum=0.9), Layer("Activation", "relu"))
    return (
        *TILE,
        Layer("Conv2D", first, 3, activation="relu"),  # (28, 28, 1) -> (26, 26, first)
        Layer("Conv2D", second, 3),  # -> (24, 24, second)
        Layer("MaxPooling2D", 2),  # -> (12, 12, second)
        *normalised,
        Layer("Conv2D", third, 3),  # -> (10, 10, third)
        *normalised,
        Layer("Conv2D", fourth, 3),  # -> (8, 8, fourth)
        Layer("MaxPooling2D", 2),  # -> (4, 4, fourth)
        *normalised,
        Layer("Conv2D", fifth, 3),  # -> (2, 2, fifth)
        *normalised,
        Layer("Flatten"),
        *([Layer("Dropout", dropout)] if dropout else []),
        Layer("Dense", 10, activation="softmax"),
    )


SMALL = Recipe(
    name="small",
    summary="fewer than 100,000 parameters",
    network=_build_five_convolutions(24, 32, 48, 48, 80, dropout=0.3),
    epochs=30,
    batch_size=256,
    learning_rate=6e-3,
    schedule="one-cycle",
    validation_images=2_000,
    augmentation="distortions",
    precision="bfloat16",
)
"""99.63 % ± 0.03 (n = 3) of the test images; fitted in 779 s on 2 cores.

`inkdigits train small --teacher runs/figures/pictures-0/model.int8.onnx --seed 0`, seeds 0 to 2,
with Keras 3.15.1 on TensorFlow 2.21.0; the teacher is `pictures` of seed 0, exported in 8 bits.
"""

TINY = replace(
    SMALL,
    name="tiny",
    summary="fewer than 8,000 parameters",
    network=_build_five_convolutions(8, 12, 16, 16, 14, dropout=0),
    epochs=40,
    batch_size=128,
    learning_rate=8e-3,
    validation_images=5_000,
)
"""99.42 % ± 0.06 (n = 5) of the test images; fitted in 249 s on 2 cores.

`inkdigits train tiny --seed 0`, seeds 0 to 4, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

SMOKE = Recipe(
    name="smoke",
    summary="a tiny network on a slice of the images: for trying the machinery, not for reading",
    network=(
        *TILE,
        Layer("Conv2D", 8, 5, strides=2, activation="relu"),  # (28, 28, 1) -> (12, 12, 8)
        Layer("MaxPooling2D", 2),  # -> (6, 6, 8)
        Layer("Flatten"),  # -> (288,)
        Layer("Dense", 32, activation="relu"),
        Layer("Dropout", 0.1),
        Layer("Dense", 10, activation="softmax"),
    ),
    epochs=3,
    batch_size=64,
    learning_rate=5e-3,
    schedule="one-cycle",
    validation_images=1_000,
    training_images=8_000,
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(CLASSIC, CLASSIC_SMALL_BATCH, DROPOUT, QUICK),
        *(BEST, STRIDED, SMALL, TINY, PICTURES, SMOKE),
    )
}


def get_recipe(name: str, overrides: Mapping[str, Any] | Sequence[str] = ()) -> Recipe:
    """A recipe by its name, with some fields replaced.

    Args:
        name: One of `RECIPES`.
        overrides: Field to value; or texts `field=value`, as from a command line.

    Raises:
        RecipeError: An unknown recipe or field, naming its nearest neighbours, or a value that
            does not fit.
    """
    if name not in RECIPES:
        raise RecipeError(describe_unknown("recipe", name, list(RECIPES)))
    values = check_overrides(overrides, [f.name for f in fields(Recipe) if f.name != "name"])
    if "network" in values:
        values["network"] = _parse_network(values["network"])
    return replace(RECIPES[name], **values)


def check_overrides(
    overrides: Mapping[str, Any] | Sequence[str], known: Sequence[str]
) -> dict[str, Any]:
    """Fields and values from themselves, or from texts `field=value`.

    Raises:
        RecipeError: A field that is not known, or a text of another form.
    """
    if not isinstance(overrides, Mapping):
        overrides = dict(_parse_override(text) for text in overrides)
    for field in overrides:
        if field not in known:
            raise RecipeError(describe_unknown("field of a recipe", field, known))
    return dict(overrides)


def _parse_override(text: str) -> tuple[str, Any]:
    field, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"--set {text!r} has no '='; expected field=value, such as epochs=3")
    try:
        return field.strip(), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return field.strip(), value.strip()  # a plain word, such as schedule=cosine


def _parse_network(layers: Any) -> tuple[Layer, ...]:
    """Layers from themselves or from their JSON form."""
    try:
        return tuple(
            layer if isinstance(layer, Layer) else Layer(layer[0], *layer[1], **layer[2])
            for layer in layers
        )
    except (TypeError, IndexError, KeyError) as error:
        raise RecipeError(
            f"network is {str(layers)[:60]!r}; expected a list such as "
            '[["Conv2D", [32, 3], {"activation": "relu"}], …]'
        ) from error


def describe_unknown(what: str, name: str, known: Sequence[str]) -> str:
    """Says that a name is not known, and which known ones are nearest."""
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"known: {', '.join(known)}"
    return f"{name!r} is no {what}: {hint}"
