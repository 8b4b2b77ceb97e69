"""Interpretation of detections: which marks are digits, which are other marks or rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.crops import cut_tile
from inkdigits.recognition.lines import order_marks
from inkdigits.recognition.selection import select_marks
from inkdigits.results.alphabet import CLASS_NAMES, DIGITS, NO_MARK
from inkdigits.results.marks import Box, Digit, DigitOrMark, Mark
from inkdigits.results.reading import Reading
from inkdigits.results.reading_text import describe_left_out

if TYPE_CHECKING:
    from inkdigits.recognition.detection import Detections

Grey = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
ClassifyTiles = Callable[[Grey], Probabilities]
"""Takes tiles, uint8 of shape (n, 28, 28), and returns probabilities of shape (n, 10), or (n, 11)
with the not-a-digit class in the last column."""

_N_DIGITS: Final = len(DIGITS)
_ARTICLES: Final = {"other": "another sign"}

_ONE_DIGIT_ODDS: Final = 3.0
"""Factor on the odds of a digit if the caller expects one in the picture. Of 500 historical digits,
412 are read with 3, 401 with 1 and 415 with 6; of 67 pictures without a digit, 31, 40 and 26 are
rejected. Measured with the weights of the first 145,000 pages."""

_CENTRAL_DEVIATION: Final = 0.25
"""Standard deviation of the distance of the expected digit from the centre, as a fraction of the
picture's shorter side. With 0.15 and 0.4, the number of historical digits that are read, of 500,
is the same within 0.4 %."""

_CUT_MARGIN: Final = 0.05
"""Marks this close to the edge of the picture count as cut, as a fraction of the longer side of the
box. Detected boxes are off by a few hundredths."""


class Verdict(Enum):
    """Interpretation of a detected mark."""

    READ = "a digit that is read"
    UNCERTAIN = "a digit, but uncertain which one"
    REJECTED = "neither a digit nor a known mark"
    MARK = "a mark that is not a digit"


def decide(probabilities: Probabilities, threshold: float) -> Verdict:
    """Decides whether a mark is a digit, another mark, or rejected.

    There are three alternatives: one of the ten digits, one of the other marks, and no mark. The
    one with the highest total probability wins. If it is a digit, the total of the digits must
    reach the threshold, or the mark is rejected. If the best digit alone reaches the threshold, it
    is read; otherwise it is uncertain.

    Args:
        probabilities: float32, shape (17,), of the classes in
            `inkdigits.results.alphabet.CLASS_NAMES`, and of no mark; sums to 1.
        threshold: 0 to 1.
    """
    digits = float(probabilities[:_N_DIGITS].sum())
    marks = float(probabilities[_N_DIGITS:NO_MARK].sum())
    no_mark = float(probabilities[NO_MARK])
    if marks > max(digits, no_mark):
        return Verdict.MARK
    if no_mark > digits or digits < threshold:
        return Verdict.REJECTED
    return Verdict.READ if probabilities[:_N_DIGITS].max() >= threshold else Verdict.UNCERTAIN


def interpret(
    pixels: Grey,
    detections: Detections,
    threshold: float,
    classify: ClassifyTiles | None = None,
    *,
    one_digit: bool = False,
) -> tuple[DigitOrMark, ...]:
    """Converts detections to digits and marks in reading order.

    Args:
        pixels: The picture: uint8, shape (height, width), grey.
        detections: The detections in the picture.
        threshold: As in `decide`.
        classify: A network for tiles, which classifies all marks that the detector takes for
            digits; None: the probabilities of the detector are used.
        one_digit: Whether the caller expects a digit, which makes digits more likely.

    Returns:
        Digits, including uncertain and rejected ones, and other marks: the boxes that
        `select_marks` selects, or the best detections, which are then rejected, if it selects none.
    """
    candidates = detections.list_candidates()
    if one_digit:
        favoured = _favour_digits(candidates.probabilities)
        candidates = replace(candidates, probabilities=favoured)
    is_mark, weighed = select_marks(candidates)
    if is_mark.any():
        boxes, probabilities = candidates.boxes[is_mark], weighed[is_mark]
    else:  # shows what was rejected
        boxes = detections.boxes
        probabilities = detections.probabilities.copy()
        if one_digit:
            probabilities = _favour_digits(probabilities)
    verdicts = [decide(row, threshold) for row in probabilities]
    tiles = {
        index: cut_tile(pixels, boxes[index])
        for index, verdict in enumerate(verdicts)
        if verdict is not Verdict.MARK
    }
    if classify is not None:
        # Every mark that is most likely a digit, even below the threshold.
        judged = [index for index in tiles if decide(probabilities[index], 0) is Verdict.READ]
        if judged:
            classified = _expand_classes(classify(np.stack([tiles[index] for index in judged])))
            probabilities[judged] = _favour_digits(classified) if one_digit else classified
            for index in judged:
                verdicts[index] = decide(probabilities[index], threshold)
    lines, order = _order(boxes, verdicts)
    found: list[DigitOrMark] = []
    for index in order:
        box = _round_box(boxes[index], pixels.shape)
        row, line, verdict = probabilities[index], int(lines[index]), verdicts[index]
        if verdict is Verdict.MARK:
            kind = _N_DIGITS + int(row[_N_DIGITS:NO_MARK].argmax())
            found.append(Mark(CLASS_NAMES[kind], box, float(row[kind]), line))
        else:
            found.append(_make_digit(row, verdict, box, tiles[index], line))
    return tuple(found)


def keep_central(
    found: Sequence[DigitOrMark], shape: tuple[int, ...]
) -> tuple[tuple[DigitOrMark, ...], tuple[Digit, ...]]:
    """Selects the digit that a picture of one digit shows.

    Args:
        found: All digits and marks of the picture.
        shape: Height and width of the picture in pixels.

    Returns:
        A pair. First the marks and one digit: the most likely one near the centre, or a rejected
        one if no digit is read. Second the other digits, without those that the edge cuts.
    """
    digits = [item for item in found if isinstance(item, Digit)]
    candidates = [digit for digit in digits if digit.character] or digits
    if not candidates:
        return tuple(found), ()
    central = max(candidates, key=lambda digit: _measure_centrality(digit, shape))
    kept = tuple(item for item in found if item is central or not isinstance(item, Digit))
    others = (digit for digit in candidates if digit is not central and digit.character)
    return kept, tuple(digit for digit in others if not _is_cut(digit.box, shape))


def describe_others(others: Sequence[Digit]) -> tuple[str, ...]:
    """Returns a note about further digits beside the expected one; empty if there are none."""
    if not others:
        return ()
    n = len(others)
    unread = "another digit was" if n == 1 else f"{n} other digits were"
    return (f"{unread} not read: expect any number of digits to read all of them",)


def build_reading(
    found: tuple[DigitOrMark, ...], notes: tuple[str, ...], *, separators: bool
) -> Reading:
    """Builds a reading, with a reason if no digit was read, and a note on omitted separators.

    Args:
        found: Digits and marks in reading order.
        notes: Notes on the picture.
        separators: Whether the text includes separators.
    """
    if not any(isinstance(item, Digit) and item.digit is not None for item in found):
        return Reading(found, notes, _find_main_reason(found), separators)
    if not separators:
        notes = (*notes, *describe_left_out(found))
    return Reading(found, notes, separators=separators)


def _find_main_reason(found: Sequence[DigitOrMark]) -> str:
    """Returns why no digit was read: the reason of the largest mark that may be a digit."""
    digits = [item for item in found if isinstance(item, Digit)]
    digits = [digit for digit in digits if digit.is_uncertain] or digits
    if digits:
        return str(max(digits, key=lambda digit: digit.box.width * digit.box.height).reason)
    return "not a digit: other marks only" if found else "no ink"


def _favour_digits(probabilities: Probabilities) -> Probabilities:
    """Raises the odds of the digits in probabilities of shape (n, 17)."""
    weighted = probabilities.copy()
    weighted[:, :_N_DIGITS] *= _ONE_DIGIT_ODDS
    weighted /= weighted.sum(axis=1, keepdims=True)
    return weighted


def _expand_classes(classified: Probabilities) -> Probabilities:
    """Expands the probabilities of a network for tiles, (n, 10) or (n, 11), to shape (n, 17)."""
    expanded = np.zeros((len(classified), NO_MARK + 1), np.float32)
    expanded[:, :_N_DIGITS] = classified[:, :_N_DIGITS]
    if classified.shape[1] > _N_DIGITS:
        expanded[:, NO_MARK] = classified[:, _N_DIGITS]
    return expanded


def _order(
    boxes: NDArray[np.float32], verdicts: Sequence[Verdict]
) -> tuple[NDArray[np.int64], list[int]]:
    """Returns the line number of each detection, and the indices in reading order.

    Rejected marks can be anywhere and have any size, so they do not influence the lines. Each is
    placed beside the nearest mark.
    """
    is_kept = np.array([verdict is not Verdict.REJECTED for verdict in verdicts], np.bool_)
    if not is_kept.any():
        lines, order = order_marks(boxes)
        return lines, order.tolist()
    kept = np.flatnonzero(is_kept)
    lines = np.zeros(len(boxes), np.int64)
    positions = np.zeros(len(boxes))
    lines[kept], order = order_marks(boxes[kept])
    positions[kept[order]] = np.arange(len(kept))
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    for index in np.flatnonzero(~is_kept):
        nearest = kept[np.argmin(np.abs(middles[kept] - middles[index]).max(axis=1))]
        lines[index] = lines[nearest]
        is_after = middles[index, 0] >= middles[nearest, 0]
        positions[index] = positions[nearest] + (0.5 if is_after else -0.5)
    return lines, np.argsort(positions, kind="stable").tolist()


def _round_box(box: NDArray[np.float32], shape: tuple[int, ...]) -> Box:
    """Rounds a box to whole pixels and clips it to the picture."""
    starts = [min(max(round(float(box[n])), 0), shape[1 - n] - 1) for n in (0, 1)]
    ends = [min(round(float(box[n] + box[n + 2])), shape[1 - n]) for n in (0, 1)]
    width, height = (max(end - start, 1) for start, end in zip(starts, ends, strict=True))
    return Box(starts[0], starts[1], width, height)


def _make_digit(row: Probabilities, verdict: Verdict, box: Box, tile: Grey, line: int) -> Digit:
    shares = row[:_N_DIGITS].astype(np.float64) + float(np.finfo(np.float32).tiny)
    best = int(shares.argmax())
    return Digit(
        digit=best if verdict is Verdict.READ else None,
        confidence=float(row[best]),
        probabilities=(shares / shares.sum()).astype(np.float32),
        box=box,
        tile=tile,
        line=line,
        reason=None if verdict is Verdict.READ else _explain(row, verdict),
        is_uncertain=verdict is Verdict.UNCERTAIN,
        mark_probabilities=row[_N_DIGITS:NO_MARK],
        none_probability=float(row[NO_MARK]),
    )


def _explain(row: Probabilities, verdict: Verdict) -> str:
    """Returns why a mark was not read as a digit."""
    best, second = (int(n) for n in np.argsort(-row[:_N_DIGITS])[:2])
    if verdict is Verdict.UNCERTAIN:
        return f"too uncertain: {best} or {second}"
    if row[NO_MARK] > row[:_N_DIGITS].sum():
        return "not a digit: looks like none"
    rest = _N_DIGITS + int(row[_N_DIGITS:].argmax())
    other = (
        "none" if rest == NO_MARK else _ARTICLES.get(CLASS_NAMES[rest], f"a {CLASS_NAMES[rest]}")
    )
    if row[rest] <= row[second]:
        return f"too uncertain: {best} or {second}"
    return f"too uncertain: {best} or {other}"


def _measure_centrality(digit: Digit, shape: tuple[int, ...]) -> float:
    """Returns the log likelihood that a digit is the one that the picture shows."""
    box = digit.box
    across = box.x + box.width / 2 - shape[1] / 2
    down = box.y + box.height / 2 - shape[0] / 2
    distance = float(np.hypot(across, down)) / (_CENTRAL_DEVIATION * min(shape[:2]))
    return float(np.log(max(digit.digit_probability, 1e-6))) - distance**2 / 2


def _is_cut(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether the edge of the picture cuts a mark."""
    margin = max(_CUT_MARGIN * max(box.width, box.height), 1)
    nearest = min(box.x, box.y, shape[1] - box.x - box.width, shape[0] - box.y - box.height)
    return nearest <= margin
