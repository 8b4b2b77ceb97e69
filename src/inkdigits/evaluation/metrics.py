"""Metrics of a classifier: accuracy with its interval, loss, calibration, scores of each digit.

Every function takes the predicted probabilities and the true labels: `probabilities` of shape
(n, 10), 0 to 1, each row summing to 1, and `labels` of shape (n,), integers 0 to 9. For k other
classes than digits, the shape is (n, k), and labels are 0 to k - 1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError, ModelError, UsageError
from inkdigits.evaluation.evaluation_result import DigitScore, Evaluation, TileResult
from inkdigits.recognition.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibrate,
    log_probabilities,
)

# Keras clips at the same value, so losses can be compared with those of a training log.
_CLIP: Final = 1e-7
_BINS: Final = 15
_Z: Final = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class CalibrationBin:
    """The tiles whose confidence is above `lower` and at most `upper`.

    Attributes:
        lower: Lower edge of the bin, a confidence.
        upper: Upper edge of the bin, a confidence.
        count: Number of tiles in the bin, at least 1.
        mistakes: Number of misread tiles in the bin.
        confidence: Mean confidence of the tiles in the bin.
    """

    lower: float
    upper: float
    count: int
    mistakes: int
    confidence: float

    @property
    def accuracy(self) -> float:
        """Share of the tiles in this bin that were read correctly."""
        return 1 - self.mistakes / self.count


@dataclass(frozen=True)
class Summary:
    """Several measurements of one share, such as the accuracies over several seeds.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation with n - 1 in the denominator; None for one measurement.
        n: How many there are.
        minimum: The smallest.
        maximum: The largest.
    """

    mean: float
    sd: float | None
    n: int
    minimum: float
    maximum: float

    def __str__(self) -> str:
        spread = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f} %{spread} (n = {self.n})"


def score(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> Evaluation:
    """Compares predictions with the true labels.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        All metrics of this module.

    Raises:
        DataFormatError: The labels are not a non-empty vector of digits.
        ModelError: The probabilities are invalid or have another number of rows than labels.
    """
    check_predictions(probabilities, labels)
    n = len(labels)
    predictions = probabilities.argmax(axis=1)
    k = probabilities.shape[1]
    confusion_matrix = np.bincount(
        labels.astype(np.int64) * k + predictions, minlength=k * k
    ).reshape(k, k)
    right = int(np.trace(confusion_matrix))
    per_digit = tuple(_score_digit(confusion_matrix, digit) for digit in range(k))
    occurring = np.flatnonzero(confusion_matrix.sum(axis=0) + confusion_matrix.sum(axis=1))
    of_truth = probabilities[np.arange(n), labels].astype(np.float64)
    return Evaluation(
        n=n,
        accuracy=right / n,
        accuracy_interval=compute_interval(right, n),
        loss=float(-np.log(np.clip(of_truth, _CLIP, 1 - _CLIP)).mean()),
        expected_calibration_error=compute_calibration_error(
            bin_confidences(probabilities, labels)
        ),
        macro_f1=statistics.fmean(per_digit[digit].f1 for digit in occurring),
        per_digit=per_digit,
        confusion_matrix=confusion_matrix,
        misread=_list_misread(probabilities, labels),
    )


def compute_interval(right: int, n: int) -> tuple[float, float]:
    """Returns the 95 % confidence interval of a share (Wilson 1927).

    Unlike the normal approximation, it is also valid near 100 %.

    Args:
        right: Number of correct cases, 0 to n.
        n: Number of cases, at least 1.

    Returns:
        Lower and upper end, 0 to 1.
    """
    share = right / n
    shrink = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / shrink
    half = _Z / shrink * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # If none or all are right, one end is exactly 0 or 1; rounding would miss it.
    return centre - half if right else 0.0, centre + half if right < n else 1.0


def compute_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Returns the expected calibration error: mean distance of accuracy from confidence, 0 to 1.

    Args:
        bins: The bins of `bin_confidences`; at least one.
    """
    n = sum(bin_.count for bin_ in bins)
    return sum(bin_.count / n * abs(bin_.accuracy - bin_.confidence) for bin_ in bins)


