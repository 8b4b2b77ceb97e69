"""Bulk reading from an object storage on this machine that fails now and then.

A moto server on the loopback holds a bucket with MNIST's test images as PNG files, which are read
quickly, so that the storage is the load. Between it and the client, a proxy
answers a part of the requests for objects with 500 or 503, or closes the connection, and holds each
request back for some milliseconds, as a real storage does. `inkdigits batch s3://…` reads the
bucket and writes its data set to another one. Each picture must have one row, and none an error.
Then a bucket is removed in the middle of a batch, which must end in one line with status 3, and
what was written must be complete.

    make bulk-storage                                       # 10,000 objects
    PYTHONPATH=build/storage python measurements/bulk_storage.py --objects 200

The exit status is 1 if a picture is lost, doubled, or has an error, or if the second batch ends in
another way. Needs `inkdigits[scale]` and what storage-requirements.txt names.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import numpy as np
import s3fs
from moto.server import ThreadedMotoServer
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from inkdigits.benchmark.machine import describe_machine
from inkdigits.data import fetch_mnist

BUCKET: Final = "scans"
READINGS: Final = "readings"
FLEETING: Final = "fleeting"
MAX_FLEETING: Final = 1_000
"""Number of objects that a single request removes, so that their bucket is gone soon after them."""
FAILURE_SHARE: Final = 0.05
DELAY_S: Final = 0.01
SEED: Final = 0


def main() -> int:
    """Runs the measurement, prints its result and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=10_000, help="default: 10,000")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        with start_proxy(port) as (proxy_port, failures):
            result = measure(port, proxy_port, options.objects)
            result["failures_injected"] = dict(failures)
    finally:
        server.stop()
    print(json.dumps(result, indent=2))
    is_whole = not result["lost"] and not result["doubled"] and not result["errors"]
    vanished = result["vanished"]
    ends_well = vanished["status"] == 3 and vanished["lines"] == 1 and not vanished["errors"]
    return 0 if is_whole and ends_well else 1


def measure(port: int, proxy_port: int, n_objects: int) -> dict[str, Any]:
    """Fills the bucket, reads it through the proxy, and checks the rows."""
    direct = connect(port)
    names = fill(direct, BUCKET, n_objects)
    direct.mkdir(READINGS)
    started = time.perf_counter()
    ended = start_batch(proxy_port, BUCKET, READINGS)
    ended.wait()
    seconds = time.perf_counter() - started
    rows = load_rows(direct, READINGS)
    found = Counter(row["address"] for row in rows)
    return {
        "machine": describe_machine(),
        "objects": n_objects,
        "delay_ms": 1000 * DELAY_S,
        "seconds": round(seconds, 1),
        "objects_per_second": round(n_objects / seconds, 2),
        "status": ended.returncode,
        "lost": len(set(names) - set(found)),
        "doubled": sum(n - 1 for n in found.values()),
        "errors": sum(row["error"] is not None for row in rows),
        "vanished": remove_bucket(direct, proxy_port, min(n_objects, MAX_FLEETING)),
    }


def connect(port: int) -> s3fs.S3FileSystem:
    """A client of the storage."""
    return s3fs.S3FileSystem(
        key="key",
        secret="secret",
        endpoint_url=f"http://127.0.0.1:{port}",
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def fill(storage: s3fs.S3FileSystem, bucket: str, n_objects: int) -> list[str]:
    """Puts pictures into a new bucket, and returns their addresses."""
    storage.mkdir(bucket)
    digits = fetch_mnist(progress=False).test
    names = [f"{bucket}/{number // 1000:03}/{number:06}.png" for number in range(n_objects)]
    for number, name in enumerate(names):
        storage.pipe_file(name, encode_png(digits.images[number % len(digits.images)]))
    return [f"s3://{name}" for name in names]


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Returns an image as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def start_batch(port: int, source: str, output: str) -> subprocess.Popen[str]:
    """Starts a batch from bucket to bucket."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "inkdigits", "batch", f"s3://{source}", f"s3://{output}/data"]
    return subprocess.Popen(
        [*command, "--quiet"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def load_rows(storage: s3fs.S3FileSystem, bucket: str) -> list[dict[str, Any]]:
    """The rows of a data set."""
    rows: list[dict[str, Any]] = []
    for path in storage.glob(f"{bucket}/data/part-*.parquet"):
        with storage.open(path) as file:
            rows += parquet.read_table(file, columns=["address", "error"]).to_pylist()
    return rows


def remove_bucket(storage: s3fs.S3FileSystem, port: int, n_objects: int) -> dict[str, Any]:
    """Removes a bucket of pictures in the middle of a batch.

    Its objects go first. A row says "no such file" of each that was asked for in between.
    """
    fill(storage, FLEETING, n_objects)
    storage.mkdir("later")
    process = start_batch(port, FLEETING, "later")
    while not storage.glob("later/data/part-*") and process.poll() is None:
        time.sleep(0.2)
    storage.rm(FLEETING, recursive=True)
    _, errors = process.communicate()
    rows = load_rows(storage, "later")
    faults = [row["error"] for row in rows if row["error"] is not None]
    removed = [fault for fault in faults if fault.endswith(": no such file")]
    return {
        "status": process.returncode,
        "lines": len(errors.splitlines()),
        "message": errors.strip()[-400:],
        "rows": len(rows),
        "removed_before": len(removed),
        "errors": len(faults) - len(removed),
    }


class _Proxy(BaseHTTPRequestHandler):
    """Passes requests on, and fails some of those that read objects."""

    protocol_version = "HTTP/1.1"
    server: _ProxyServer

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(DELAY_S)
        is_object = self.command == "GET" and self.path.partition("?")[0].endswith(".png")
        fault = self.server.choose_fault() if is_object else None
        if fault == "closed":
            self.close_connection = True
            return
        if fault is not None:
            self._answer(int(fault), [("Content-Type", "text/plain")], b"injected")
            return
        passed = http.client.HTTPConnection("127.0.0.1", self.server.target)
        try:
            passed.request(self.command, self.path, body, dict(self.headers))
            answer = passed.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
        finally:
            passed.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *values: object) -> None:
        """Prints nothing."""

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value if self.command == "HEAD" else length
            elif name.lower() not in ("transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.target = target
        self.failures: Counter[str] = Counter()
        self._random = random.Random(SEED)
        self._lock = threading.Lock()

    def choose_fault(self) -> str | None:
        """Returns how a request fails: 500, 503 or closed; None for most of them."""
        with self._lock:
            if self._random.random() >= FAILURE_SHARE:
                return None
            fault = self._random.choice(["500", "503", "closed"])
            self.failures[fault] += 1
            return fault


@contextmanager
def start_proxy(target: int) -> Iterator[tuple[int, Counter[str]]]:
    """Yields the port of the proxy, and the failures that it has injected so far."""
    server = _ProxyServer(target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], server.failures
    finally:
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
