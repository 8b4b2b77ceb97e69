"""The networks of the reader that see pixels: the detector finds marks, judges classify them.

Both use the usual blocks: 3 × 3 convolutions with batch normalisation (Ioffe and Szegedy, 2015),
and residual blocks of two convolutions (He et al., 2016).
"""

from __future__ import annotations

from typing import Any, Final

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.recipes.reader_recipe import NetworkSize

STRIDE: Final = 4
"""Side in pixels of one cell of the detector's output, at the level's scale."""
N_HEATMAPS: Final = N_CLASSES + 1
"""Heatmap channels: one for each class, and one for writing too small to read."""
N_DETECTOR_OUTPUTS: Final = N_HEATMAPS + 4
JUDGE_SIDE: Final = 48
"""Side in pixels of the judge's input window."""

_PRIOR: Final = -4.6
"""Initial bias of the heatmaps: the logit of 1 %, about the fraction of cells with a mark (Lin et
al., 2017)."""
_DETECTORS: Final = {
    "small": ((32, 56, 96, 128), (1, 1, 1, 1), (72, 56)),
    "large": ((32, 64, 112, 160), (1, 2, 3, 1), (80, 64)),
}
"""Channels of the stages at 1/4 to 1/32 of the picture's size, number of their residual blocks, and
channels at 1/16 and 1/8 on the way back. The stages in the middle grow most: they see a whole
digit, at a quarter of the work of those at 1/4."""
_JUDGES: Final = {"small": ((64, 112), 1, 144), "large": ((80, 128), 3, 160)}
"""Channels of the stages at 1/4 and 1/8 of the window's size, number of their residual blocks, and
channels of the last convolution."""


def build_detector(precision: str = "float32", size: NetworkSize = "small") -> Any:
    """Builds the network that finds marks, with random weights.

    The network is fully convolutional. Five stages reduce the picture to 1/32 of its size, then it
    is upsampled to 1/4, adding the stage of the same size at each step (Lin et al., 2017a), as in
    CenterNet (Zhou et al., 2019). For 256 × 256 pixels, the small one has 864,557 parameters and
    takes 0.45 × 10⁹ multiplications; the large one has 1,739,173 and takes 0.70 × 10⁹.

    Args:
        precision: "float32", or "bfloat16" to train in 16 bits; the weights are float32 in both
            cases.
        size: Which of the two sizes.

    Returns:
        A Keras model that maps float32 (n, height, width, 1), grey values 0 to 255, height and
        width multiples of 32, to float32 (n, height / 4, width / 4, 21). The 21 channels are the
        logits of a mark's centre, one per class and one for writing too small to read; the offset
        (x, y) of the centre from the middle of the cell, in cells, positive to the right and down;
        and the natural logarithms of the width and height in pixels.
    """
    keras = load_keras()
    layers = keras.layers
    block = _Blocks(layers, precision)
    widths, depths, joined = _DETECTORS[size]
    pixels = layers.Input((None, None, 1), dtype="float32")
    x = layers.Rescaling(1 / 64, -2.0, dtype="float32")(pixels)
    x = block.convolve(x, 16, stride=2)
    stages = []
    for width, depth in zip(widths, depths, strict=True):
        x = block.convolve(x, width, stride=2)
        for _ in range(depth):
            x = block.residual(x)
        stages.append(x)
    quarter, eighth, sixteenth, least = stages
    x = block.convolve(block.join(least, sixteenth), joined[0])
    x = block.convolve(block.join(x, eighth), joined[1])
    x = block.convolve(block.convolve(block.join(x, quarter), 48), 48)
    heatmaps = layers.Conv2D(
        N_HEATMAPS, 1, bias_initializer=keras.initializers.Constant(_PRIOR), dtype="float32"
    )(x)
    boxes = layers.Conv2D(4, 1, dtype="float32")(x)
    outputs = layers.Concatenate(dtype="float32")([heatmaps, boxes])
    return keras.Model(pixels, outputs, name="detector")


def build_judge(precision: str = "float32", size: NetworkSize = "small") -> Any:
    """Builds the network that classifies the content of a box, with random weights.

    The small one has 576,513 parameters and takes 35 × 10⁶ multiplications for a window; the large
    one has 1,587,281 and takes 100 × 10⁶.

    Args:
        precision: As in `build_detector`.
        size: Which of the two sizes.

    Returns:
        A Keras model that maps float32 (n, 48, 48, 1), the standardised grey values of a window
        around a box, to float32 (n, 17): the logits of the 16 classes and of "no mark".
    """
    keras = load_keras()
    layers = keras.layers
    block = _Blocks(layers, precision)
    widths, depth, last = _JUDGES[size]
    window = layers.Input((JUDGE_SIDE, JUDGE_SIDE, 1), dtype="float32")
    x = block.convolve(window, 32, stride=2, size=5)
    x = block.convolve(x, 48)
    for width in widths:
        x = block.convolve(x, width, stride=2)
        for _ in range(depth):
            x = block.residual(x)
    x = block.convolve(x, last, stride=2)
    x = layers.Flatten(dtype=block.policy)(x)
    x = layers.Dropout(0.25, dtype=block.policy)(x)
    outputs = layers.Dense(N_CLASSES + 1, dtype="float32")(x)
    return keras.Model(window, outputs, name="judge")


class _Blocks:
    def __init__(self, layers: Any, precision: str) -> None:
        self.layers = layers
        self.policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"

    def convolve(self, x: Any, width: int, *, stride: int = 1, size: int = 3) -> Any:
        return self.layers.ReLU(dtype=self.policy)(self._normalise(x, width, stride, size))

    def residual(self, x: Any) -> Any:
        width = x.shape[-1]
        y = self._normalise(self.convolve(x, width), width, 1, 3)
        return self.layers.ReLU(dtype=self.policy)(self.layers.Add(dtype=self.policy)([x, y]))

    def join(self, coarse: Any, fine: Any) -> Any:
        """Adds the features of the next coarser stage, upsampled, to those of this stage."""
        x = self.layers.Conv2D(fine.shape[-1], 1, dtype=self.policy)(coarse)
        x = self.layers.UpSampling2D(dtype=self.policy)(x)
        return self.layers.Add(dtype=self.policy)([x, fine])

    def _normalise(self, x: Any, width: int, stride: int, size: int) -> Any:
        x = self.layers.Conv2D(
            width, size, strides=stride, padding="same", use_bias=False, dtype=self.policy
        )(x)
        return self.layers.BatchNormalization(momentum=0.98, dtype=self.policy)(x)
