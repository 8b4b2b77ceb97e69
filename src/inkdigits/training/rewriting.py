"""Networks rewritten so that they give the same with less work, or in fewer bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.training.frameworks import load_keras

# Layers that a scale and a shift of each channel pass unchanged, the scale being positive.
_PASSED = ("MaxPooling2D", "Flatten", "Dropout")


def fold_normalisation(network: Any) -> Any:
    """A network that gives the same without its batch normalisation, and so sooner.

    In use the normalisation (Ioffe and Szegedy, 2015) is a scale and a shift of each channel, which
    the next layer with weights can do as well: exactly, but for rounding.

    Args:
        network: A Keras network; only one whose layers follow one upon the other is looked into.

    Returns:
        A new network, where every batch normalisation is folded that can be; `network` itself
        where none can.
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
    """The place of the layer that can take over a normalisation's scales and shifts, or None."""
    for heir in range(place + 1, len(layers)):
        layer, kind = layers[heir], type(layers[heir]).__name__
        if kind == "Conv2D":
            # Padding would have to be the shift and not 0.
            whole = layer.padding == "valid" and layer.groups == 1
            return heir if whole and layer.use_bias else None
        if kind == "Dense":
            return heir if layer.use_bias else None
        if kind not in _PASSED or (kind == "MaxPooling2D" and scales.min() <= 0):
            return None
    return None


def equalise_channels(network: Any, tiles: NDArray[np.uint8]) -> None:
    """Rescales what passes between layers, so that eight bits serve all channels alike.

    A ReLU passes a positive scale, so what one layer's weights are divided by, the next layer's can
    be multiplied by (Nagel et al., 2019). Afterwards each channel reaches 1; the probabilities are
    the same but for rounding. Without this, the channels of a folded normalisation may differ a
    hundredfold, and the small ones would have a few steps of the 256 only.

    Args:
        network: A Keras network, which is changed; only one whose layers follow one upon the other
            is looked into.
        tiles: uint8, shape (n, 28, 28): what the channels' ranges are measured on.
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
    """The place of the layer that undoes a scale of this one's channels, alone in a list, or none.

    Between the two there is a ReLU, and nothing that a positive scale would not pass.
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
