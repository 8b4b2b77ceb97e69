"""The service as a separate process, over sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from inkdigits.data import LabelledImages
from inkdigits.recognition import Recognizer

resource = pytest.importorskip("resource", reason="needs what Windows lacks")

if TYPE_CHECKING:
    from tests.web.conftest import Server

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SAMPLES = Path(__file__).parents[2] / "samples"
PICTURE = (Path(__file__).parents[1] / "samples" / "7-canvas.png").read_bytes()


@pytest.fixture(scope="module")
def shared_server(
    run_server: Callable[..., contextlib.AbstractContextManager[Server]],
) -> Iterator[Server]:
    """A server with low limits, for tests that leave it running."""
    limits = ("--body-timeout-s", "1", "--max-bytes", "100000", "--max-held-bytes", "100000")
    with run_server(*limits) as server:
        yield server
        assert server.end() == (0, "")


def receive_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def begin_request(connection: socket.socket, n_bytes: int, sent: bytes) -> None:
    lines = ("POST /v1/read HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {n_bytes}", "", "")
    connection.sendall("\r\n".join(lines).encode() + sent)


def test_server_starts_reads_and_ends(open_server: Callable[..., Server]) -> None:
    server = open_server()

    status, headers, rows = server.ask("POST", "/v1/read", PICTURE)

    assert status == 200
    assert [row["text"] for row in rows] == ["7"]
    assert headers["x-content-type-options"] == "nosniff"
    assert server.end(signal.SIGTERM) == (0, "")
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_ctrl_c_ends_with_status_130(open_server: Callable[..., Server]) -> None:
    assert open_server().end(signal.SIGINT) == (130, "inkdigits: stopped\n")


def test_sigterm_finishes_the_requests_in_progress(open_server: Callable[..., Server]) -> None:
    """Reads a form with heat maps, which takes seconds; meanwhile new requests are rejected."""
    server = open_server()
    form = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.jpg"\r\n\r\n'
        + (SAMPLES / "1984-on-ruled-paper.jpg").read_bytes()
        + b"\r\n"
        for _ in range(12)
    )
    answers: list[tuple[int, dict[str, str], Any]] = []
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    thread = threading.Thread(
        target=lambda: answers.append(
            server.ask("POST", "/v1/read?heat=true", form + b"--x--\r\n", **kind)
        )
    )
    waiting = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    waiting.request("GET", "/v2/health/ready")
    assert waiting.getresponse().read() == b'{"ready":true}'
    thread.start()
    while "inkdigits_active_requests 1.0" not in server.read_metrics():
        time.sleep(0.01)

    server.process.send_signal(signal.SIGTERM)
    while True:
        waiting.request("GET", "/v2/health/ready")
        response = waiting.getresponse()
        response.read()
        if response.status == 503:
            break
    assert not answers, "the request must still be in progress"
    rejected, headers, error = server.ask("POST", "/v1/read", PICTURE)
    thread.join(40)
    waiting.close()

    assert (rejected, error["error"]["message"]) == (503, "The service is stopping")
    assert headers["retry-after"]
    ((status, _, rows),) = answers
    assert status == 200
    assert [row["text"] for row in rows] == ["1984"] * 12
    assert server.process.wait(20) == 0


def test_triton_client_is_supported(
    open_server: Callable[..., Server], test_slice: LabelledImages
) -> None:
    from tritonclient.http import (
        InferenceServerClient,
        InferenceServerException,
        InferInput,
        InferRequestedOutput,
    )

    recognizer = Recognizer.load()
    server = open_server()
    client = InferenceServerClient(f"127.0.0.1:{server.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("pictures")
        assert not client.is_model_ready("other")
        assert client.get_server_metadata()["name"] == "inkdigits"
        metadata = client.get_model_metadata("pictures")
        (name,) = (tensor["name"] for tensor in metadata["inputs"])
        for n in (1, 50):
            tiles = test_slice.images[:n]
            for is_binary in (True, False):
                tensor = InferInput(name, list(tiles.shape), "UINT8")
                tensor.set_data_from_numpy(tiles, binary_data=is_binary)
                output = InferRequestedOutput("probabilities", binary_data=is_binary)
                result = client.infer("pictures", [tensor], outputs=[output], request_id="5")
                found = result.as_numpy("probabilities")
                assert result.get_response()["id"] == "5"
                assert found.shape == (n, 10)
                assert np.asarray(found) == pytest.approx(recognizer.classify(tiles), abs=1e-5)
        with pytest.raises(InferenceServerException, match="Unknown model"):
            client.infer("other", [tensor])
    finally:
        client.close()


@pytest.mark.parametrize("sent", [b"", b"half"])
def test_slow_body_times_out(sent: bytes, shared_server: Server) -> None:
    with shared_server.connect() as connection:
        began_s = time.monotonic()
        begin_request(connection, 1000, sent)
        answer = receive_all(connection)

    assert 0.9 < time.monotonic() - began_s < 10
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"status":408' in answer
    assert b"\r\nconnection: close\r\n" in answer


def test_client_with_a_too_large_body_gets_a_response(shared_server: Server) -> None:
    """The connection of a client that sends everything before it reads must not break."""
    for n_bytes in (100_001, 5_000_000):
        status, headers, answer = shared_server.ask("POST", "/v1/read", bytes(n_bytes))

        assert status == answer["error"]["status"] == 413
        assert headers["connection"] == "close"


def test_bytes_of_all_bodies_are_limited(shared_server: Server) -> None:
    with shared_server.connect() as slow:
        begin_request(slow, 90_000, bytes(80_000))
        deadline_s = time.monotonic() + 0.8
        statuses = set()
        while 503 not in statuses and time.monotonic() < deadline_s:
            statuses.add(shared_server.ask("POST", "/v1/read", bytes(80_000))[0])
        assert statuses <= {415, 503}
        assert 503 in statuses
        assert shared_server.ask("POST", "/v1/read", PICTURE)[0] == 200
        assert receive_all(slow).startswith(b"HTTP/1.1 408 ")
    assert shared_server.ask("POST", "/v1/read", bytes(80_000))[0] == 415


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    ],
    ids=repr,
)
def test_input_that_is_not_http_is_status_400(said: bytes, shared_server: Server) -> None:
    with shared_server.connect() as connection:
        connection.sendall(said)
        head, _, body = receive_all(connection).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["status"] == 400


def test_disconnected_clients_use_no_resources(shared_server: Server) -> None:
    for sent in (b"", PICTURE[:2000], PICTURE):
        with shared_server.connect() as connection:
            begin_request(connection, len(PICTURE), sent)
    deadline_s = time.monotonic() + 20
    while "inkdigits_active_requests 0.0" not in shared_server.read_metrics():
        assert time.monotonic() < deadline_s

    assert shared_server.ask("POST", "/v1/read", PICTURE)[0] == 200


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--model", "nowhere.onnx"], 3, "no model at nowhere.onnx"),
        (["--model", "nowhere"], 3, "no model at nowhere"),
        (["--port", "70000"], 2, "invalid port '70000'"),
        (["--host", "256.1.1.1"], 2, "cannot listen on 256.1.1.1"),
        (["--max-bytes", "0"], 2, "invalid number '0'"),
        (["--max-pictures", "many"], 2, "invalid number 'many'"),
        (["--api-key-file", "nowhere.txt"], 2, "cannot read the API key"),
        (["--keep-corrections", "/dev/null"], 4, "cannot keep corrections"),
    ],
    ids=str,
)
def test_invalid_options_fail_with_one_line(
    options: list[str], status: int, message: str, tmp_path: Path
) -> None:
    options = ["--port", "0", *options] if "--port" not in options else options
    ended = subprocess.run(
        [sys.executable, "-m", "inkdigits", "serve", "--no-browser", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == status
    assert ended.stdout == "", "nothing is said to be served"
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_port_in_use_is_reported(shared_server: Server, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "inkdigits", "serve", "--port", str(shared_server.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr == (
        f"inkdigits: port {shared_server.port} is in use: choose another with --port\n"
    )


def test_api_key_can_come_from_a_file(open_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("correct horse battery\n")
    server = open_server("--api-key-file", str(tmp_path / "key.txt"))

    assert server.ask("POST", "/v1/read", PICTURE)[0] == 401
    key = {"X-API-Key": "correct horse battery"}
    assert server.ask("POST", "/v1/read", PICTURE, **key)[0] == 200


@pytest.mark.skipif(not Path("/proc/self/limits").is_file(), reason="needs /proc")
def test_limit_of_open_files_suffices_for_all_connections(
    open_server: Callable[..., Server],
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
    try:
        server = open_server("--max-connections", "500")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    found = re.search(r"Max open files +(\d+)", limits)
    assert found is not None

    assert int(found[1]) >= min(2 * 500, before[1])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_uploads_are_never_written_to_disk(
    open_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sends a form that is larger than most servers keep in memory."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = open_server()
    part = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n'
    form = b"".join(part + PICTURE + bytes(3_000_000) + b"\r\n" for _ in range(3)) + b"--x--\r\n"
    assert server.ask("POST", "/v1/read", PICTURE)[0] == 200  # starts the decoder processes
    before = {str(path) for path in tmp_path.rglob("*")}  # their sockets
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        descriptors = Path(f"/proc/{server.process.pid}/fd")
        while not done.is_set():
            seen.update(map(str, tmp_path.iterdir()))
            for descriptor in descriptors.iterdir():
                with contextlib.suppress(OSError):
                    seen.add(str(descriptor.readlink()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    status, _, rows = server.ask("POST", "/v1/read", form, **kind)
    done.set()
    watcher.join()

    assert status == 200
    assert [row["text"] for row in rows] == ["7"] * 3
    assert {name for name in seen if name.startswith(str(tmp_path))} <= before


def send_random_requests(operation: Any) -> set[int]:
    """Sends random requests of an operation, and returns the statuses of the responses."""
    statuses: set[int] = set()

    @hypothesis.settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        response = case.call()
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    ask()
    return statuses


def test_service_answers_as_its_openapi_document_says(
    open_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Sends random requests that the document allows."""
    server = open_server("--keep-corrections", str(tmp_path / "kept"))
    api = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")

    statuses = {}
    for found in api.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        statuses[f"{operation.method} {operation.path}"] = send_random_requests(operation)

    assert len(statuses) >= 13
    assert all(status < 500 for seen in statuses.values() for status in seen)
    assert server.end(signal.SIGTERM) == (0, "")
