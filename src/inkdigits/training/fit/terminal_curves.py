"""The curves of a running training in the terminal, below the progress bar."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.columns import Columns
from rich.console import RenderableType
from rich.progress import Progress
from rich.text import Text

from inkdigits.training.fit.curve_panels import Panel, list_panels

_WIDTH, _HEIGHT = 29, 6
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a braille character, by row and column (Unicode, chapter 21.1)."""
_BLANK: Final = 0x2800
_COLOURS: Final = {"first": "blue", "second": "yellow"}


class CurvesProgress(Progress):
    """A progress bar with curves below it, as soon as there are two epochs.

    Attributes:
        history: The rows of the complete epochs.
    """

    history: Sequence[Mapping[str, Any]] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields the bar and the curves."""
        yield from super().get_renderables()
        if len(self.history) > 1:
            yield draw_panels(list_panels(self.history))


def draw_panels(panels: Sequence[Panel]) -> Columns:
    """Returns panels side by side, or below each other in a narrow terminal.

    Each shows its highest and lowest value, and the last one of each curve.
    """
    return Columns([_draw_panel(panel) for panel in panels], padding=(0, 2))


def _draw_panel(panel: Panel) -> Text:
    values = [y for curve in panel.curves for _, y in curve.points]
    if not values:
        return Text("")
    low, high = min(values), max(values)
    text = Text(f"{panel.title} ({panel.unit})\n")
    for curve in panel.curves:
        if curve.points:
            text.append(f"{curve.name} {curve.points[-1][1]:.3g}  ", _COLOURS[curve.style])
    for number, line in enumerate(draw_lines(panel, _WIDTH, _HEIGHT)):
        shown = high if number == 0 else low if number == _HEIGHT - 1 else None
        text.append(f"\n{'' if shown is None else format(shown, '.3g'):>8} ")
        text.append_text(line)
    return text


def draw_lines(panel: Panel, width: int, height: int) -> list[Text]:
    """Draws curves in braille characters: two dots wide and four high, each.

    Args:
        panel: The curves; their values are above 0.
        width: Characters of a line.
        height: Number of lines.

    Returns:
        The lines. Where curves cross, the last one has its colour.
    """
    points = [point for curve in panel.curves for point in curve.points]
    masks = [[0] * width for _ in range(height)]
    styles = [[""] * width for _ in range(height)]
    xs = [x for x, _ in points]
    logs = [math.log(y) for _, y in points]
    across, up = 2 * width - 1, 4 * height - 1

    def place(x: float, y: float) -> tuple[float, float]:
        """Returns the column and row of dots of a point."""
        column = across * (x - min(xs)) / ((max(xs) - min(xs)) or 1)
        return column, up * (max(logs) - math.log(y)) / ((max(logs) - min(logs)) or 1)

    for curve in panel.curves:
        placed = [place(x, y) for x, y in curve.points]
        for (x0, y0), (x1, y1) in zip(placed, placed[1:] or placed, strict=False):
            n_dots = 1 + round(max(abs(x1 - x0), abs(y1 - y0)))
            for step in range(n_dots + 1):
                column = round(x0 + (x1 - x0) * step / n_dots)
                row = round(y0 + (y1 - y0) * step / n_dots)
                masks[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
                styles[row // 4][column // 2] = _COLOURS[curve.style]
    return [
        Text.assemble(*((chr(_BLANK + mask), style) for mask, style in zip(*pair, strict=True)))
        for pair in zip(masks, styles, strict=True)
    ]
