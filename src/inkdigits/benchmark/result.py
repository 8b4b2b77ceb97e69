"""The result of a benchmark: the timings of all competitors, and the figures computed from them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inkdigits.text_tables import format_columns

_MIN_WIDTHS = (40, 9)
"""Minimum widths of names and values, so that all benchmarks have the same columns."""


@dataclass(frozen=True)
class Timing:
    """The measured times of one competitor.

    Attributes:
        name: Name of the competitor.
        seconds: The measured times in seconds, in order; at least one.
        facts: Other properties, such as the accuracy, as printable text.
    """

    name: str
    seconds: tuple[float, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def median_s(self) -> float:
        """The median in seconds."""
        return statistics.median(self.seconds)

    @property
    def p99_s(self) -> float | None:
        """The 99th percentile in seconds; None with fewer than 100 times."""
        if len(self.seconds) < 100:
            return None
        return float(np.quantile(self.seconds, 0.99, method="higher"))


@dataclass(frozen=True)
class Figure:
    """A number that a benchmark measures.

    Attributes:
        name: Name of the number.
        value: The number.
        unit: Printed after the number.
        least: Target, the minimum value; None: no minimum.
        most: Target, the maximum value; None: no maximum.
    """

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """True if the targets are met; None without targets."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )


@dataclass(frozen=True)
class Result:
    """The result of one benchmark.

    Attributes:
        name: The name that `inkdigits benchmark` takes.
        summary: One line that says what was measured.
        timings: The timings of all competitors, inkdigits first.
        figures: The figures computed from them.
    """

    name: str
    summary: str
    timings: tuple[Timing, ...]
    figures: tuple[Figure, ...]

    def without_targets(self) -> Result:
        """Returns the result without the targets of its figures, which a slice cannot meet."""
        return replace(
            self, figures=tuple(replace(figure, least=None, most=None) for figure in self.figures)
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the result as plain JSON."""
        return {
            "name": self.name,
            "summary": self.summary,
            "timings": [
                {
                    "name": timing.name,
                    "n": len(timing.seconds),
                    "median_s": timing.median_s,
                    "p99_s": timing.p99_s,
                    "facts": dict(timing.facts),
                }
                for timing in self.timings
            ],
            "figures": [{**vars(figure), "is_met": figure.is_met} for figure in self.figures],
        }

    def to_table(self) -> str:
        """Returns the result as a table to print."""
        timings = [["", "median", "p99", "n"]] if self.timings else []
        timings += [
            [
                timing.name,
                _show_seconds(timing.median_s),
                "" if timing.p99_s is None else _show_seconds(timing.p99_s),
                str(len(timing.seconds)),
                ", ".join(f"{name} {value}" for name, value in timing.facts.items()),
            ]
            for timing in self.timings
        ]
        figures = [
            [figure.name, f"{figure.value:,.4g} {figure.unit}".rstrip(), _show_bounds(figure)]
            for figure in self.figures
        ]
        lines = [
            *format_columns(timings, "<>>><", min_widths=_MIN_WIDTHS),
            *format_columns(figures, "<><", min_widths=_MIN_WIDTHS),
        ]
        return "\n".join([f"{self.name}: {self.summary}", *(f"  {line}" for line in lines)])


def _show_seconds(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.1f} ms" if seconds >= 1e-2 else f"{1e6 * seconds:.0f} µs"


def _show_bounds(figure: Figure) -> str:
    if figure.is_met is None:
        return ""
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", figure.least), ("at most", figure.most))
        if bound is not None
    ]
    return f"asked: {' and '.join(bounds)}: {'met' if figure.is_met else 'NOT MET'}"
