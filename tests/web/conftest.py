from __future__ import annotations

import base64
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
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

import inkdigits
from inkdigits.recognition import Recognizer
from inkdigits.web import Settings, build_app

SAMPLES = Path(__file__).parents[1] / "samples"

OpenClient = Callable[..., TestClient]


@pytest.fixture(scope="session")
def default_recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture
def open_client(default_recognizer: Recognizer) -> Iterator[OpenClient]:
    """Starts the application with some settings, and stops it at the end of the test."""
    with contextlib.ExitStack() as stack:

        def open_one(recognizer: Any = default_recognizer, **settings: Any) -> TestClient:
            app = build_app(recognizer, Settings(**settings))
            return stack.enter_context(TestClient(app, "http://localhost"))

        yield open_one


@pytest.fixture(scope="session")
def shared_client(default_recognizer: Recognizer) -> Iterator[TestClient]:
    """The application with its default settings, for tests that do not change its state."""
    with TestClient(build_app(default_recognizer), "http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def sample() -> Callable[[str], bytes]:
    """Returns the bytes of a sample picture."""
    return lambda name: (SAMPLES / name).read_bytes()


class HeldNetwork:
    """A network that waits for permission to answer, and then classifies every tile as a seven.

    Attributes:
        has_begun: Set by its first call.
        may_answer: Set by the test.
        n_tiles: Number of tiles of each call.
    """

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_answer = threading.Event()
        self.n_tiles: list[int] = []

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.n_tiles.append(len(tiles))
        self.has_begun.set()
        if not self.may_answer.wait(20):
            raise TimeoutError("the test does not let the network answer")
        probabilities = np.full((len(tiles), 11), 0.001, np.float32)
        probabilities[:, 7] = 0.99
        return probabilities


@pytest.fixture
def held_network() -> Iterator[HeldNetwork]:
    network = HeldNetwork()
    yield network
    network.may_answer.set()


@pytest.fixture
def held_recognizer(held_network: HeldNetwork, default_recognizer: Recognizer) -> Recognizer:
    """A recognizer with the held network, which answers the call at the start of the service."""
    held_network.may_answer.set()
    return Recognizer(held_network, default_recognizer.card)


@pytest.fixture(scope="session")
def check_error() -> Callable[[Any, int], str]:
    """Checks status and shape of an error, and returns its message."""
    home = str(Path(inkdigits.__file__).parents[1])

    def check(response: Any, status: int) -> str:
        assert response.status_code == status, response.text
        body = response.json()
        assert set(body) == {"error"}
        message: str = body["error"]
        if not response.url.path.startswith("/v2"):  # the protocol has an error format of its own
            assert set(body["error"]) == {"status", "message"}
            assert body["error"]["status"] == status
            message = body["error"]["message"]
        assert isinstance(message, str)
        assert message
        assert "\n" not in message
        for secret in ("Traceback", ".py", home, "/usr", "PIL", "numpy", "BytesIO", "pydantic"):
            assert secret not in message
        return message

    return check


@pytest.fixture(scope="session")
def post_tiles() -> Callable[[TestClient, int], Any]:
    """Sends n blank tiles to the Open Inference Protocol, and returns the response."""

    def post(client: TestClient, n: int) -> Any:
        tile = {"name": "tiles", "datatype": "UINT8", "shape": [n, 28, 28], "data": [0] * (784 * n)}
        return client.post("/v2/models/pictures/infer", json={"inputs": [tile]})

    return post


@pytest.fixture(scope="session")
def read_metric() -> Callable[[TestClient, str], float]:
    """Returns the value of a Prometheus metric, 0 if it is not there yet."""

    def read(client: TestClient, name: str) -> float:
        for line in client.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    return read


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits up to ten seconds until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline_s, "the condition did not hold within 10 s"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def describe_correction() -> Callable[..., dict[str, Any]]:
    """Returns a correction as the page sends it; a change to None removes a field."""
    complete: dict[str, Any] = {
        "label": "7",
        "read": "1",
        "tile": (np.arange(784).reshape(28, 28) % 256).tolist(),
        "picture": base64.b64encode((SAMPLES / "7-canvas.png").read_bytes()).decode(),
    }
    return lambda **changes: {
        name: value for name, value in (complete | changes).items() if value is not None
    }


@pytest.fixture(scope="session")
def list_files() -> Callable[[Path], set[str]]:
    """Returns the files of a folder of corrections, the lock left out."""
    return lambda folder: {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


class Server:
    """A process of `inkdigits serve`, which can be ended and started again on its port."""

    def __init__(self, *options: str) -> None:
        self.port = 0
        self._options = options
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Starts the process and waits until the service is ready."""
        command = [sys.executable, "-m", "inkdigits", "serve", "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        output = self.process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)/ ", output)
        assert address, (output, self.process.communicate(timeout=10))
        self.port = int(address[1])
        deadline_s = time.monotonic() + 60
        while self.ask("GET", "/v2/health/ready")[0] != 200:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Returns status, headers and JSON of a response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), json.loads(response.read())

    def read_metrics(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def end(self, sig: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Ends the process with a signal; returns its exit status and its stderr."""
        self.process.send_signal(sig)
        stderr = self.process.communicate(timeout=40)[1]
        return self.process.returncode, stderr

    def kill(self) -> None:
        """Kills the process if it is still running."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="session")
def run_server() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """Runs a server with some options in a `with` block."""

    @contextlib.contextmanager
    def run(*options: str) -> Iterator[Server]:
        server = Server(*options)
        try:
            yield server
        finally:
            server.kill()

    return run


@pytest.fixture
def open_server(
    run_server: Callable[..., contextlib.AbstractContextManager[Server]],
) -> Iterator[Callable[..., Server]]:
    """Starts servers, which end with the test at the latest."""
    with contextlib.ExitStack() as stack:
        yield lambda *options: stack.enter_context(run_server(*options))
