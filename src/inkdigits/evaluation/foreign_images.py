"""Notices data sets without digits, such as Fashion-MNIST given for MNIST.

Their files have the same names, shapes and labels, so nothing else would differ from MNIST's.
"""

from __future__ import annotations

import logging
from typing import Final

import numpy as np

from inkdigits.data import LabelledImages
from inkdigits.percentages import format_share
from inkdigits.recognition import DEFAULT_TILE_MODEL, Recognizer

_SAMPLE: Final = 500
_LEAST_SHARE: Final = 0.5
"""Share of images that the network reads as labelled. It is 0.95 and more on data sets of
handwritten digits, and about 0.1 where labels and images have nothing to do with each other."""
_LEAST_IMAGES: Final = 20
"""Fewer images say too little."""

_logger = logging.getLogger(__name__)


def warn_of_foreign_images(labelled: LabelledImages, source: str) -> float | None:
    """Logs a warning if images do not look like the digits of their labels.

    Args:
        labelled: The images.
        source: Where they come from, for the message.

    Returns:
        The share of a sample of 500 that the network for tiles that comes with inkdigits reads as
        labelled, 0 to 1; None for fewer than 20 images.

    Raises:
        ModelError: The network that comes with inkdigits is damaged.
    """
    if len(labelled) < _LEAST_IMAGES:
        return None
    sample = labelled.take(np.random.default_rng(0).permutation(len(labelled))[:_SAMPLE])
    read = Recognizer.load(DEFAULT_TILE_MODEL).classify(sample.images).argmax(axis=1)
    share = float(np.mean(read == sample.labels))
    if share < _LEAST_SHARE:
        _logger.warning(
            "warning: the images in %s do not look like the digits of their labels: the network "
            "that comes with inkdigits reads %s of %d as labelled. If they are those of "
            "Fashion-MNIST, Kuzushiji-MNIST or letters, their classes are still called 0 to 9",
            source,
            format_share(share, 0, " %"),
            len(sample),
        )
    return share
