"""The text of a reading, put together from its marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from inkdigits.results.marks import Box, Digit, DigitOrMark, Mark

SEPARATOR_REACH: Final = 1.0
"""Maximum distance of a separator before the first or after the last digit of a line, as a multiple
of the digits' size. In `1.300,-` the dash is close; a speck at the edge of the page is not."""


def compose_text(found: Iterable[DigitOrMark], *, separators: bool) -> str:
    """Returns the text of digits and marks, with "?" for each uncertain digit.

    Args:
        found: Digits and marks in reading order.
        separators: Whether to include points, commas, dashes, slashes and plus signs between
            digits, and close to the first and last digit of a line.

    Returns:
        The lines that contain digits, separated by newlines; "" if no digit was read.
    """
    found = tuple(found)
    if not any(isinstance(item, Digit) and item.digit is not None for item in found):
        return ""
    texts = []
    for line in _split_lines(found):
        kept = _trim(line) if separators else [i for i in line if isinstance(i, Digit)]
        if any(isinstance(item, Digit) for item in kept):
            texts.append("".join(item.character for item in kept))
    return "\n".join(text for text in texts if text)


def describe_left_out(found: Iterable[DigitOrMark]) -> tuple[str, ...]:
    """Returns a note about separators between digits that a text without separators omits.

    Args:
        found: Digits and marks in reading order.

    Returns:
        A single note; empty if there are no such separators.
    """
    kinds: list[str] = []
    for line in _split_lines(found):
        places = [n for n, item in enumerate(line) if isinstance(item, Digit) and item.character]
        if places:
            between = line[places[0] : places[-1]]
            kinds += [item.kind for item in between if isinstance(item, Mark) and item.character]
    if not kinds:
        return ()
    if len(kinds) == 1:
        return (f"a {kinds[0]} between digits was left out: ask for separators",)
    names = " and ".join(sorted(set(kinds)))
    return (f"{len(kinds)} separators between digits were left out ({names}): ask for separators",)


def _split_lines(found: Iterable[DigitOrMark]) -> list[list[DigitOrMark]]:
    """Groups digits and marks by line, from top to bottom."""
    lines: dict[int, list[DigitOrMark]] = {}
    for item in found:
        lines.setdefault(item.line, []).append(item)
    return [lines[number] for number in sorted(lines)]


def _trim(line: list[DigitOrMark]) -> list[DigitOrMark]:
    """Returns a line from its first to its last digit, with the separators close to them."""
    line = [item for item in line if item.character]
    places = [n for n, item in enumerate(line) if isinstance(item, Digit)]
    if not places:
        return []
    start, end = places[0], places[-1] + 1
    reach = SEPARATOR_REACH * max(max(line[n].box.width, line[n].box.height) for n in places)
    while start > 0 and _measure_gap(line[start - 1].box, line[start].box) <= reach:
        start -= 1
    while end < len(line) and _measure_gap(line[end - 1].box, line[end].box) <= reach:
        end += 1
    return line[start:end]


def _measure_gap(one: Box, other: Box) -> int:
    """Returns the horizontal or vertical gap between two boxes in pixels, whichever is larger."""
    across = max(one.x, other.x) - min(one.x + one.width, other.x + other.width)
    down = max(one.y, other.y) - min(one.y + one.height, other.y + other.height)
    return max(across, down, 0)
