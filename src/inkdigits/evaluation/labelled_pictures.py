"""Evaluation on folders of labelled pictures, with the same `Recognizer` that users call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from inkdigits.data.pictures import LabelledPicture, load_labelled_pictures
from inkdigits.errors import PictureError
from inkdigits.evaluation.metrics import bin_outcomes, compute_calibration_error
from inkdigits.evaluation.mistakes import (
    MISTAKE_KINDS,
    Confusion,
    count_edits,
    list_confusions,
    sort_mistakes,
)
from inkdigits.evaluation.rejection_curve import DEFAULT_TARGET, RejectionCurve, trace_rejection
from inkdigits.percentages import format_share
from inkdigits.recognition import DEFAULT_MODEL, Reading, Recognizer
from inkdigits.recognition.model_sources import ModelSource
from inkdigits.recognition.reading_options import Digits, expects_one_digit
from inkdigits.results.marks import UNCERTAIN
from inkdigits.text_tables import format_columns

_SHOWN_CONFUSIONS: Final = 10
"""Number of confusions in the table. The JSON has all of them."""


@dataclass(frozen=True, eq=False)
class PictureResult:
    """One picture and its reading.

    Attributes:
        picture: The picture with its true label.
        reading: The reading; None if the file could not be decoded.
        error: Why the file could not be decoded; None if it was decoded.
    """

    picture: LabelledPicture
    reading: Reading | None
    error: str | None = None

    @property
    def text(self) -> str:
        """The digits read, lines joined; "" if no digit was read."""
        return "" if self.reading is None else self.reading.text.replace("\n", "")

    @property
    def is_exact(self) -> bool:
        """True if the reading equals the label, or if a picture without digits was rejected."""
        return self.error is None and self.text == self.picture.label

    @property
    def lowest_confidence(self) -> float | None:
        """Lowest confidence among the digits of the text, 0 to 1.

        None if nothing was read or if the text already has an uncertain digit.
        """
        if self.reading is None or not self.text or UNCERTAIN in self.text:
            return None
        return min(digit.confidence for digit in self.reading.digits if digit.digit is not None)

    @cached_property
    def mistakes(self) -> Mapping[str, int]:
        """Number of digits for each kind of mistake, as returned by `sort_mistakes`."""
        if self.error is not None:
            return {"undecodable": len(self.picture.label)}
        return sort_mistakes(self.text, self.picture.label)


@dataclass(frozen=True)
class MistakeCount:
    """How often one kind of mistake occurs.

    Attributes:
        kind: A key of `MISTAKE_KINDS`.
        pictures: Number of pictures with at least one mistake of this kind.
        digits: Number of digits. The sum over all kinds is the number of digit errors.
    """

    kind: str
    pictures: int
    digits: int


@dataclass(frozen=True)
class PictureScore:
    """How well a group of pictures was read.

    Attributes:
        name: Name of the group.
        n: Number of pictures.
        exact: Number of pictures read exactly.
        refused: Number of pictures in which no digit was read.
        digits: Number of digits written on the pictures.
        digit_errors: Digits missed, added or misread: the edit distance (Levenshtein, 1966).
        mistakes: Every kind of mistake that occurs.
    """

    name: str
    n: int
    exact: int
    refused: int
    digits: int
    digit_errors: int
    mistakes: tuple[MistakeCount, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the score as numbers, strings and lists."""
        return {**vars(self), "mistakes": [vars(mistake) for mistake in self.mistakes]}


@dataclass(frozen=True, eq=False)
class PictureEvaluation:
    """The result of `evaluate_pictures`.

    Attributes:
        results: One result for each picture, in the order of the pictures.
        target: Share of exact readings among the kept pictures that the recommended threshold
            must reach.
    """

    results: tuple[PictureResult, ...]
    target: float = DEFAULT_TARGET

    @property
    def by_kind(self) -> tuple[PictureScore, ...]:
        """Scores for each kind of picture."""
        return _score_groups(self.results, lambda result: result.picture.kind)

    @property
    def by_source(self) -> tuple[PictureScore, ...]:
        """Scores for each source of pictures."""
        return _score_groups(self.results, lambda result: result.picture.source)

    @property
    def by_mistake(self) -> tuple[MistakeCount, ...]:
        """Every kind of mistake that occurs, over all pictures."""
        return _count_mistakes(self.results)

    @property
    def confusions(self) -> tuple[Confusion, ...]:
        """Which digit was read as which other digit, most frequent first."""
        return list_confusions((result.text, result.picture.label) for result in self.results)

    @cached_property
    def rejection(self) -> RejectionCurve:
        """Accuracy and rejection rate at every threshold, and the recommended threshold."""
        return trace_rejection(
            [(result.lowest_confidence, result.is_exact) for result in self.results], self.target
        )

    @property
    def expected_calibration_error(self) -> float | None:
        """Mean distance between confidence and accuracy, 0 to 1, over pictures of one digit.

        Only pictures on which one digit is written and one digit is read count. There are 15 bins
        (Guo et al., 2017), as for tiles. None if there is no such picture.
        """
        read = [
            result
            for result in self.results
            if result.reading is not None
            and len(result.picture.label) == 1
            and len(result.reading.text) == 1
        ]
        if not read:
            return None
        confidences = [result.reading.confidence for result in read if result.reading is not None]
        is_right = [result.is_exact for result in read]
        return compute_calibration_error(bin_outcomes(np.array(confidences), np.array(is_right)))

    @property
    def mistakes(self) -> tuple[PictureResult, ...]:
        """The pictures that were not read exactly."""
        return tuple(result for result in self.results if not result.is_exact)

    def to_json(self) -> dict[str, Any]:
        """Returns the evaluation as numbers, strings and lists."""
        return {
            "by_kind": [score.to_json() for score in self.by_kind],
            "by_source": [score.to_json() for score in self.by_source],
            "by_mistake": [vars(mistake) for mistake in self.by_mistake],
            "confusions": [vars(confusion) for confusion in self.confusions],
            "rejection": self.rejection.to_json(),
            "expected_calibration_error": self.expected_calibration_error,
            "mistakes": [
                {
                    "file": str(result.picture.path),
                    "label": result.picture.label,
                    "text": result.text,
                    "reason": result.error or (result.reading.reason if result.reading else None),
                    "kinds": dict(result.mistakes),
                }
                for result in self.mistakes
            ],
        }

    def to_table(self) -> str:
        """Returns the evaluation as text for a terminal."""
        rows: list[list[str] | None] = []
        for title, scores in (("kind", self.by_kind), ("source", self.by_source)):
            rows += [[title, "pictures", "exact", "digit errors", "no digit"], None]
            rows += map(_list_cells, scores)
            rows.append([])
        lines = format_columns(rows, "<>>>>")
        if self.by_mistake:
            rows = [["mistake", "pictures", "digits", "meaning"], None]
            rows += [
                [count.kind, str(count.pictures), str(count.digits), MISTAKE_KINDS[count.kind]]
                for count in self.by_mistake
            ]
            lines += [*format_columns(rows, "<>><"), ""]
        if self.confusions:
            pairs = [
                f"{pair.true} as {pair.read}: {pair.count}"
                for pair in self.confusions[:_SHOWN_CONFUSIONS]
            ]
            lines += [f"Digits read as others  {', '.join(pairs)}", ""]
        error = self.expected_calibration_error
        if error is not None:
            lines += [f"Calibration error of single digits  {error:.2%}   0 is best", ""]
        return "\n".join([*lines, self.rejection.describe()])


