"""Bulk reading on a Ray cluster of three nodes on this machine, of which parts are killed.

`inkdigits batch --ray ADDRESS` reads notes of the collection of `bulk.py`. Once the first part is
written,

- node: a node is killed, with its workers and its share of the object store;
- actor: a worker that holds the model is killed by SIGKILL;
- driver: the command itself is killed by SIGKILL, and started again with `--resume`.

Each time, the data set must be complete, with no picture twice.

    python measurements/bulk_failures.py
    python measurements/bulk_failures.py --files 60

The exit status is 1 if a picture is lost or doubled. Needs `inkdigits[dev]` and Linux.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
from bulk import COLLECTION, load_rows
from bulk_pictures import draw_collection

from inkdigits.benchmark.machine import describe_machine
from inkdigits.ray_clusters import load_ray

N_NODES: Final = 2
"""Nodes with one core each, beside the head, which has one, too."""

DEADLINE_S: Final = 1_800


def main() -> int:
    """Runs the scenarios, prints the result and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000, help="default: 1,000")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    folder = COLLECTION.with_name(f"{COLLECTION.name}-{2 * options.files}")
    draw_collection(folder, 2 * options.files)
    notes = sorted(folder.absolute().glob("notes-*/*.png"))[: options.files]
    result: dict[str, Any] = {"machine": describe_machine(), "nodes": 1 + N_NODES}
    scenarios: dict[str, Callable[[Any, Run], None]] = {
        "node": kill_node,
        "actor": kill_actor,
        "driver": kill_driver,
    }
    for name, kill in scenarios.items():
        with tempfile.TemporaryDirectory() as temporary, start_cluster() as cluster:
            result[name] = try_scenario(Path(temporary), cluster, notes, kill)
    print(json.dumps(result, indent=2))
    bad = [result[name]["lost"] or result[name]["doubled"] for name in scenarios]
    return 1 if any(bad) else 0


class Run:
    """A batch in a process of its own.

    Attributes:
        output: Its data set.
        process: The process.
    """

    def __init__(self, listed: Path, output: Path, address: str) -> None:
        """Starts it."""
        self.output = output
        self._arguments = ["batch", str(listed), str(output), "--quiet", "--ray", address]
        self.process = self._start()

    def resume(self) -> None:
        """Starts it again."""
        self.process = self._start("--resume")

    def await_part(self) -> None:
        """Waits until the first part is written, or the process has ended."""
        await_condition(lambda: bool(self._list_parts()) or self.process.poll() is not None)

    def count_rows(self) -> int:
        """Number of rows in complete parts."""
        return len(load_rows(self.output.parent)) if self._list_parts() else 0

    def _start(self, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "inkdigits", *self._arguments, *more]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _list_parts(self) -> list[Path]:
        return list(self.output.glob("part-*"))


@contextmanager
def start_cluster() -> Iterator[Any]:
    """Yields a cluster of processes on this machine."""
    load_ray()  # sets what must be set before Ray's processes start
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(N_NODES):
        cluster.add_node(num_cpus=1)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def try_scenario(
    folder: Path, cluster: Any, notes: Sequence[Path], kill: Callable[[Any, Run], None]
) -> dict[str, Any]:
    """Runs a batch, kills a part of it once the first rows are written, and checks the data set."""
    listed = folder / "notes.txt"
    listed.write_text("\n".join(map(str, notes)), encoding="utf-8")
    run = Run(listed, folder / "data", cluster.address)
    started = time.perf_counter()
    run.await_part()
    n_before = run.count_rows()
    if run.process.poll() is not None:
        raise SystemExit(f"the batch ended before anything was killed: {run.process.communicate()}")
    kill(cluster, run)
    _, errors = run.process.communicate(timeout=DEADLINE_S)
    found = Counter(row[0] for row in load_rows(folder))
    return {
        "files": len(notes),
        "rows_before": n_before,
        "status": run.process.returncode,
        "lost": len(set(map(str, notes)) - set(found)),
        "doubled": sum(n - 1 for n in found.values()),
        "seconds": round(time.perf_counter() - started, 1),
        "errors": errors.strip()[-300:] if run.process.returncode else "",
    }


def kill_node(cluster: Any, run: Run) -> None:
    """Kills a node that has a worker."""
    nodes = [node for node in cluster.list_all_nodes() if not node.head]
    cluster.remove_node(nodes[-1], allow_graceful=False)


def kill_actor(cluster: Any, run: Run) -> None:
    """Kills a worker that holds the model."""

    def find() -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any("MapWorker" in part for part in process.info["cmdline"] or ())
            and any(str(one.pid) == str(process.ppid()) for one in list_own(cluster))
        ]

    await_condition(lambda: bool(find()))
    find()[0].send_signal(signal.SIGKILL)


def list_own(cluster: Any) -> list[psutil.Process]:
    """The raylets of a cluster: Ray on this machine may belong to others, too."""
    return [
        psutil.Process(started.process.pid)
        for node in cluster.list_all_nodes()
        for started in node.all_processes.get("raylet", ())
    ]


def kill_driver(cluster: Any, run: Run) -> None:
    """Kills the command and starts it again."""
    run.process.send_signal(signal.SIGKILL)
    run.process.communicate()
    run.resume()


def await_condition(is_met: Callable[[], bool]) -> None:
    """Waits for a condition, at most `DEADLINE_S`."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_met():
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing happened for {DEADLINE_S} s")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
