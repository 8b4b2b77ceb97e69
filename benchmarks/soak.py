"""The service under full load for minutes, good requests and bad ones mixed.

Good clients send tiles and photographs without a pause, and each answer must be right. Bad ones
send what is truncated, too large, of another type, no picture, no HTTP, or too slow, or leave in
the middle; each must get the status that it deserves. Memory is that of the service's process,
every second; its growth is from the median of the second tenth of the time, when all is warm, to
that of the last.

    python benchmarks/soak.py               # ten minutes
    python benchmarks/soak.py --minutes 0.2

The exit status is 1 where a good request was answered wrongly, a bad one with another status, or
memory grew by more than a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from load import build_request, draw_exchanges, draw_photograph, find_text, start

GOOD_CLIENTS = 12
BODY_TIMEOUT_S = 2
LARGEST_GROWTH = 0.1
OPTIONS = ("--body-timeout-s", str(BODY_TIMEOUT_S), "--max-bytes", "2000000")

Seen = Counter[tuple[str, str]]


def main() -> int:
    """Loads, prints, and says whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with start("inkdigits", None, *OPTIONS) as (port, process):
        seen, memory = uvloop.run(soak(port, process, 60 * options.minutes))
    tenth = max(len(memory) // 10, 1)
    before, after = statistics.median(memory[tenth : 2 * tenth]), statistics.median(memory[-tenth:])
    result = {
        "minutes": options.minutes,
        "good": sum(n for (kind, status), n in seen.items() if status == "right"),
        "wrong": sum(
            n for (kind, status), n in seen.items() if status not in ("right", "as it should")
        ),
        "seen": {f"{kind}: {status}": n for (kind, status), n in sorted(seen.items())},
        "memory_mb": {"warm": before, "end": after, "peak": max(memory)},
        "growth": after / before - 1,
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for what, n in result["seen"].items():
            print(f"{what:40}{n:9,}")
        print(f"memory {before:.0f} MB warm, {after:.0f} MB at the end: {result['growth']:+.1%}")
    return int(bool(result["wrong"]) or result["growth"] > LARGEST_GROWTH)


async def soak(port: int, process: int, seconds: float) -> tuple[Seen, list[float]]:
    """What was answered, and the memory in MB every second."""
    seen: Seen = Counter()
    memory: list[float] = []
    end = time.monotonic() + seconds
    photographs, tiles = (draw_exchanges(what, "inkdigits") for what in ("photograph", "tile"))

    async def ask_well(number: int) -> None:
        # One in six sends photographs, which take far longer than tiles.
        exchanges = tiles if number % 6 else photographs
        kind = "tile" if number % 6 else "photograph"
        while time.monotonic() < end:
            exchange = exchanges[number % len(exchanges)]
            number += 1
            status, body = await ask(port, exchange.request)
            is_right = status == 200 and find_text(body, "inkdigits") == exchange.expected
            seen[kind, "right" if is_right else f"wrong, {status}"] += 1

    async def ask_badly(kind: str, expected: set[int], send: Callable[[], Awaitable[int]]) -> None:
        while time.monotonic() < end:
            status = await send()
            verdict = "as it should" if status in expected else f"wrong, {status}"
            seen[f"{kind}, {status or 'no answer'}", verdict] += 1
            await asyncio.sleep(0.05)

    async def watch() -> None:
        while time.monotonic() < end:
            memory.append(measure_memory(process))
            await asyncio.sleep(min(1, seconds / 40))

    await asyncio.gather(
        watch(),
        *map(ask_well, range(GOOD_CLIENTS)),
        *(ask_badly(kind, expected, send) for kind, expected, send in list_bad_requests(port)),
    )
    return seen, memory


def list_bad_requests(port: int) -> list[tuple[str, set[int], Callable[[], Awaitable[int]]]]:
    """Each kind with the statuses that it may get; 0 is no answer at all."""
    photograph = draw_photograph()
    half = photograph[: len(photograph) // 2]

    def send(path: str, content_type: str, body: bytes) -> Callable[[], Awaitable[int]]:
        return lambda: ask_once(port, build_request(path, content_type, body))

    large = build_request("/v1/read", "image/jpeg", b"").replace(
        b"Content-Length: 0", b"Content-Length: 30000000"
    )
    return [
        ("truncated picture", {422}, send("/v1/read", "image/jpeg", half)),
        ("decompression bomb", {413}, send("/v1/read", "image/png", draw_bomb())),
        ("text as a picture", {415}, send("/v1/read", "image/png", b"not a picture " * 50)),
        ("text as text", {415}, send("/v1/read", "text/plain", b"seven")),
        ("damaged form", {400}, send("/v1/read", "multipart/form-data; boundary=x", half)),
        ("damaged JSON", {400}, send("/v2/models/pictures/infer", "application/json", b"{[")),
        ("no such place", {404}, send("/v3", "image/jpeg", b"x")),
        ("too large", {413}, lambda: ask_once(port, large)),
        ("no HTTP", {400}, lambda: ask_once(port, b"\x16\x03\x01 hello\r\n\r\n")),
        ("slow body", {408}, lambda: send_slowly(port, photograph)),
        ("leaves in the middle", {0}, lambda: leave(port, photograph)),
    ]


async def ask(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of one answer, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)
    finally:
        writer.close()


async def ask_once(port: int, request: bytes) -> int:
    """The status of an answer; 0 where there was none."""
    try:
        return (await ask(port, request))[0]
    except (OSError, EOFError):
        return 0


async def send_slowly(port: int, picture: bytes) -> int:
    """Sends a few bytes now and then, until there is an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = build_request("/v1/read", "image/jpeg", picture)
        for start_at in range(0, 4000, 100):
            writer.write(request[start_at : start_at + 100])
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(reader.readline(), 0.2)
                return int(line.split(b" ", 2)[1]) if line else 0
        return 0
    finally:
        writer.close()


async def leave(port: int, picture: bytes) -> int:
    """Goes away while the picture is being sent, or while it is being read."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    request = build_request("/v1/read", "image/jpeg", picture)
    writer.write(request[: len(request) // 2] if time.monotonic_ns() % 2 else request)
    await asyncio.sleep(0.05)
    writer.transport.abort()
    return 0


def draw_bomb() -> bytes:
    """A PNG file of some kilobytes that says it is 30,000 by 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(3_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def measure_memory(process: int) -> float:
    """Memory that a process holds, in MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    (held,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(held) / 1000


if __name__ == "__main__":
    sys.exit(main())
