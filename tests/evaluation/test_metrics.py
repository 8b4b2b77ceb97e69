from __future__ import annotations

import json
import math
import statistics
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError, ModelError, UsageError
from inkdigits.evaluation import Summary, fit_temperature, score, summarise
from inkdigits.evaluation.metrics import bin_confidences, compute_interval
from inkdigits.recognition.calibration import calibrate

DIGITS = range(10)


def make_predictions(
    n: int, seed: int, *, skill: float = 3, digits: int = 10, dtype: type = np.float32
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Labels 0 to digits - 1, and probabilities of a network that knows them more or less."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, digits, n).astype(np.uint8)
    logits = rng.normal(size=(n, 10))
    logits[np.arange(n), labels] += skill
    weights = np.exp(logits)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(dtype), labels


PREDICTIONS = st.builds(
    make_predictions,
    n=st.integers(1, 300),
    seed=st.integers(0, 1000),
    skill=st.floats(-2, 6),
    digits=st.integers(1, 10),
    dtype=st.sampled_from([np.float32, np.float64]),
)


@settings(deadline=None)
@given(PREDICTIONS)
def test_scores_agree_with_scikit_learn(
    predictions: tuple[NDArray[Any], NDArray[np.uint8]],
) -> None:
    probabilities, labels = predictions
    read = probabilities.argmax(axis=1)
    evaluation = score(probabilities, labels)

    assert evaluation.n == len(labels)
    assert evaluation.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, read))
    assert evaluation.mistakes == (read != labels).sum()
    assert evaluation.confusion_matrix.dtype == np.int64
    np.testing.assert_array_equal(
        evaluation.confusion_matrix, sklearn.metrics.confusion_matrix(labels, read, labels=DIGITS)
    )
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, read, labels=DIGITS, zero_division=0
    )
    for digit in DIGITS:
        row = evaluation.per_digit[digit]
        assert row.digit == digit
        assert row.support == support[digit]
        assert (row.precision, row.recall, row.f1) == pytest.approx(
            (precision[digit], recall[digit], f1[digit])
        )
    assert evaluation.macro_f1 == pytest.approx(
        sklearn.metrics.f1_score(labels, read, average="macro", zero_division=0)
    )
    normalised = probabilities.astype(np.float64)
    normalised /= normalised.sum(axis=1, keepdims=True)
    assert evaluation.loss == pytest.approx(
        sklearn.metrics.log_loss(labels, normalised, labels=DIGITS), abs=1e-5
    )


@settings(deadline=None)
@given(PREDICTIONS)
def test_the_calibration_error_agrees_with_its_definition(
    predictions: tuple[NDArray[Any], NDArray[np.uint8]],
) -> None:
    probabilities, labels = predictions
    gap_of_bin = [0.0] * 15
    for row, label in zip(probabilities.astype(np.float64), labels, strict=True):
        number = next(i for i in range(15) if row.max() <= np.linspace(0, 1, 16)[i + 1] or i == 14)
        gap_of_bin[number] += float(row.argmax() == label) - row.max()
    expected = sum(abs(gap) for gap in gap_of_bin) / len(labels)
    assert score(probabilities, labels).expected_calibration_error == pytest.approx(expected)


@settings(deadline=None)
@given(PREDICTIONS)
def test_the_bins_hold_every_tile_once(
    predictions: tuple[NDArray[Any], NDArray[np.uint8]],
) -> None:
    probabilities, labels = predictions
    bins = bin_confidences(probabilities, labels)
    assert sum(bin_.count for bin_ in bins) == len(labels)
    assert sum(bin_.mistakes for bin_ in bins) == (probabilities.argmax(axis=1) != labels).sum()
    for bin_ in bins:
        assert bin_.count >= 1
        assert bin_.lower - 1e-9 <= bin_.confidence <= bin_.upper + 1e-6


def test_a_network_as_sure_as_right_has_no_calibration_error() -> None:
    # Four tiles read with 75 %, three of them correctly.
    probabilities = np.tile([0.75, 0.25, *[0.0] * 8], (4, 1))
    evaluation = score(probabilities, np.array([0, 0, 0, 1]))
    assert evaluation.expected_calibration_error == pytest.approx(0)
    always = score(np.eye(10)[[3, 3]], np.array([3, 5]))
    assert always.expected_calibration_error == pytest.approx(0.5)


