"""How many requests the service answers, and how soon, beside two others with the same model.

The others are a plain route of FastAPI, as one writes it, which asks the recognizer once for each
request, and LitServe, which batches. All three get the same tiles as JSON, and the same photograph
of about 200 kB: as a form the first two, as base64 in JSON LitServe. Whoever is not being measured
is stopped meanwhile. Clients keep their connections and send the next request once the last is
answered, and each answer is checked. They share the cores with what they measure.

    python benchmarks/load.py                      # ours and the plain route
    pip install --target litserve --no-deps litserve==0.2.19
    python benchmarks/load.py --litserve litserve  # all three
    python benchmarks/load.py --slice              # a second or two, to see that it works
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROUNDS = 3
TILES = 64
PHOTOGRAPH = Path(__file__).parents[1] / "samples" / "1984-on-ruled-paper.jpg"
PHOTOGRAPH_BYTES = 200_000
STARTED_WITHIN_S = 60
BOUNDARY = "a8f3c1"


@dataclass(frozen=True)
class Exchange:
    """A request, whole as it goes over the wire, and the text that its answer must give."""

    request: bytes
    expected: str


@dataclass(frozen=True)
class Round:
    """What some clients saw in some seconds; latencies in milliseconds."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    n_errors: int


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=4, help="of each round; default: 4")
    parser.add_argument("--litserve", type=Path, metavar="DIR", help="where pip put LitServe")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--slice", action="store_true", help="1 and 4 clients, one short round")
    options = parser.parse_args()
    clients, seconds, rounds = options.clients, options.seconds, ROUNDS
    if options.slice:
        clients, seconds, rounds = [1, 4], 0.3, 1
    names = ["inkdigits", "plain"]
    if options.litserve is not None:
        names.append("litserve")
    else:
        print("LitServe is left out: its folder was not given (--litserve)", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(start(name, options.litserve)) for name in names}
        rows = measure(ports, clients, seconds, rounds)
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "fastapi": version("fastapi"),
        "uvicorn": version("uvicorn"),
    }
    if options.json:
        print(json.dumps({"machine": machine, "rounds": rounds, "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(
        f"{'':12}{'clients':>8}  {'':10}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}"
    )
    for row in rows:
        print(
            f"{row['what']:12}{row['clients']:8}  {row['peer']:10}{row['requests_per_s']:11.1f}"
            f"{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}{row['errors']:8}"
        )


def measure(
    peers: dict[str, tuple[int, int]], clients: Sequence[int], seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """Medians over rounds in which each peer has its turn; peers as name: (port, process)."""
    import uvloop

    exchanges = {
        (what, name): draw_exchanges(what, name)
        for what in ("tile", "photograph")
        for name in peers
    }
    seen: dict[tuple[str, int, str], list[Round]] = {}
    for _, process in peers.values():
        os.killpg(process, signal.SIGSTOP)
    try:
        for what in ("tile", "photograph"):
            for n_clients in clients:
                for number in range(-1, rounds):  # the first one warms up
                    for name, (port, process) in peers.items():
                        os.killpg(process, signal.SIGCONT)
                        span = seconds if number >= 0 else min(seconds, 1)
                        found = uvloop.run(load(port, exchanges[what, name], n_clients, span, name))
                        if number >= 0:
                            seen.setdefault((what, n_clients, name), []).append(found)
                        os.killpg(process, signal.SIGSTOP)
    finally:
        for _, process in peers.values():
            os.killpg(process, signal.SIGCONT)
    return [
        {
            "what": what,
            "clients": n_clients,
            "peer": name,
            "requests_per_s": statistics.median(one.requests_per_s for one in found),
            "p50_ms": statistics.median(one.p50_ms for one in found),
            "p99_ms": statistics.median(one.p99_ms for one in found),
            "errors": sum(one.n_errors for one in found),
        }
        for (what, n_clients, name), found in seen.items()
    ]


async def load(
    port: int, exchanges: Sequence[Exchange], n_clients: int, seconds: float, peer: str
) -> Round:
    """Lets clients ask one after the other for so long."""
    latencies: list[float] = []
    n_errors = 0
    started = time.perf_counter()

    async def ask(first: int) -> None:
        nonlocal n_errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first
        while time.perf_counter() < started + seconds:
            exchange = exchanges[number % len(exchanges)]
            number += 1
            sent = time.perf_counter()
            writer.write(exchange.request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            latencies.append(1000 * (time.perf_counter() - sent))
            is_right = b" 200 " in head[:16] and find_text(body, peer) == exchange.expected
            n_errors += not is_right
        writer.close()

    await asyncio.gather(*map(ask, range(n_clients)))
    elapsed = time.perf_counter() - started
    p50, p99 = np.quantile(latencies, [0.5, 0.99])
    return Round(len(latencies) / elapsed, float(p50), float(p99), n_errors)


def draw_exchanges(what: str, peer: str) -> list[Exchange]:
    """Requests to a peer: some tiles, or one photograph."""
    from inkdigits.data import fetch_mnist
    from inkdigits.recognition import Recognizer

    recognizer = Recognizer.load()
    if what == "photograph":
        photograph = draw_photograph()
        text = recognizer.read(photograph).text
        if peer == "litserve":
            body = json.dumps({"picture": base64.b64encode(photograph).decode()}).encode()
            return [Exchange(build_request("/photograph", "application/json", body), text)]
        path, field = ("/v1/read", "pictures") if peer == "inkdigits" else ("/photograph", "file")
        body = b"\r\n".join(
            [
                f"--{BOUNDARY}".encode(),
                f'Content-Disposition: form-data; name="{field}"; filename="1984.jpg"'.encode(),
                b"Content-Type: image/jpeg",
                b"",
                photograph,
                f"--{BOUNDARY}--".encode(),
                b"",
            ]
        )
        return [
            Exchange(build_request(path, f"multipart/form-data; boundary={BOUNDARY}", body), text)
        ]
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
        body = json.dumps(content).encode()
        exchanges.append(Exchange(build_request(path, "application/json", body), text))
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
    import orjson

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
    """A peer as a process, with more options: its port and its process group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name(f"load_{name}.py")), str(port)]
    if name == "inkdigits":
        command = [sys.executable, "-m", "inkdigits", "serve", "--no-browser", "--port", str(port)]
    command += more
    paths = [] if litserve is None or name != "litserve" else [str(litserve.resolve())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + STARTED_WITHIN_S
            while not _is_listening(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{name} did not start: {' '.join(command)}")
                time.sleep(0.1)
            time.sleep(2)  # until its workers have loaded the model too
            yield port, process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
