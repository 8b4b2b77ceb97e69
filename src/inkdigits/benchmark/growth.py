"""Whether time grows in step with the work and memory not at all: long streams, large folders."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inkdigits.benchmark.result import Figure, Result, Timing
from inkdigits.benchmark.timing import run_process
from inkdigits.benchmark.workplace import Workplace
from inkdigits.errors import InkdigitsError

REFERENCE = 10_000
"""What the longest is compared with, else the shortest: by then the libraries have taken all the
memory that they keep."""

MOST_GROWTH = 1.2

FOLDER_PICTURE = (100, 80)
"""Width and height of the pictures in the folders, in pixels."""

# Reads so many tiles and keeps nothing of them.
READ_STREAM = """
import sys, numpy as np
from inkdigits.recognition import Recognizer
tiles, n = np.load(sys.argv[1]), int(sys.argv[2])
stream = (tiles[index % len(tiles)] for index in range(n))
for reading in Recognizer.load(sys.argv[3]).read_many(stream):
    pass
"""

# A process counts as its own what its parent had in memory when it was started, so a small one
# stands in between. Its first argument is the highest exit status that is success; it writes the
# peak in bytes to stdout, where the command itself writes nothing.
MEASURE_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL).returncode
if not 0 <= status <= int(sys.argv[1]):
    sys.exit(status or 1)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else 1024 * peak)
"""


def measure_growth(place: Workplace) -> Result:
    """Reads streams of tiles and folders of pictures of several lengths, shortest first."""
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
    """Seconds of a whole process, and the most memory it held, in bytes.

    Raises:
        InkdigitsError: It ended with a higher status than the highest that is success.
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
    # Status 1 says that a picture holds no digit, which one in some thousand may be taken for.
    measured = measure_process(
        [*command, "--model", model, "--json", "--csv", rows], highest_status=1
    )
    with rows.open(newline="", encoding="utf-8") as file:
        n_rows = sum(1 for _ in csv.DictReader(file))
    if n_rows != n:
        raise InkdigitsError(f"{n_rows} of {n} pictures were read: run `inkdigits predict` by hand")
    return measured


def _fill(place: Workplace, n: int) -> Path:
    """A folder of so many pictures."""
    folder = place.folder / f"pictures-{n}"
    folder.mkdir()
    for index in range(n):
        place.draw(index, FOLDER_PICTURE, 56).save(folder / f"{index:07}.png", compress_level=1)
    return folder
