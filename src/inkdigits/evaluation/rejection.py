"""Accuracy against rejection: what raising the threshold costs and what it gains.

A picture is kept where its least confident digit reaches the threshold, else it is rejected and a
person looks at it. The curve shows the share of exact readings among those kept against the share
rejected (the risk-coverage curve of El-Yaniv and Wiener, 2010, upside down).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from inkdigits.errors import UsageError
from inkdigits.evaluation.plots import BLUE, GREY, RED, build_figure, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_TARGET: Final = 0.99
"""Chosen, not measured: one wrong number in a hundred of those that nobody looks at again. Whoever
can bear more or fewer says so with `--target`."""


@dataclass(frozen=True)
class RejectionPoint:
    """What one threshold gives.

    Attributes:
        threshold: Least confidence of a digit, 0 to 1.
        n: Number of pictures.
        kept: Number of those whose least confident digit reaches the threshold.
        exact: Number of those kept that were read exactly.
    """

    threshold: float
    n: int
    kept: int
    exact: int

    @property
    def rejected_share(self) -> float:
        """Share of all pictures that are not kept, 0 to 1."""
        return 1 - self.kept / self.n

    @property
    def exact_share(self) -> float:
        """Share of the kept pictures that were read exactly, 0 to 1."""
        return self.exact / self.kept

    def to_json(self) -> dict[str, Any]:
        """The point as plain numbers."""
        shares = {"rejected_share": self.rejected_share, "exact_share": self.exact_share}
        return {**vars(self), **shares}


@dataclass(frozen=True)
class RejectionCurve:
    """Accuracy against rejection over every threshold that makes a difference.

    Attributes:
        target: Share of the kept pictures that shall be exact, 0 to 1.
        points: Lowest threshold first; at the first one all that was read is kept. Lower ones than
            the reader's own are not seen: what it refused has no text. Empty where nothing was
            read.
    """

    target: float
    points: tuple[RejectionPoint, ...]

    @property
    def recommended(self) -> RejectionPoint | None:
        """The lowest threshold at which the target share of what is kept is exact.

        None where no threshold reaches the target. It is chosen on these pictures: on others by
        the same hands the share will be a little lower.
        """
        reached = (point for point in self.points if point.exact_share >= self.target)
        return next(reached, None)

    def to_json(self) -> dict[str, Any]:
        """The curve as plain numbers and lists."""
        recommended = self.recommended
        return {
            "target": self.target,
            "recommended": None if recommended is None else recommended.to_json(),
            "points": [point.to_json() for point in self.points],
        }

    def describe(self) -> str:
        """One line for a terminal: the recommended threshold and what it costs."""
        if not self.points:
            return "Recommended threshold  none: nothing was read"
        point = self.recommended
        if point is None:
            best = max(self.points, key=lambda point: point.exact_share)
            return (
                f"Recommended threshold  none: at {best.threshold}, {best.exact_share:.1%} of "
                f"{best.kept} kept are exact, at no threshold {self.target:.1%}"
            )
        return (
            f"Recommended threshold  {point.threshold}   rejects {point.rejected_share:.1%}; "
            f"of {point.kept} kept {point.exact_share:.1%} are exact"
        )


def trace_rejection(
    outcomes: Sequence[tuple[float | None, bool]], target: float = DEFAULT_TARGET
) -> RejectionCurve:
    """Finds what every threshold would keep, and how much of that is exact.

    Args:
        outcomes: For each picture the confidence of its least confident digit, 0 to 1, and
            whether it was read exactly; None for a picture that is rejected at any threshold.
        target: Share of the kept pictures that shall be exact, above 0, up to 1.

    Raises:
        UsageError: A target that is no such share.
    """
    if not 0 < target <= 1:
        raise UsageError(f"the target is {target}: expected a share above 0, up to 1, such as 0.99")
    confidences = sorted({confidence for confidence, _ in outcomes if confidence is not None})
    points = []
    for number, confidence in enumerate(confidences):
        kept = [exact for found, exact in outcomes if found is not None and found >= confidence]
        threshold = _shorten(confidence, confidences[number - 1] if number else 0.0)
        points.append(RejectionPoint(threshold, len(outcomes), len(kept), sum(kept)))
    return RejectionCurve(target, tuple(points))


def _shorten(threshold: float, lower: float) -> float:
    """The decimal number of fewest places above `lower`, up to `threshold`; two places at least.

    It keeps the same pictures, and can be typed.
    """
    for places in range(2, 17):
        scale = 10.0**places
        shorter = math.floor(threshold * scale) / scale
        if lower < shorter <= threshold:
            return shorter
    return threshold


def plot_rejection(curve: RejectionCurve) -> Figure:
    """Draws the share of exact readings among those kept against the share rejected.

    Args:
        curve: As `trace_rejection` gives it.

    Returns:
        A figure of one panel, the recommended threshold marked in it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = build_figure(9.5, 6.5)
    axes = figure.subplots()
    rejected = [100 * point.rejected_share for point in curve.points]
    exact = [100 * point.exact_share for point in curve.points]
    axes.axhline(100 * curve.target, color=GREY, linestyle="--", linewidth=2)
    # Right of a point nothing changes until so many more are rejected that the next one is reached.
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
        set_title(axes, f"No threshold makes {100 * curve.target:g} % of what is kept exact")
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
