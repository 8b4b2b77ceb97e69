"""The service under full load for minutes, good requests and bad ones mixed.

Good clients send tiles and photographs without a pause, and each answer must be right. Bad ones
send what is truncated, too large, of another type, no picture, no HTTP, or too slow, or leave in
the middle; each must get the status that it deserves. Memory is what the service's process holds,
every second; its growth is from the median of the second tenth of the time, when all is warm, to
that of the last tenth.

    python measurements/soak.py               # ten minutes
    python measurements/soak.py --minutes 0.2

The exit status is 1 where a good request was answered wrongly, a bad one with another status, or
memory grew by more than a tenth. Needs `inkdigits[serve]`, and Linux.
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

import numpy as np
import uvloop
from load import Exchange, await_answer, build_request, draw_exchanges, find_text, start

from inkdigits.recognition import Recognizer

TILE_CLIENTS = 12
PHOTOGRAPH_CLIENTS = 4
BODY_TIMEOUT_S = 2
MAX_BYTES = 2_000_000
BAD_PAUSE_S = 0.05
LARGEST_GROWTH = 0.1
SEED = 0
OPTIONS = ("--body-timeout-s", str(BODY_TIMEOUT_S), "--max-bytes", str(MAX_BYTES))

Seen = Counter[tuple[str, str]]
Send = Callable[[], Awaitable[int]]


def main() -> int:
    """Loads, prints, and says whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="default: 10")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    recognizer = Recognizer.load()
    model = str(recognizer.card.recipe["name"])
    tiles, photographs = (
        draw_exchanges(kind, "inkdigits", recognizer) for kind in ("tile", "photograph")
    )
    with start("inkdigits", None, *OPTIONS) as (port, process):
        await_answer(port, tiles[0], "inkdigits")
        soaking = soak(port, process, 60 * options.minutes, tiles, photographs, model)
        seen, memory_mb = uvloop.run(soaking)
    tenth = max(len(memory_mb) // 10, 1)
    warm_mb = statistics.median(memory_mb[tenth : 2 * tenth])
    end_mb = statistics.median(memory_mb[-tenth:])
    result = {
        "minutes": options.minutes,
        "good": sum(n for (_, verdict), n in seen.items() if verdict == "right"),
        "wrong": sum(n for (_, verdict), n in seen.items() if verdict.startswith("wrong")),
        "seen": {f"{kind}: {verdict}": n for (kind, verdict), n in sorted(seen.items())},
        "memory_mb": {
            "10 %": memory_mb[tenth],
            "50 %": memory_mb[len(memory_mb) // 2],
            "100 %": memory_mb[-1],
            "warm": warm_mb,
            "end": end_mb,
            "peak": max(memory_mb),
        },
        "growth": end_mb / warm_mb - 1,
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for what, n in result["seen"].items():
            print(f"{what:48}{n:9,}")
        for when, mb in result["memory_mb"].items():
            print(f"memory, {when:40}{mb:9.0f} MB")
        print(f"growth after the warm-up{result['growth']:+33.1%}")
    return int(result["wrong"] > 0 or result["growth"] > LARGEST_GROWTH)


async def soak(
    port: int,
    process: int,
    seconds: float,
    tiles: list[Exchange],
    photographs: list[Exchange],
    model: str,
) -> tuple[Seen, list[float]]:
    """What was answered, and the memory in MB over the time."""
    seen: Seen = Counter()
    memory_mb: list[float] = []
    end_s = time.monotonic() + seconds

    async def ask_well(kind: str, exchanges: list[Exchange], number: int) -> None:
        while time.monotonic() < end_s:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                with contextlib.closing(writer):
                    while time.monotonic() < end_s:
                        exchange = exchanges[number % len(exchanges)]
                        number += 1
                        writer.write(exchange.request)
                        status, body = await read_answer(reader)
                        is_right = find_text(body, "inkdigits") == exchange.expected
                        seen[kind, "right" if is_right else f"wrong, {status}"] += 1
            except (OSError, EOFError) as error:
                seen[kind, f"wrong, {type(error).__name__}"] += 1
                await asyncio.sleep(BAD_PAUSE_S)

    async def ask_badly(kind: str, expected: int, send: Send) -> None:
        while time.monotonic() < end_s:
            try:
                status = await send()
            except (OSError, EOFError):
                status = 0
            verdict = "as it should" if status == expected else "wrong"
            seen[f"{kind}, {status or 'no answer'}", verdict] += 1
            await asyncio.sleep(BAD_PAUSE_S)

    async def watch() -> None:
        while time.monotonic() < end_s:
            memory_mb.append(measure_memory(process))
            await asyncio.sleep(min(1, seconds / 40))

    bad = list_bad_requests(port, photographs[0].request, model)
    await asyncio.gather(
        watch(),
        *(ask_well("tile", tiles, number) for number in range(TILE_CLIENTS)),
        *(ask_well("photograph", photographs, number) for number in range(PHOTOGRAPH_CLIENTS)),
        *(ask_badly(kind, expected, send) for kind, expected, send in bad),
    )
    return seen, memory_mb


def list_bad_requests(port: int, good: bytes, model: str) -> list[tuple[str, int, Send]]:
    """Each kind with the status that it must get; 0 is no answer at all.

    Args:
        port: Of the service.
        good: A request with a photograph, to be spoilt.
        model: Its name.
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
    ) + b"".join(b"%x\r\n%b\r\n" % (len(photograph), photograph) for _ in range(12))
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
    """Status and body of one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def ask(port: int, request: bytes) -> int:
    """The status of an answer, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(request)
        return (await read_answer(reader))[0]


async def send_slowly(port: int, request: bytes) -> int:
    """Sends a few bytes now and then, until there is an answer."""
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
    """Goes away without waiting for the answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await asyncio.sleep(BAD_PAUSE_S)
    writer.transport.abort()
    return 0


def draw_bomb(side: int, n_pixels: int) -> bytes:
    """A PNG file of a few kilobytes.

    Args:
        side: Pixels that it says it is wide and high.
        n_pixels: That it really holds.
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    size = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(n_pixels), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def measure_memory(process: int) -> float:
    """Memory that a process holds, in MB."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        (held,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    except (OSError, ValueError):
        raise SystemExit("the service has ended of itself") from None
    return int(held) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
