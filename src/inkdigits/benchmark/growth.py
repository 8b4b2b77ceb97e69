"""Measures how time and memory grow with long streams and large folders."""

from __future__ import annotations

import csv
import importlib.util
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inkdigits.benchmark.processes import run_process
from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.workplace import Workplace
from inkdigits.errors import InkdigitsError, UsageError

REFERENCE = 10_000
"""Length that the longest stream or folder is compared with, because by then the libraries have
allocated all the memory that they keep. Without this length, the shortest is used."""

MOST_GROWTH = 1.2
"""Maximum factor by which the time per item and the peak memory may grow."""

FOLDER_PICTURE = (100, 80)
"""Width and height of the pictures in the folders, in pixels."""

# Reads n tiles, and keeps none of the results.
READ_STREAM = """
import sys, numpy as np
from inkdigits.recognition import Recognizer
tiles, n = np.load(sys.argv[1]), int(sys.argv[2])
stream = (tiles[index % len(tiles)] for index in range(n))
for reading in Recognizer.load(sys.argv[3]).read_many(stream):
    pass
"""

# The peak memory of a process includes what its parent had in memory when it was started, so the
# command is started by this small process. Its first argument is the highest exit status that is
# success. It prints the peak in bytes; the output of the command itself is discarded.
MEASURE_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL).returncode
if not 0 <= status <= int(sys.argv[1]):
    sys.exit(status or 1)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else 1024 * peak)
"""


def can_measure_memory() -> bool:
    """Returns whether the system has the module `resource`: all but Windows do."""
    return importlib.util.find_spec("resource") is not None


def measure_growth(place: Workplace) -> Result:
    """Measures time and peak memory for streams of tiles and for folders of pictures.

    Raises:
        UsageError: The system is Windows, where Python cannot measure the memory of a process.
    """
    if not can_measure_memory():
        raise UsageError(
            "'growth' measures memory with the module 'resource', which Windows does not have: "
            "name the other benchmarks"
        )
    np.save(place.folder / "tiles.npy", place.test.images)
    timings, figures = [], []
    for kind, lengths in (("tiles", place.sizes.streams), ("pictures", place.sizes.folders)):
        measured = []
        for n in lengths:
            if kind == "tiles":
                seconds, peak_bytes = _time_stream(place, n)
            else:
                seconds, peak_bytes = _time_folder(place, n)
            facts = {
                "peak memory": f"{peak_bytes / 1e6:.0f} MB",
                "each": f"{1e6 * seconds / n:.0f} µs",
            }
            timings.append(Timing(f"{n:,} {kind}", (seconds,), facts))
            measured.append((n, seconds, peak_bytes))
        reference = lengths.index(REFERENCE) if REFERENCE in lengths[:-1] else 0
        n_less, seconds_less, bytes_less = measured[reference]
        n_more, seconds_more, bytes_more = measured[-1]
        pair = f"{n_more:,} {kind} against {n_less:,}"
        slowing = (seconds_more / n_more) / (seconds_less / n_less)
        figures += [
            Figure(f"{pair}: time each", slowing, "×", most=MOST_GROWTH),
            Figure(f"{pair}: peak memory", bytes_more / bytes_less, "×", most=MOST_GROWTH),
        ]
    summary = f"streams through `read_many`, folders through `predict`; {place.network_name}"
    return Result("growth", summary, tuple(timings), tuple(figures))


def measure_process(command: Sequence[str | Path], *, highest_status: int = 0) -> tuple[float, int]:
    """Runs a command, and measures its time and memory.

    Args:
        command: The command.
        highest_status: The highest exit status that counts as success.

    Returns:
        The time in seconds, and the peak memory in bytes.

    Raises:
        InkdigitsError: The exit status is negative, or higher than `highest_status`.
    """
    started = time.perf_counter()
    printed = run_process([sys.executable, "-c", MEASURE_PEAK, str(highest_status), *command])
    return time.perf_counter() - started, int(printed)


def _time_stream(place: Workplace, n: int) -> tuple[float, int]:
    tiles = place.folder / "tiles.npy"
    return measure_process([sys.executable, "-c", READ_STREAM, tiles, str(n), place.run.folder])


def _time_folder(place: Workplace, n: int) -> tuple[float, int]:
    rows, model = place.folder / f"rows-{n}.csv", place.run.folder
    command: list[str | Path] = [sys.executable, "-m", "inkdigits", "predict", _fill(place, n)]
    # Status 1 means that no digit was found in a picture, which may happen once in some thousand.
    measured = measure_process(
        [*command, "--model", model, "--json", "--csv", rows], highest_status=1
    )
    with rows.open(newline="", encoding="utf-8") as file:
        n_rows = sum(1 for _ in csv.DictReader(file))
    if n_rows != n:
        raise InkdigitsError(
            f"{n_rows} of {n} pictures were read: run `inkdigits predict` by hand to see why"
        )
    return measured


def _fill(place: Workplace, n: int) -> Path:
    """Writes a folder of n pictures."""
    folder = place.folder / f"pictures-{n}"
    folder.mkdir()
    for index in range(n):
        place.draw(index, FOLDER_PICTURE, 56).save(folder / f"{index:07}.png", compress_level=1)
    return folder
