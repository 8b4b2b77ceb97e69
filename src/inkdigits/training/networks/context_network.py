"""The reader's context network: corrects the classes of boxes by the boxes around them.

The judges see each box alone. Whether a stroke beside a 4 is a 1 or its own second half, whether a
ring is a 0 or an o, and whether a flourish after a dash is a digit, shows in the boxes around. The
network takes all boxes of a page at once and passes messages between each two of them, as relation
networks (Hu et al., 2018) and GossipNet (Hosang et al., 2017) do. It learns which of several boxes
on one mark stays, and what stands beside what. What it would say about a box alone is subtracted,
so a single mark keeps its probabilities.
"""

from __future__ import annotations

from typing import Any, Final

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.networks.frameworks import load_keras

N_BOX_COLUMNS: Final = 4
N_ROW_COLUMNS: Final = N_BOX_COLUMNS + N_CLASSES + 1
LEAST_PROBABILITY: Final = 1e-3
"""Added to probabilities before their logarithm is taken. A sure class loses up to 1.6
percentage points by it."""
FARTHEST: Final = 4.0
"""Distances are limited to so many times the longer side of a box."""
LARGEST_RATIO: Final = 2.0
"""Limit of the natural logarithm of the size of one box relative to another."""
ROUNDS: Final = 2
"""Number of times that each box hears from the others."""
_WIDTH: Final = 32


def build_context() -> Any:
    """Builds the network, with random weights, that starts as the identity.

    It has 14,112 parameters. The time grows with the square of the number of boxes.

    Returns:
        A Keras model that maps float32 (pages, n, 21) to float32 (pages, n, 17). The columns of a
        row are x, y, width and height of a box in pixels, and the logarithms of its probabilities
        of the 16 classes and of no mark. Rows with a width of 0 fill up a page and are ignored. The
        outputs are logits of the same 17.
    """
    keras = load_keras()
    layers, ops = keras.layers, keras.ops
    rows = layers.Input((None, N_ROW_COLUMNS), dtype="float32")
    boxes, logits = rows[..., :N_BOX_COLUMNS], rows[..., N_BOX_COLUMNS:]
    is_there = ops.cast(ops.expand_dims(boxes[..., 2:3], 1) > 0, "float32")
    start = layers.Dense(_WIDTH, activation="relu", name="start")
    rounds = [
        (
            layers.Dense(_WIDTH, name=f"geometry_{number}"),
            layers.Dense(_WIDTH, use_bias=False, name=f"sent_{number}"),
            layers.Dense(_WIDTH, use_bias=False, name=f"heard_{number}"),
            layers.Dense(_WIDTH, activation="relu", name=f"message_{number}"),
            layers.Dense(_WIDTH, activation="relu", name=f"joined_{number}"),
            layers.Dense(_WIDTH, name=f"update_{number}"),
        )
        for number in range(ROUNDS)
    ]

    def listen(pairs: Any, *, alone: bool) -> Any:
        x = start(logits)
        for geometry, send, hear, message, joined, update in rounds:
            sent, heard = send(x), hear(x)
            if not alone:
                sent, heard = ops.expand_dims(sent, 1), ops.expand_dims(heard, 2)
            messages = message(ops.relu(geometry(pairs) + sent + heard))
            if not alone:  # messages are not negative
                messages = ops.max(messages * is_there, axis=2)
            x = x + update(joined(ops.concatenate([x, messages], axis=-1)))
        return x

    together = listen(_compare(ops, boxes), alone=False)
    alone = listen(_describe(ops, boxes), alone=True)
    change = layers.Dense(N_CLASSES + 1, use_bias=False, kernel_initializer="zeros", name="change")
    return keras.Model(rows, logits + change(together - alone), name="context")


def _compare(ops: Any, boxes: Any) -> Any:
    """Compares each box with each: (pages, n, 4) to (pages, n, n, 7).

    In units of the first box's longer side: distance of the middles across and down, logarithms of
    the second box's width and height. Then the intersection over union, and the fraction that both
    share of the first and of the second.
    """
    start, size = boxes[..., :2], ops.maximum(boxes[..., 2:], 1.0)
    end, middle = start + size, start + size / 2
    side = ops.expand_dims(ops.max(size, axis=-1, keepdims=True), 2)
    apart = (ops.expand_dims(middle, 1) - ops.expand_dims(middle, 2)) / side
    apart = ops.clip(apart, -FARTHEST, FARTHEST) / 2
    ratios = ops.log(ops.expand_dims(size, 1) / side)
    ratios = ops.clip(ratios, -LARGEST_RATIO, LARGEST_RATIO)
    inner = ops.maximum(ops.expand_dims(start, 1), ops.expand_dims(start, 2))
    outer = ops.minimum(ops.expand_dims(end, 1), ops.expand_dims(end, 2))
    common = ops.prod(ops.maximum(outer - inner, 0.0), axis=-1, keepdims=True)
    areas = ops.prod(size, axis=-1, keepdims=True)
    one, other = ops.expand_dims(areas, 2), ops.expand_dims(areas, 1)
    # In this order: for a single page, Keras 3.15 on TensorFlow takes `one + other` for adding a
    # bias to each channel.
    union = other + one - common
    shares = [common / union, common / one, common / other]
    return ops.concatenate([apart, ratios, *shares], axis=-1)


def _describe(ops: Any, boxes: Any) -> Any:
    """Compares each box with itself, as `_compare` does: (pages, n, 4) to (pages, n, 7)."""
    size = ops.maximum(boxes[..., 2:], 1.0)
    side = ops.max(size, axis=-1, keepdims=True)
    ratios = ops.clip(ops.log(size / side), -LARGEST_RATIO, LARGEST_RATIO)
    return ops.concatenate([ops.zeros_like(size), ratios, *[ops.ones_like(side)] * 3], axis=-1)
