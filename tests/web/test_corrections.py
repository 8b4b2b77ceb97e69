"""The store of corrections: what holds whatever the disk, the manifest or other processes do."""

from __future__ import annotations

import errno
import functools
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from inkdigits.data import load_labelled_pictures
from inkdigits.errors import OutputError
from inkdigits.web.corrections import COLUMNS, MAX_MANIFEST_BYTES, CorrectionStore

SAMPLES = Path(__file__).parents[1] / "samples"
PICTURE = (SAMPLES / "7-canvas.png").read_bytes()
TILE = np.zeros((28, 28), np.uint8)
HEADER = ",".join(COLUMNS)
OpenClient = Callable[..., TestClient]


def test_deletion_keeps_files_that_users_added(
    tmp_path: Path, list_files: Callable[[Path], set[str]]
) -> None:
    (tmp_path / "mine.png").write_bytes(PICTURE)
    rows = f"{','.join(COLUMNS)}\nmine.png,7,,none,2026-01-01T00:00:00+00:00\n"
    (tmp_path / "manifest.csv").write_text(rows)
    store = CorrectionStore(tmp_path)
    name = store.save(picture=PICTURE, tile=TILE, label="7", read="1")

    assert [correction.id for correction in store.list_all()] == ["mine", name]
    assert store.delete_all() == 2
    assert list_files(tmp_path) == {"manifest.csv", "mine.png"}


def test_manifest_of_something_else_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,label\nmine.png,7\n")

    with pytest.raises(OutputError, match="other columns"):
        CorrectionStore(tmp_path)
    assert (tmp_path / "manifest.csv").read_text() == "file,label\nmine.png,7\n"