def bin_confidences(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> tuple[CalibrationBin, ...]:
    """Sorts tiles by their confidence into 15 bins of equal width (Guo et al. 2017).

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        The non-empty bins, lowest confidence first.

    Raises:
        DataFormatError: The labels are not a non-empty vector of digits.
        ModelError: The probabilities are invalid or have another number of rows than labels.
    """
    check_predictions(probabilities, labels)
    return bin_outcomes(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def bin_outcomes(
    confidences: NDArray[np.floating[Any]], is_right: NDArray[np.bool_]
) -> tuple[CalibrationBin, ...]:
    """Sorts predictions by their confidence into 15 bins of equal width (Guo et al. 2017).

    Args:
        confidences: Shape (n,), 0 to 1.
        is_right: Shape (n,).

    Returns:
        The non-empty bins, lowest confidence first.
    """
    confidences, wrong = confidences.astype(np.float64), ~is_right
    edges = np.linspace(0, 1, _BINS + 1)
    # A row may sum to slightly more than 1; its confidence is then above the last edge.
    numbers = np.minimum(np.searchsorted(edges, confidences) - 1, _BINS - 1)
    counts = np.bincount(numbers, minlength=_BINS)
    mistakes = np.bincount(numbers[wrong], minlength=_BINS)
    sums = np.bincount(numbers, weights=confidences, minlength=_BINS)
    return tuple(
        CalibrationBin(
            lower=float(edges[number]),
            upper=float(edges[number + 1]),
            count=int(counts[number]),
            mistakes=int(mistakes[number]),
            confidence=float(sums[number] / counts[number]),
        )
        for number in np.flatnonzero(counts)
    )


def fit_temperature(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> float:
    """Finds the temperature with the lowest negative log-likelihood (Guo et al. 2017).

    The negative log-likelihood is convex in 1 / temperature, so bisecting its slope always finds
    the minimum. Use tiles that are in neither the training set nor the test set.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        The temperature for `calibrate`, 0.05 to 20; 1 if all temperatures are equally good.

    Raises:
        DataFormatError: The labels are not a non-empty vector of digits.
        ModelError: The probabilities are invalid or have another number of rows than labels.
    """
    check_predictions(probabilities, labels)
    logs = log_probabilities(probabilities)
    # Log-likelihood ratio of each digit to the true one.
    margins = logs - logs[np.arange(len(labels)), labels][:, np.newaxis]

    def compute_slope(temperature: float) -> float:
        """Returns the slope of the negative log-likelihood over 1 / temperature."""
        return float((calibrate(probabilities, temperature) * margins).sum(axis=1).mean())

    if abs(compute_slope(1.0)) < 1e-9:
        return 1.0
    low, high = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    while high - low > 1e-7:
        middle = (low + high) / 2
        if compute_slope(math.exp(middle)) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def summarise(values: Sequence[float]) -> Summary:
    """Returns the mean and spread of several measurements.

    Over several models, `summarise_seeds` finds out which of them may be summarised together.

    Args:
        values: Shares, 0 to 1, such as the accuracies over several seeds of one recipe.

    Returns:
        The summary. Its string has the form "99.21 % ± 0.04 (n = 3)".

    Raises:
        UsageError: There are no values, or a value is not finite.

    Examples:
        >>> print(summarise([0.9912, 0.9908, 0.9917]))
        99.12 % ± 0.05 (n = 3)
    """
    if not values:
        raise UsageError("no values to summarise: expected at least one")
    if not all(math.isfinite(value) for value in values):
        raise UsageError(
            f"cannot summarise {list(values)}: expected finite numbers; leave out the others"
        )
    return Summary(
        mean=statistics.fmean(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        n=len(values),
        minimum=min(values),
        maximum=max(values),
    )


def check_predictions(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> None:
    """Checks shape, type and range of probabilities and labels.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1 within 0.001.
        labels: Shape (n,), 0 to 9.

    Raises:
        DataFormatError: The labels are not a non-empty vector of digits.
        ModelError: The probabilities are invalid or have another number of rows than labels.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataFormatError(
            f"labels are {labels.dtype} of shape {labels.shape}: expected integers of shape (n,)"
        )
    if not len(labels):
        raise DataFormatError("no labelled tiles to evaluate: expected at least one")
    k = probabilities.shape[1] if probabilities.ndim == 2 else 10
    expected = (len(labels), k)
    is_row = probabilities.shape == expected and k >= 2
    if not is_row or not np.issubdtype(probabilities.dtype, np.floating):
        raise ModelError(
            f"the network returned {probabilities.dtype} of shape {probabilities.shape}: expected "
            f"floating-point probabilities of shape {expected}; use a network that ends in softmax"
        )
    if labels.min() < 0 or labels.max() >= k:
        raise DataFormatError(
            f"labels range from {labels.min()} to {labels.max()}: expected 0 to {k - 1}"
        )
    # This form of the condition also rejects NaN.
    if not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-3):
        raise ModelError(
            f"the network returned values from {probabilities.min():g} to "
            f"{probabilities.max():g}: expected probabilities from 0 to 1; "
            "use a network that ends in softmax"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    worst = float(sums[np.abs(sums - 1).argmax()])
    if abs(worst - 1) > 1e-3:
        raise ModelError(
            f"the network returned probabilities with the sum {worst:.4g}: expected 1; "
            "use a network that ends in softmax"
        )


def _list_misread(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> tuple[TileResult, ...]:
    predictions = probabilities.argmax(axis=1)
    return tuple(
        TileResult(
            index=int(index),
            label=int(labels[index]),
            predicted=int(predictions[index]),
            confidence=float(probabilities[index, predictions[index]]),
        )
        for index in np.flatnonzero(predictions != labels)
    )


def _score_digit(confusion_matrix: NDArray[np.int64], digit: int) -> DigitScore:
    right = int(confusion_matrix[digit, digit])
    predicted = int(confusion_matrix[:, digit].sum())
    support = int(confusion_matrix[digit].sum())
    return DigitScore(
        digit=digit,
        precision=right / predicted if predicted else 0.0,
        recall=right / support if support else 0.0,
        f1=2 * right / (predicted + support) if predicted + support else 0.0,
        support=support,
    )
