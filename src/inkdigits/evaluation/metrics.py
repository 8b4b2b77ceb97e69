"""How good a network is: accuracy with its interval, loss, calibration, and each digit's share.

Every function takes the probabilities that a network gave and the labels that are true:
`probabilities` of shape (n, 10), 0 to 1, each row summing to 1, and `labels` of shape (n,),
integers 0 to 9.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import DataFormatError, ModelError, UsageError
from inkdigits.recognition.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibrate,
    log_probabilities,
)

# Keras clips at the same value, so that losses can be compared with those of a training log.
_CLIP: Final = 1e-7
_BINS: Final = 15
_Z: Final = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class DigitScore:
    """How well one digit is read; a share of nothing (of no tile at all) counts as 0.

    Attributes:
        digit: 0 to 9.
        precision: Of the tiles read as this digit, the share that are it.
        recall: Of the tiles that are this digit, the share read as it.
        f1: Harmonic mean of precision and recall.
        support: Number of tiles that are this digit.
    """

    digit: int
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class CalibrationBin:
    """The tiles whose confidence lies above `lower` and not above `upper`.

    Attributes:
        lower: Confidence at which the bin begins.
        upper: Confidence at which it ends.
        count: Number of tiles in it, at least 1.
        mistakes: Number of those that were misread.
        confidence: Their mean confidence.
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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `score` measured.

    Attributes:
        n: Number of tiles.
        accuracy: Share of tiles read correctly.
        accuracy_interval: 95 % interval of the accuracy (Wilson 1927): lower end, upper end.
        loss: Mean negative log-likelihood of the true digit, in nats.
        expected_calibration_error: Mean distance between confidence and accuracy over 15 bins of
            equal width, weighted by the tiles in each (Guo et al. 2017); 0 is best.
        macro_f1: Mean F1 of the digits that occur among labels or predictions.
        per_digit: The digits 0 to 9, in this order.
        confusion_matrix: int64, shape (10, 10): number of tiles by true digit (row) and predicted
            digit (column).
        reviewed_accuracy: On the labels as people reviewed them
            (`inkdigits.evaluation.reviewed`); None for other images than MNIST's test images.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    expected_calibration_error: float
    macro_f1: float
    per_digit: tuple[DigitScore, ...]
    confusion_matrix: NDArray[np.int64]
    reviewed_accuracy: float | None = None

    @property
    def mistakes(self) -> int:
        """Number of tiles that were misread."""
        return self.n - int(np.trace(self.confusion_matrix))

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain numbers and lists."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "reviewed_accuracy": self.reviewed_accuracy,
            "loss": self.loss,
            "expected_calibration_error": self.expected_calibration_error,
            "macro_f1": self.macro_f1,
            "per_digit": [asdict(digit_score) for digit_score in self.per_digit],
            "confusion_matrix": self.confusion_matrix.tolist(),
        }

    def to_table(self) -> str:
        """The evaluation as text for a terminal, at most 70 columns wide."""
        lower, upper = self.accuracy_interval
        rule = "─" * 60
        lines = [
            f"Accuracy           {100 * self.accuracy:8.2f} %   "
            f"95 % interval {100 * lower:.2f} to {100 * upper:.2f} %",
            f"Mistakes           {self.mistakes:8,}     of {self.n:,}",
            *(
                []
                if self.reviewed_accuracy is None
                else [
                    f"On reviewed labels {100 * self.reviewed_accuracy:8.2f} %   "
                    "15 doubtful ones corrected or left out"
                ]
            ),
            f"Loss               {self.loss:8.4f} nats",
            f"Calibration error  {100 * self.expected_calibration_error:8.2f} %   0 is best",
            "",
            "Digit    Precision       Recall           F1       Tiles",
            rule,
            *(
                f"{row.digit:5}{100 * row.precision:11.2f} %{100 * row.recall:11.2f} %"
                f"{100 * row.f1:11.2f} %{row.support:12,}"
                for row in self.per_digit
            ),
            rule,
            f"{'mean':>5}{100 * self.macro_f1:37.2f} %{self.n:12,}",
        ]
        return "\n".join(lines)


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
    """Measure predictions against the truth.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        Accuracy, loss, calibration and the rest.

    Raises:
        DataFormatError: There is no label, or the labels are no vector of digits.
        ModelError: The probabilities are none, or not one row for each label.
    """
    check_predictions(probabilities, labels)
    n = len(labels)
    predictions = probabilities.argmax(axis=1)
    confusion_matrix = np.bincount(
        labels.astype(np.int64) * 10 + predictions, minlength=100
    ).reshape(10, 10)
    right = int(np.trace(confusion_matrix))
    per_digit = tuple(_score_digit(confusion_matrix, digit) for digit in range(10))
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
    )


