"""From what was detected to what is read: which marks are digits, and what stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import CLASS_NAMES, DIGITS, NO_MARK
from inkdigits.recognition.crops import cut_tile
from inkdigits.recognition.lines import order_marks
from inkdigits.recognition.reading import Box, Digit, Found, Mark, Reading, describe_left_out
from inkdigits.recognition.words import weigh_words

if TYPE_CHECKING:
    from inkdigits.recognition.detection import Detections

Grey = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
JudgeTiles = Callable[[Grey], Probabilities]
"""Tiles, uint8 of shape (n, 28, 28), to probabilities of shape (n, 10), or (n, 11) where the last
is that of no digit."""

_N_DIGITS: Final = len(DIGITS)
_ARTICLES: Final = {"other": "another sign"}

_NOTHING: Final = 0.5
"""Probability of no mark above which nothing else can be more likely."""

_PROMISED_ODDS: Final = 3.0
"""By which the odds of a digit rise where a picture is said to hold one. Of 500 historical digits
412 are read with 3, 401 with 1 and 415 with 6; of 67 pictures without any, 31, 40 and 26 are
refused. Measured with the weights of the first 145,000 pages."""

_CENTRAL: Final = 0.25
"""Of a picture's shorter side: how far the digit that it is of lies from its middle, as a standard
deviation. With 0.15 and 0.4 as many of 500 historical digits are read, within 0.4 %."""

_CUT_REACH: Final = 0.05
"""Of the longer side of a box: what comes as near to the picture's edge is cut by it. Detected
boxes are off by a few hundredths."""


class Verdict(Enum):
    """What a detected mark is taken for."""

    READ = "a digit that is read"
    UNCERTAIN = "a digit, but too uncertain to say which"
    REFUSED = "no digit and no other mark that is known"
    MARK = "a mark that is no digit"


def decide(probabilities: Probabilities, threshold: float) -> Verdict:
    """What a mark is taken for: the rule on which every reading rests.

    The ten digits together, the other marks together and none are three possibilities; the most
    likely of them counts. Digits must reach the threshold together to be a digit at all, and the
    best of them must reach it alone to be read.

    Args:
        probabilities: float32, shape (17,), of the classes of
            `inkdigits.recognition.alphabet.CLASS_NAMES` and of none; sums to 1.
        threshold: 0 to 1.
    """
    digits = float(probabilities[:_N_DIGITS].sum())
    marks = float(probabilities[_N_DIGITS:NO_MARK].sum())
    none = float(probabilities[NO_MARK])
    if marks > max(digits, none):
        return Verdict.MARK
    if none > digits or digits < threshold:
        return Verdict.REFUSED
    return Verdict.READ if probabilities[:_N_DIGITS].max() >= threshold else Verdict.UNCERTAIN


def interpret(
    pixels: Grey,
    detections: Detections,
    threshold: float,
    judge: JudgeTiles | None = None,
    *,
    one_digit: bool = False,
) -> tuple[Found, ...]:
    """Make digits and marks of detections, in reading order.

    Args:
        pixels: The picture: uint8, shape (height, width), grey.
        detections: What was detected on it.
        threshold: As in `decide`.
        judge: A network for tiles, which then judges all that the detector takes for a digit;
            None: the detector's own probabilities count.
        one_digit: Whether the picture is said to hold a digit, which makes digits more likely.

    Returns:
        Digits, uncertain and refused ones included, and marks. What is more likely nothing than all
        else together is told only where there is nothing else.
    """
    probabilities = detections.probabilities.copy()
    if one_digit:
        probabilities = _expect_digit(probabilities)
    something = probabilities[:, NO_MARK] <= _NOTHING
    probabilities[something] = weigh_words(detections.boxes[something], probabilities[something])
    verdicts = [decide(row, threshold) for row in probabilities]
    tiles = {
        index: cut_tile(pixels, detections.boxes[index])
        for index, verdict in enumerate(verdicts)
        if verdict is not Verdict.MARK
    }
    if judge is not None:
        # By its own probabilities alone: what it is sure to be no digit is no question of which.
        asked = [index for index in tiles if decide(probabilities[index], 0) is Verdict.READ]
        if asked:
            judged = judge(np.stack([tiles[index] for index in asked]))
            spread = _spread(judged)
            probabilities[asked] = _expect_digit(spread) if one_digit else spread
            for index in asked:
                verdicts[index] = decide(probabilities[index], threshold)
    numbers, order = _order(detections.boxes, verdicts)
    found: list[Found] = []
    for index in order:
        box = _round_box(detections.boxes[index], pixels.shape)
        row, line, verdict = probabilities[index], int(numbers[index]), verdicts[index]
        if verdict is Verdict.MARK:
            kind = _N_DIGITS + int(row[_N_DIGITS:NO_MARK].argmax())
            found.append(Mark(CLASS_NAMES[kind], box, float(row[kind]), line))
        else:
            found.append(_make_digit(row, verdict, box, tiles[index], line))
    if something.any():
        found = [item for item, is_told in zip(found, something[order], strict=True) if is_told]
    return tuple(found)


def keep_central(
    found: Sequence[Found], shape: tuple[int, ...]
) -> tuple[tuple[Found, ...], tuple[Digit, ...]]:
    """The one digit that a picture is of, and others that are whole.

    Args:
        found: All that was found.
        shape: Height and width of the picture in pixels.

    Returns:
        A pair. First what was found, with one digit only: the likeliest near the picture's middle,
        or a refused one if no digit is read. Second the other digits, except neighbours, which the
        picture's edge cuts.
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
    """A note on digits that stand beside the one that was expected; none where there are none."""
    if not others:
        return ()
    n = len(others)
    stand = "another digit stands" if n == 1 else f"{n} other digits stand"
    return (f"{stand} beside the one that was read: expect any number of digits to read all",)


