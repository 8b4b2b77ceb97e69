from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import Mnist
from inkdigits.data.folder import cache_directory

Answer = tuple[int, bytes]


@pytest.fixture(scope="session")
def mnist_folder(mnist: Mnist) -> Path:
    """The folder with the four published raw files; read only."""
    return cache_directory() / "mnist"


def write_own_data(folder: Path, n_train: int = 5, n_test: int = 3) -> dict[str, bytes]:
    """Write four small IDX files with struct, byte by byte, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for part, count in (("train", n_train), ("t10k", n_test)):
        images = bytes((7 * position + count) % 256 for position in range(count * 28 * 28))
        labels = bytes((3 * position + count) % 10 for position in range(count))
        written[f"{part}-images-idx3-ubyte"] = struct.pack(">IIII", 2051, count, 28, 28) + images
        written[f"{part}-labels-idx1-ubyte"] = struct.pack(">II", 2049, count) + labels
    for name, raw in written.items():
        (folder / name).write_bytes(raw)
    return written


@pytest.fixture
def own_data(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A folder with four small IDX files, and their content by name."""
    return tmp_path / "own", write_own_data(tmp_path / "own")


def write_npz(path: Path, raw_files: dict[str, bytes]) -> None:
    """Write what Keras would keep of these IDX files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[np.uint8]] = {}
    for key, part in (("train", "train"), ("test", "t10k")):
        images = np.frombuffer(raw_files[f"{part}-images-idx3-ubyte"], np.uint8, offset=16)
        arrays[f"x_{key}"] = images.reshape(-1, 28, 28)
        arrays[f"y_{key}"] = np.frombuffer(
            raw_files[f"{part}-labels-idx1-ubyte"], np.uint8, offset=8
        )
    np.savez(path, **arrays)  # type: ignore[arg-type]


@pytest.fixture
def npz_writer() -> Callable[[Path, dict[str, bytes]], None]:
    return write_npz


class MirrorHandler(BaseHTTPRequestHandler):
    """Answers each path with its answers in turn, the last one for ever."""

    protocol_version = "HTTP/1.1"

    def __init__(
        self, answers: dict[str, list[Answer]], requested: list[str], *args: object
    ) -> None:
        self.answers = answers
        self.requested = requested
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.requested.append(self.path)
        answers = self.answers.get(self.path, [(404, b"")])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        breaks_off = status == 299
        self.send_response(200 if breaks_off else status)
        self.send_header("Content-Length", str(len(body) + 1000 * breaks_off))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = breaks_off

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest's output is for failures."""


@pytest.fixture
def mirror(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, dict[str, list[Answer]], list[str]]]:
    """A web server: its address, its answers by path (status 299 breaks off), paths requested."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    answers: dict[str, list[Answer]] = {}
    requested: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(MirrorHandler, answers, requested))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers, requested
    server.shutdown()
    thread.join()
    server.server_close()
