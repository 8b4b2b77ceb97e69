"""The recipes for tiles. Each recipe shows its network as one list, input first.

The docstring below a recipe gives its measured test accuracy, as mean ± standard deviation over n
seeds, its training time, and the command and versions of the measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from inkdigits.training.recipes.layers import TILE, Layer
from inkdigits.training.recipes.tile_recipe import Recipe

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
    schedule="cosine",  # "constant" ends with too large steps: 99.64 % of the training images
)
"""99.12 % ± 0.02 (n = 3) of the test images; fitted in 98 s on 2 cores.

`inkdigits train classic --seed 0`, seeds 0 to 2, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

CLASSIC_SMALL_BATCH = replace(
    CLASSIC,
    name="classic-small-batch",
    summary="classic with batch size 8: sixteen times as many steps",
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
    schedule="cosine",  # 99.10 % of 10,000 validation images; with "constant" 98.84 %
    validation_images=6_000,
    patience=3,
)
"""99.29 % ± 0.07 (n = 3) of the test images; fitted in 159 s on 2 cores.

`inkdigits train dropout --seed 0`, seeds 0 to 2, with Keras 3.15.1 on TensorFlow 2.21.0.
"""

QUICK = Recipe(
    name="quick",
    summary="two epochs with a one-cycle schedule: trains in seconds",
    network=(
        *TILE,
        # A stride instead of pooling: computing every pixel before pooling takes most of the time.
        Layer("Conv2D", 16, 5, strides=2, activation="relu"),  # (28, 28, 1) -> (12, 12, 16)
        Layer("Conv2D", 32, 3, activation="relu"),  # -> (10, 10, 32)
        Layer("MaxPooling2D", 2),  # -> (5, 5, 32)
        Layer("Flatten"),  # -> (800,)
        Layer("Dense", 128, activation="relu"),
        Layer("Dense", 10, activation="softmax"),
    ),
    epochs=2,  # 98.91 % of 10,000 validation images; with one epoch 98.44 %
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
    summary="for real pictures: augmentation, and an eleventh output for 'not a digit'",
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
    """Returns the network of `strided` and `best`, which differ in the number of channels.

    It follows Deotte, MNIST-CNN-99.75 (2018), without batch normalisation of the two largest
    feature maps, which saves time.
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
    summary="strided convolutions instead of pooling, rotated and shifted digits; teacher of best",
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
    summary="highest accuracy on MNIST: a wider strided, distilled from it (--teacher)",
    network=_build_strided(32, 64, 96, 192),
    epochs=30,
)
"""99.68 % ± 0.03 (n = 5) of the test images; fitted in 1271 s on 2 cores.

`inkdigits train best --teacher runs/figures/strided-*/model.int8.onnx --seed 0`, seeds 0 to 4, with
Keras 3.15.1 on TensorFlow 2.21.0; the teachers are `strided` of seeds 0 to 2, exported in 8 bits.
Averaging over nine shifts (`inkdigits evaluate --shifts`) gives 99.72 % ± 0.04 (n = 5).
"""


def _build_five_convolutions(
    first: int, second: int, third: int, fourth: int, fifth: int, *, dropout: float
) -> tuple[Layer, ...]:
    """Returns the network of `small` and `tiny`, which differ in channels and dropout."""
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
    summary="a tiny network on part of the images: to test the commands, not to read digits",
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
