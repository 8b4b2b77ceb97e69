"""Bulk reading on this machine: speed, memory and completeness, in threads and on Ray.

A collection of drawn pictures (see `bulk_pictures.py`) is read by `inkdigits batch`, in threads and
on Ray on this machine: pictures per second, core-milliseconds per picture, memory of all processes
after the first thousand files, no picture lost or doubled, and the rows of both compared, value for
value. `bulk_costs.py` measures what each kind of picture costs and what a second worker brings.

    python measurements/bulk.py                    # 100,000 pictures: hours on two cores
    python measurements/bulk.py --pictures 2000    # minutes

The exit status is 1 if a picture is lost or doubled, if rows differ, or if memory grows by more
than a tenth after the first thousand files. Needs `inkdigits[dev]` and Linux.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from bulk_pictures import draw_collection
from pyarrow import dataset

from inkdigits.benchmark.machine import describe_machine

COLLECTION: Final = Path("build/bulk-pictures")
MAX_GROWTH: Final = 0.1
WARM_FILES: Final = 1_000
POLL_S: Final = 0.5


def main() -> int:
    """Runs the measurement, prints its result and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000, help="default: 100,000")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    folder = COLLECTION.with_name(f"{COLLECTION.name}-{options.pictures}")
    collection = draw_collection(folder, options.pictures)
    whole = {name: read_whole(folder, ray=name == "ray") for name in ("threads", "ray")}
    rows = {name: run.pop("table") for name, run in whole.items()}
    result = {
        "machine": describe_machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("ray", "pyarrow", "onnxruntime")},
        "collection": collection,
        **whole,
        "same_rows": rows["threads"] == rows["ray"],
        "different_rows": count_different(rows["threads"], rows["ray"]),
    }
    print(json.dumps(result, indent=2) if options.json else describe(result))
    return 0 if is_good(result) else 1


def is_good(result: dict[str, Any]) -> bool:
    """Whether nothing is lost, doubled or different, and memory stays flat."""
    runs = [result[name] for name in ("threads", "ray")]
    return result["same_rows"] and all(
        run["lost"] == run["doubled"] == 0
        and (run["memory_growth"] is None or run["memory_growth"] <= MAX_GROWTH)
        for run in runs
    )


def read_whole(folder: Path, *, ray: bool) -> dict[str, Any]:
    """Reads the collection once, and checks that each picture has one row.

    The kinds of pictures are mixed, because memory at the beginning and at the end can only be
    compared if both times read the same kinds.
    """
    files = np.array(sorted(map(str, folder.absolute().rglob("[!.]*.*"))))
    np.random.default_rng(0).shuffle(files)
    with tempfile.TemporaryDirectory() as output:
        listed = Path(output, "files.txt")
        listed.write_text("\n".join(files), encoding="utf-8")
        run = run_batch(listed, Path(output), *(["--ray"] if ray else []))
        table = load_rows(Path(output))
    expected = count_expected(folder)
    found = Counter((address, page) for address, page, *_ in table)
    return {
        **run,
        "lost": len(set(expected) - set(found)),
        "doubled": sum(n - 1 for n in found.values()),
        "errors": sum(row[-1] is not None for row in table),
        "table": table,
    }


def run_batch(source: Path, output: Path, *options: str) -> dict[str, Any]:
    """Runs `inkdigits batch` as a user does, and watches its processes.

    Returns:
        What the command reports; pictures per second, without the time to start;
        core-milliseconds per picture, with it; and the memory in MB of all processes: the median of
        the time around file `WARM_FILES` and of the last tenth of the time.
    """
    command = [sys.executable, "-m", "inkdigits", "batch", str(source), str(output / "data")]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--json", "--quiet", *options], stdout=subprocess.PIPE, text=True
    )
    watch = ProcessWatch(process.pid)
    printed, _ = process.communicate()
    seconds = time.perf_counter() - started
    watch.stop()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    reported = json.loads(printed)
    pictures = reported["rows"]
    share = WARM_FILES / reported["files"]
    return {
        "seconds": round(seconds, 2),
        "seconds_to_first": reported["start_seconds"],
        "pictures": pictures,
        "pictures_per_second": round(
            reported["files_per_second"] * pictures / reported["files"], 3
        ),
        "core_ms_per_picture": round(1000 * watch.cpu_s / pictures, 1),
        **watch.summarise(share),
    }


