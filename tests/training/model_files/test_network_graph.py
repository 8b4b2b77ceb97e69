"""ONNX graphs of the reader's networks: the same outputs as Keras gives, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from inkdigits.errors import ModelError
from inkdigits.training.model_files.network_graph import write_network
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.reader_networks import build_detector, build_judge


def shake(network: Any) -> None:
    """Gives batch normalisation statistics as after training, and kernels that 8 bits can hold."""
    random = np.random.default_rng(0)
    for variable in network.variables:
        values = np.asarray(variable.numpy())
        if "variance" in variable.path or "gamma" in variable.path:
            values = random.uniform(0.7, 1.4, values.shape)
        elif "mean" in variable.path or "beta" in variable.path:
            values = random.normal(0, 0.2, values.shape)
        elif "kernel" in variable.path:
            # A factor for each channel, such as that of batch normalisation, changes no step.
            scales = np.abs(values).max(axis=tuple(range(values.ndim - 1)), keepdims=True) / 127
            values = np.round(values / scales) * scales
        variable.assign(values.astype(np.float32))


@pytest.mark.parametrize("name", ["small detector", "large detector", "judge"])
def test_outputs_are_those_of_keras(name: str) -> None:
    if name == "judge":
        network, shapes = build_judge(), [(3, 48, 48, 1)]
    else:
        network = build_detector(size="large" if name.startswith("large") else "small")
        shapes = [(1, 64, 96, 1), (2, 96, 32, 1)]
    shake(network)
    model = write_network(network)
    session = ort.InferenceSession(model.SerializeToString())
    for shape in shapes:
        pictures = np.random.default_rng(1).uniform(0, 255 if len(shapes) > 1 else 2, shape)
        pictures = pictures.astype(np.float32)
        expected = np.asarray(network(pictures, training=False))
        (found,) = session.run(None, {"input": pictures})
        assert found.shape == expected.shape
        # Biases in 16 bits have a relative error of 5e-4.
        np.testing.assert_allclose(found, expected, atol=5e-3 * float(np.abs(expected).max()))


def test_any_weights_are_rounded_to_the_nearest_step() -> None:
    keras = load_keras()
    window = keras.Input((5, 5, 3))
    network = keras.Model(window, keras.layers.Conv2D(4, 3, padding="same")(window))
    kernel, bias = network.get_weights()
    kernel = np.random.default_rng(3).normal(0, [0.01, 0.1, 1, 10], kernel.shape)
    network.set_weights([kernel, bias])
    session = ort.InferenceSession(write_network(network).SerializeToString())

    # One pixel of 1 gives the kernel, turned by 180 degrees.
    for channel in range(3):
        picture = np.zeros((1, 5, 5, 3), np.float32)
        picture[0, 2, 2, channel] = 1
        (found,) = session.run(None, {"input": picture})
        errors = np.abs(found[0, 1:4, 1:4][::-1, ::-1] - kernel[:, :, channel])
        steps = np.abs(kernel).max(axis=(0, 1, 2)) / 127
        assert (errors <= 0.501 * steps).all()
        assert errors.max() > 0


def test_weights_take_8_bits() -> None:
    network = build_judge()

    size = len(write_network(network).SerializeToString())

    assert 0.95 * network.count_params() < size < 1.05 * network.count_params()


def test_other_layers_are_refused() -> None:
    keras = load_keras()
    picture = keras.Input((8, 8, 1))
    network = keras.Model(picture, keras.layers.LayerNormalization()(picture))
    with pytest.raises(ModelError, match=r"is a LayerNormalization, which .* expected Conv2D"):
        write_network(network)
