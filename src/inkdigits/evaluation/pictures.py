"""Evaluation on folders of labelled pictures, through the reader that users call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkdigits.data.pictures import LabelledPicture, load_labelled_pictures
from inkdigits.errors import PictureError
from inkdigits.evaluation.metrics import bin_outcomes, compute_calibration_error
from inkdigits.recognition import DEFAULT_MODEL, Reading, Recognizer
from inkdigits.recognition.decoding import decode_picture
from inkdigits.recognition.drawing import draw_boxes

_MISTAKES_IN_A_ROW = 4


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
        """Whether just what is written was read; of no digit: whether it was refused."""
        return self.error is None and self.text == self.picture.label


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
    """

    name: str
    n: int
    exact: int
    refused: int
    digits: int
    digit_errors: int


@dataclass(frozen=True, eq=False)
class PictureEvaluation:
    """What `evaluate_pictures` measured.

    Attributes:
        results: One for each picture, in their order.
    """

    results: tuple[PictureResult, ...]

    @property
    def by_kind(self) -> tuple[PictureScore, ...]:
        """Scores for each kind of picture."""
        return _score_groups(self.results, lambda result: result.picture.kind)

    @property
    def by_source(self) -> tuple[PictureScore, ...]:
        """Scores for each source of pictures."""
        return _score_groups(self.results, lambda result: result.picture.source)

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
            "by_kind": [vars(score) for score in self.by_kind],
            "by_source": [vars(score) for score in self.by_source],
            "expected_calibration_error": self.expected_calibration_error,
            "mistakes": [
                {
                    "file": str(result.picture.path),
                    "label": result.picture.label,
                    "text": result.text,
                    "reason": result.error or (result.reading.reason if result.reading else None),
                }
                for result in self.mistakes
            ],
        }

    def to_table(self) -> str:
        """The evaluation as text for a terminal."""
        names = [score.name for score in (*self.by_kind, *self.by_source)]
        width = max(len(name) for name in [*names, "source"])
        header = f"{'':{width}}{'pictures':>10}{'exact':>17}{'digit errors':>19}{'refused':>15}"
        lines = []
        for title, scores in (("kind", self.by_kind), ("source", self.by_source)):
            lines += [f"{title:{width}}{header[width:]}", "─" * len(header)]
            lines += [_format_row(score, width) for score in scores]
            lines.append("")
        error = self.expected_calibration_error
        if error is not None:
            lines += [f"Calibration error of single digits  {error:.2%}   0 is best", ""]
        return "\n".join(lines[:-1])


def evaluate_pictures(
    directory: Path | str,
    model: Recognizer | Path | str = DEFAULT_MODEL,
    *,
    one_digit: bool = False,
    report: Callable[[PictureResult], None] = lambda result: None,
) -> PictureEvaluation:
    """Reads every picture of a folder and compares with its labels.

    Args:
        directory: As `inkdigits.data.load_labelled_pictures` takes it.
        model: A recognizer, a run folder, or an ONNX file; left out, the default model.
        one_digit: Expect exactly one digit in each picture.
        report: Called with each result as it comes.

    Raises:
        DataUnavailableError, DataFormatError: No labelled pictures.
        ModelError: No usable model.
    """
    recognizer = model if isinstance(model, Recognizer) else Recognizer.load(model)
    results = []
    for picture in load_labelled_pictures(directory):
        try:
            result = PictureResult(picture, recognizer.read(picture.path, one_digit=one_digit))
        except PictureError as error:
            result = PictureResult(picture, None, str(error))
        report(result)
        results.append(result)
    return PictureEvaluation(tuple(results))


def draw_picture_mistakes(evaluation: PictureEvaluation) -> Image.Image:
    """A sheet of every picture that was not read exactly: boxes, caption, and its tiles below.

    Returns:
        An RGB picture, four mistakes in a row.
    """
    cell, gap, text_height, tile_side = 300, 12, 22, 34
    height = cell + text_height + tile_side + gap
    mistakes = evaluation.mistakes
    rows = max(1, -(-len(mistakes) // _MISTAKES_IN_A_ROW))
    size = (_MISTAKES_IN_A_ROW * (cell + gap) + gap, rows * height + gap)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    if not mistakes:
        draw.text((gap, gap), f"No mistakes in {len(evaluation.results)} pictures", "black", font)
    for number, result in enumerate(mistakes):
        x = gap + number % _MISTAKES_IN_A_ROW * (cell + gap)
        y = gap + number // _MISTAKES_IN_A_ROW * height
        label = result.picture.label or "no digit"
        caption = f"{result.picture.path.name[:24]}: {label}, read {result.text or 'none'}"
        draw.text((x, y), caption[:46], "black", font)
        if result.reading is None:
            continue
        pixels = decode_picture(result.picture.path).pixels
        sheet.paste(ImageOps.contain(draw_boxes(pixels, result.reading), (cell, cell)), (x, y + 20))
        for place, digit in enumerate(result.reading.digits[: cell // tile_side]):
            tile = Image.fromarray(digit.tile)
            sheet.paste(tile, (x + place * tile_side, y + text_height + cell))
    return sheet


def count_edits(text: str, label: str) -> int:
    """Least number of digits to insert, delete or replace (Levenshtein, 1966)."""
    row = list(range(len(label) + 1))
    for i, read in enumerate(text, start=1):
        diagonal, row[0] = row[0], i
        for j, true in enumerate(label, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (read != true))
    return row[-1]


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
        )
        for name, group in sorted(groups.items())
    )


def _format_row(score: PictureScore, width: int) -> str:
    exact = f"{score.exact} ({score.exact / score.n:.1%})"
    rate = f" ({score.digit_errors / score.digits:.1%})" if score.digits else ""
    refused = f"{score.refused} ({score.refused / score.n:.1%})"
    errors = f"{score.digit_errors}{rate}"
    return f"{score.name:{width}}{score.n:>10}{exact:>17}{errors:>19}{refused:>15}"