@settings(deadline=None)
@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_of_the_interval_are_the_roots_of_the_score_test(counts: tuple[int, int]) -> None:
    right, n = counts
    lower, upper = compute_interval(right, n)
    assert 0 <= lower <= right / n <= upper <= 1
    for end in (lower, upper):
        distance = statistics.NormalDist().inv_cdf(0.975) * math.sqrt(end * (1 - end) / n)
        assert abs(right / n - end) == pytest.approx(distance, abs=1e-7)


def test_the_interval_is_that_of_the_accuracy() -> None:
    probabilities, labels = make_predictions(500, 1)
    evaluation = score(probabilities, labels)
    right = evaluation.n - evaluation.mistakes
    assert evaluation.accuracy_interval == compute_interval(right, 500)


def test_the_loss_of_a_certain_mistake_is_that_of_the_clip() -> None:
    certain = np.eye(10, dtype=np.float32)
    assert score(certain[[4]], np.array([5])).loss == pytest.approx(-math.log(1e-7))
    assert score(certain[[4]], np.array([4])).loss == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "message"),
    [
        (
            np.full((2, 10), 0.1),
            np.array([1]),
            ModelError,
            r"\(2, 10\): expected .* \(1, 10\)",
        ),
        (np.ones((1, 1)), np.array([0]), ModelError, r"shape \(1, 1\)"),
        (np.full(10, 0.1), np.array([1]), ModelError, r"shape \(10,\)"),
        (np.eye(10, dtype=np.int64)[[1]], np.array([1]), ModelError, "int64 of shape"),
        (np.full((1, 10), np.nan), np.array([1]), ModelError, "from nan to nan"),
        (np.full((1, 10), np.inf), np.array([1]), ModelError, "from inf to inf"),
        (np.array([[-0.5, 1.5, *[0.0] * 8]]), np.array([1]), ModelError, r"from -0\.5 to 1\.5"),
        (np.full((1, 10), 0.2), np.array([1]), ModelError, "with the sum 2: expected 1"),
        (np.full((1, 10), 0.09985), np.array([1]), ModelError, r"with the sum 0\.9985: expected 1"),
        (np.empty((0, 10)), np.array([], dtype=np.uint8), DataFormatError, "no labelled tile"),
        (np.full((1, 10), 0.1), np.array([10]), DataFormatError, "from 10 to 10"),
        (np.full((1, 10), 0.1), np.array([-1]), DataFormatError, "from -1 to -1"),
        (np.full((1, 10), 0.1), np.array([1.0]), DataFormatError, "float64 of shape"),
        (np.full((1, 10), 0.1), np.array([[1]]), DataFormatError, r"shape \(1, 1\)"),
    ],
)
def test_what_is_no_prediction_is_refused(
    probabilities: NDArray[Any], labels: NDArray[Any], error: type[Exception], message: str
) -> None:
    for function in (score, fit_temperature, bin_confidences):
        with pytest.raises(error, match=message) as caught:
            function(probabilities, labels)
        assert "\n" not in str(caught.value)


def test_rows_that_sum_to_almost_1_are_accepted() -> None:
    assert score(np.full((1, 10), 0.10009), np.array([0])).accuracy == 1
    assert score(np.array([[1.0009, *[0.0] * 9]]), np.array([0])).accuracy == 1


def test_the_json_is_plain_and_complete() -> None:
    evaluation = score(*make_predictions(200, 2))
    read_back = json.loads(json.dumps(evaluation.to_json()))
    assert read_back["accuracy"] == evaluation.accuracy
    assert tuple(read_back["accuracy_interval"]) == evaluation.accuracy_interval
    assert read_back["confusion_matrix"] == evaluation.confusion_matrix.tolist()
    assert read_back["per_digit"][7]["recall"] == evaluation.per_digit[7].recall
    assert set(read_back) == set(evaluation.__dataclass_fields__) - {"measured_on", "class_names"}


