from __future__ import annotations

from inkdigits.training.networks.layer_table import LayerRow, describe_layers
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes import RECIPES


def test_shapes_parameters_and_operations_are_those_of_the_textbook() -> None:
    rows = describe_layers(build_network(RECIPES["classic"]))

    assert [(row.name, row.shape) for row in rows] == [
        ("Input", (28, 28)),
        ("Rescaling", (28, 28)),
        ("Reshape", (28, 28, 1)),
        ("Conv2D", (26, 26, 32)),
        ("MaxPooling2D", (13, 13, 32)),
        ("Conv2D", (11, 11, 64)),
        ("MaxPooling2D", (5, 5, 64)),
        ("Flatten", (1600,)),
        ("Dense", (128,)),
        ("Dense", (10,)),
    ]
    assert rows[3] == LayerRow("Conv2D", (26, 26, 32), 3 * 3 * 32 + 32, 26 * 26 * 3 * 3 * 32)
    assert rows[5].n_operations == 11 * 11 * 3 * 3 * 32 * 64
    assert rows[-1] == LayerRow("Dense", (10,), 128 * 10 + 10, 128 * 10)
    assert sum(row.n_parameters for row in rows) == 225_034


def test_other_layers_are_counted_or_said_not_to_be() -> None:
    import keras

    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.SeparableConv2D(4, 3, depth_multiplier=2),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2DTranspose(3, 2, strides=2),
            keras.layers.Reshape((52 * 52, 3)),
            keras.layers.GRU(5),
        ]
    )

    rows = {row.name: row.n_operations for row in describe_layers(network)}

    assert rows["SeparableConv2D"] == 26 * 26 * (3 * 3 * 2 + 2 * 4)
    assert rows["BatchNormalization"] == 0
    assert rows["Conv2DTranspose"] == 26 * 26 * 2 * 2 * 4 * 3
    assert rows["GRU"] is None
