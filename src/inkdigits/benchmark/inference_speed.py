"""Measures the speed of inference against Keras: cold start, throughput and latency."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from inkdigits.benchmark.processes import run_process
from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.workplace import Workplace, measure_agreement
from inkdigits.evaluation.timing import time_in_turn

# A typical predict.py.
KERAS_SCRIPT = """
import sys, keras, numpy as np
from PIL import Image
image = 255 - np.asarray(Image.open(sys.argv[2]).convert("L").resize((28, 28)))
probabilities = keras.models.load_model(sys.argv[1]).predict(image[np.newaxis], verbose=0)
print(probabilities.argmax(), probabilities.max())
"""


def measure_cold_start(place: Workplace) -> Result:
    """Measures the time of whole processes that read one picture, without the first run of each."""
    run, picture = place.run, place.picture
    commands: dict[str, list[str | Path]] = {
        "inkdigits predict": [
            sys.executable, "-m", "inkdigits", "predict", picture, "--model", run.folder,
        ],
        "script that loads the .keras file": [
            sys.executable, "-c", KERAS_SCRIPT, run.keras_model, picture,
        ],
    }  # fmt: skip
    answers = {name: (run_process(words).split() or [""])[0] for name, words in commands.items()}
    contenders = {name: partial(run_process, words) for name, words in commands.items()}
    seconds = time_in_turn(contenders, n_turns=place.sizes.n_turns, n_warming=0)
    ours, script = (
        Timing(name, times, {"answer": answers[name]}) for name, times in seconds.items()
    )
    return Result(
        "cold-start",
        f"one picture read by a fresh process, network {place.network_name}",
        (ours, script),
        (
            Figure("script against inkdigits", script.median_s / ours.median_s, "×", least=20),
            Figure("inkdigits predict", ours.median_s, "s", most=0.35),
        ),
    )


def measure_throughput(place: Workplace) -> Result:
    """Measures the time for many tiles; Keras with the best of several batch sizes."""
    tiles, keras_network = place.tiles, place.keras_network
    contenders = {
        f"inkdigits, {form}": partial(network, tiles.images)
        for form, network in place.networks.items()
    } | {
        f"Keras predict, batches of {batch:,}": partial(
            keras_network.predict, tiles.images, batch_size=batch, verbose=0
        )
        for batch in place.sizes.keras_batches
    }
    seconds = time_in_turn(contenders, n_turns=place.sizes.n_turns)
    accuracies = {name: 100 * measure_agreement(call(), tiles) for name, call in contenders.items()}
    timings = {}
    for name, times in seconds.items():
        timing = Timing(name, times, {"accuracy": f"{accuracies[name]:.2f} %"})
        rate = {"tiles a second": f"{len(tiles) / timing.median_s:,.0f}"}
        timings[name] = Timing(name, times, rate | dict(timing.facts))
    by_keras = [timing for name, timing in timings.items() if name.startswith("Keras")]
    best = min(by_keras, key=lambda timing: timing.median_s)
    int8, float32 = timings["inkdigits, int8"], timings["inkdigits, float32"]
    difference = abs(accuracies[int8.name] - accuracies[best.name])
    return Result(
        "throughput",
        f"{len(tiles):,} tiles, network {place.network_name}",
        tuple(timings.values()),
        (
            Figure("Keras' best against int8", best.median_s / int8.median_s, "×", least=3),
            Figure("Keras' best against float32", best.median_s / float32.median_s, "×"),
            # Rounded, because two wrong tiles of 10,000 are 0.02 points only up to the last bit.
            Figure("accuracy, int8 from Keras", round(difference, 6), "points", most=0.02),
        ),
    )


def measure_latency(place: Workplace) -> Result:
    """Measures the time for single tiles, after warm-up calls."""
    tile, keras_network = place.tiles.images[:1], place.keras_network
    seconds = time_in_turn(
        {
            "inkdigits, float32": partial(place.networks["float32"], tile),
            "inkdigits, int8": partial(place.networks["int8"], tile),
            "Keras model(x)": partial(keras_network, tile),
            "Keras predict": partial(keras_network.predict, tile, verbose=0),
        },
        n_turns=place.sizes.n_turns,
        n_calls=place.sizes.n_calls,
    )
    timings = {name: Timing(name, times) for name, times in seconds.items()}
    ours, keras = timings["inkdigits, float32"], timings["Keras model(x)"]
    ratio = keras.median_s / ours.median_s
    figures = [Figure("Keras model(x) against float32", ratio, "×", least=20)]
    if ours.p99_s is not None and keras.p99_s is not None:
        figures.append(Figure("the same, p99", keras.p99_s / ours.p99_s, "×", least=20))
    return Result(
        "latency",
        f"one tile, warm, network {place.network_name}",
        tuple(timings.values()),
        tuple(figures),
    )
