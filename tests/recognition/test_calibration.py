from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from inkdigits.errors import ModelError
from inkdigits.recognition.calibration import calibrate

LOGITS = arrays(np.float64, (4, 10), elements=st.floats(-40, 40))
TEMPERATURES = st.floats(0.05, 20)


def softmax(logits: NDArray[np.float64]) -> NDArray[Any]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@settings(deadline=None)
@given(LOGITS, TEMPERATURES)
def test_calibration_divides_the_logits_by_the_temperature(
    logits: NDArray[np.float64], temperature: float
) -> None:
    calibrated = calibrate(softmax(logits), temperature)
    assert calibrated.dtype == np.float32
    np.testing.assert_allclose(calibrated, softmax(logits / temperature), atol=1e-5)


@settings(deadline=None)
@given(LOGITS, TEMPERATURES)
def test_calibration_does_not_change_the_prediction(
    logits: NDArray[np.float64], temperature: float
) -> None:
    probabilities = softmax(logits)
    calibrated = calibrate(probabilities, temperature)
    of_prediction = calibrated[np.arange(4), probabilities.argmax(axis=1)]
    np.testing.assert_allclose(of_prediction, calibrated.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1, atol=1e-6)


@settings(deadline=None)
@given(LOGITS)
def test_temperature_1_changes_nothing(logits: NDArray[np.float64]) -> None:
    probabilities = softmax(logits).astype(np.float32)
    np.testing.assert_allclose(calibrate(probabilities, 1), probabilities, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1, 2, 20])
def test_a_probability_of_0_stays_finite(temperature: float) -> None:
    certain = np.eye(10, dtype=np.float32)
    calibrated = calibrate(certain, temperature)
    assert np.isfinite(calibrated).all()
    np.testing.assert_array_equal(calibrated.argmax(axis=1), np.arange(10))


@pytest.mark.parametrize(("temperature", "surer"), [(0.5, True), (2, False)])
def test_low_temperatures_raise_the_confidence_and_high_ones_lower_it(
    temperature: float, surer: bool
) -> None:
    probabilities = np.array([[0.91, *[0.01] * 9]])
    assert (calibrate(probabilities, temperature)[0, 0] > 0.91) == surer


@pytest.mark.parametrize("temperature", [0, -1, 0.049, 20.1, math.inf, math.nan])
def test_a_temperature_out_of_range_is_rejected(temperature: float) -> None:
    with pytest.raises(ModelError, match=r"invalid temperature .*: expected 0\.05 to 20"):
        calibrate(np.full((1, 10), 0.1), temperature)
