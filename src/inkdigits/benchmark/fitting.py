"""How long training takes: the recipe `quick` against the classic recipe `dropout`."""

from __future__ import annotations

import statistics

from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.workplace import Workplace

TARGET_PERCENT = 99.03
"""Test accuracy that counts as trained."""


def measure_fit(place: Workplace) -> Result:
    """Times the fits alone, from the first step to the last, with their validation."""
    return _compare(place, "fit", "fit_s", "the whole fit, data in memory", least=30)


def measure_fit_process(place: Workplace) -> Result:
    """Times the same trainings as whole processes."""
    summary = "`inkdigits train` from start to end, imports, data and export included"
    return _compare(place, "fit-process", "process_s", summary, least=12)


def _compare(place: Workplace, name: str, seconds: str, summary: str, *, least: float) -> Result:
    quick, dropout = zip(*place.pairs, strict=True)
    timings, means = [], []
    for recipe, trainings in (("quick", quick), ("dropout", dropout)):
        percents = [100 * training.test_accuracy for training in trainings]
        means.append(statistics.mean(percents))
        facts = {"mean test accuracy": f"{means[-1]:.2f} %", "lowest": f"{min(percents):.2f} %"}
        times = tuple(getattr(training, seconds) for training in trainings)
        timings.append(Timing(recipe, times, facts))
    return Result(
        name,
        f"{summary}; seeds 0 to {len(quick) - 1}",
        tuple(timings),
        (
            Figure("dropout against quick", timings[1].median_s / timings[0].median_s, "×", least),
            Figure("test accuracy of quick, mean", means[0], "%", TARGET_PERCENT),
        ),
    )
