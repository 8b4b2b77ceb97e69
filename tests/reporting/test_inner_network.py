"""The layers that are found in an ONNX file, compared with Keras' own count and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages
from inkdigits.errors import ModelError, UsageError
from inkdigits.recognition import DEFAULT_MODEL
from inkdigits.recognition.recognizer import DEFAULT_TILE_MODEL
from inkdigits.reporting.inner_network import InnerNetwork, find_onnx
from inkdigits.training import Run
from inkdigits.training.model_files.loading import load_keras_model


@pytest.fixture(scope="module")
def network(smoke_run: Run) -> InnerNetwork:
    return InnerNetwork(smoke_run.onnx_model)


def test_layers_are_those_of_keras(network: InnerNetwork, smoke_run: Run) -> None:
    keras_model = load_keras_model(smoke_run.keras_model)
    expected = [
        tuple(layer.output.shape[1:])
        for layer in keras_model.layers
        if type(layer).__name__ in ("Conv2D", "MaxPooling2D", "Dense")
    ]

    assert [layer.shape for layer in network.layers] == expected
    assert network.parameters == keras_model.count_params()
    assert [layer.kind for layer in network.layers] == [
        "convolution",
        "max pooling",
        "dense",
        "dense",
    ]
    assert [layer.activation for layer in network.layers] == ["ReLU", "", "ReLU", "softmax"]


def test_operations_are_multiplications_of_weights(network: InnerNetwork) -> None:
    convolution, _, hidden, last = network.layers

    # 8 filters of 5 × 5 at 12 × 12 places; 288 inputs of 32 units; 32 inputs of 10.
    assert convolution.operations == 8 * 5 * 5 * 12 * 12
    assert (hidden.operations, last.operations) == (288 * 32, 32 * 10)
    assert network.operations == sum(layer.operations for layer in network.layers)


def test_feature_maps_are_convolutions(
    network: InnerNetwork, smoke_run: Run, test_slice: LabelledImages
) -> None:
    tiles = test_slice.images[:2]
    layer = load_keras_model(smoke_run.keras_model).layers[2]
    weights, bias = (np.asarray(values) for values in layer.get_weights())
    pixels = tiles[..., np.newaxis].astype(np.float32) / 255
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (5, 5), axis=(1, 2))[:, ::2, ::2]
    expected = np.maximum(np.einsum("nijchw,hwcf->nijf", windows, weights) + bias, 0)

    found = network.run(tiles, [0])[0]

    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_filters_are_the_weights_of_the_first_layer(network: InnerNetwork, smoke_run: Run) -> None:
    weights = np.asarray(load_keras_model(smoke_run.keras_model).layers[2].get_weights()[0])

    np.testing.assert_array_equal(network.get_filters(), weights[:, :, 0].transpose(2, 0, 1))


def test_tiles_are_embedded_by_the_last_hidden_layer(
    network: InnerNetwork, test_slice: LabelledImages
) -> None:
    tiles = test_slice.images[:200]  # more than one batch

    features = network.embed(tiles)

    np.testing.assert_array_equal(features, network.run(tiles, [2])[2])
    assert features.shape == (200, 32)


def test_the_packaged_reader_stands_for_its_network_for_tiles() -> None:
    assert find_onnx(DEFAULT_MODEL) == DEFAULT_TILE_MODEL
    assert InnerNetwork(DEFAULT_TILE_MODEL).layers[-1].shape == (11,)


def test_errors_say_what_to_do(tmp_path: Path, smoke_run: Run) -> None:
    with pytest.raises(ModelError, match=r"no ONNX model at .*: expected a finished run"):
        find_onnx(tmp_path)
    with pytest.raises(ModelError, match="convert it with 'inkdigits export"):
        find_onnx(smoke_run.keras_model)
    with pytest.raises(UsageError, match="invalid model of type int"):
        find_onnx(7)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        InnerNetwork(find_onnx(tmp_path))
