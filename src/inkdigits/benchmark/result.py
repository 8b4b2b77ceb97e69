"""What a benchmark found: the times of everyone who took part, and the figures that follow."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """How long one of those that took part needed, each time.

    Attributes:
        name: Who, or what.
        seconds: One for each time, in order; at least one.
        facts: What else is known of it, such as its accuracy, ready to print.
    """

    name: str
    seconds: tuple[float, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def median_s(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def p99_s(self) -> float | None:
        """What 99 of 100 times stay below, in seconds; None of fewer than 100."""
        if len(self.seconds) < 100:
            return None
        return float(np.quantile(self.seconds, 0.99, method="higher"))


@dataclass(frozen=True)
class Figure:
    """A number that a benchmark is run for.

    Attributes:
        name: What it is.
        value: The number.
        unit: Printed after it.
        least: What it should be at least; None: nothing.
        most: What it should be at most; None: nothing.
    """

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether it is as it should be; None where nothing was asked."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )


@dataclass(frozen=True)
class Result:
    """The outcome of one benchmark.

    Attributes:
        name: What `inkdigits benchmark` calls it.
        summary: What was done, in a line.
        timings: Of everyone who took part, ours first.
        figures: What follows from them.
    """

    name: str
    summary: str
    timings: tuple[Timing, ...]
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain numbers, strings and lists."""
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
        """The same for people."""
        lines = [f"{self.name}: {self.summary}"]
        if self.timings:
            lines.append(f"  {'':42}{'median':>11}{'p99':>11}{'n':>7}")
        for timing in self.timings:
            median = _show_seconds(timing.median_s)
            p99 = "" if timing.p99_s is None else _show_seconds(timing.p99_s)
            facts = ", ".join(f"{name} {value}" for name, value in timing.facts.items())
            row = f"  {timing.name:42}{median:>11}{p99:>11}{len(timing.seconds):>7}  {facts}"
            lines.append(row.rstrip())
        for figure in self.figures:
            value = f"{figure.value:,.4g} {figure.unit}".rstrip()
            lines.append(f"  {figure.name:42}{value:>11}  {_show_bounds(figure)}".rstrip())
        return "\n".join(lines)


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