def compute_interval(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); it holds near 100 % too, where others fail.

    Args:
        right: How many were right, 0 to n.
        n: How many there were, at least 1.

    Returns:
        Lower and upper end, 0 to 1.
    """
    share = right / n
    shrink = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / shrink
    half = _Z / shrink * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # With none or all right, one end is exactly 0 or 1, which rounding would miss.
    return centre - half if right else 0.0, centre + half if right < n else 1.0


def compute_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Expected calibration error: the mean distance of accuracy from confidence, 0 to 1.

    Args:
        bins: As `bin_confidences` gives them; at least one.
    """
    n = sum(bin_.count for bin_ in bins)
    return sum(bin_.count / n * abs(bin_.accuracy - bin_.confidence) for bin_ in bins)


def bin_confidences(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> tuple[CalibrationBin, ...]:
    """Sort tiles by their confidence into 15 bins of equal width (Guo et al. 2017).

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        The bins that hold a tile, least confident first.

    Raises:
        DataFormatError: There is no label, or the labels are no vector of digits.
        ModelError: The probabilities are none, or not one row for each label.
    """
    check_predictions(probabilities, labels)
    return bin_outcomes(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def bin_outcomes(
    confidences: NDArray[np.floating[Any]], is_right: NDArray[np.bool_]
) -> tuple[CalibrationBin, ...]:
    """Sort answers by their confidence into 15 bins of equal width (Guo et al. 2017).

    Args:
        confidences: Shape (n,), 0 to 1.
        is_right: Shape (n,).

    Returns:
        The bins that hold an answer, least confident first.
    """
    confidences, wrong = confidences.astype(np.float64), ~is_right
    edges = np.linspace(0, 1, _BINS + 1)
    # A row may sum to a little more than 1, and its confidence then lies above the last edge.
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
    """Find the temperature at which the probabilities explain the labels best (Guo et al. 2017).

    The negative log-likelihood is convex in 1 / temperature, so bisecting its slope cannot miss
    the minimum. Fit on tiles that the network was not trained on, and that no figure is quoted
    for.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1.
        labels: Shape (n,), 0 to 9.

    Returns:
        The temperature for `calibrate`, 0.05 to 20; 1 where every temperature is as good.

    Raises:
        DataFormatError: There is no label, or the labels are no vector of digits.
        ModelError: The probabilities are none, or not one row for each label.
    """
    check_predictions(probabilities, labels)
    logs = log_probabilities(probabilities)
    # How much more likely each digit is than the true one.
    margins = logs - logs[np.arange(len(labels)), labels][:, np.newaxis]

    def too_sure(temperature: float) -> float:
        """Slope of the negative log-likelihood over 1 / temperature."""
        return float((calibrate(probabilities, temperature) * margins).sum(axis=1).mean())

    if abs(too_sure(1.0)) < 1e-9:
        return 1.0
    low, high = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    while high - low > 1e-7:
        middle = (low + high) / 2
        if too_sure(math.exp(middle)) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def summarise(values: Sequence[float]) -> Summary:
    """Mean and spread of several measurements.

    Args:
        values: Shares, 0 to 1, such as the accuracies over several seeds.

    Returns:
        The summary; as a string it reads "99.21 % ± 0.04 (n = 3)".

    Raises:
        UsageError: There is no value, or one that is no finite number.
    """
    if not values:
        raise UsageError("there is no value to summarise; give at least one")
    if not all(math.isfinite(value) for value in values):
        raise UsageError(f"the values {list(values)} are not all finite numbers; leave those out")
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
    """Check that probabilities and labels are what they should be and belong together.

    Args:
        probabilities: Shape (n, 10), 0 to 1; each row sums to 1, give or take 0.001.
        labels: Shape (n,), 0 to 9.

    Raises:
        DataFormatError: There is no label, or the labels are no vector of digits.
        ModelError: The probabilities are none, or not one row for each label.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataFormatError(
            f"labels are {labels.dtype} of shape {labels.shape}, not integers of shape (n,)"
        )
    if not len(labels):
        raise DataFormatError("there is no labelled tile to evaluate; give at least one")
    if labels.min() < 0 or labels.max() > 9:
        raise DataFormatError(
            f"labels run from {labels.min()} to {labels.max()}, not within 0 to 9"
        )
    expected = (len(labels), 10)
    if probabilities.shape != expected or not np.issubdtype(probabilities.dtype, np.floating):
        raise ModelError(
            f"the network gave {probabilities.dtype} of shape {probabilities.shape}, not "
            f"floating-point probabilities of shape {expected}; use one that ends in softmax"
        )
    # Written so that NaN fails too.
    if not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-3):
        raise ModelError(
            f"the network gave values from {probabilities.min():g} to {probabilities.max():g}, "
            "not probabilities within 0 to 1; use one that ends in softmax"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    worst = float(sums[np.abs(sums - 1).argmax()])
    if abs(worst - 1) > 1e-3:
        raise ModelError(
            f"the network gave ten probabilities that sum to {worst:.4g}, not 1; "
            "use one that ends in softmax"
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