@pytest.mark.parametrize("skill", [-20, 0, 3, 60])
def test_the_table_shows_every_figure_in_columns(skill: float) -> None:
    evaluation = score(*make_predictions(12_000, 3, skill=skill))
    table = evaluation.to_table()
    lines = table.splitlines()
    assert max(map(len, lines)) <= 70
    assert f"{100 * evaluation.accuracy:.2f} %" in lines[0]
    assert f"{evaluation.mistakes:,}" in lines[1]
    assert f"{evaluation.loss:.4f}" in lines[2]
    assert f"{100 * evaluation.expected_calibration_error:.2f} %" in lines[3]
    rows = lines[7:17]
    for digit, row in enumerate(rows):
        expected = evaluation.per_digit[digit]
        shares = [expected.precision, expected.recall, expected.f1]
        cells = [str(digit), *(f"{100 * share:.2f}" for share in shares), f"{expected.support:,}"]
        assert row.replace(" %", "").split() == cells
    assert {len(line) for line in (lines[5], *rows, lines[-1])} == {len(rows[0])}


@settings(deadline=None)
@given(st.integers(0, 50), st.floats(0, 4))
def test_no_temperature_explains_the_labels_better_than_the_fitted_one(
    seed: int, skill: float
) -> None:
    probabilities, labels = make_predictions(200, seed, skill=skill)

    def loss(temperature: float) -> float:
        of_truth = calibrate(probabilities, temperature)[np.arange(200), labels]
        return float(-np.log(np.maximum(of_truth, 1e-38)).mean())

    fitted = fit_temperature(probabilities, labels)
    assert 0.05 <= fitted <= 20
    assert loss(fitted) <= min(loss(t) for t in np.geomspace(0.05, 20, 200)) + 1e-6


@settings(deadline=None)
@given(st.integers(0, 50), st.floats(0.5, 2))
def test_the_fit_undoes_a_temperature(seed: int, temperature: float) -> None:
    probabilities, labels = make_predictions(500, seed, skill=2)
    distorted = calibrate(probabilities, temperature)
    undone = fit_temperature(distorted, labels) * temperature
    assert undone == pytest.approx(fit_temperature(probabilities, labels), rel=1e-3)


def test_calibrated_probabilities_have_the_smaller_calibration_error() -> None:
    # Labels drawn from the probabilities themselves: these are calibrated as they are.
    rng = np.random.default_rng(4)
    calibrated, _ = make_predictions(20_000, 4, skill=2, dtype=np.float64)
    labels = (calibrated.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    too_sure = calibrate(calibrated, 0.5)
    fitted = fit_temperature(too_sure, labels)
    assert fitted == pytest.approx(2, rel=0.05)
    before = score(too_sure, labels).expected_calibration_error
    after = score(calibrate(too_sure, fitted), labels).expected_calibration_error
    assert after < before / 5


@pytest.mark.parametrize(
    ("probabilities", "labels", "expected"),
    [
        (np.full((3, 10), 0.1), np.array([1, 2, 3]), 1.0),
        (np.full((3, 10), 0.1, np.float32), np.array([1, 2, 3]), 1.0),
        (0.9 * np.eye(10) + 0.01, np.arange(10), 0.05),
        (np.eye(10), (np.arange(10) + 1) % 10, 20.0),
        (np.array([[1.0, *[0.0] * 9]] * 2), np.array([0, 1]), 20.0),
    ],
)
def test_the_temperature_stays_in_its_range(
    probabilities: NDArray[Any], labels: NDArray[Any], expected: float
) -> None:
    assert fit_temperature(probabilities, labels) == pytest.approx(expected, rel=1e-3)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_the_summary_agrees_with_numpy(values: list[float]) -> None:
    summary = summarise(values)
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.sd == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert (summary.n, summary.minimum, summary.maximum) == (len(values), min(values), max(values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.9917, 0.9921, 0.9925], "99.21 % ± 0.04 (n = 3)"),
        ([0.9921], "99.21 % (n = 1)"),
        ([1.0, 1.0], "100.00 % ± 0.00 (n = 2)"),
    ],
)
def test_the_summary_as_text(values: list[float], expected: str) -> None:
    assert str(summarise(values)) == expected


def test_one_value_has_no_spread() -> None:
    assert summarise([0.5]) == Summary(mean=0.5, sd=None, n=1, minimum=0.5, maximum=0.5)


@pytest.mark.parametrize("values", [[], [math.nan], [0.5, math.inf]])
def test_values_without_a_mean_raise(values: list[float]) -> None:
    with pytest.raises(UsageError, match="summarise"):
        summarise(values)
