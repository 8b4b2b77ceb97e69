"""What one request costs a running service: CPU time, memory, and delay of other clients."""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

MAX_CPU_S = 2.0
MAX_MB = 300.0
MAX_WAIT_S = 0.2
TIMEOUT_S = 60
ROUNDS = 3  # On shared cores, the CPU time of one request varies by a quarter.
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Attack:
    """A hostile request.

    Attributes:
        name: Name of the attack.
        statuses: Expected statuses; 0 means that the connection is closed without an answer.
        build: Builds the bytes of the request.
        n_pages: Number of its pages, each of which may take `MAX_CPU_S`.
    """

    name: str
    statuses: tuple[int, ...]
    build: Callable[[], bytes]
    n_pages: int = 1


@dataclass(frozen=True)
class Cost:
    """The cost of an attack: one round, or the medians of all.

    Attributes:
        name: Name of the attack.
        n_bytes: Size of the request.
        status: Status of the answer; 0 without an answer.
        seconds: Time until the answer.
        cpu_s: CPU time of the service.
        mb: Additional memory of the service; of several rounds, the most.
        wait_ms: Slowest answer of the health route.
        is_held: Whether all values are within their limits.
    """

    name: str
    n_bytes: int
    status: int
    seconds: float
    cpu_s: float
    mb: float
    wait_ms: float
    is_held: bool


def measure(attack: Attack, port: int, process: int) -> Cost:
    """Sends an attack and measures its cost.

    Args:
        attack: The attack.
        port: Port of the service.
        process: Process group of the service.
    """
    request = attack.build()
    is_over = threading.Event()
    waits_s: list[float] = [0.0]
    held: list[float] = []
    watchers = [
        threading.Thread(target=watch_health, args=(port, is_over, waits_s)),
        threading.Thread(target=watch_memory, args=(process, is_over, held)),
    ]
    cpu_s, before = read_cpu_s(process), read_memory_mb(process)
    started_s = time.monotonic()
    for watcher in watchers:
        watcher.start()
    status = send(port, request)
    seconds = time.monotonic() - started_s
    time.sleep(0.3)  # work after the answer counts too
    is_over.set()
    for watcher in watchers:
        watcher.join()
    cpu_s = read_cpu_s(process) - cpu_s
    mb = max(held) - before
    cost = Cost(attack.name, len(request), status, seconds, cpu_s, mb, 1000 * max(waits_s), False)
    return replace(cost, is_held=is_within_limits(attack, cost))


def summarise(attack: Attack, rounds: Sequence[Cost]) -> Cost:
    """Returns the medians of several rounds of an attack.

    The status is one that was not expected, if there was any.
    """
    unexpected = [cost.status for cost in rounds if cost.status not in attack.statuses]
    cost = replace(
        rounds[0],
        status=unexpected[0] if unexpected else rounds[0].status,
        seconds=statistics.median(cost.seconds for cost in rounds),
        cpu_s=statistics.median(cost.cpu_s for cost in rounds),
        mb=max(cost.mb for cost in rounds),
        wait_ms=statistics.median(cost.wait_ms for cost in rounds),
    )
    return replace(cost, is_held=is_within_limits(attack, cost))


def is_within_limits(attack: Attack, cost: Cost) -> bool:
    """Whether status, CPU time, memory and waiting time are within their limits."""
    return (
        cost.status in attack.statuses
        and cost.cpu_s <= MAX_CPU_S * attack.n_pages
        and cost.mb <= MAX_MB
        and cost.wait_ms <= 1000 * MAX_WAIT_S
    )


def send(port: int, request: bytes) -> int:
    """Sends a request and returns the status of the answer; 0 without an answer."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        received = b""
        with suppress(ConnectionError, TimeoutError):
            while b"\r\n" not in received and (part := connection.recv(65536)):
                received += part
    return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0


def watch_health(port: int, is_over: threading.Event, waits_s: list[float]) -> None:
    """Requests the health route repeatedly until the event is set."""
    while not is_over.wait(0.01):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        started_s = time.monotonic()
        with closing(connection), suppress(OSError):
            connection.request("GET", "/v2/health/live")
            connection.getresponse().read()
        waits_s.append(time.monotonic() - started_s)


def watch_memory(process: int, is_over: threading.Event, held: list[float]) -> None:
    """Measures memory repeatedly until the event is set."""
    while True:
        held.append(read_memory_mb(process))
        if is_over.wait(0.02):
            return


def list_processes(group: int) -> Iterator[Path]:
    """Yields the /proc folders of the processes in a group."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                    yield folder


def read_cpu_s(group: int) -> float:
    """Returns the CPU time of all processes in a group, including their ended children."""
    total = 0.0
    for folder in list_processes(group):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / TICKS_PER_S
    return total


def read_memory_mb(group: int) -> float:
    """Returns the memory of all processes in a group; shared pages count proportionally (PSS)."""
    total = 0
    for folder in list_processes(group):
        with suppress(OSError):
            lines = (folder / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6
