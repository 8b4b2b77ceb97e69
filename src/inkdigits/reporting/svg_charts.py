"""Charts of a report as inline SVG, whose colours come from the style sheet of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.evaluation.metrics import CalibrationBin, compute_interval
from inkdigits.presentation.html_fragments import Html
from inkdigits.reporting.inner_network import InnerLayer, InnerNetwork

_WIDTH, _HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34
_MAP: Final = 640


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
    """Draws values over the epochs of a run.

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


def draw_reliability(bins: Sequence[CalibrationBin]) -> Html:
    """Draws accuracy as a function of confidence, with 95 % intervals (Wilson 1927)."""
    side, left, bottom = 320, 44, 36
    span = side - left - 12

    def place(x: float, y: float) -> tuple[float, float]:
        """Returns where a confidence and an accuracy are on the drawing."""
        return left + x * span, side - bottom - y * span

    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = place(tick, tick)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}h{span}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" class="end">{100 * tick:g}</text>')
        label_y = side - bottom + 16
        parts.append(f'<text x="{x:.1f}" y="{label_y}" class="middle">{100 * tick:g}</text>')
    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    parts.append(f'<path class="ideal" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')
    for bin_ in bins:
        low, high = compute_interval(bin_.count - bin_.mistakes, bin_.count)
        x, y = place(bin_.confidence, bin_.accuracy)
        parts.append(
            f'<path class="bar" d="M{x:.1f} {place(0, low)[1]:.1f}V{place(0, high)[1]:.1f}"/>'
            f'<circle class="first" cx="{x:.1f}" cy="{y:.1f}" r="4.5"><title>'
            f"{bin_.count:,} images, {100 * bin_.confidence:.1f} % sure, "
            f"{100 * bin_.accuracy:.1f} % right</title></circle>"
        )
    parts.append(
        f'<text x="{left + span / 2}" y="{side - 2}" class="middle">confidence (%)</text>'
        f'<text transform="translate(11 {side / 2}) rotate(-90)" class="middle">'
        "accuracy (%)</text>"
    )
    return Html(
        f'<figure class="square"><svg viewBox="0 0 {side} {side}" role="img" '
        f'aria-label="Reliability diagram; its numbers are in the table">{"".join(parts)}</svg>'
        "</figure>"
    )


def draw_map(places: NDArray[np.float32], labels: Sequence[int], wrong: Sequence[bool]) -> Html:
    """Draws the map of digits: each image is its label, ringed if it was misread.

    Args:
        places: Shape (n, 2), 0 to 1.
        labels: The true digits.
        wrong: Whether each was misread.
    """
    parts = []
    for number, ((x, y), label, is_wrong) in enumerate(zip(places, labels, wrong, strict=True)):
        left, top = 10 + x * (_MAP - 20), 10 + (1 - y) * (_MAP - 20)
        ring = f'<circle cx="{left:.1f}" cy="{top:.1f}" r="9"/>' if is_wrong else ""
        parts.append(
            f'<g class="d{label}" data-point="{number}">{ring}'
            f'<text x="{left:.1f}" y="{top + 4:.1f}">{label}</text></g>'
        )
    n_wrong = sum(wrong)
    return Html(
        f'<svg id="map" viewBox="0 0 {_MAP} {_MAP}" role="img" aria-label="Map of '
        f'{len(labels):,} digits, {n_wrong:,} of them misread">{"".join(parts)}</svg>'
    )


def draw_network(network: InnerNetwork) -> Html:
    """Draws the layers of a network from left to right, with shapes, parameters, operations.

    A stack stands for feature maps: its side for their height, its depth for their number. A column
    stands for a vector.
    """
    step, top, base = 134, 16, 132
    parts = [_draw_block((28, 28, 1), step / 2, base)]
    parts.append(_write(step / 2, base, ["input", "28 × 28", "pixels"]))
    for number, layer in enumerate(network.layers, start=1):
        centre = step * (number + 0.5)
        parts.append(
            f'<path class="arrow" d="M{centre - step / 2 - 8:.1f} {base / 2 + top:.1f}h14m-5 '
            '-4l5 4l-5 4"/>'
        )
        parts.append(_draw_block(layer.shape, centre, base))
        lines = [layer.kind, *filter(None, [layer.detail, layer.activation])]
        lines.append(layer.describe_shape())
        if layer.parameters:
            lines.append(f"{layer.parameters:,} parameters")
        if layer.operations:
            lines.append(f"{shorten_number(layer.operations)} operations")
        parts.append(_write(centre, base, lines))
    width = step * (len(network.layers) + 1)
    return Html(
        f'<div class="scroll" tabindex="0" role="group" aria-label="Diagram of the network">'
        f'<svg class="network" width="{width}" height="250" viewBox="0 0 {width} 250" role="img" '
        f'aria-label="The network: {len(network.layers)} layers, listed in the table below">'
        f"{''.join(parts)}</svg></div>"
    )


def tabulate_layers(layers: Sequence[InnerLayer]) -> list[list[str]]:
    """Returns a row for each layer: number, what it computes, shape, parameters, operations."""
    return [
        [
            str(number),
            layer.describe(),
            layer.describe_shape(),
            f"{layer.parameters:,}" if layer.parameters else "–",
            f"{layer.operations:,}" if layer.operations else "–",
        ]
        for number, layer in enumerate(layers, start=1)
    ]


def list_rates(
    history: Sequence[Mapping[str, Any]], rates: Sequence[float | None]
) -> list[tuple[float, float]]:
    """Returns the known learning rates with their epochs."""
    return [
        (float(row["epoch"]), rate)
        for row, rate in zip(history, rates, strict=True)
        if rate is not None
    ]


def shorten_number(number: int) -> str:
    """Returns a large number as "1.2 million" or "38,336"."""
    return f"{number / 1e6:,.1f} million" if number >= 1_000_000 else f"{number:,}"


def _draw_block(shape: tuple[int, ...], centre: float, base: float) -> str:
    if len(shape) == 3:
        side = 8 + 2.2 * min(max(shape[:2]), 32)
        depth = min(6, 1 + round(math.log2(max(shape[2], 1)) / 1.3)) if shape[2] > 1 else 1
        left, bottom = centre - side / 2 - 1.5 * depth, base - 28
        return "".join(
            f'<rect class="block" x="{left + 4 * k:.1f}" y="{bottom - side - 4 * k:.1f}" '
            f'width="{side:.1f}" height="{side:.1f}"/>'
            for k in reversed(range(depth))
        )
    height = min(88.0, 8 + 8 * math.log2(max(math.prod(shape), 2)))
    return (
        f'<rect class="block" x="{centre - 6:.1f}" y="{base - 28 - height:.1f}" width="12" '
        f'height="{height:.1f}"/>'
    )


def _write(centre: float, base: float, lines: Sequence[str]) -> str:
    return "".join(
        f'<text class="middle{" strong" if not number else ""}" x="{centre:.1f}" '
        f'y="{base + 16 * number:.1f}">{escape(line)}</text>'
        for number, line in enumerate(lines)
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
