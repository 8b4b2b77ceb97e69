"""Measures throughput and latency of the service and of two peers with the same model.

The peers are a simple FastAPI service, which calls the recognizer once per request, and LitServe,
which batches tiles. All three get the same requests: single tiles as JSON with 784 numbers, and a
photograph of about 200 kB as raw bytes. Within each round the peers take turns; the others are
stopped meanwhile. Clients keep their connections open and send the next request when the last one
is answered. Every answer is compared with the recognizer's own result.

The clients share the cores with the peers. `client ms` is the clients' CPU time per request, `CPU
ms` that of all processes of the peer. The line below the table shows the CPU time of the steps of
reading a photograph, measured in this process before the load.

    python measurements/load.py                      # ours and the FastAPI service
    pip install --target litserve --no-deps litserve==0.2.19
    python measurements/load.py --litserve litserve  # all three
    python measurements/load.py --slice              # a short test run of half a minute

The exit status is 1 if an answer was wrong or missing. Needs `inkdigits[serve]` and Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import io
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvloop
from PIL import Image

from inkdigits.data import fetch_mnist
from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition import Recognizer
from inkdigits.text_tables import format_columns

KINDS = ("tile", "photograph")
ROUNDS = 3
TILES = 64
PHOTOGRAPH = Path(__file__).parents[1] / "samples" / "1984-on-ruled-paper.jpg"
PHOTOGRAPH_BYTES = 200_000
START_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Exchange:
    """The bytes of a request, and the text that its answer must contain."""

    request: bytes
    expected: str


@dataclass(frozen=True)
class Round:
    """The result of one round: latencies in milliseconds, CPU times per request."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    client_cpu_ms: float
    errors: int


