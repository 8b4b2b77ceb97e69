"""The result of measuring a classifier: its metrics, and ways to show and save them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.percentages import format_confidence
from inkdigits.presentation.data_frames import REAL, WHOLE, build_frame
from inkdigits.presentation.html_fragments import (
    REJECTED,
    render_bar,
    render_block,
    render_note,
    render_table,
)
from inkdigits.suggestions import describe_unknown
from inkdigits.text_tables import format_columns

if TYPE_CHECKING:
    from pandas import DataFrame

TABLES: Final = ("digits", "misread", "confusion")
"""The tables of `Evaluation.to_pandas`."""

_DIGIT_COLUMNS: Final = {
    "digit": WHOLE,
    "precision": REAL,
    "recall": REAL,
    "f1": REAL,
    "support": WHOLE,
}
_MISREAD_COLUMNS: Final = {
    "index": WHOLE,
    "label": WHOLE,
    "predicted": WHOLE,
    "confidence": REAL,
}
_MAX_MISREAD: Final = 20


@dataclass(frozen=True)
class DigitScore:
    """Precision, recall and F1 of one digit. A share of zero tiles counts as 0.

    Attributes:
        digit: 0 to 9.
        precision: Share of correct tiles among those predicted as this digit.
        recall: Share of the tiles of this digit that are predicted as it.
        f1: Harmonic mean of precision and recall.
        support: Number of tiles of this digit.
    """

    digit: int
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class TileResult:
    """A labelled tile, and what it was read as.

    Attributes:
        index: Its index among the tiles, from 0: for MNIST's test images that of `mnist.test`.
        label: The true digit.
        predicted: The predicted digit.
        confidence: Probability of the predicted digit, 0 to 1.
    """

    index: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The result of measuring a classifier on labelled tiles. In a notebook, it shows itself.

    Attributes:
        n: Number of tiles.
        accuracy: Share of tiles read correctly.
        accuracy_interval: 95 % confidence interval of the accuracy (Wilson 1927): lower end,
            upper end.
        loss: Mean negative log-likelihood of the true digit, in nats.
        expected_calibration_error: Mean distance between confidence and accuracy over 15 bins of
            equal width, weighted by the tiles in each (Guo et al. 2017); 0 is best.
        macro_f1: Mean F1 of the digits that occur among labels or predictions.
        per_digit: Scores of the digits 0 to 9, in this order; of other classes, of each of them.
        confusion_matrix: int64, shape (10, 10), or (classes, classes): number of tiles by true
            digit (row) and predicted digit (column).
        reviewed_accuracy: Accuracy on the labels as people reviewed them
            (`inkdigits.evaluation.reviewed`); None for images other than MNIST's test images.
        measured_on: What the tiles are, such as "MNIST's test images", for messages.
        misread: The tiles that were misread, in their order.
        class_names: Names of the classes; empty for digits.
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
    measured_on: str = "tiles"
    misread: tuple[TileResult, ...] = ()
    class_names: tuple[str, ...] = ()

    def name_label(self, label: int) -> str:
        """Returns the name of a label, which is the digit without names."""
        return self.class_names[label] if self.class_names else str(label)

    def __repr__(self) -> str:
        return (
            f"Evaluation(accuracy={self.accuracy:.4f}, mistakes={self.mistakes}, n={self.n}, "
            f"measured_on={self.measured_on!r})"
        )

    @property
    def mistakes(self) -> int:
        """Number of tiles that were misread."""
        return self.n - int(np.trace(self.confusion_matrix))

    def to_json(self) -> dict[str, Any]:
        """Returns the evaluation as numbers and lists."""
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
            "misread": [asdict(misread) for misread in self.misread],
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the evaluation as numbers, strings and lists, with `measured_on`."""
        return {"measured_on": self.measured_on, **self.to_json()}

    def to_pandas(self, table: str = "digits") -> DataFrame:
        """Returns one of the tables as a data frame.

        Args:
            table: "digits": precision, recall, F1 and tiles of each digit. "misread": index, true
                digit (`label`), predicted digit and confidence of each misread tile. "confusion":
                number of tiles by true digit (rows) and predicted digit (columns).

        Raises:
            UsageError: There is no such table.
            MissingExtraError: pandas is not installed.
        """
        if table == "digits":
            return build_frame([asdict(row) for row in self.per_digit], _DIGIT_COLUMNS)
        if table == "misread":
            return build_frame([asdict(row) for row in self.misread], _MISREAD_COLUMNS)
        if table == "confusion":
            rows = [dict(enumerate(row)) for row in self.confusion_matrix.tolist()]
            return build_frame(rows, dict.fromkeys(range(len(rows)), WHOLE))
        raise UsageError(describe_unknown("table", table, TABLES))

    def _repr_html_(self) -> str:
        lower, upper = self.accuracy_interval
        figures = [
            ["accuracy", f"{100 * self.accuracy:.2f} %, 95 % interval {100 * lower:.2f} to "
             f"{100 * upper:.2f} %"],
            ["loss", f"{self.loss:.4f} nats"],
            ["calibration error", f"{100 * self.expected_calibration_error:.2f} %"],
        ]  # fmt: skip
        if self.reviewed_accuracy is not None:
            figures.insert(1, ["on reviewed labels", f"{100 * self.reviewed_accuracy:.2f} %"])
        digits = [
            [
                self.name_label(row.digit),
                *map(_format_share, (row.precision, row.recall, row.f1)),
                f"{row.support:,}",
            ]
            for row in self.per_digit
        ]
        worst = sorted(self.misread, key=lambda misread: -misread.confidence)[:_MAX_MISREAD]
        parts = [
            render_table(["", ""], figures),
            render_table(
                ["class" if self.class_names else "digit", "precision", "recall", "F1", "tiles"],
                digits,
            ),
        ]
        if worst:
            which = "" if len(worst) == len(self.misread) else f", the {len(worst)} most confident"
            parts.append(render_note(f"Misread{which}:"))
            parts.append(
                render_table(
                    ["index", "true", "predicted", "confidence"],
                    [
                        [
                            f"{row.index:,}",
                            self.name_label(row.label),
                            self.name_label(row.predicted),
                            render_bar(
                                row.confidence, format_confidence(row.confidence), colour=REJECTED
                            ),
                        ]
                        for row in worst
                    ],
                )
            )
        return render_block(f"{self.mistakes:,} mistakes in {self.n:,} {self.measured_on}", *parts)

    def to_table(self) -> str:
        """Returns the evaluation as text for a terminal, at most 70 columns wide."""
        lower, upper = self.accuracy_interval
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
        ]
        rows: list[list[str] | None] = [
            ["Class" if self.class_names else "Digit", "Precision", "Recall", "F1", "Tiles"],
            None,
            *(
                [
                    self.name_label(row.digit),
                    *(f"{100 * share:.2f} %" for share in (row.precision, row.recall, row.f1)),
                    f"{row.support:,}",
                ]
                for row in self.per_digit
            ),
            None,
            ["mean", "", "", f"{100 * self.macro_f1:.2f} %", f"{self.n:,}"],
        ]
        columns = format_columns(rows, ">>>>>", min_widths=(5, 11, 11, 11, 10))
        return "\n".join([*lines, *columns])


def _format_share(share: float) -> str:
    return f"{100 * share:.2f} %"
