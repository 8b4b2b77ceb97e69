"""Evaluation on folders of labelled pictures, through the reader that users call."""

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
from inkdigits.evaluation.rejection import DEFAULT_TARGET, RejectionCurve, trace_rejection
from inkdigits.recognition import DEFAULT_MODEL, Reading, Recognizer
from inkdigits.recognition.reading import UNCERTAIN

_SHOWN_CONFUSIONS: Final = 10
"""Rows of the table; further ones are rare, and all of them are in the JSON."""


@dataclass(frozen=True, eq=False)
class PictureResult:
    """One picture as it was read.

    Attributes:
        picture: With its true label.
        reading: What was read; None where the file could not be decoded.
        error: Why it could not be.
    """

    picture: LabelledPicture
    reading: Reading | None
    error: str | None = None

    @property
    def text(self) -> str:
        """The digits read, lines joined; "" where none was."""
        return "" if self.reading is None else self.reading.text.replace("\n", "")

    @property
    def is_exact(self) -> bool:
        """True if the reading equals the label, or if a picture without digits was rejected."""
        return self.error is None and self.text == self.picture.label

    @property
    def lowest_confidence(self) -> float | None:
        """Confidence of the least confident digit of the text, 0 to 1.

        None where nothing was read, or where a digit is uncertain already.
        """
        if self.reading is None or not self.text or UNCERTAIN in self.text:
            return None
        return min(digit.confidence for digit in self.reading.digits if digit.digit is not None)

    @cached_property
    def mistakes(self) -> Mapping[str, int]:
        """Number of digits by kind of mistake, as `sort_mistakes` gives them."""
        if self.error is not None:
            return {"undecodable": len(self.picture.label)}
        return sort_mistakes(self.text, self.picture.label)


@dataclass(frozen=True)
class MistakeCount:
    """How often one kind of mistake was made.

    Attributes:
        kind: A key of `MISTAKE_KINDS`.
        pictures: Number of pictures with at least one.
        digits: Number of digits; over all kinds they add up to the digit errors.
    """

    kind: str
    pictures: int
    digits: int


@dataclass(frozen=True)
class PictureScore:
    """How well a group of pictures was read.

    Attributes:
        name: Of the group.
        n: Number of pictures.
        exact: Number read exactly.
        refused: Number in which no digit was read.
        digits: Number of digits that are written on them.
        digit_errors: Digits missed, added or misread: the edit distance (Levenshtein, 1966).
        mistakes: Every kind of mistake that was made.
    """

    name: str
    n: int
    exact: int
    refused: int
    digits: int
    digit_errors: int
    mistakes: tuple[MistakeCount, ...]

    def to_json(self) -> dict[str, Any]:
        """The score as plain numbers, strings and lists."""
        return {**vars(self), "mistakes": [vars(mistake) for mistake in self.mistakes]}


@dataclass(frozen=True, eq=False)
class PictureEvaluation:
    """What `evaluate_pictures` measured.

    Attributes:
        results: One for each picture, in their order.
        target: Share of the kept pictures that shall be exact at the recommended threshold.
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
        """Every kind of mistake that was made, over all pictures."""
        return _count_mistakes(self.results)

    @property
    def confusions(self) -> tuple[Confusion, ...]:
        """Which digit was taken for which, most frequent first."""
        return list_confusions((result.text, result.picture.label) for result in self.results)

    @cached_property
    def rejection(self) -> RejectionCurve:
        """Accuracy against rejection over the threshold, with the one recommended here."""
        return trace_rejection(
            [(result.lowest_confidence, result.is_exact) for result in self.results], self.target
        )

    @property
    def expected_calibration_error(self) -> float | None:
        """How far confidence is from accuracy, 0 to 1, where one digit was written and read.

        In 15 bins (Guo et al., 2017), as for tiles; None where there is no such picture.
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
        """The evaluation as plain numbers, strings and lists."""
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
        """The evaluation as text for a terminal."""
        names = [score.name for score in (*self.by_kind, *self.by_source)]
        width = max(len(name) for name in [*names, *MISTAKE_KINDS, "source"])
        header = f"{'':{width}}{'pictures':>10}{'exact':>17}{'digit errors':>19}{'refused':>15}"
        lines = []
        for title, scores in (("kind", self.by_kind), ("source", self.by_source)):
            lines += [f"{title:{width}}{header[width:]}", "─" * len(header)]
            lines += [_format_row(score, width) for score in scores]
            lines.append("")
        if self.by_mistake:
            lines += [f"{'mistake':{width}}{'pictures':>10}{'digits':>17}", "─" * len(header)]
            lines += [
                f"{count.kind:{width}}{count.pictures:>10}{count.digits:>17}   "
                f"{MISTAKE_KINDS[count.kind]}"
                for count in self.by_mistake
            ]
            lines.append("")
        if self.confusions:
            pairs = [
                f"{pair.true} as {pair.read}: {pair.count}"
                for pair in self.confusions[:_SHOWN_CONFUSIONS]
            ]
            lines += [f"Digits taken for others  {', '.join(pairs)}", ""]
        error = self.expected_calibration_error
        if error is not None:
            lines += [f"Calibration error of single digits  {error:.2%}   0 is best", ""]
        return "\n".join([*lines, self.rejection.describe()])


def evaluate_pictures(
    directory: Path | str,
    model: Recognizer | Path | str = DEFAULT_MODEL,
    *,
    one_digit: bool = False,
    target: float = DEFAULT_TARGET,
    report_progress: Callable[[int, int], None] = lambda done, n: None,
) -> PictureEvaluation:
    """Reads every picture of a folder and compares with its labels.

    However many there are, only a few of them lie in memory.

    Args:
        directory: As `inkdigits.data.load_labelled_pictures` takes it.
        model: A recognizer, a run folder, or an ONNX file; left out, the default model. The
            rejection curve begins at its threshold: adapt a lower one to see more of it.
        one_digit: Expect exactly one digit in each picture.
        target: Share of the kept pictures that shall be exact at the threshold that is
            recommended, above 0, up to 1.
        report_progress: Called after each picture with the number read so far and that of all.

    Raises:
        DataUnavailableError, DataFormatError: No labelled pictures.
        ModelError: No usable model.
        UsageError: A target that is no such share.
    """
    trace_rejection([], target)  # refuses a wrong target before hours of reading
    recognizer = model if isinstance(model, Recognizer) else Recognizer.load(model)
    pictures = load_labelled_pictures(directory)
    readings = recognizer.read_many((picture.path for picture in pictures), one_digit=one_digit)
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


def _format_row(score: PictureScore, width: int) -> str:
    exact = f"{score.exact} ({score.exact / score.n:.1%})"
    rate = f" ({score.digit_errors / score.digits:.1%})" if score.digits else ""
    refused = f"{score.refused} ({score.refused / score.n:.1%})"
    errors = f"{score.digit_errors}{rate}"
    return f"{score.name:{width}}{score.n:>10}{exact:>17}{errors:>19}{refused:>15}"