def main() -> int:
    """Runs the measurement, prints its result and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=4, help="length of a round; default: 4")
    parser.add_argument("--litserve", type=Path, metavar="DIR", help="folder of LitServe")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    parser.add_argument("--slice", action="store_true", help="1 and 4 clients, one short round")
    options = parser.parse_args()
    clients, seconds, rounds = options.clients, options.seconds, ROUNDS
    if options.slice:
        clients, seconds, rounds = [1, 4], 0.3, 1
    names = ["inkdigits", "plain"]
    if options.litserve is not None and (options.litserve / "litserve").is_dir():
        names.append("litserve")
    else:
        where = "no --litserve given" if options.litserve is None else f"not in {options.litserve}"
        print(
            f"LitServe is skipped: {where}; see the top of {Path(__file__).name} for how to "
            "install it",
            file=sys.stderr,
        )
    recognizer = Recognizer.load()
    exchanges = {
        (kind, name): draw_exchanges(kind, name, recognizer) for kind in KINDS for name in names
    }
    stages = measure_stages(recognizer, 2 if options.slice else 10)
    with contextlib.ExitStack() as stack:
        peers = {}
        for name in names:
            peers[name] = stack.enter_context(start(name, options.litserve))
            for kind in KINDS:
                await_answer(peers[name][0], exchanges[kind, name][0], name)
        rows = measure(peers, exchanges, clients, seconds, rounds)
    result = {
        "machine": describe_machine(options.litserve),
        "rounds": rounds,
        "seconds": seconds,
        "rows": rows,
        "photograph_ms": stages,
    }
    print(json.dumps(result, indent=2) if options.json else tabulate(result))
    return int(any(row["errors"] for row in rows))


def tabulate(result: dict[str, Any]) -> str:
    """Returns the result as a text table."""
    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    head = ("", "clients", "", "requests/s", "p50 ms", "p99 ms", "CPU ms", "client ms", "errors")
    rows = [
        [
            *(row["what"], str(row["clients"]), row["peer"]),
            *(f"{row[name]:.1f}" for name in ("requests_per_s", "p50_ms", "p99_ms")),
            *(f"{row[name]:.2f}" for name in ("cpu_ms", "client_cpu_ms")),
            str(row["errors"]),
        ]
        for row in result["rows"]
    ]
    stages = ", ".join(f"{name} {ms:.1f}" for name, ms in result["photograph_ms"].items())
    table = format_columns([head, *rows], "<><>>>>>>")
    return "\n".join([machine, *table, f"CPU ms of one photograph: {stages}"])


def describe_machine(litserve: Path | None) -> dict[str, Any]:
    """Returns the number of cores and the versions of the packages."""
    found = {
        distribution.name.lower(): distribution.version
        for distribution in distributions(path=[*([str(litserve)] if litserve else []), *sys.path])
    }
    names = ("inkdigits", "onnxruntime", "fastapi", "uvicorn", "litserve")
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: found[name] for name in names if name in found},
    }


def measure(
    peers: dict[str, tuple[int, int]],
    exchanges: dict[tuple[str, str], list[Exchange]],
    clients: Sequence[int],
    seconds: float,
    rounds: int,
) -> list[dict[str, Any]]:
    """Measures all peers in turn and returns the medians over the rounds.

    Args:
        peers: Port and process group by name.
        exchanges: Requests by kind and peer.
        clients: Numbers of simultaneous clients.
        seconds: Length of a round.
        rounds: Number of counted rounds; one more round is a warm-up.

    Returns:
        One row for each kind, number of clients and peer.
    """
    seen: dict[tuple[str, int, str], list[Round]] = {}
    for _, group in peers.values():
        os.killpg(group, signal.SIGSTOP)
    try:
        for kind in KINDS:
            for n_clients in clients:
                for number in range(-1, rounds):
                    for name, (_, group) in peers.items():
                        os.killpg(group, signal.SIGCONT)
                        span = seconds if number >= 0 else min(seconds, 1)
                        found = load(peers[name], exchanges[kind, name], n_clients, span, name)
                        os.killpg(group, signal.SIGSTOP)
                        if number >= 0:
                            seen.setdefault((kind, n_clients, name), []).append(found)
    finally:
        for _, group in peers.values():
            os.killpg(group, signal.SIGCONT)
    rows = []
    for (kind, n_clients, name), turns in seen.items():
        row: dict[str, Any] = {"what": kind, "clients": n_clients, "peer": name}
        values = [asdict(turn) for turn in turns]
        row |= {key: statistics.median(value[key] for value in values) for key in values[0]}
        rows.append(row | {"errors": sum(turn.errors for turn in turns)})
    return rows


def load(
    peer: tuple[int, int], exchanges: Sequence[Exchange], n_clients: int, seconds: float, name: str
) -> Round:
    """Runs one round: clients send one request after the other for some seconds."""
    port, group = peer
    cpu_s, client_cpu_s, started_s = read_cpu_s(group), time.process_time(), time.perf_counter()
    clients = uvloop.run(_ask(port, exchanges, n_clients, seconds))
    elapsed_s = time.perf_counter() - started_s
    client_cpu_s, cpu_s = time.process_time() - client_cpu_s, read_cpu_s(group) - cpu_s
    answers = [answer for client in clients for answer in client.answers]
    if not answers:
        raise SystemExit(f"{name} gave no answer to {n_clients} clients within {seconds:g} s")
    p50, p99 = np.quantile([latency_ms for _, _, latency_ms in answers], [0.5, 0.99])
    errors = sum(client.errors for client in clients)
    errors += sum(find_text(body, name) != exchange.expected for exchange, body, _ in answers)
    n = len(answers)
    return Round(
        requests=n,
        requests_per_s=n / elapsed_s,
        p50_ms=float(p50),
        p99_ms=float(p99),
        cpu_ms=1000 * cpu_s / n,
        client_cpu_ms=1000 * client_cpu_s / n,
        errors=errors,
    )


async def _ask(
    port: int, exchanges: Sequence[Exchange], n_clients: int, seconds: float
) -> list[_Client]:
    loop = asyncio.get_running_loop()
    end_s = time.perf_counter() + seconds
    clients = []
    for first in range(n_clients):
        join = functools.partial(_Client, exchanges, first, end_s, loop.create_future())
        _, client = await loop.create_connection(join, "127.0.0.1", port)
        clients.append(client)
    await asyncio.wait([client.ended for client in clients], timeout=seconds + ANSWER_TIMEOUT_S)
    for client in clients:
        client.leave()
    await asyncio.gather(*(client.ended for client in clients))
    return clients


class _Client(asyncio.Protocol):
    """One connection that sends one request after the other, with little CPU time.

    Attributes:
        answers: Exchange, body and latency in milliseconds of each answer with status 200.
        errors: Number of other answers and of requests without an answer.
        ended: Is done when the connection is closed.
    """

    def __init__(
        self, exchanges: Sequence[Exchange], first: int, end_s: float, ended: asyncio.Future[None]
    ) -> None:
        self.answers: list[tuple[Exchange, bytes, float]] = []
        self.errors = 0
        self.ended = ended
        self._exchanges = exchanges
        self._number = first
        self._end_s = end_s
        self._transport: asyncio.Transport | None = None
        self._sent_s = 0.0
        self._waits = False
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._send()

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        head, found, body = received.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        latency_ms = 1000 * (time.perf_counter() - self._sent_s)
        self._waits = False
        self._received = b""
        if head.startswith(b"HTTP/1.1 200 "):
            exchange = self._exchanges[self._number % len(self._exchanges)]
            self.answers.append((exchange, body, latency_ms))
        else:
            self.errors += 1
        self._number += 1
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.errors += self._waits
        if not self.ended.done():
            self.ended.set_result(None)

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _send(self) -> None:
        if self._transport is None:
            return
        self._sent_s = time.perf_counter()
        if self._sent_s >= self._end_s:
            self._transport.close()
            return
        self._waits = True
        self._transport.write(self._exchanges[self._number % len(self._exchanges)].request)


def read_cpu_s(group: int) -> float:
    """Returns the CPU time of the running processes in a group, in seconds."""
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command name, in parentheses, may contain any character.
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


def measure_stages(recognizer: Recognizer, repeats: int) -> dict[str, float]:
    """Returns the median CPU time in milliseconds of decoding and of reading the photograph."""
    photograph = draw_photograph()
    rows = []
    for _ in range(repeats):
        times_s = [time.process_time()]
        pixels = decode_picture(photograph).pixels
        times_s.append(time.process_time())
        recognizer.read(pixels)
        times_s.append(time.process_time())
        rows.append(np.diff(times_s))
    return dict(
        zip(("decoding", "reading"), (1000 * np.median(rows, axis=0)).tolist(), strict=True)
    )


def draw_exchanges(kind: str, peer: str, recognizer: Recognizer) -> list[Exchange]:
    """Builds the requests to a peer: some tiles, or one photograph."""
    if kind == "photograph":
        path = "/v1/read" if peer == "inkdigits" else "/photograph"
        photograph = draw_photograph()
        text = recognizer.read(photograph).text
        return [Exchange(build_request(path, "image/jpeg", photograph), text)]
    tiles = fetch_mnist(progress=False).test.images[:TILES]
    texts = map(str, recognizer.classify(tiles).argmax(axis=1).tolist())
    exchanges = []
    for tile, text in zip(tiles, texts, strict=True):
        values = tile.ravel().tolist()
        path, content = "/tile", {"tile": values}
        if peer == "inkdigits":
            path = f"/v2/models/{recognizer.card.recipe['name']}/infer"
            tensor = {"name": "tiles", "datatype": "UINT8", "shape": [1, 28, 28], "data": values}
            content = {"inputs": [tensor]}
        request = build_request(path, "application/json", json.dumps(content).encode())
        exchanges.append(Exchange(request, text))
    return exchanges


def draw_photograph() -> bytes:
    """Enlarges a sample picture in steps of a tenth until its JPEG file has at least 200 kB."""
    with Image.open(PHOTOGRAPH) as picture:
        for tenths in range(10, 60):
            file = io.BytesIO()
            size = (picture.width * tenths // 10, picture.height * tenths // 10)
            picture.convert("RGB").resize(size).save(file, "JPEG", quality=92)
            if file.tell() >= PHOTOGRAPH_BYTES:
                return file.getvalue()
    raise SystemExit(f"{PHOTOGRAPH} cannot be enlarged to {PHOTOGRAPH_BYTES:,} bytes")


def build_request(path: str, content_type: str, body: bytes) -> bytes:
    """Builds an HTTP/1.1 request with head and body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def find_text(body: bytes, peer: str) -> str | None:
    """Returns the text of an answer; None if the body is not a valid answer."""
    try:
        answer = orjson.loads(body)
        if peer != "inkdigits":
            return str(answer["text"])
        if isinstance(answer, list):
            return str(answer[0]["text"])
        return str(np.argmax(answer["outputs"][0]["data"]))
    except (ValueError, KeyError, IndexError, TypeError):
        return None


