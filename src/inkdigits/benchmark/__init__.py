"""Benchmarks of speed, size and growth, compared with Keras, TensorFlow and a typical script.

Each benchmark is a function that takes a workplace and returns a result. Competitors run in turn.
`inkdigits benchmark` runs benchmarks by name. Most need Keras, `inkdigits[train]`.
"""

from collections.abc import Callable, Mapping

from inkdigits.benchmark.growth import can_measure_memory, measure_growth
from inkdigits.benchmark.inference_speed import (
    measure_cold_start,
    measure_latency,
    measure_throughput,
)
from inkdigits.benchmark.installation import measure_size
from inkdigits.benchmark.machine import describe_machine, measure_machine
from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.training_time import measure_fit, measure_fit_process
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
    "can_measure_memory",
    "describe_machine",
]