class ProcessWatch:
    """Follows memory and processor time of a process and of all that it starts."""

    def __init__(self, pid: int) -> None:
        """Starts a thread."""
        self._root = psutil.Process(pid)
        self._cpu_s: dict[int, float] = {}
        self.memory_mb: list[float] = []
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all processes so far."""
        return sum(self._cpu_s.values())

    def stop(self) -> None:
        """Ends the thread."""
        self._is_stopped.set()
        self._thread.join()

    def summarise(self, warm_share: float) -> dict[str, Any]:
        """Memory in MB after the first `warm_share` of the time, at the end, and its growth."""
        n = len(self.memory_mb)
        highest = round(max(self.memory_mb, default=0.0), 1)
        if warm_share > 0.5 or n < 20:
            return {"memory_mb": {"highest": highest}, "memory_growth": None}
        width = max(n // 10, 1)
        first = int(n * warm_share)
        warm = statistics.median(self.memory_mb[first : first + width])
        last = statistics.median(self.memory_mb[-2 * width : -width])
        return {
            "memory_mb": {"warm": round(warm, 1), "last": round(last, 1), "highest": highest},
            "memory_growth": round(last / warm - 1, 4),
        }

    def _follow(self) -> None:
        while not self._is_stopped.wait(POLL_S):
            total = 0
            try:
                processes = [self._root, *self._root.children(recursive=True)]
            except psutil.Error:
                return
            for process in processes:
                try:
                    # Ray's workers share the object store; PSS counts a shared page once.
                    total += process.memory_full_info().pss
                    times = process.cpu_times()
                    self._cpu_s[process.pid] = times.user + times.system
                except psutil.Error:
                    continue  # it has ended; its last time counts
            self.memory_mb.append(total / 2**20)


def load_rows(output: Path) -> list[tuple[Any, ...]]:
    """The rows without what differs from run to run, sorted; the last value is the error."""
    names = ("address", "page", "text", "confidence", "digits", "reason", "model", "error")
    parts = sorted(map(str, (output / "data").glob("part-*.parquet")))
    table = dataset.dataset(parts).to_table(columns=list(names))
    rows = [tuple(row[name] for name in names) for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row[0], row[1] or 0))


def count_expected(folder: Path) -> Counter[tuple[str, int | None]]:
    """The pictures and pages of a collection."""
    import pypdfium2

    expected: Counter[tuple[str, int | None]] = Counter()
    for path in folder.absolute().rglob("[!.]*.*"):
        if path.suffix == ".pdf":
            with pypdfium2.PdfDocument(path) as document:
                expected.update((str(path), page) for page in range(1, len(document) + 1))
        else:
            expected[str(path), None] += 1
    return expected


def count_different(first: list[tuple[Any, ...]], second: list[tuple[Any, ...]]) -> int:
    """Number of pictures whose rows differ."""
    ones, others = ({row[:2]: row for row in rows} for rows in (first, second))
    return sum(ones.get(place) != others.get(place) for place in ones.keys() | others.keys())


def describe(result: dict[str, Any]) -> str:
    """The result in some lines."""
    lines = []
    for name in ("threads", "ray"):
        run = result[name]
        growth = run["memory_growth"]
        lines.append(
            f"{name}: {run['pictures']:,} pictures, {run['pictures_per_second']} per second, "
            f"{run['core_ms_per_picture']} core-ms each, lost {run['lost']}, doubled "
            f"{run['doubled']}, memory {run['memory_mb']}, growth {growth}"
        )
    lines.append(f"different rows: {result['different_rows']}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
