"""The measurements that are no part of the package, each on a small slice."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.data import LabelledImages, Mnist
from inkdigits.recognition import Recognizer, combine
from inkdigits.training import Run

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="they stop, continue and watch processes as Linux does"
)

MEASUREMENTS = Path(__file__).parents[1] / "measurements"

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def load_script() -> dict[str, Any]:
    """What `load.py` defines."""
    return runpy.run_path(str(MEASUREMENTS / "load.py"))


class _Peer(BaseHTTPRequestHandler):
    """Answers as the request's path asks for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/leave":
            self.close_connection = True
            return
        status, text = {"/right": (200, "7"), "/wrong": (200, "1"), "/fail": (500, "7")}[self.path]
        body = json.dumps({"text": text}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture(scope="module")
def peer_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Peer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "count_errors"),
    [
        ("/right", lambda answers: 0),
        ("/wrong", lambda answers: answers / 2),
        ("/fail", lambda answers: answers),  # it counts the answers of status 200
        ("/leave", lambda answers: 2),
    ],
)
def test_load_counts_errors(
    load_script: dict[str, Any], peer_port: int, path: str, count_errors: Callable[[int], float]
) -> None:
    right, other = (
        load_script["Exchange"](load_script["build_request"](wanted, "text/plain", b"x"), "7")
        for wanted in ("/right", path)
    )
    # Each of the two clients sends the one and the other in turn.
    found = load_script["load"]((peer_port, os.getpgid(0)), [right, other], 2, 0.2, "plain")

    assert found.requests > 0
    assert found.p50_ms <= found.p99_ms
    assert found.errors == pytest.approx(count_errors(found.requests), abs=2 * (path != "/leave"))


@pytest.mark.slow
def test_load(python: Python, mnist: Mnist) -> None:
    ended = python(str(MEASUREMENTS / "load.py"), "--slice", "--json")

    assert ended.returncode == 0, ended.stderr
    assert "LitServe is skipped" in ended.stderr
    result = json.loads(ended.stdout)
    assert {(row["what"], row["clients"], row["peer"]) for row in result["rows"]} == {
        (what, clients, peer)
        for what in ("tile", "photograph")
        for clients in (1, 4)
        for peer in ("inkdigits", "plain")
    }
    for row in result["rows"]:
        assert row["errors"] == 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        # A client waits for one answer at a time, and half of its waits are at least the median.
        assert row["requests_per_s"] * row["p50_ms"] / 1000 <= 2 * row["clients"]
    assert all(ms > 0 for ms in result["photograph_ms"].values())


def test_growth_compares_the_second_round_with_the_last_complete_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(MEASUREMENTS))
    measure_growth = runpy.run_path(str(MEASUREMENTS / "soak.py"))["measure_growth"]
    rounds = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    # Within a round the memory rises threefold, and the first round is a warm-up.
    memory = [10, 10, 50, 60, 70, 100, 200, 300, 110, 220, 330, 900]

    assert measure_growth(memory, rounds) == pytest.approx(0.1)
    assert measure_growth(memory[:4], rounds[:4]) == 0  # too short for two rounds


def test_soak_sees_an_answer_that_comes_before_the_connection_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(MEASUREMENTS))
    ask_anyhow = runpy.run_path(str(MEASUREMENTS / "soak.py"))["ask_anyhow"]

    async def answer_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.transport.abort()  # with most of the request unread: a reset

    async def ask() -> int:
        async with await asyncio.start_server(answer_early, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            status: int = await ask_anyhow(port, b"POST / HTTP/1.1\r\n\r\n" + bytes(50_000_000))
            return status

    assert asyncio.run(ask()) == 413


@pytest.mark.slow
def test_soak(python: Python, mnist: Mnist) -> None:
    ended = python(str(MEASUREMENTS / "soak.py"), "--minutes", "0.1", "--json")

    assert ended.stdout, ended.stderr
    result = json.loads(ended.stdout)
    assert not [what for what in result["seen"] if what.rpartition(": ")[2].startswith("wrong")]
    assert result["wrong"] == 0
    # In seconds nothing is warm yet; beyond its limits it must say so.
    slower = [phases["hostile"] / phases["quiet"] for phases in result["p99_ms"].values()]
    is_held = max(result["growth"].values()) <= 0.1 and max(slower) <= 2
    assert ended.returncode == int(not is_held), ended.stderr
    statuses = {what.partition(":")[0].rpartition(", ")[2] for what in result["seen"]}
    assert {"tile", "photograph"} <= statuses
    assert {"400", "404", "413", "415", "422", "no answer"} <= statuses
    assert result["good"] == result["seen"]["tile: right"] + result["seen"]["photograph: right"]
    assert 50 < result["held"]["memory in MB"] < 1000


@pytest.mark.slow
def test_attacks(python: Python, mnist: Mnist) -> None:
    ended = python(str(MEASUREMENTS / "attacks.py"), "Host", "empty", "PNG", "--json")

    assert ended.stdout, ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert rows["many Host headers"]["status"] == 400
    assert rows["tensor: a million empty lists"]["status"] == 400
    assert rows["PNG of empty chunks"]["status"] == 415
    assert all(row["cpu_s"] < 2 and row["mb"] < 300 for row in rows.values()), rows


def test_ensemble_sizes_are_means_over_all_choices(
    smoke_run: Run, test_slice: LabelledImages
) -> None:
    smoke, default = Recognizer.load(smoke_run.folder), Recognizer.load()
    measure = runpy.run_path(str(MEASUREMENTS / "ensemble_sizes.py"))["measure"]

    few = test_slice.take(range(300))

    each, both = measure([smoke, default], few)

    assert [(row["networks"], row["choices"]) for row in (each, both)] == [(1, 2), (2, 1)]
    wrong = [
        judge.network(few.images)[:, :10].argmax(axis=1) != few.labels
        for judge in (smoke, default, combine([smoke, default]))
    ]
    assert each["accuracy"] == pytest.approx(1 - np.mean(wrong[:2]))
    assert each["misread_by_all"] == np.sum(wrong[:2]) / 2
    assert both["accuracy"] == pytest.approx(1 - np.mean(wrong[2]))
    assert both["misread_by_all"] == np.sum(wrong[0] & wrong[1])
    # Two of the same judge as one does.
    one, two = measure([smoke, smoke], few)
    assert {**one, "networks": 2, "choices": 1} == {**two, "networks": 2}
