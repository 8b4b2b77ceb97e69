"""Rewrites networks so that they compute the same with less work, or are accurate in 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.training.networks.frameworks import load_keras

# Layers that commute with a positive scale and a shift of each channel.
_PASSED = ("MaxPooling2D", "Flatten", "Dropout")


def fold_normalisation(network: Any) -> Any:
    """Folds batch normalisation into the next layer with weights, which makes a network faster.

    In inference, batch normalisation (Ioffe and Szegedy, 2015) is a scale and a shift of each
    channel. The weights of the next layer can include both; the result differs only by rounding.

    Args:
        network: A Keras network. Only sequential networks are rewritten.

    Returns:
        A new network without the batch normalisation layers that can be folded, or `network` itself
        if there are none.
    """
    keras = load_keras()
    if not isinstance(network, keras.Sequential):
        return network
    layers = list(network.layers)
    weights = [layer.get_weights() for layer in layers]
    folded = set()
    for place, layer in enumerate(layers):
        if type(layer).__name__ != "BatchNormalization" or layer.axis not in (
            -1,
            len(layer.output.shape) - 1,
        ):
            continue
        mean, variance = (np.asarray(v, np.float64) for v in weights[place][-2:])
        gamma = weights[place][0] if layer.scale else np.ones_like(mean)
        beta = weights[place][layer.scale] if layer.center else np.zeros_like(mean)
        scales = gamma / np.sqrt(variance + layer.epsilon)
        shifts = beta - mean * scales
        heir = _find_heir(layers, place, scales)
        if heir is None:
            continue
        kernel, bias = weights[heir]
        by_channel = kernel.reshape(-1, len(scales), kernel.shape[-1]).astype(np.float64)
        weights[heir] = [
            (by_channel * scales[:, np.newaxis]).reshape(kernel.shape).astype(np.float32),
            (bias + np.einsum("pco,c->o", by_channel, shifts)).astype(np.float32),
        ]
        folded.add(place)
    if not folded:
        return network
    kept = [place for place in range(len(layers)) if place not in folded]
    source = keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype)
    copies = [type(layers[place]).from_config(layers[place].get_config()) for place in kept]
    lighter = keras.Sequential([source, *copies], name=network.name)
    for place, copy in zip(kept, copies, strict=True):
        copy.set_weights(weights[place])
    return lighter


def _find_heir(layers: list[Any], place: int, scales: NDArray[np.float64]) -> int | None:
    """Returns the index of the layer that can include a normalisation at `place`, or None."""
    for heir in range(place + 1, len(layers)):
        layer, kind = layers[heir], type(layers[heir]).__name__
        if kind == "Conv2D":
            # With padding, the padded pixels would need the value of the shift instead of 0.
            whole = layer.padding == "valid" and layer.groups == 1
            return heir if whole and layer.use_bias else None
        if kind == "Dense":
            return heir if layer.use_bias else None
        if kind not in _PASSED or (kind == "MaxPooling2D" and scales.min() <= 0):
            return None
    return None


def equalise_channels(network: Any, tiles: NDArray[np.uint8]) -> None:
    """Rescales the channels between layers to the same range, for accurate 8-bit values.

    A ReLU commutes with a positive scale, so dividing the weights of one layer and multiplying
    those of the next by the same factors changes nothing but rounding (Nagel et al., 2019).
    Afterwards the maximum of each channel is 1. Without this, channels with a folded normalisation
    may differ in range by a factor of 100, and the small ones would use only a few of the 256
    values.

    Args:
        network: A Keras network, which is changed in place. Only sequential networks are rewritten.
        tiles: Tiles to measure the ranges of the channels on: uint8, shape (n, 28, 28), 0
            background, 255 full ink.
    """
    keras = load_keras()
    if not isinstance(network, keras.Sequential):
        return
    layers = list(network.layers)
    pairs = [(place, heir) for place in range(len(layers)) for heir in _find_scaled(layers, place)]
    if not pairs:
        return
    probe = keras.Model(network.inputs[0], {str(heir): layers[heir].input for _, heir in pairs})
    values = probe.predict(tiles, batch_size=256, verbose=0)
    for place, heir in pairs:
        weights = layers[place].get_weights()
        n_channels = weights[0].shape[-1]
        ranges = values[str(heir)].reshape(-1, n_channels).max(axis=0)
        ranges = np.where(ranges > 0, ranges, 1)
        layers[place].set_weights([part / ranges for part in weights])
        kernel, *bias = layers[heir].get_weights()
        by_channel = kernel.reshape(-1, n_channels, kernel.shape[-1]) * ranges[:, np.newaxis]
        layers[heir].set_weights([by_channel.reshape(kernel.shape), *bias])


def _find_scaled(layers: list[Any], place: int) -> list[int]:
    """Returns the index of the layer that can undo a scale of the channels of this one.

    Between the two layers there is a ReLU, and no layer that does not commute with a positive
    scale. The result is a list of one index, or an empty list.
    """
    if type(layers[place]).__name__ not in ("Conv2D", "Dense"):
        return []
    activations = [layers[place].activation]
    for heir in range(place + 1, len(layers)):
        layer, kind = layers[heir], type(layers[heir]).__name__
        if kind in ("Conv2D", "Dense"):
            names = {activation.__name__ for activation in activations} - {"linear"}
            is_whole = kind == "Dense" or layer.groups == 1
            return [heir] if names == {"relu"} and is_whole else []
        if kind == "Activation":
            activations.append(layer.activation)
        elif kind not in _PASSED:
            return []
    return []