def conclude(found: tuple[Found, ...], notes: tuple[str, ...], *, separators: bool) -> Reading:
    """A reading of what was found, with the reason where nothing is read, and notes on the rest.

    Args:
        found: In reading order.
        notes: On the picture.
        separators: Whether the text has them.
    """
    if not any(isinstance(item, Digit) and item.digit is not None for item in found):
        return Reading(found, notes, _find_main_reason(found), separators)
    if not separators:
        notes = (*notes, *describe_left_out(found))
    return Reading(found, notes, separators=separators)


def _find_main_reason(found: Sequence[Found]) -> str:
    """Why nothing was read: the reason for the largest of what could be a digit."""
    digits = [item for item in found if isinstance(item, Digit)]
    digits = [digit for digit in digits if digit.is_uncertain] or digits
    if digits:
        return str(max(digits, key=lambda digit: digit.box.width * digit.box.height).reason)
    return "not a digit: other marks only" if found else "no ink"


def _expect_digit(probabilities: Probabilities) -> Probabilities:
    """Probabilities of marks, shape (n, 17), where a digit is said to be among them."""
    weighed = probabilities.copy()
    weighed[:, :_N_DIGITS] *= _PROMISED_ODDS
    weighed /= weighed.sum(axis=1, keepdims=True)
    return weighed


def _spread(judged: Probabilities) -> Probabilities:
    """Probabilities of all classes, shape (n, 17), from those of ten digits and maybe none."""
    spread = np.zeros((len(judged), NO_MARK + 1), np.float32)
    spread[:, :_N_DIGITS] = judged[:, :_N_DIGITS]
    if judged.shape[1] > _N_DIGITS:
        spread[:, NO_MARK] = judged[:, _N_DIGITS]
    return spread


def _order(
    boxes: NDArray[np.float32], verdicts: Sequence[Verdict]
) -> tuple[NDArray[np.int64], list[int]]:
    """Line of each detection, and all in reading order.

    What was refused may lie anywhere and have any size, and says nothing of the lines: it is put
    beside the nearest mark.
    """
    is_kept = np.array([verdict is not Verdict.REFUSED for verdict in verdicts], np.bool_)
    if not is_kept.any():
        numbers, order = order_marks(boxes)
        return numbers, order.tolist()
    kept = np.flatnonzero(is_kept)
    numbers = np.zeros(len(boxes), np.int64)
    places = np.zeros(len(boxes))
    numbers[kept], order = order_marks(boxes[kept])
    places[kept[order]] = np.arange(len(kept))
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    for index in np.flatnonzero(~is_kept):
        nearest = kept[np.argmin(np.abs(middles[kept] - middles[index]).max(axis=1))]
        numbers[index] = numbers[nearest]
        is_after = middles[index, 0] >= middles[nearest, 0]
        places[index] = places[nearest] + (0.5 if is_after else -0.5)
    return numbers, np.argsort(places, kind="stable").tolist()


def _round_box(box: NDArray[np.float32], shape: tuple[int, ...]) -> Box:
    """A box in whole pixels inside the picture."""
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
    """Why a mark was not read as a digit."""
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
    """Logarithm of how likely it is that a picture of one digit is of this one."""
    box = digit.box
    across = box.x + box.width / 2 - shape[1] / 2
    down = box.y + box.height / 2 - shape[0] / 2
    distance = float(np.hypot(across, down)) / (_CENTRAL * min(shape[:2]))
    return float(np.log(max(digit.digit_probability, 1e-6))) - distance**2 / 2


def _is_cut(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a mark reaches the edge of its picture."""
    reach = max(_CUT_REACH * max(box.width, box.height), 1)
    nearest = min(box.x, box.y, shape[1] - box.x - box.width, shape[0] - box.y - box.height)
    return nearest <= reach
