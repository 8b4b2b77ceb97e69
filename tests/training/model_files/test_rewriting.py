from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.recognition import Recognizer
from inkdigits.training import Layer, Run, export, get_recipe
from inkdigits.training.model_files.conversion import save_keras
from inkdigits.training.model_files.loading import load_keras_model
from inkdigits.training.model_files.rewriting import equalise_channels, fold_normalisation
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.layers import TILE


def normalise(**settings: object) -> Layer:
    return Layer("BatchNormalization", **settings)


CONV = Layer("Conv2D", 6, 3, activation="relu")
PADDED = Layer("Conv2D", 6, 3, activation="relu", padding="same")
LINEAR = Layer("Conv2D", 6, 3)
DENSE = Layer("Dense", 9, activation="relu")
POOL = Layer("MaxPooling2D", 2)


def build(*layers: Layer) -> Any:
    """Builds a network of these layers and a softmax layer with ten outputs."""
    whole = (*TILE, *layers, Layer("Dense", 10, activation="softmax"))
    return build_network(replace(get_recipe("smoke"), network=whole))


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ([CONV, normalise(), CONV, Layer("Flatten")], 0),
        ([CONV, normalise(), POOL, CONV, normalise(), Layer("Flatten")], 0),
        ([CONV, normalise(scale=False), CONV, Layer("Flatten"), Layer("Dense", 9), normalise()], 0),
        ([CONV, normalise(center=False), Layer("Dropout", 0.5), POOL, Layer("Flatten")], 0),
        ([CONV, normalise(), PADDED, POOL, Layer("Flatten")], 1),  # the padding is 0, not the shift
        ([CONV, normalise(), Layer("ReLU"), CONV, Layer("Flatten")], 1),  # ReLU changes the shift
        ([CONV, normalise(), normalise(), CONV, Layer("Flatten")], 1),  # only the second can be
        ([CONV, Layer("Flatten")], 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("negative", [False, True])
def test_folding_changes_no_probability(layers: list[Layer], left: int, negative: bool) -> None:
    network = build(*layers)
    random = np.random.default_rng(len(layers))
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            values = [random.uniform(0.5, 2, w.shape) for w in layer.get_weights()]
            if negative and layer.scale:
                values[0][0] *= -1
            layer.set_weights(values)
    tiles = random.integers(0, 256, (20, 28, 28), np.uint8)
    expected = network.predict(tiles, verbose=0)

    folded = fold_normalisation(network)

    np.testing.assert_allclose(folded.predict(tiles, verbose=0), expected, atol=2e-6)
    kinds = [type(layer).__name__ for layer in folded.layers]
    if not negative:
        assert kinds.count("BatchNormalization") == left
    elif POOL in layers and any(layer.kind == "BatchNormalization" for layer in layers):
        # A maximum does not commute with a negative scale.
        assert kinds.count("BatchNormalization") > 0


def test_folding_leaves_other_networks_alone() -> None:
    keras = load_keras()
    source = keras.Input((28, 28), dtype="uint8")
    values = keras.layers.Rescaling(1 / 255)(keras.layers.Flatten()(source))
    values = keras.layers.Dense(10)(keras.layers.BatchNormalization()(values))
    branched = keras.Model(source, keras.layers.Softmax()(values))

    assert fold_normalisation(branched) is branched


def spread_channels(layer: Any, random: np.random.Generator) -> None:
    """Makes some channels of a layer up to a thousand times as large as others."""
    kernel, bias = layer.get_weights()
    factors = np.exp(random.uniform(np.log(0.01), np.log(10), kernel.shape[-1]))
    layer.set_weights([kernel * factors, bias + random.uniform(0, 0.1, bias.shape) * factors])


@pytest.mark.parametrize(
    ("layers", "n_equal"),
    [
        ([CONV, CONV, POOL, Layer("Flatten")], 2),
        ([CONV, POOL, PADDED, Layer("Dropout", 0.5), Layer("Flatten"), DENSE], 3),
        ([LINEAR, POOL, Layer("Activation", "relu"), CONV, Layer("Flatten")], 2),
        ([LINEAR, CONV, Layer("Flatten")], 1),  # no ReLU between them, so values may be negative
        ([CONV, normalise(), CONV, Layer("Flatten")], 1),
    ],
    ids=str,
)
def test_equal_channels_change_no_probability(layers: list[Layer], n_equal: int) -> None:
    network = build(*layers)
    random = np.random.default_rng(1)
    for layer in network.layers[:-1]:
        if type(layer).__name__ in ("Conv2D", "Dense"):
            spread_channels(layer, random)
    tiles = random.integers(0, 256, (20, 28, 28), np.uint8)
    expected = network.predict(tiles, verbose=0)

    equalise_channels(network, tiles)

    np.testing.assert_allclose(network.predict(tiles, verbose=0), expected, atol=2e-5)
    weighty = [layer for layer in network.layers if type(layer).__name__ in ("Conv2D", "Dense")]
    probe = load_keras().Model(network.inputs[0], [layer.input for layer in weighty[1:]])
    largest = [
        np.max(np.reshape(values, (-1, layer.kernel.shape[-1])), axis=0)
        for layer, values in zip(weighty, probe.predict(tiles, verbose=0), strict=False)
    ]
    equal = [np.allclose(values[values > 0], 1, atol=1e-4) for values in largest]
    assert sum(equal) == n_equal


def test_eight_bits_serve_channels_of_all_sizes(smoke_run: Run, tmp_path: Path) -> None:
    network = load_keras_model(smoke_run.keras_model, compile=True)
    first, second = (
        layer for layer in network.layers[:-1] if type(layer).__name__ in ("Conv2D", "Dense")
    )
    factors = np.exp(np.random.default_rng(0).uniform(np.log(0.01), np.log(10), 8))
    first.set_weights([values * factors for values in first.get_weights()])
    kernel, bias = second.get_weights()
    second.set_weights([kernel / np.tile(factors, len(kernel) // 8)[:, np.newaxis], bias])
    save_keras(network, tmp_path / "spread.keras")
    (tmp_path / "spread.json").write_bytes(smoke_run.card.read_bytes())
    tiles = np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)

    eight_bits = export(tmp_path / "spread.keras", "onnx-int8")

    expected = network.predict(tiles, verbose=0)
    probabilities = Recognizer.load(eight_bits).network(tiles)
    assert np.abs(probabilities - expected).mean() < 0.02
