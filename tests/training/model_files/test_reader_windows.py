"""The windows that the reader's graph cuts are those that its networks are trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from inkdigits.recognition.windows import REACHES, crop_windows, locate_picture, locate_windows
from inkdigits.results.alphabet import COMMA, N_CLASSES
from inkdigits.training.model_files.reader_graph import ReaderSettings
from inkdigits.training.model_files.reader_levels import LevelSettings
from inkdigits.training.model_files.reader_windows import LEAST_CUT, SHRINK_FACTORS
from tests.training.model_files.handmade_networks import (
    Read,
    make_detector,
    make_judge,
    make_square_detector,
)


@pytest.mark.parametrize(
    ("class_", "n_large", "zooms", "all_zooms_boxes", "n_judges"),
    [
        (3, 0, (1.0,), 400, 1),
        (COMMA, 20, (1.0,), 400, 1),
        (3, 0, (0.8, 1.1, 1.3), 400, 1),
        (3, 0, (0.8, 1.1, 1.3), 60, 1),
        (3, 0, (0.8, 1.1, 1.3), 60, 2),
        (3, 0, (1.1, 0.8), 400, 2),
    ],
)
def test_windows_are_those_of_crop_windows(
    start: Callable[..., Read],
    class_: int,
    n_large: int,
    zooms: tuple[float, ...],
    all_zooms_boxes: int,
    n_judges: int,
) -> None:
    """The logits of a judge are random projections of its window, which shows its pixels."""
    random = np.random.default_rng(5)
    kernel = random.normal(0, 0.03, (5, 1, 16, 16)).astype(np.float32)
    mixture = np.zeros((21, 5), np.float32)
    mixture[class_, 0] = 1
    mixture[17:, 1:] = np.eye(4) * 0.01
    bias = np.full(21, -20, np.float32)
    bias[class_] = 0
    bias[17:] = (0, 0, *np.log([24, 24]))
    projections = random.normal(0, 0.02, (n_judges, 2304, 17)).astype(np.float32)
    settings = ReaderSettings(
        LevelSettings(size_factors=(1.0,) * N_CLASSES),
        window_zooms=zooms,
        all_zooms_boxes=all_zooms_boxes,
        detector_weight=0.0,
        max_contained=2.0,
        least_score=0.0,
    )
    judges = [make_judge(projection, np.zeros(17, np.float32)) for projection in projections]
    read = start(make_detector(kernel, mixture, bias), *judges, settings=settings)
    coarse = random.integers(0, 256, (40, 60))
    picture = np.kron(coarse, np.ones((9, 9))).astype(np.uint8)[:350, :533]
    found = read(picture)
    logits = np.zeros((len(zooms), len(found), 17))
    for logit, zoom, projection in zip(logits, zooms, itertools.cycle(projections)):
        first, size = found.boxes[:, :2], found.boxes[:, 2:]
        boxes = np.concatenate([first + size * (1 - zoom) / 2, size * zoom], axis=1)
        windows = crop_windows(
            picture, locate_windows(boxes.astype(np.float32), np.full(len(found), class_))
        )
        logit[:] = windows.reshape(len(found), -1) @ projection
    logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
    once, often = logits[0], logits.mean(axis=0)
    log = np.log(found.probabilities)
    is_often = np.ptp(log - often, axis=1) < np.ptp(log - once, axis=1)
    if len(zooms) > 1:
        assert 0 < is_often.sum() <= all_zooms_boxes
        assert is_often.all() == (len(found) <= all_zooms_boxes)
    expected = np.where(is_often[:, np.newaxis], often, once)
    errors = np.ptp(np.log(found.probabilities) - expected, axis=1)
    sides = found.boxes[:, 2:].max(axis=1) * REACHES[class_] * max(zooms)
    is_small = sides < SHRINK_FACTORS[1] * LEAST_CUT
    assert is_small.sum() > 100
    assert (~is_small).sum() >= n_large
    # crop_windows rounds its samples to integers; larger windows are cut from a shrunk picture.
    assert errors[is_small].max() < 0.03
    assert errors[~is_small].max(initial=0) < 0.8
    assert np.ptp(expected, axis=1).min() > 1  # The errors are small compared with this.


@pytest.mark.parametrize("zooms", [(1.0,), (1.0, 1.2)])
def test_the_picture_judge_sees_the_whole_picture(
    zooms: tuple[float, ...], start: Callable[..., Read]
) -> None:
    """A judge whose logits are sums of parts of the window sees those of the cropped windows."""
    weights = np.random.default_rng(0).normal(0, 0.05, (2304, 17)).astype(np.float32)
    judge = make_judge(weights, np.zeros(17, np.float32))
    settings = ReaderSettings(picture_zooms=zooms)
    read = start(make_square_detector(), settings=settings, picture_judge=judge)
    for shape in ((28, 28), (37, 90), (300, 120), (5, 9), (1, 1)):
        picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        candidates = read(picture).candidates
        assert candidates is not None
        logits = np.zeros(17)
        for zoom in zooms:
            seen = crop_windows(picture, locate_picture(shape, zoom))[0].reshape(-1) @ weights
            logits += (seen - np.log(np.exp(seen).sum())) / len(zooms)
        shares = np.exp(logits - logits.max())
        np.testing.assert_allclose(
            candidates.probabilities[-1], shares / shares.sum(), atol=0.02, err_msg=str(shape)
        )
