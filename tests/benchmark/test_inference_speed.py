from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.benchmark.inference_speed import (
    measure_cold_start,
    measure_latency,
    measure_throughput,
)
from inkdigits.benchmark.workplace import SLICE, Workplace, measure_agreement
from inkdigits.data import LabelledImages
from inkdigits.training import Run


@pytest.fixture
def place(smoke_run: Run, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, SLICE, smoke_run.folder)


@pytest.mark.slow
def test_cold_start(place: Workplace) -> None:
    # Once each, because the classic script imports TensorFlow.
    result = measure_cold_start(replace(place, sizes=replace(SLICE, n_turns=1)))

    ours, script = result.timings
    assert ours.facts == script.facts == {"answer": "7"}
    assert len(ours.seconds) == len(script.seconds) == 1
    assert result.figures[0].value == pytest.approx(script.median_s / ours.median_s)
    assert ours.median_s < script.median_s


def test_throughput(place: Workplace) -> None:
    result = measure_throughput(place)

    names = [timing.name for timing in result.timings]
    assert names[:2] == ["inkdigits, float32", "inkdigits, int8"]
    assert names[2:] == [f"Keras predict, batches of {n:,}" for n in SLICE.keras_batches]
    accuracies = {
        timing.facts["accuracy"] for timing in result.timings if "int8" not in timing.name
    }
    assert len(accuracies) == 1
    fastest = min(timing.median_s for timing in result.timings[2:])
    assert result.figures[0].value == pytest.approx(fastest / result.timings[1].median_s)


def test_latency(place: Workplace) -> None:
    result = measure_latency(place)

    by_name = {timing.name: timing for timing in result.timings}
    assert {len(timing.seconds) for timing in result.timings} == {SLICE.n_turns * SLICE.n_calls}
    assert by_name["inkdigits, float32"].median_s < by_name["Keras model(x)"].median_s


def test_networks_are_the_same(place: Workplace) -> None:
    expected = place.keras_network.predict(place.tiles.images, verbose=0)

    np.testing.assert_allclose(place.networks["float32"](place.tiles.images), expected, atol=1e-4)
    assert np.abs(place.networks["int8"](place.tiles.images) - expected).mean() < 2e-3


def test_picture(place: Workplace) -> None:
    with Image.open(place.picture) as picture:
        assert picture.size == (300, 220)
        pixels = np.asarray(picture)
    assert (pixels[0], pixels[-1]) == (pytest.approx(255), pytest.approx(255))
    assert pixels.min() < 30


@pytest.mark.parametrize("n_outputs", [10, 11])
def test_agreement(n_outputs: int) -> None:
    """The eleventh output, "not a digit", is ignored."""
    probabilities = np.full((4, n_outputs), 0.01)
    probabilities[range(4), [3, 1, 4, 1]] = 0.4
    if n_outputs == 11:
        probabilities[0, 10] = 0.9
    labels = np.array([3, 1, 4, 2], np.uint8)

    labelled = LabelledImages(np.zeros((4, 28, 28), np.uint8), labels)
    assert measure_agreement(probabilities, labelled) == 0.75
