"""Benchmarks: speed, size and growth, against peers that are run in turn with ours.

Each is a function from a workplace to a result. `inkdigits benchmark` runs them by name; the peers
need Keras, `inkdigits[train]`.
"""

from collections.abc import Callable, Mapping

from inkdigits.benchmark.fitting import measure_fit, measure_fit_process
from inkdigits.benchmark.growth import measure_growth
from inkdigits.benchmark.installation import measure_size
from inkdigits.benchmark.machine import describe_machine, measure_machine
from inkdigits.benchmark.reading import measure_cold_start, measure_latency, measure_throughput
from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.workplace import FULL, SLICE, Sizes, Workplace

BENCHMARKS: Mapping[str, Callable[[Workplace], Result]] = {
    "fit": measure_fit,
    "fit-process": measure_fit_process,
    "cold-start": measure_cold_start,
    "throughput": measure_throughput,
    "latency": measure_latency,
    "size": measure_size,
    "growth": measure_growth,
    "machine": measure_machine,
}

__all__ = [
    "BENCHMARKS",
    "FULL",
    "SLICE",
    "Figure",
    "Result",
    "Sizes",
    "Timing",
    "Workplace",
    "describe_machine",
]
