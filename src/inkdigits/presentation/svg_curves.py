"""Curves of a training as inline SVG, whose colours come from `svg_curves.css`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from inkdigits.presentation.html_fragments import Html

_FOLDER: Final = Path(__file__).parent
_WIDTH, _HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34


def load_style() -> str:
    """Returns the style sheet that pages with curves need: the colours, and the rules of SVG."""
    names = ("colours.css", "svg_curves.css")
    return "".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


@dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Attributes:
        name: Its name in the legend.
        style: Its class in the style sheet: "first" or "second".
        points: Positions in the units of both axes.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float]]


def draw_curves(title: str, unit: str, curves: Sequence[Curve], *, logarithmic: bool) -> Html:
    """Draws values over the epochs of a run, as inline SVG.

    Args:
        title: What is drawn, such as "Error".
        unit: Unit of the values, such as "%"; "" for none.
        curves: The curves; values of 0 and below are left out of a logarithmic chart.
        logarithmic: Whether the axis of the values is logarithmic.

    Returns:
        A figure; empty if no curve has a point.
    """
    shown = [
        Curve(
            curve.name,
            curve.style,
            [(x, y) for x, y in curve.points if math.isfinite(y) and (y > 0 or not logarithmic)],
        )
        for curve in curves
    ]
    points = [point for curve in shown for point in curve.points]
    if not points:
        return Html("")
    xs = [x for x, _ in points]
    ticks = _choose_ticks([y for _, y in points], logarithmic=logarithmic)
    low_x, high_x = min(xs), max(xs)
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        """Returns where a point is on the drawing."""
        share_x = (x - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        if logarithmic:
            share = (math.log(y) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            share = (y - low) / (high - low)
        return (
            _LEFT + share_x * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = []
    for tick in ticks:
        _, y = place(low_x, tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{tick:g}</text>')
    for epoch in sorted({low_x, round((low_x + high_x) / 2), high_x}):
        x, _ = place(epoch, low)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 16}" class="middle">{epoch:g}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 2}" class="middle">epoch</text>')
    for curve in shown:
        placed = [place(x, y) for x, y in curve.points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="{curve.style}" points="{line}"/>')
        if len(placed) <= 40:
            parts += [
                f'<circle class="{curve.style}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
                for x, y in placed
            ]
    last = "; ".join(f"{curve.name} {curve.points[-1][1]:.4g}" for curve in shown if curve.points)
    legend = "".join(
        f'<span class="key {curve.style}">{escape(curve.name)}</span>' for curve in shown
    )
    name = f"{title} ({unit})" if unit else title
    return Html(
        f"<figure><figcaption><b>{escape(name)}</b> {legend}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(f"{name} over the epochs; at the end: {last}")}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _choose_ticks(values: Sequence[float], *, logarithmic: bool) -> list[float]:
    """Returns round values that enclose all values, at least two."""
    low, high = min(values), max(values)
    if logarithmic:
        steps = [factor * 10.0**power for power in range(-8, 4) for factor in (1, 2, 5)]
        inside = [step for step in steps if low / 2.5 < step < high * 2.5]
        begin = max([step for step in inside if step <= low], default=low)
        end = min([step for step in inside if step >= high], default=high)
        found = [step for step in inside if begin <= step <= end]
        return found if len(found) > 1 else [low / 2, high * 2]
    high = high or 1.0
    step = 10.0 ** math.floor(math.log10(high))
    for smaller in (step, step / 2, step / 5):
        if high / smaller >= 2.5:
            step = smaller
            break
    return [step * number for number in range(math.ceil(high / step - 1e-9) + 1)]