def damage_manifest(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "large":
            with path.open("wb") as file:
                file.truncate(MAX_MANIFEST_BYTES + 1)
        case "columns":
            path.write_text("file,label\n")
        case "empty":
            path.touch()
        case "cells":
            path.write_text(f"{HEADER}\n{','.join('123456')}\n")
        case "encoding":
            path.write_bytes(f"{HEADER}\n".encode() + b"\xff.png,7,,1,\n")
        case "field":
            path.write_text(f"{HEADER}\n{'7' * 200_000},,,,\n")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("folder", "is a directory"),
        ("pipe", "not a regular file"),
        ("device", "not a regular file"),
        ("large", "larger than 50,000,000 bytes"),
        ("columns", "has other columns than file, label, tile, read, saved"),
        ("empty", "has other columns than file, label, tile, read, saved"),
        ("cells", "has too many cells in line 2"),
        ("encoding", "not in UTF-8"),
        ("field", "damaged in line 2"),
    ],
)
def test_damaged_manifest_is_reported(
    kind: str,
    expected: str,
    open_client: OpenClient,
    tmp_path: Path,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    client = open_client(corrections=tmp_path)
    damage_manifest(tmp_path / "manifest.csv", kind)
    before = list_files(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(OutputError, match=expected) as caught:
            CorrectionStore(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * MAX_MANIFEST_BYTES
    finally:
        tracemalloc.stop()
    assert str(tmp_path / "manifest.csv") in str(caught.value)
    assert "\n" not in str(caught.value)

    for response in (
        client.get("/v1/corrections"),
        client.post("/v1/corrections", json=describe_correction()),
        client.delete("/v1/corrections"),
        client.delete(f"/v1/corrections/{'0' * 32}"),
    ):
        assert response.status_code == 503
        message = response.json()["error"]["message"]
        assert expected in message
        assert str(tmp_path) not in message
    assert list_files(tmp_path) == before


def test_manifest_never_grows_beyond_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_files: Callable[[Path], set[str]]
) -> None:
    monkeypatch.setattr("inkdigits.web.corrections.MAX_MANIFEST_BYTES", 300)
    store = CorrectionStore(tmp_path)
    save = functools.partial(store.save, picture=PICTURE, tile=TILE, label="7", read="1")
    name = save()
    save()
    before = list_files(tmp_path)

    with pytest.raises(OutputError, match="would be larger than 300 bytes"):
        save()

    assert list_files(tmp_path) == before
    assert store.delete(name)
    save()


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/version/kept"])
def test_path_that_cannot_be_a_folder_is_reported(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="it is not a folder") as caught:
        CorrectionStore(tmp_path / place)

    assert "\n" not in str(caught.value)


def test_deletion_needs_no_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_files: Callable[[Path], set[str]]
) -> None:
    store = CorrectionStore(tmp_path)
    save = functools.partial(store.save, picture=PICTURE, tile=TILE, read="1")
    names = [save(label=str(i)) for i in range(4)]
    (tmp_path / "manifest.csv").write_text(
        (tmp_path / "manifest.csv").read_text() + '"by\nhand.png",7,,é,\n'
    )
    rows = (tmp_path / "manifest.csv").read_bytes().splitlines(keepends=True)

    def fail(path: Path, text: str, **options: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", fail)
        assert store.delete(names[1])
        assert not store.delete(names[1])
        content = (tmp_path / "manifest.csv").read_bytes()
        assert content == b"".join([*rows[:2], b"\n" * len(rows[2]), *rows[3:]])
        assert [one.label for one in store.list_all()] == ["0", "2", "3", "7"]
        (tmp_path / "by\nhand.png").write_bytes(PICTURE)
        labelled = load_labelled_pictures(tmp_path)
        assert [picture.label for picture in labelled] == ["0", "2", "3", "7"]
        assert store.delete("by\nhand")
        assert [one.label for one in store.list_all()] == ["0", "2", "3"]
        assert store.delete_all() == 3
        assert store.list_all() == []
    (tmp_path / "by\nhand.png").unlink()
    assert list_files(tmp_path) == {"manifest.csv"}

    name = save(label="5")  # writes the whole manifest again

    assert [one.id for one in store.list_all()] == [name]
    assert len((tmp_path / "manifest.csv").read_bytes().splitlines()) == 2


FILL_AND_DELETE = """
import sys
from pathlib import Path
import numpy as np
from inkdigits.errors import OutputError
from inkdigits.web.corrections import CorrectionStore
folder = Path(sys.argv[1])
store = CorrectionStore(folder)
picture = Path(sys.argv[2]).read_bytes()
names = []
try:
    while True:
        names.append(
            store.save(picture=picture, tile=np.zeros((28, 28), np.uint8), label="7", read="")
        )
except OutputError as error:
    print(error.reason)
with (folder / "filling").open("wb", buffering=0) as file:
    try:
        while file.write(b"1"):
            pass
    except OSError as error:
        print(error.strerror)
assert [one.id for one in store.list_all()] == names
assert store.delete(names[0])
assert [one.id for one in store.list_all()] == names[1:]
assert store.delete_all() == len(names) - 1 > 2
print(*sorted(path.name for path in folder.rglob("*.*")))
"""

MOUNT = 'mount -t tmpfs -o size=96k tmpfs "$1" && shift && exec "$@"'


def test_deletion_works_on_a_full_file_system(tmp_path: Path) -> None:
    """Uses a file system of 96 kB, mounted for one process."""
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            [*mount, str(tmp_path), "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("this system does not allow mounting")
    script = [sys.executable, "-c", FILL_AND_DELETE, str(tmp_path), str(SAMPLES / "7-canvas.png")]

    ended = subprocess.run(
        [*mount, str(tmp_path), *script], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr
    full, filled, left = ended.stdout.splitlines()
    assert (full, filled) == ("the disk is full", "No space left on device")
    assert left == ".lock manifest.csv"


def test_failed_save_leaves_no_files(
    tmp_path: Path, list_files: Callable[[Path], set[str]]
) -> None:
    store = CorrectionStore(tmp_path)
    (tmp_path / "manifest.csv").mkdir()  # makes writing fail

    with pytest.raises(OSError):
        store.save(picture=PICTURE, tile=TILE, label="7", read="1")
    assert list_files(tmp_path) == set()


SAVE_MANY = """
import sys
from pathlib import Path
import numpy as np
from inkdigits.web.corrections import CorrectionStore
store = CorrectionStore(Path(sys.argv[1]))
picture = Path(sys.argv[2]).read_bytes()
for number in range(30):
    name = store.save(
        picture=picture, tile=np.zeros((28, 28), np.uint8), label=sys.argv[3], read="0"
    )
    if number % 3 == 0:
        store.delete(name)
"""


def test_concurrent_processes_lose_no_correction(
    tmp_path: Path, list_files: Callable[[Path], set[str]]
) -> None:
    folder = tmp_path / "kept"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SAVE_MANY, str(folder), str(SAMPLES / "7-canvas.png"), label]
        )
        for label in ("1", "2")
    ]

    assert [process.wait(60) for process in processes] == [0, 0]
    kept = CorrectionStore(folder).list_all()
    assert [sum(one.label == label for one in kept) for label in ("1", "2")] == [20, 20]
    assert len({one.id for one in kept}) == 40
    assert all(re.fullmatch("[0-9a-f]{32}", one.id) for one in kept)
    assert len(load_labelled_pictures(folder)) == 40
    assert len(list_files(folder)) == 1 + 2 * 40
