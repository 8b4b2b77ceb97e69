from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.synthesis import tile_damage


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> LabelledImages:
    return mnist.train.take(range(1_000))


def test_disturbing_keeps_the_tile_and_most_of_its_ink(digits: LabelledImages) -> None:
    correlations = []
    for seed, image in enumerate(digits.images[:200]):
        disturbed = tile_damage.disturb(image, np.random.default_rng(seed))
        assert disturbed.shape == image.shape
        assert disturbed.dtype == np.uint8
        correlations.append(np.corrcoef(image.ravel(), disturbed.ravel())[0, 1])
    assert 0.5 < np.median(correlations) < 0.999
    assert np.mean(np.array(correlations) > 0.2) > 0.9


@pytest.mark.parametrize("spoil", tile_damage._DISTURBANCES, ids=lambda spoil: spoil.__name__)
def test_each_disturbance_changes_the_tile(
    spoil: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]],
    digits: LabelledImages,
) -> None:
    image = digits.images[0].astype(np.float32)
    changed = [spoil(image.copy(), np.random.default_rng(seed)) for seed in range(10)]
    assert all(values.shape == image.shape for values in changed)
    assert all(np.isfinite(values).all() for values in changed)
    assert sum(np.abs(values - image).max() > 20 for values in changed) >= 9
