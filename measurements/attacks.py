"""Measures the cost of single hostile requests: CPU time, memory, and delay of other clients.

The script sends each attack of the catalogue three times to a service with its default limits.
Meanwhile another client requests `/v2/health/live` repeatedly. CPU time and memory are those of all
processes of the service, minus the values before the attack. The slowest answer of the health route
is the delay of other clients. Medians count, and of the memory the most.

    python measurements/attacks.py            # all attacks
    python measurements/attacks.py tiff png   # attacks with one of these words in their names

The exit status is 1 if a request took more than 2 s of CPU time per page or 300 MB, delayed the
health route by more than 200 ms, or got an unexpected status. Needs `inkdigits[serve,formats]` and
Linux.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict

import cv2
import numpy as np
from attack_costs import ROUNDS, TIMEOUT_S, Attack, Cost, measure, send, summarise
from document_attacks import list_files
from load import build_request, start
from PIL import Image

from inkdigits.recognition import Recognizer

MAX_BYTES = 20_000_000


def main() -> int:
    """Runs the attacks, prints their costs and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="words in names; default: all attacks")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    model = str(Recognizer.load().card.recipe["name"])
    attacks = [
        attack
        for attack in list_attacks(model)
        if not options.names or any(name in attack.name for name in options.names)
    ]
    costs = []
    with (
        tempfile.TemporaryDirectory() as folder,
        start("inkdigits", None, "--keep-corrections", folder) as (port, process),
    ):
        wait_until_ready(port)
        for attack in attacks:
            rounds = [measure(attack, port, process) for _ in range(ROUNDS)]
            costs.append(summarise(attack, rounds))
            if not options.json:
                print(describe(costs[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
    return int(not all(cost.is_held for cost in costs))


def describe(cost: Cost) -> str:
    """Returns a row of the table."""
    return (
        f"{cost.name:48}{cost.n_bytes / 1e6:7.2f} MB  {cost.status:3}{cost.seconds:7.2f} s"
        f"{cost.cpu_s:7.2f} s CPU{cost.mb:6.0f} MB{cost.wait_ms:7.0f} ms"
        f"{'' if cost.is_held else '  NOT HELD'}"
    )


def wait_until_ready(port: int) -> None:
    """Waits until the service has loaded its model and reads a picture."""
    deadline_s = time.monotonic() + TIMEOUT_S
    picture = encode(np.full((60, 60), 255, np.uint8), "PNG")
    while send(port, build_request("/v1/read", "image/png", picture)) != 200:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"the service did not read a picture within {TIMEOUT_S} s")
        time.sleep(0.1)


def list_attacks(model: str) -> list[Attack]:
    """Returns the catalogue of attacks.

    Args:
        model: Name of the tile network.
    """
    infer = f"/v2/models/{model}/infer"

    def tensor(data: str) -> bytes:
        return (
            '{"inputs":[{"name":"tiles","datatype":"UINT8","shape":[1024,28,28],"data":'
            f"{data}}}]}}"
        ).encode()

    def post(path: str, content_type: str, build: Callable[[], bytes]) -> Callable[[], bytes]:
        return lambda: build_request(path, content_type, build())

    def ask(build: Callable[[], bytes]) -> Callable[[], bytes]:
        return post("/v1/read", "application/octet-stream", build)

    json_type = "application/json"
    return [
        Attack(
            "tensor: strings, 90 kB",
            (400,),
            post(
                infer, json_type, lambda: tensor('["' + "a" * 60_000 + '"' + ',""' * 10_000 + "]")
            ),
        ),
        Attack(
            "tensor: a million strings",
            (400,),
            post(infer, json_type, lambda: tensor("[" + '"",' * 1_000_000 + '""]')),
        ),
        Attack(
            "tensor: a million empty lists",
            (400,),
            post(infer, json_type, lambda: tensor("[" + "[]," * 1_000_000 + "[]]")),
        ),
        Attack(
            "tensor: empty lists, 20 MB",
            (413,),
            post(infer, json_type, lambda: tensor("[" + "[]," * 6_600_000 + "[]]")),
        ),
        Attack(
            "tensor: lists in lists",
            (400,),
            post(infer, json_type, lambda: tensor("[" * 500_000 + "]" * 500_000)),
        ),
        Attack(
            "correction: a million unknown keys",
            (400,),
            post(
                "/v1/corrections",
                json_type,
                lambda: b"{" + b",".join(b'"%x":0' % n for n in range(700_000)) + b"}",
            ),
        ),
        Attack(
            "correction: a tile of a million rows",
            (400,),
            post(
                "/v1/corrections",
                json_type,
                lambda: (
                    b'{"label":"","read":"","picture":"","tile":[' + b"[]," * 1_000_000 + b"[]]}"
                ),
            ),
        ),
        Attack(
            "headers of 34 MB", (0, 431), lambda: b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_600_000
        ),
        Attack(
            "one header of 34 MB", (0, 431), lambda: b"GET / HTTP/1.1\r\nA: " + b"b" * 34_000_000
        ),
        Attack(
            "trailers of 34 MB",
            (0, 400, 401, 415, 431),
            lambda: (
                b"POST /v1/read HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 5_600_000
            ),
        ),
        Attack(
            "many Host headers",
            (400,),
            lambda: b"GET / HTTP/1.1\r\n" + b"Host: 127.0.0.1\r\n" * 1000 + b"\r\n",
        ),
        Attack(
            "form: a part with 19 MB of headers",
            (400,),
            post(
                "/v1/read",
                "multipart/form-data; boundary=x",
                lambda: b"--x\r\n" + b"A: b\r\n" * 3_200_000 + b"\r\n\r\n--x--\r\n",
            ),
        ),
        Attack(
            "form: 19 MB before the first boundary",
            (400,),
            post("/v1/read", "multipart/form-data; boundary=x", lambda: b"\r\n-" * 6_300_000),
        ),
        Attack(
            "JPEG of APP1 segments", (415, 422, 413), ask(lambda: repeat_segments(b"\xff\xe1\0\2"))
        ),
        Attack(
            "JPEG of padding",
            (413, 415, 422),
            ask(lambda: b"\xff\xd8\xff\xe0" + b"\xff" * 19_900_000),
        ),
        Attack("JPEG of comments", (413, 415, 422), ask(lambda: repeat_segments(b"\xff\xfe\0\2"))),
        Attack("TIFF of 1 x 1 tiles", (413, 415, 422), ask(lambda: build_tiff(1000, 1000, 1))),
        Attack(
            "TIFF of a million tiles", (413, 415, 422), ask(lambda: build_tiff(16_000, 1000, 16))
        ),
        Attack("PNG of empty chunks", (413, 415, 422), ask(lambda: build_png(b"tEXt", 1_600_000))),
        Attack(
            "PPM with a comment of 19 MB",
            (413, 415, 422),
            ask(lambda: b"P6\n#" + b"a" * 19_900_000),
        ),
        Attack("BMP in run lengths", (200, 413, 415, 422), ask(lambda: build_bmp(1400, 1400))),
        Attack("bomb of 20 megapixels", (200,), ask(lambda: encode(blank(20_000_000), "PNG"))),
        Attack("RGBA of 20 megapixels", (200,), ask(lambda: encode(draw_transparent(), "PNG"))),
        Attack(
            "noise of 19 megapixels", (200,), ask(lambda: encode(draw_noise(19_000_000), "JPEG"))
        ),
        Attack("progressive JPEG of 19 megapixels", (200, 413), ask(build_progressive)),
        Attack(
            "grainy blank paper of 12 megapixels",
            (200,),
            ask(lambda: encode(draw_noise(12_000_000, 6), "JPEG")),
        ),
        Attack("chained strokes", (200,), ask(lambda: encode(draw_strokes(), "PNG"))),
        Attack("hatching", (200,), ask(lambda: encode(draw_hatching(), "PNG"))),
        Attack("a page full of digits", (200,), ask(lambda: encode(draw_digits(), "PNG"))),
        Attack(
            "the same, upside down", (200,), ask(lambda: encode(draw_digits()[::-1, ::-1], "PNG"))
        ),
        Attack(
            "a page full of digits, with what mattered for each",
            (200, 413, 422, 503),
            lambda: build_request(
                "/v1/read?heat=true&tiles=true", "image/png", encode(draw_digits(), "PNG")
            ),
        ),
        Attack(
            "a picture 30,000 pixels wide",
            (200,),
            ask(lambda: encode(draw_noise(600_000, 60, 30_000), "PNG")),
        ),
        *(Attack(file.name, file.statuses, ask(file.build), file.n_pages) for file in list_files()),
    ]


def encode(pixels: np.ndarray, form: str, **options: object) -> bytes:
    """Encodes a picture as a file of a format."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def repeat_segments(segment: bytes) -> bytes:
    """Builds a JPEG file of empty segments."""
    return b"\xff\xd8" + segment * ((MAX_BYTES - 100_000) // len(segment)) + b"\xff\xd9"


def build_tiff(width: int, height: int, side: int) -> bytes:
    """Builds a TIFF file with one table entry for each tile."""
    n = (width // side) * (height // side)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
        (322, 4, 1, side),
        (323, 4, 1, side),
        (324, 4, n, 200),
        (325, 4, n, 200 + 4 * n),
    ]
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    head = (head + table).ljust(200, b"\0")
    return head + struct.pack("<I", 200) * n + struct.pack("<I", side * side) * n


def build_png(kind: bytes, n: int) -> bytes:
    """Builds a PNG file of empty chunks."""

    def chunk(kind: bytes, content: bytes = b"") -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(72)))
    return start + chunk(kind) * n + pixels + chunk(b"IEND")


def build_bmp(width: int, height: int) -> bytes:
    """Builds a run-length encoded BMP file in which every run is one pixel."""
    runs = b"\1\1" * width + b"\0\0"
    body = runs * height + b"\0\1"
    offset = 14 + 40 + 4 * 256
    return (
        struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
        + bytes(4 * 256)
        + body
    )


def build_progressive() -> bytes:
    """Builds a progressive JPEG of many pixels, close to the size limit of the service."""
    return encode(draw_noise(19_000_000, 12), "JPEG", progressive=True, quality=80)


def blank(n_pixels: int) -> np.ndarray:
    """Returns a white picture."""
    side = int(n_pixels**0.5)
    return np.full((side, side), 255, np.uint8)


def draw_noise(n_pixels: int, deviation: float = 60, width: int | None = None) -> np.ndarray:
    """Draws grain on grey paper."""
    width = width or int(n_pixels**0.5)
    noise = np.random.default_rng(0).normal(0, deviation, (n_pixels // width, width))
    return np.clip(200 + noise, 0, 255).astype(np.uint8)


def draw_transparent() -> np.ndarray:
    """Draws red lines on a transparent background."""
    picture = np.zeros((4400, 4500, 4), np.uint8)
    picture[100:-100:40, :, 0] = picture[100:-100:40, :, 3] = 255
    return picture


def draw_strokes() -> np.ndarray:
    """Draws strokes that touch each other in long chains."""
    picture = np.full((1200, 1600), 255, np.uint8)
    chance = random.Random(0)
    for top in range(20, 1180, 40):
        x = 10
        while x < 1580:
            end = (x + chance.randint(8, 20), top + chance.randint(0, 30))
            cv2.line(picture, (x, top + chance.randint(0, 30)), end, 0, 3)
            x = end[0]
    return picture


def draw_hatching() -> np.ndarray:
    """Draws a grid of lines."""
    picture = np.full((1500, 1500), 255, np.uint8)
    picture[::12] = picture[:, ::12] = 0
    return picture


def draw_digits() -> np.ndarray:
    """Draws a page of small digits in rows."""
    picture = np.full((1400, 1400), 255, np.uint8)
    for top in range(30, 1400, 32):
        cv2.putText(picture, "1234567890" * 9, (4, top), cv2.FONT_HERSHEY_SIMPLEX, 0.75, 0, 2)
    return picture


if __name__ == "__main__":
    sys.exit(main())
