"""What the curves of a running training show: error and loss, of training and validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inkdigits.presentation.svg_curves import Curve


@dataclass(frozen=True)
class Panel:
    """Curves with common axes, of which that of the values is logarithmic.

    Attributes:
        title: What is drawn.
        unit: Unit of the values.
        curves: The curves over the epochs, without values of 0.
    """

    title: str
    unit: str
    curves: tuple[Curve, ...]


def list_panels(history: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Returns the panels for the rows of `history.csv`; they are empty before the first row."""

    def follow(name: str, style: str, key: str, *, is_error: bool) -> Curve:
        """Returns one column as a curve."""
        values = [(float(row["epoch"]), row.get(key)) for row in history]
        known = [(epoch, value) for epoch, value in values if isinstance(value, int | float)]
        points = [(epoch, 100 * (1 - value) if is_error else value) for epoch, value in known]
        return Curve(name, style, [point for point in points if point[1] > 0])

    return [
        Panel(
            title,
            unit,
            (
                follow("training", "second", key, is_error=is_error),
                follow("validation", "first", f"val_{key}", is_error=is_error),
            ),
        )
        for title, unit, key, is_error in (
            ("Error", "%", "accuracy", True),
            ("Loss", "nats", "loss", False),
        )
    ]
