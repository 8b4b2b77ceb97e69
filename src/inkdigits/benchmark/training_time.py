"""Measures training time: the recipe `quick` against the recipe `dropout` of many tutorials."""

from __future__ import annotations

import statistics

from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.workplace import Workplace

TARGET_PERCENT = 99.03
"""Minimum mean test accuracy of `quick`, in percent."""


def measure_fit(place: Workplace) -> Result:
    """Measures the time of the fit alone, from the first step to the last, including validation."""
    return _compare(place, "fit", "fit_s", "the whole fit, with the data in memory", least=30)


def measure_fit_process(place: Workplace) -> Result:
    """Measures the time of whole training processes; `measure_fit` uses the same trainings."""
    summary = "`inkdigits train` from start to end, including imports, data and export"
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
