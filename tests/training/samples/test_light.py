"""Other light on pictures and windows."""

from __future__ import annotations

import numpy as np

from inkdigits.training.samples.light import vary_light


def test_pictures_keep_what_they_show() -> None:
    random = np.random.default_rng(0)
    pictures = np.full((200, 16, 16), 200, np.uint8)
    pictures[:, 4:12, 4:12] = 60

    varied = vary_light(pictures, random)

    assert varied.shape == pictures.shape
    assert varied.dtype == np.uint8
    inner = varied[:, 4:12, 4:12].astype(float).mean(axis=(1, 2))
    outer = varied[:, :4].astype(float).mean(axis=(1, 2))
    assert (np.abs(outer - inner) > 0.45 * 140).all()
    assert 0.15 < (inner > outer).mean() < 0.35  # inverted
    assert np.ptp(np.abs(outer - inner)) > 30  # contrast
    assert np.ptp((outer + inner) / 2) > 20  # brightness
    noise = varied[:, :4].astype(float).std(axis=(1, 2))
    assert 0.3 < (noise > 0).mean() < 0.7
    assert noise.max() < 12


def test_windows_stay_standardised() -> None:
    random = np.random.default_rng(0)
    windows = random.normal(0, 1, (200, 48, 48)).astype(np.float16)

    varied = vary_light(windows, random)

    assert varied.dtype == np.float16
    likeness = (varied.astype(float) * windows).mean(axis=(1, 2))
    assert (np.abs(likeness) > 0.9).all()
    assert 0.15 < (likeness < 0).mean() < 0.35
    assert (np.abs(varied.astype(float).std(axis=(1, 2)) - 1) < 0.1).all()


def test_the_same_random_state_gives_the_same_light() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (4, 8, 8)).astype(np.uint8)
    first, second = (vary_light(pictures, np.random.default_rng(2)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
