"""Timeouts and limits of connections; each test has its own server with low limits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from inkdigits.web import connections

Connect = Callable[[], socket.socket]
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"x" * 30


async def answer_all(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and sends as many bytes as the path says."""
    if scope["type"] != "http":
        return
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    n = int(scope["path"].strip("/") or len(BODY))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * n})


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.4)
    monkeypatch.setattr(connections, "WRITE_TIMEOUT_S", 0.4)
    config = uvicorn.Config(
        answer_all,
        http=connections.build_protocol(max_connections=6, max_of_client=4),
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(
            socket.create_connection(listener.getsockname(), timeout=10)
        )
        server.should_exit = server.force_exit = True
    thread.join()


def receive_until_closed(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def send_until_closed(connection: socket.socket, part: bytes, most: int) -> int:
    """Returns the number of bytes sent before the connection was closed."""
    n = 0
    with contextlib.suppress(OSError):
        while n < most:
            connection.sendall(part)
            n += len(part)
    return n


def measure_wait(connection: socket.socket) -> float:
    started_s = time.monotonic()
    receive_until_closed(connection)
    return time.monotonic() - started_s


@pytest.mark.parametrize(
    ("first", "part"),
    [
        (b"GET /", b"a" * 4096),
        (HEAD + b"X: ", b"a" * 4096),
        (HEAD, b"X: " + b"a" * 4000 + b"\r\n"),
        (
            HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
            b"A: b\r\n" * 500,
        ),
        (HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 4096),
    ],
    ids=["request line", "one header", "many headers", "trailers", "chunk extension"],
)
def test_endless_heads_and_trailers_are_cut_off(
    connect: Connect, first: bytes, part: bytes
) -> None:
    connection = connect()
    connection.sendall(first)
    assert send_until_closed(connection, part, 20_000_000) < 8_000_000


def test_too_large_a_head_is_status_431(connect: Connect) -> None:
    connection = connect()
    connection.sendall(HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n")
    said = receive_until_closed(connection)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b"65,536 bytes" in said


def test_large_head_and_body_in_small_chunks_are_accepted(connect: Connect) -> None:
    connection = connect()
    connection.sendall(
        HEAD.replace(b"GET", b"POST")
        + b"X: "
        + b"a" * 60_000
        + b"\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 50_000
        + b"0\r\n\r\n"
    )
    assert receive_until_closed(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("n", [90_000, 3_000_000])
def test_body_may_exceed_the_limit_of_the_head(connect: Connect, n: int) -> None:
    connection = connect()
    head = HEAD.replace(b"GET", b"POST") + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % n
    connection.sendall(head + b"x" * n)
    assert receive_until_closed(connection).startswith(b"HTTP/1.1 200 ")


def test_several_host_headers_are_rejected(connect: Connect) -> None:
    connection = connect()
    connection.sendall(HEAD + b"Host: evil.example\r\n\r\n")
    said = receive_until_closed(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"more than one Host" in said


def test_no_request_is_handled_after_a_rejected_one(connect: Connect) -> None:
    connection = connect()
    connection.sendall(HEAD + b"Host: b\r\n\r\n" + HEAD + b"\r\n")
    assert receive_until_closed(connection).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "sent", [b"", HEAD, HEAD + b"\r\n" + b"\r\n"], ids=["silence", "half a head", "empty line"]
)
def test_idle_connection_is_closed(connect: Connect, sent: bytes) -> None:
    connection = connect()
    connection.sendall(sent)
    assert measure_wait(connection) < 3


def test_empty_line_does_not_reset_the_timeout(connect: Connect) -> None:
    connection = connect()
    connection.sendall(HEAD + b"\r\n")
    assert connection.recv(65536)
    connection.sendall(b"\r\n")
    assert measure_wait(connection) < 3


def test_connection_that_reads_nothing_is_closed(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"GET /50000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(1.5)
    assert len(receive_until_closed(connection)) < 50_000_000


def test_slow_reader_gets_the_whole_response(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"GET /8000000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    n = 0
    while part := connection.recv(400_000):
        n += len(part)
        time.sleep(0.02)
    assert n > 8_000_000


def test_connections_of_one_client_are_limited(connect: Connect) -> None:
    held = [connect() for _ in range(4)]
    rejected = connect()
    assert receive_until_closed(rejected).startswith(b"HTTP/1.1 503 ")
    held[0].close()
    time.sleep(0.1)
    again = connect()
    again.sendall(HEAD + b"\r\n")
    assert again.recv(65536).startswith(b"HTTP/1.1 200 ")
