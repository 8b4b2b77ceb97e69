"""Soak test: minutes of full load on the service, with bad and hostile requests among good ones.

The service runs with its default limits. Good clients send tiles and photographs without a pause,
and each answer must be right. Bad clients send truncated, too large, wrongly typed, random or
non-HTTP requests, send slowly, or disconnect early; each must get the expected status. During the
first fifth of the time (the phase "quiet") there is no hostile client. Then (the phase "hostile") a
hostile client sends the catalogue of `attacks.py` repeatedly.

Every second the script measures the memory of all processes of the service, and the open files and
threads of its main process. The growth is the change of the median from the second round of the
catalogue, after a warm-up, to the last complete round. Whole rounds are compared because each
attack needs another amount of memory.

    python measurements/soak.py               # ten minutes
    python measurements/soak.py --minutes 0.5

The exit status is 1 if a good request got a wrong answer or a bad one an unexpected status; if
memory, open files or threads grew by more than a tenth; or if the 99th percentile of the latency of
good requests in the hostile phase is more than twice that in the quiet phase. Needs
`inkdigits[serve]` and Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import uvloop
from attack_costs import Attack, read_memory_mb
from attacks import list_attacks
from load import Exchange, await_answer, build_request, draw_exchanges, find_text, start

from inkdigits.recognition import Recognizer

TILE_CLIENTS = 12
PHOTOGRAPH_CLIENTS = 4
BAD_PAUSE_S = 0.05
LAST_ANSWERS_S = 3
# A busy machine may answer no photograph in a phase of a second. Such a phase lasts longer.
LONGER_S = 60
ATTACK_PAUSE_S = 0.5
QUIET_SHARE = 0.2
MAX_GROWTH = 0.1
MAX_P99_RATIO = 2.0
SEED = 0
Seen = Counter[tuple[str, str]]
Send = Callable[[], Awaitable[int]]


def main() -> int:
    """Runs the test, prints its result and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="default: 10")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    recognizer = Recognizer.load()
    model = str(recognizer.card.recipe["name"])
    tiles, photographs = (
        draw_exchanges(kind, "inkdigits", recognizer) for kind in ("tile", "photograph")
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        start("inkdigits", None, "--keep-corrections", folder) as (port, process),
    ):
        await_answer(port, tiles[0], "inkdigits")
        soaking = soak(port, process, 60 * options.minutes, tiles, photographs, model)
        seen, times_s, held, rounds = uvloop.run(soaking)
    p99_ms = {
        kind: {phase: 1000 * float(np.percentile(seconds, 99)) for phase, seconds in phases.items()}
        for kind, phases in times_s.items()
    }
    growth = {what: measure_growth([row[what] for row in held], rounds) for what in held[0]}
    slower = max(phases["hostile"] / phases["quiet"] for phases in p99_ms.values())
    result = {
        "minutes": options.minutes,
        "good": sum(n for (_, verdict), n in seen.items() if verdict == "right"),
        "wrong": sum(n for (_, verdict), n in seen.items() if verdict.startswith("wrong")),
        "seen": {f"{kind}: {verdict}": n for (kind, verdict), n in sorted(seen.items())},
        "p99_ms": p99_ms,
        "held": {what: max(row[what] for row in held) for what in held[0]},
        "growth": growth,
        "memory_mb_by_round": {
            number: round(
                statistics.median(
                    row["memory in MB"]
                    for row, its in zip(held, rounds, strict=True)
                    if its == number
                )
            )
            for number in sorted(set(rounds))
        },
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for what, n in result["seen"].items():
            print(f"{what:56}{n:9,}")
        for kind, phases in p99_ms.items():
            row = ", ".join(f"{phase} {ms:.0f} ms" for phase, ms in phases.items())
            print(f"p99 of a {kind}: {row}")
        for what, grown in growth.items():
            print(f"{what}: at most {result['held'][what]:.0f}, growth {grown:+.1%}")
    is_flat = all(grown <= MAX_GROWTH for grown in growth.values())
    return int(result["wrong"] > 0 or not is_flat or slower > MAX_P99_RATIO)


def measure_growth(values: list[float], rounds: list[int]) -> float:
    """Returns the relative growth of the median from the second to the last complete round.

    Args:
        values: Values measured at equal intervals.
        rounds: For each value, the number of the round in which it was measured: 0 in the quiet
            phase. The last round is not complete.
    """
    last = max(rounds[-1] - 1, 1)
    first = min(2, last)

    def find_median(number: int) -> float:
        return statistics.median(
            [value for value, its in zip(values, rounds, strict=True) if its == number] or values
        )

    return find_median(last) / find_median(first) - 1


async def soak(
    port: int,
    process: int,
    seconds: float,
    tiles: list[Exchange],
    photographs: list[Exchange],
    model: str,
) -> tuple[Seen, dict[str, dict[str, list[float]]], list[dict[str, float]], list[int]]:
    """Sends all requests for some seconds.

    Args:
        port: Port of the service.
        process: Process group of the service.
        seconds: Length of the test.
        tiles: Good requests with tiles.
        photographs: Good requests with photographs.
        model: Name of the tile network.

    Returns:
        The number of answers by kind and verdict, the latencies of good requests in seconds by
        kind and phase, the resources of the service every second, and the number of the catalogue's
        round at each of these times, 0 in the quiet phase. A phase goes on until a request of each
        kind is answered.

    Raises:
        SystemExit: A kind of good request was not answered in one of the phases.
    """
    seen: Seen = Counter()
    times_s: dict[str, dict[str, list[float]]] = {
        kind: {"quiet": [], "hostile": []} for kind in ("tile", "photograph")
    }
    held: list[dict[str, float]] = []
    rounds: list[int] = []
    round_number = 0
    phase = "quiet"
    begin_s = time.monotonic() + QUIET_SHARE * seconds
    end_s = time.monotonic() + seconds

    def goes_on(phase: str, until_s: float) -> bool:
        late_s = time.monotonic() - until_s
        is_answered = all(phases[phase] for phases in times_s.values())
        return late_s < (0 if is_answered else LONGER_S)

    def is_running() -> bool:
        return phase == "quiet" or goes_on("hostile", end_s)

    async def ask_well(kind: str, exchanges: list[Exchange], number: int) -> None:
        while is_running():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                with contextlib.closing(writer):
                    while is_running():
                        exchange = exchanges[number % len(exchanges)]
                        number += 1
                        asked_s, asked_in = time.monotonic(), phase
                        writer.write(exchange.request)
                        status, body = await read_answer(reader)
                        times_s[kind][asked_in].append(time.monotonic() - asked_s)
                        is_right = find_text(body, "inkdigits") == exchange.expected
                        seen[kind, "right" if is_right else f"wrong, {status}"] += 1
            except (OSError, EOFError) as error:
                seen[kind, f"wrong, {type(error).__name__}"] += 1
                await asyncio.sleep(BAD_PAUSE_S)

    async def ask_badly(kind: str, expected: int, send: Send) -> None:
        while is_running():
            try:
                status = await send()
            except (OSError, EOFError):
                status = 0
            verdict = "as it should" if status == expected else "wrong"
            seen[f"{kind}, {status or 'no answer'}", verdict] += 1
            await asyncio.sleep(BAD_PAUSE_S)

    async def attack(attacks: list[Attack]) -> None:
        nonlocal phase, round_number
        while goes_on("quiet", begin_s):
            await asyncio.sleep(BAD_PAUSE_S)
        phase = "hostile"
        while is_running():
            round_number += 1
            for attack in attacks:
                request = await asyncio.to_thread(attack.build)
                status = await ask_anyhow(port, request)
                verdict = "as it should" if status in attack.statuses else "wrong"
                seen[f"{attack.name}, {status or 'no answer'}", verdict] += 1
                await asyncio.sleep(ATTACK_PAUSE_S)
                if not is_running():
                    return

    async def watch() -> None:
        while is_running():
            held.append(await asyncio.to_thread(measure_held, process))
            rounds.append(round_number)
            await asyncio.sleep(min(1, seconds / 40))

    bad = [
        asyncio.create_task(ask_badly(kind, expected, send))
        for kind, expected, send in list_bad_requests(port, photographs[0].request, model)
    ]
    await asyncio.gather(
        watch(),
        attack(list_attacks(model)),
        *(ask_well("tile", tiles, number) for number in range(TILE_CLIENTS)),
        *(ask_well("photograph", photographs, number) for number in range(PHOTOGRAPH_CLIENTS)),
    )
    # A slow body that has begun would take a minute more.
    done, pending = await asyncio.wait(bad, timeout=LAST_ANSWERS_S)
    for task in done:
        task.result()
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for kind, phases in times_s.items():
        for name, answered_s in phases.items():
            if not answered_s:
                sys.exit(f"soak.py: in the {name} phase no {kind} was answered in time")
    return seen, times_s, held, rounds


def list_bad_requests(port: int, good: bytes, model: str) -> list[tuple[str, int, Send]]:
    """Returns each kind of bad request with its expected status; 0 means no answer.

    Args:
        port: Port of the service.
        good: A good request with a photograph, from which bad ones are made.
        model: Name of the tile network.
    """
    photograph = good.partition(b"\r\n\r\n")[2]
    half = photograph[: len(photograph) // 2]
    noise = np.random.default_rng(SEED).bytes(len(photograph))

    def post(content_type: str, body: bytes, path: str = "/v1/read") -> Send:
        return lambda: ask(port, build_request(path, content_type, body))

    announced = build_request("/v1/read", "image/jpeg", b"").replace(
        b"Content-Length: 0", b"Content-Length: 30000000"
    )
    chunked = build_request("/v1/read", "image/jpeg", b"").replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    ) + b"".join(b"%x\r\n%b\r\n" % (len(photograph), photograph) for _ in range(110))
    return [
        ("truncated picture", 422, post("image/jpeg", half)),
        ("decompression bomb", 413, post("image/png", draw_bomb(30_000, 3_000_000))),
        ("bomb that lies about its size", 422, post("image/png", draw_bomb(3_000, 1_000))),
        ("random bytes as a picture", 415, post("image/jpeg", noise)),
        ("random bytes behind a JPEG's first ones", 422, post("image/jpeg", half[:600] + noise)),
        ("text as text", 415, post("text/plain", b"seven")),
        ("nothing", 400, post("image/jpeg", b"")),
        ("damaged form", 400, post("multipart/form-data; boundary=x", half)),
        ("damaged JSON", 400, post("application/json", b"{[", f"/v2/models/{model}/infer")),
        ("another model", 404, post("application/json", b"{}", "/v2/models/other/infer")),
        ("no such place", 404, post("image/jpeg", b"x", "/v3")),
        ("larger than taken, as it says", 413, lambda: ask(port, announced)),
        ("larger than taken, unsaid", 413, lambda: ask(port, chunked)),
        ("no HTTP", 400, lambda: ask(port, b"\x16\x03\x01 hello\r\n\r\n")),
        ("slow body", 408, lambda: send_slowly(port, good)),
        ("leaves while it sends", 0, lambda: leave(port, good[: len(good) // 2])),
        ("leaves while it is read", 0, lambda: leave(port, good)),
    ]


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Reads one answer and returns its status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def ask(port: int, request: bytes) -> int:
    """Sends a request on a new connection and returns the status of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(request)
        return (await read_answer(reader))[0]


async def send_slowly(port: int, request: bytes) -> int:
    """Sends a request in small slow parts until there is an answer; returns the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(read_answer(reader))
    with contextlib.closing(writer):
        try:
            for first in range(0, len(request), 100):
                writer.write(request[first : first + 100])
                await asyncio.wait([answer], timeout=0.2)
                if answer.done():
                    return answer.result()[0]
            return 0
        finally:
            answer.cancel()


async def leave(port: int, request: bytes) -> int:
    """Disconnects without waiting for the answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await asyncio.sleep(BAD_PAUSE_S)
    writer.transport.abort()
    return 0


def draw_bomb(side: int, n_pixels: int) -> bytes:
    """Builds a PNG file of a few kilobytes.

    Args:
        side: Width and height in its header, in pixels.
        n_pixels: Number of pixels that it really contains.
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    size = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(n_pixels), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


async def ask_anyhow(port: int, request: bytes) -> int:
    """Sends a hostile request and returns the status; 0 if the service closes the connection.

    The answer is read while the request is sent, because the service may answer early and close.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.readline())
    with contextlib.closing(writer), contextlib.suppress(OSError, EOFError):
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            await asyncio.wait_for(writer.drain(), 60)
        line = await asyncio.wait_for(answer, 60)
        return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0
    answer.cancel()
    return 0


def measure_held(process: int) -> dict[str, float]:
    """Returns the memory of all processes in MB, and open files and threads of the main one."""
    try:
        folder = Path(f"/proc/{process}")
        return {
            "memory in MB": read_memory_mb(process),
            "open files": float(len(list((folder / "fd").iterdir()))),
            "threads": float(len(list((folder / "task").iterdir()))),
        }
    except OSError:
        raise SystemExit("the service ended unexpectedly") from None


if __name__ == "__main__":
    sys.exit(main())
