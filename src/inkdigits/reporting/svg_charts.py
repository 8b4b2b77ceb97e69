"""Charts of a report as inline SVG, whose colours come from the style sheet of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.evaluation.metrics import CalibrationBin, compute_interval
from inkdigits.presentation.html_fragments import Html
from inkdigits.reporting.inner_network import InnerLayer, InnerNetwork

_MAP: Final = 640
_CROWDED: Final = 2_000
"""More digits on a map are drawn smaller."""
_COLOURS: Final = 10
"""Number of colours on the map; with more classes, they repeat."""


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


def draw_map(
    places: NDArray[np.float32],
    labels: Sequence[int],
    wrong: Sequence[bool],
    signs: Sequence[str],
) -> Html:
    """Draws the map of digits: each image is the sign of its label, ringed if it was misread.

    Args:
        places: Shape (n, 2), 0 to 1.
        labels: The true digits, or labels of other classes.
        wrong: Whether each was misread.
        signs: What stands for each label, such as the digit.
    """
    parts = []
    is_crowded = len(labels) > _CROWDED
    ring = 5 if is_crowded else 9
    for (x, y), label, is_wrong in zip(places, labels, wrong, strict=True):
        left, top = 10 + x * (_MAP - 20), 10 + (1 - y) * (_MAP - 20)
        if is_wrong:
            parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{ring}"/>')
        parts.append(
            f'<text class="d{label % _COLOURS}" x="{left:.1f}" y="{top:.1f}">'
            f"{escape(signs[label])}</text>"
        )
    size = "many" if is_crowded else "few"
    title = f"Map of {len(labels):,} images, {sum(wrong):,} of them misread"
    return Html(
        f'<svg id="map" class="{size}" viewBox="0 0 {_MAP} {_MAP}" role="img" '
        f'aria-label="{title}">{"".join(parts)}</svg>'
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
