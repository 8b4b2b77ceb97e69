"""How many requests the service answers, and how soon, beside two others with the same model.

The others are plain routes of FastAPI, as one writes them, which ask the recognizer once for each
request, and LitServe, which batches tiles. All three get the same tiles, one in a request, as JSON
with its 784 numbers, and the same photograph of about 200 kB as raw bytes. Peers take turns within
each round, and whose turn it is not is stopped. Clients keep their connections and send the next
request once the last is answered. Every answer is compared with what the recognizer reads itself.

The clients share the cores with what they measure: `client ms` is the processor time that they take
for a request, `CPU ms` that of the peer, all its processes together. Below the table stands where
the time of a photograph goes, which is measured in this process before the load.

    python measurements/load.py                      # ours and the plain routes
    pip install --target litserve --no-deps litserve==0.2.19
    python measurements/load.py --litserve litserve  # all three
    python measurements/load.py --slice              # half a minute, to see that it works

The exit status is 1 where an answer was wrong or missing. Needs `inkdigits[serve]`, and Linux.
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
from inkdigits.recognition import Recognizer
from inkdigits.recognition.decoding import decode_picture

KINDS = ("tile", "photograph")
ROUNDS = 3
TILES = 64
PHOTOGRAPH = Path(__file__).parents[1] / "samples" / "1984-on-ruled-paper.jpg"
PHOTOGRAPH_BYTES = 200_000
STARTED_WITHIN_S = 60
ANSWERED_WITHIN_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Exchange:
    """A request, whole as it goes over the wire, and the text that its answer must give."""

    request: bytes
    expected: str


@dataclass(frozen=True)
class Round:
    """What some clients saw in some seconds; times in milliseconds, processor time per request."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    client_cpu_ms: float
    errors: int


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=4, help="of each round; default: 4")
    parser.add_argument("--litserve", type=Path, metavar="DIR", help="where pip put LitServe")
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
        where = options.litserve or "a folder given with --litserve"
        print(
            f"LitServe is left out: it is not in {where}; the top of {Path(__file__).name} says "
            "how to put it there",
            file=sys.stderr,
        )
    recognizer = Recognizer.load()
    exchanges = {
        (kind, name): draw_exchanges(kind, name, recognizer) for kind in KINDS for name in names
    }
    stages = measure_stages(recognizer)
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
    """The result as a table of text."""
    lines = [
        ", ".join(f"{name} {value}" for name, value in result["machine"].items()),
        f"{'':12}{'clients':>8}  {'':10}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}"
        f"{'client ms':>11}{'errors':>8}",
    ]
    lines += [
        f"{row['what']:12}{row['clients']:8}  {row['peer']:10}{row['requests_per_s']:11.1f}"
        f"{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}{row['cpu_ms']:9.2f}{row['client_cpu_ms']:11.2f}"
        f"{row['errors']:8}"
        for row in result["rows"]
    ]
    stages = ", ".join(f"{name} {ms:.1f}" for name, ms in result["photograph_ms"].items())
    return "\n".join([*lines, f"processor ms of one photograph: {stages}"])


def describe_machine(litserve: Path | None) -> dict[str, Any]:
    """Cores and versions."""
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
    """Medians over rounds in which each peer has its turn.

    Args:
        peers: By name the port and the process group.
        exchanges: By kind and peer.
        clients: How many at once.
        seconds: Of each round.
        rounds: That count; one more warms up.
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
    """Lets clients ask one request after the other for so long."""
    port, group = peer
    cpu_s, client_cpu_s, started_s = read_cpu_s(group), time.process_time(), time.perf_counter()
    clients = uvloop.run(_ask(port, exchanges, n_clients, seconds))
    elapsed_s = time.perf_counter() - started_s
    client_cpu_s, cpu_s = time.process_time() - client_cpu_s, read_cpu_s(group) - cpu_s
    answers = [answer for client in clients for answer in client.answers]
    if not answers:
        raise SystemExit(f"{name} answered nothing: {n_clients} clients in {seconds:g} s")
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
    await asyncio.wait([client.ended for client in clients], timeout=seconds + ANSWERED_WITHIN_S)
    for client in clients:
        client.leave()
    await asyncio.gather(*(client.ended for client in clients))
    return clients


class _Client(asyncio.Protocol):
    """One connection, on which one request follows the other; no more work than that needs.

    Attributes:
        answers: Of each answer of status 200 the exchange, the body, and the milliseconds it took.
        errors: Other answers, and requests without any.
        ended: Set once the connection is closed.
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
    """Processor time that the processes of a group have taken so far, in seconds."""
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the command, in brackets, may hold anything.
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


def measure_stages(recognizer: Recognizer, repeats: int = 10) -> dict[str, float]:
    """Median processor time in milliseconds of each thing that is done to the photograph."""
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
    """Requests to a peer: some tiles, or one photograph."""
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
    """A sample as a JPEG file of at least 200 kB, the smallest that enlarging by tenths gives."""
    with Image.open(PHOTOGRAPH) as picture:
        for tenths in range(10, 60):
            file = io.BytesIO()
            size = (picture.width * tenths // 10, picture.height * tenths // 10)
            picture.convert("RGB").resize(size).save(file, "JPEG", quality=92)
            if file.tell() >= PHOTOGRAPH_BYTES:
                return file.getvalue()
    raise SystemExit(f"{PHOTOGRAPH} cannot be enlarged to {PHOTOGRAPH_BYTES:,} bytes")


def build_request(path: str, content_type: str, body: bytes) -> bytes:
    """A whole HTTP/1.1 request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def find_text(body: bytes, peer: str) -> str | None:
    """What an answer reads; None where it is no answer."""
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
    """A peer as processes, with more options: its port and its process group."""
    command = [sys.executable, str(Path(__file__).with_name(f"load_{name}.py"))]
    if name == "inkdigits":
        command = [sys.executable, "-m", "inkdigits", "serve", "--no-browser", "--port", "0"]
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        more = (str(port), *more)
    environment = dict(os.environ)
    environment.pop("INKDIGITS_API_KEY", None)  # ours would ask for it
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
                    raise SystemExit(f"{name} did not start: try {' '.join([*command, *more])}")
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
    """Waits until a peer answers rightly: until it listens and has loaded the model."""
    deadline_s = time.monotonic() + STARTED_WITHIN_S
    while True:
        with contextlib.suppress(OSError):
            (client,) = uvloop.run(_ask(port, [exchange], 1, 0.01))
            if any(find_text(body, name) == exchange.expected for _, body, _ in client.answers):
                return
        if time.monotonic() > deadline_s:
            raise SystemExit(f"{name} does not answer rightly after {STARTED_WITHIN_S} s")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