@contextlib.contextmanager
def start(name: str, litserve: Path | None, *more: str) -> Iterator[tuple[int, int]]:
    """Runs a peer in its own process group until the block ends.

    Args:
        name: `inkdigits`, `plain` or `litserve`.
        litserve: Folder of LitServe.
        more: Further command-line arguments.

    Yields:
        The port and the process group.
    """
    command = [sys.executable, str(Path(__file__).with_name(f"load_{name}.py"))]
    if name == "inkdigits":
        command = [sys.executable, "-m", "inkdigits", "serve", "--no-browser", "--port", "0"]
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        more = (str(port), *more)
    environment = dict(os.environ)
    environment.pop("INKDIGITS_API_KEY", None)  # with a key, our service would require it
    if name == "litserve" and litserve is not None:
        environment["PYTHONPATH"] = str(litserve.resolve())
    with subprocess.Popen(
        [*command, *more],
        env=environment,
        stdout=subprocess.PIPE if name == "inkdigits" else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            if process.stdout is not None:
                said = process.stdout.readline()
                address = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
                if address is None:
                    raise SystemExit(
                        f"{name} did not start; run it by hand: {' '.join([*command, *more])}"
                    )
                port = int(address[1])
            yield port, process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def await_answer(port: int, exchange: Exchange, name: str) -> None:
    """Waits until a peer has loaded the model and gives a right answer."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError):
            (client,) = uvloop.run(_ask(port, [exchange], 1, 0.01))
            if any(find_text(body, name) == exchange.expected for _, body, _ in client.answers):
                return
        if time.monotonic() > deadline_s:
            raise SystemExit(f"{name} gave no right answer within {START_TIMEOUT_S} s")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
