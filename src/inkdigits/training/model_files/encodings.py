"""How networks of other authors expect their pixels: scale, polarity and orientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# MNIST's training pixels, scaled to 0 to 1. PyTorch's MNIST example normalises with these.
MNIST_MEAN: Final = 0.1307
MNIST_SD: Final = 0.3081


@dataclass(frozen=True)
class Scale:
    """A linear map of pixels.

    Attributes:
        name: The range that pixels are mapped to, in words.
        factor: Factor of a pixel from 0 to 255.
        offset: Added after the factor.
    """

    name: str
    factor: float
    offset: float


SCALES: Final = (
    Scale("0 to 1", 1 / 255, 0.0),
    Scale("0 to 255", 1.0, 0.0),
    Scale("-1 to 1", 2 / 255, -1.0),
    Scale("mean 0.1307, SD 0.3081", 1 / (255 * MNIST_SD), -MNIST_MEAN / MNIST_SD),
)
INTEGER_SCALES: Final = {
    "uint8": (SCALES[1], SCALES[0]),
    "int8": (Scale("-128 to 127", 1.0, -128.0), SCALES[0]),
}
"""The scales for networks that take 8-bit integers. Other integers hold 0 to 255."""


@dataclass(frozen=True)
class Encoding:
    """How a tile becomes the input of a network.

    Attributes:
        scale: The scale of the pixels.
        inverted: Whether the network expects dark ink on a light background.
        transposed: Whether the network expects rows and columns swapped, as in EMNIST's files.
    """

    scale: Scale
    inverted: bool = False
    transposed: bool = False

    @property
    def name(self) -> str:
        """The encoding in words, such as "0 to 1, inverted"."""
        words = [self.scale.name, *["inverted"] * self.inverted, *["transposed"] * self.transposed]
        return ", ".join(words)

    @property
    def factor(self) -> float:
        """Factor of a pixel, 0 background to 255 full ink."""
        return -self.scale.factor if self.inverted else self.scale.factor

    @property
    def offset(self) -> float:
        """Added after the factor."""
        return self.scale.offset + (255 * self.scale.factor if self.inverted else 0.0)

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encodes tiles.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            float32, shape (n, 28, 28), in the range of the scale.
        """
        pixels = tiles.astype(np.float32) * np.float32(self.factor) + np.float32(self.offset)
        return np.ascontiguousarray(pixels.transpose(0, 2, 1) if self.transposed else pixels)


def list_encodings(input_type: str) -> list[Encoding]:
    """Returns the encodings to try, the usual ones first.

    Args:
        input_type: Type of the network's input, as NumPy names it.
    """
    scales: Sequence[Scale] = SCALES
    if np.dtype(input_type).kind in "iu":
        scales = INTEGER_SCALES.get(input_type, INTEGER_SCALES["uint8"])
    return [
        Encoding(scale, inverted, transposed)
        for transposed in (False, True)
        for inverted in (False, True)
        for scale in scales
    ]