def evaluate_pictures(
    directory: Path | str,
    model: ModelSource = DEFAULT_MODEL,
    *,
    digits: Digits = "all",
    target: float = DEFAULT_TARGET,
    report_progress: Callable[[int, int], None] = lambda done, n: None,
    one_digit: bool | None = None,
) -> PictureEvaluation:
    """Reads every picture of a folder and compares the readings with the labels.

    Only a few pictures are in memory at a time.

    Args:
        directory: A folder of labelled pictures; see `inkdigits.data.load_labelled_pictures`.
        model: As in `Recognizer.load`. The rejection curve begins at the recognizer's threshold; a
            lower threshold shows more of the curve.
        digits: "one" if each picture shows exactly one digit.
        target: Share of exact readings among the kept pictures that the recommended threshold
            must reach, above 0, up to 1.
        report_progress: Called after each picture with the number of pictures read so far and the
            number of all pictures.
        one_digit: Deprecated: use `digits="one"`.

    Raises:
        DataUnavailableError, DataFormatError: The folder has no labelled pictures.
        ModelError: The model cannot be loaded.
        UsageError: The target is not above 0 and at most 1, or `digits` is not "all" or "one".
    """
    trace_rejection([], target)  # rejects an invalid target before hours of reading
    digits = "one" if expects_one_digit(digits, one_digit) else "all"
    recognizer = Recognizer.load(model)
    pictures = load_labelled_pictures(directory)
    readings = recognizer.read_many((picture.path for picture in pictures), digits=digits)
    results = []
    for picture, reading in zip(pictures, readings, strict=True):
        if isinstance(reading, PictureError):
            results.append(PictureResult(picture, None, str(reading)))
        else:
            results.append(PictureResult(picture, reading))
        report_progress(len(results), len(pictures))
    return PictureEvaluation(tuple(results), target)


def _score_groups(
    results: Sequence[PictureResult], get_name: Callable[[PictureResult], str]
) -> tuple[PictureScore, ...]:
    groups: dict[str, list[PictureResult]] = {}
    for result in results:
        groups.setdefault(get_name(result), []).append(result)
    return tuple(
        PictureScore(
            name=name,
            n=len(group),
            exact=sum(result.is_exact for result in group),
            refused=sum(not result.text for result in group),
            digits=sum(len(result.picture.label) for result in group),
            digit_errors=sum(count_edits(result.text, result.picture.label) for result in group),
            mistakes=_count_mistakes(group),
        )
        for name, group in sorted(groups.items())
    )


def _count_mistakes(results: Sequence[PictureResult]) -> tuple[MistakeCount, ...]:
    pictures, digits = Counter[str](), Counter[str]()
    for result in results:
        pictures.update(result.mistakes.keys())
        digits.update(result.mistakes)
    return tuple(
        MistakeCount(kind, pictures[kind], digits[kind]) for kind in MISTAKE_KINDS if pictures[kind]
    )


def _list_cells(score: PictureScore) -> list[str]:
    return [
        score.name,
        str(score.n),
        f"{score.exact} ({format_share(score.exact / score.n)})",
        _describe_digit_errors(score),
        f"{score.refused} ({format_share(score.refused / score.n)})",
    ]


def _describe_digit_errors(score: PictureScore) -> str:
    # Invented digits are errors too, so the number of errors can exceed the number of digits.
    if score.digit_errors > score.digits > 0:
        digits = "1 digit" if score.digits == 1 else f"{score.digits} digits"
        return f"{score.digit_errors} in {digits}"
    rate = f" ({format_share(score.digit_errors / score.digits)})" if score.digits else ""
    return f"{score.digit_errors}{rate}"
