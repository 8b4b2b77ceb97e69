"""Accuracy as a function of the rejection rate, over all thresholds.

A picture is kept if the confidence of its least confident digit reaches the threshold. Otherwise it
is rejected, and a person looks at it. The curve shows the share of exact readings among the kept
pictures against the share of rejected pictures. It is the risk-coverage curve of El-Yaniv and
Wiener (2010) with both axes inverted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from inkdigits.errors import UsageError
from inkdigits.evaluation.plots import set_title
from inkdigits.percentages import format_share
from inkdigits.presentation.figures import BLUE, GREY, RED, build_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_TARGET: Final = 0.99
"""Share of exact readings among the kept pictures. This is a choice, not a measurement: one wrong
number in a hundred that nobody checks. `--target` changes it."""


@dataclass(frozen=True)
class RejectionPoint:
    """The numbers of kept and exact pictures at one threshold.

    Attributes:
        threshold: Minimum confidence of a digit, 0 to 1.
        n: Number of pictures.
        kept: Number of pictures whose least confident digit reaches the threshold.
        exact: Number of kept pictures that were read exactly.
    """

    threshold: float
    n: int
    kept: int
    exact: int

    @property
    def rejected_share(self) -> float:
        """Share of all pictures that are rejected, 0 to 1."""
        return 1 - self.kept / self.n

    @property
    def exact_share(self) -> float:
        """Share of the kept pictures that were read exactly, 0 to 1."""
        return self.exact / self.kept

    def to_json(self) -> dict[str, Any]:
        """Returns the point as numbers."""
        shares = {"rejected_share": self.rejected_share, "exact_share": self.exact_share}
        return {**vars(self), **shares}


@dataclass(frozen=True)
class RejectionCurve:
    """Rejection rate and accuracy at every threshold that changes which pictures are kept.

    Attributes:
        target: Share of exact readings among the kept pictures that `recommended` must reach,
            0 to 1.
        points: One point for each threshold, lowest threshold first. The first point keeps every
            picture that was read. Thresholds below that of the recognizer are not covered,
            because the marks it rejected are not in the text. Empty if nothing was read.
    """

    target: float
    points: tuple[RejectionPoint, ...]

    @property
    def recommended(self) -> RejectionPoint | None:
        """The point with the lowest threshold that reaches the target.

        None if no threshold reaches the target. The threshold is chosen on these pictures, so on
        other pictures by the same writers the share will be slightly lower.
        """
        reached = (point for point in self.points if point.exact_share >= self.target)
        return next(reached, None)

    def to_json(self) -> dict[str, Any]:
        """Returns the curve as numbers and lists."""
        recommended = self.recommended
        return {
            "target": self.target,
            "recommended": None if recommended is None else recommended.to_json(),
            "points": [point.to_json() for point in self.points],
        }

    def describe(self) -> str:
        """Returns one line for a terminal: the recommended threshold and its rejection rate."""
        if not self.points:
            return "Recommended threshold  none: nothing was read"
        point = self.recommended
        if point is None:
            best = max(self.points, key=lambda point: point.exact_share)
            return (
                f"Recommended threshold  none reaches {self.target:.1%}; the best is "
                f"{best.threshold}, where {format_share(best.exact_share)} of {best.kept} kept are "
                "exact"
            )
        return (
            f"Recommended threshold  {point.threshold}   rejects {point.rejected_share:.1%}; "
            f"{format_share(point.exact_share)} of {point.kept} kept are exact"
        )


def trace_rejection(
    outcomes: Sequence[tuple[float | None, bool]], target: float = DEFAULT_TARGET
) -> RejectionCurve:
    """Counts kept and exact pictures at every threshold.

    Args:
        outcomes: For each picture the confidence of its least confident digit, 0 to 1, and
            whether it was read exactly. A confidence of None rejects the picture at every
            threshold.
        target: Share of exact readings among the kept pictures that the recommended threshold
            must reach, above 0, up to 1.

    Returns:
        The curve.

    Raises:
        UsageError: The target is not above 0 and at most 1.
    """
    if not 0 < target <= 1:
        raise UsageError(
            f"the target is {target}: expected a share above 0 and at most 1, such as 0.99"
        )
    confidences = sorted({confidence for confidence, _ in outcomes if confidence is not None})
    points = []
    for number, confidence in enumerate(confidences):
        kept = [exact for found, exact in outcomes if found is not None and found >= confidence]
        threshold = _shorten(confidence, confidences[number - 1] if number else 0.0)
        points.append(RejectionPoint(threshold, len(outcomes), len(kept), sum(kept)))
    return RejectionCurve(target, tuple(points))


def _shorten(threshold: float, lower: float) -> float:
    """Rounds a threshold down to as few decimal places as possible, at least two.

    The result stays above `lower`, so it keeps the same pictures, and it is short enough to type.
    """
    for places in range(2, 17):
        scale = 10.0**places
        shorter = math.floor(threshold * scale) / scale
        if lower < shorter <= threshold:
            return shorter
    return threshold


def plot_rejection(curve: RejectionCurve) -> Figure:
    """Draws the share of exact readings among kept pictures against the share of rejected ones.

    Args:
        curve: The result of `trace_rejection`.

    Returns:
        A figure with one panel. A red dot marks the recommended threshold.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = build_figure(9.5, 6.5)
    axes = figure.subplots()
    rejected = [100 * point.rejected_share for point in curve.points]
    exact = [100 * point.exact_share for point in curve.points]
    axes.axhline(100 * curve.target, color=GREY, linestyle="--", linewidth=2)
    # The share of exact readings changes only where a threshold is reached, hence steps.
    axes.plot(rejected, exact, ".-", color=BLUE, linewidth=2.5, drawstyle="steps-post")
    point = curve.recommended
    if point is not None:
        axes.plot(
            [100 * point.rejected_share], [100 * point.exact_share], "o", color=RED, markersize=12
        )
        set_title(
            axes,
            f"Threshold {point.threshold}: rejects {100 * point.rejected_share:.1f} %, "
            f"{100 * point.exact_share:.1f} % of the rest exact",
        )
    elif curve.points:
        set_title(axes, f"No threshold reaches {100 * curve.target:g} % exact readings")
    else:
        set_title(axes, "Nothing was read")
    axes.set_xlim(-2, 102)
    lowest = min([*exact, 100 * curve.target])
    axes.set_ylim(lowest - max(0.5, 0.06 * (100 - lowest)), 100 + max(0.2, 0.04 * (100 - lowest)))
    axes.set_xlabel("Rejected (% of the pictures)", fontsize=13)
    axes.set_ylabel("Exact among those kept (%)", fontsize=13)
    axes.tick_params(labelsize=12)
    axes.grid(color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
