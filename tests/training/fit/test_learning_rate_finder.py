"""The learning-rate range test: which rates are tried, and which one is proposed."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import inkdigits
from inkdigits.data import Mnist
from inkdigits.errors import OutputExistsError, UsageError
from inkdigits.training import RECIPES, LearningRateTest
from inkdigits.training.fit.learning_rate_finder import (
    HIGHEST,
    LOWEST,
    STEPS,
    smooth_losses,
)


def test_the_running_mean_weights_late_losses_most() -> None:
    losses = np.array([3.0, 1.0, 4.0, 1.0, 5.0])

    smoothed = smooth_losses(losses)

    for end in range(1, 6):
        weights = 0.95 ** np.arange(end)[::-1]
        assert smoothed[end - 1] == pytest.approx(np.average(losses[:end], weights=weights))


def test_the_proposal_is_below_the_lowest_loss(tmp_path: Path) -> None:
    rates = np.geomspace(1e-6, 1, 61)
    losses = 1 + (np.log10(rates) + 2) ** 2  # lowest at 0.01
    test = LearningRateTest(tmp_path, RECIPES["smoke"], rates, losses, losses)

    assert test.lowest == pytest.approx(0.01)
    assert test.suggestion == pytest.approx(0.001)
    assert test.steepest == pytest.approx(rates[0])
    assert repr(test) == "LearningRateTest('smoke', suggestion=0.001)"


def test_a_recipe_is_tested(mnist: Mnist, tmp_path: Path) -> None:
    folder = tmp_path / "rates"

    test = inkdigits.find_learning_rate(
        "smoke", training_images=10_000, output=folder, progress=False
    )

    assert test.rates[0] == LOWEST
    assert test.rates[-1] <= HIGHEST
    np.testing.assert_allclose(np.diff(np.log(test.rates)), math.log(HIGHEST / LOWEST) / STEPS)
    assert test.losses[0] == pytest.approx(math.log(10), rel=0.15)  # ten equal probabilities
    assert test.smoothed.min() < 0.8 * test.smoothed[0]  # it has learned
    assert LOWEST < test.suggestion < test.lowest
    text = (folder / "learning_rate.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [float(row["loss"]) for row in rows] == test.losses.tolist()
    assert (folder / "learning_rate.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputExistsError, match="exists already"):
        inkdigits.find_learning_rate("smoke", output=folder)


def test_readers_have_no_such_test() -> None:
    with pytest.raises(UsageError, match="tests networks for tiles"):
        inkdigits.find_learning_rate("reader-quick")
