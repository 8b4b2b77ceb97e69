"""Measures how much of the processor's arithmetic speed is used."""

from __future__ import annotations

import math
import os
import platform
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.workplace import Workplace
from inkdigits.evaluation.timing import time_in_turn
from inkdigits.training.runs import list_versions

PASSES_OF_A_STEP = 3
"""A training step takes about three times the operations of inference: the forward pass, and the
backward passes for the values and for the weights."""


def measure_machine(place: Workplace) -> Result:
    """Compares inference and training with a large float32 matrix product, taken as the limit.

    Processors with units for int8 or bfloat16 have higher limits for these types, so more than
    100 % is possible.
    """
    side, tiles = place.sizes.matrix_side, place.tiles.images
    random = np.random.default_rng(0)
    left, right = random.random((2, side, side), np.float32)
    operations = count_operations(place.keras_network)
    keras = place.keras_network
    work = {
        "product of float32 matrices": (partial(np.matmul, left, right), 2 * side**3),
        "inkdigits, float32": (partial(place.networks["float32"], tiles), None),
        "inkdigits, int8": (partial(place.networks["int8"], tiles), None),
        "Keras predict": (partial(keras.predict, tiles, batch_size=500, verbose=0), None),
    }
    contenders = {name: call for name, (call, _) in work.items()}
    seconds = time_in_turn(contenders, n_turns=place.sizes.n_turns)
    rates, timings = {}, []
    for name, times in seconds.items():
        done = work[name][1] or operations * len(tiles)
        rates[name] = done / Timing(name, times).median_s
        timings.append(Timing(name, times, {"GFLOP/s": f"{rates[name] / 1e9:.1f}"}))
    peak = rates.pop("product of float32 matrices")
    rates["fit"] = count_fit_operations(place, operations) / _read_fit_seconds(place)
    figures = [Figure(f"{name}: of the limit", 100 * r / peak, "%") for name, r in rates.items()]
    return Result(
        "machine",
        f"{operations / 1e6:.2f} million operations per tile, network {place.network_name}",
        tuple(timings),
        tuple(figures),
    )


def count_operations(network: Any) -> int:
    """Counts the multiplications and additions of convolutions and dense layers for one tile.

    The other layers, which add a few per cent, are not counted.

    Args:
        network: A Keras network that has been built.
    """
    operations = 0
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            _, *places, _ = layer.output.shape  # each weight is used at every position
            operations += 2 * math.prod(places) * math.prod(layer.kernel.shape)
        elif kind == "Dense":
            operations += 2 * math.prod(layer.kernel.shape)
    return operations


def count_fit_operations(place: Workplace, operations: int) -> int:
    """Returns the number of operations of the fit of the workplace's run, without validation."""
    recipe = place.run.load_settings().recipe
    n_images = 60_000 - recipe.validation_images
    if recipe.training_images is not None:
        n_images = min(n_images, recipe.training_images)
    n_tiles = round(n_images * (1 + recipe.outliers))
    n_epochs = len(place.run.load_history())
    return PASSES_OF_A_STEP * operations * n_tiles * n_epochs


def describe_machine() -> dict[str, Any]:
    """Returns processor, number of cores and versions, as plain JSON."""
    return {
        "processor": _find_processor(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        **list_versions(),
    }


def _read_fit_seconds(place: Workplace) -> float:
    return sum(row["seconds"] for row in place.run.load_history())


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not on Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
