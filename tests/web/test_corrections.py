from __future__ import annotations

import base64
import csv
import errno
import fcntl
import functools
import io
import os
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from inkdigits.data import load_labelled_pictures
from inkdigits.errors import OutputError
from inkdigits.evaluation import evaluate_pictures
from inkdigits.recognition import Recognizer
from inkdigits.web.corrections import COLUMNS, MAX_MANIFEST_BYTES, CorrectionStore

SAMPLES = Path(__file__).parents[2] / "samples"
PICTURE = (SAMPLES / "7-canvas.png").read_bytes()
TILE = np.arange(784, dtype=np.uint16).reshape(28, 28).astype(np.uint8)
OpenClient = Callable[..., TestClient]


def describe(**changes: Any) -> dict[str, Any]:
    """A correction as the page sends it."""
    whole: dict[str, Any] = {
        "label": "7",
        "read": "1",
        "tile": TILE.tolist(),
        "picture": base64.b64encode(PICTURE).decode(),
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def open_png(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def list_files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_corrections_are_kept_listed_and_deleted(open_client: OpenClient, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "kept"
    client = open_client(corrections=folder)
    assert client.get("/v1/status").json()["corrections"] is True
    assert client.get("/v1/corrections").json() == {"folder": str(folder), "corrections": []}

    saved = [
        client.post("/v1/corrections", json=describe(label=label, read=read))
        for label, read in (("7", "1"), ("", "4"), ("31", ""))
    ]

    assert [response.status_code for response in saved] == [201, 201, 201]
    ids = [response.json()["id"] for response in saved]
    kept = client.get("/v1/corrections").json()["corrections"]
    assert [(one["id"], one["label"], one["read"]) for one in kept] == [
        (ids[0], "7", "1"),
        (ids[1], "", "4"),
        (ids[2], "31", ""),
    ]
    for one in kept:
        age = datetime.now(UTC) - datetime.fromisoformat(one["saved"])
        assert timedelta(seconds=-1) < age < timedelta(minutes=1)

    assert client.delete(f"/v1/corrections/{ids[1]}").status_code == 204
    assert client.delete(f"/v1/corrections/{ids[1]}").status_code == 404
    assert [one["id"] for one in client.get("/v1/corrections").json()["corrections"]] == [
        ids[0],
        ids[2],
    ]
    assert list_files(folder) == {
        "manifest.csv",
        *(f"{name}.png" for name in (ids[0], ids[2])),
        *(f"tiles/{name}.png" for name in (ids[0], ids[2])),
    }
    assert client.delete("/v1/corrections").status_code == 204
    assert client.get("/v1/corrections").json()["corrections"] == []
    assert list_files(folder) == {"manifest.csv"}


def test_the_folder_is_read_by_evaluate(
    open_client: OpenClient, tmp_path: Path, default_recognizer: Recognizer
) -> None:
    client = open_client(corrections=tmp_path)
    blank = io.BytesIO()
    Image.new("L", (50, 50), 255).save(blank, "PNG")
    client.post("/v1/corrections", json=describe())
    empty = base64.b64encode(blank.getvalue()).decode()
    client.post("/v1/corrections", json=describe(label="", picture=empty))

    pictures = load_labelled_pictures(tmp_path)
    assert [picture.label for picture in pictures] == ["7", ""]
    assert [picture.path.read_bytes() for picture in pictures] == [PICTURE, blank.getvalue()]
    with (tmp_path / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS == ("file", "label", "tile", "read", "saved")
    assert np.array_equal(open_png(tmp_path / rows[0]["tile"]), TILE)
    evaluation = evaluate_pictures(tmp_path, default_recognizer, one_digit=True).to_json()
    assert {row["name"]: row["n"] for row in evaluation["by_kind"]} == {"single": 1, "none": 1}


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"label": "x"}, 422, "label"),
        ({"label": "7\n"}, 422, "label"),
        ({"label": "1" * 65}, 422, "label"),
        ({"label": None}, 422, "label"),
        ({"label": 7}, 422, "label"),
        ({"read": "=1+1"}, 422, "read"),
        ({"tile": [[0] * 28] * 27}, 422, "tile"),
        ({"tile": [[0] * 27] * 28}, 422, "tile"),
        ({"tile": [[256] * 28] * 28}, 422, "tile"),
        ({"tile": [[-1] * 28] * 28}, 422, "tile"),
        ({"picture": "no base64!"}, 422, "picture"),
        ({"picture": base64.b64encode(b"GIF89a").decode()}, 422, "PNG"),
        ({"picture": base64.b64encode(PICTURE[:100]).decode()}, 422, "damaged PNG"),
        ({"id": "../../evil"}, 422, "id"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_correction(
    changes: dict[str, Any], status: int, message: str, open_client: OpenClient, tmp_path: Path
) -> None:
    client = open_client(corrections=tmp_path)

    response = client.post("/v1/corrections", json=describe(**changes))

    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"]
    assert list_files(tmp_path) == set()


def test_a_large_picture_is_no_correction(open_client: OpenClient, tmp_path: Path) -> None:
    client = open_client(corrections=tmp_path, max_pixels=1000)

    assert client.post("/v1/corrections", json=describe()).status_code == 413
    assert list_files(tmp_path) == set()


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/json"}, b"{", 422),
        ({"Content-Type": "application/json"}, b"[]", 422),
        ({"Content-Type": "application/json"}, b"\xff", 422),
        ({"Content-Type": "application/json"}, b"[" * 100_000, 400),
    ],
    ids=["type", "half", "list", "bytes", "deep"],
)
def test_what_is_no_json(
    headers: dict[str, str], content: bytes, status: int, open_client: OpenClient, tmp_path: Path
) -> None:
    client = open_client(corrections=tmp_path)

    response = client.post("/v1/corrections", content=content, headers=headers)

    assert response.status_code == response.json()["error"]["status"] == status


@pytest.mark.parametrize("name", ["0" * 32, "manifest", "..%2f..%2fmanifest", "A" * 32, "0" * 31])
def test_only_corrections_are_deleted(name: str, open_client: OpenClient, tmp_path: Path) -> None:
    client = open_client(corrections=tmp_path)
    client.post("/v1/corrections", json=describe())
    before = list_files(tmp_path)

    assert client.delete(f"/v1/corrections/{name}").status_code == 404
    assert list_files(tmp_path) == before


def test_rows_written_by_hand_keep_their_files(tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_bytes(PICTURE)
    rows = f"{','.join(COLUMNS)}\nmine.png,7,,none,2026-01-01T00:00:00+00:00\n"
    (tmp_path / "manifest.csv").write_text(rows)
    store = CorrectionStore(tmp_path)
    name = store.save(picture=PICTURE, tile=TILE, label="7", read="1")

    assert [correction.id for correction in store.list_all()] == ["mine", name]
    assert store.delete_all() == 2
    assert list_files(tmp_path) == {"manifest.csv", "mine.png"}


def test_a_manifest_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,label\nmine.png,7\n")

    with pytest.raises(OutputError, match="other columns"):
        CorrectionStore(tmp_path)
    assert (tmp_path / "manifest.csv").read_text() == "file,label\nmine.png,7\n"


HEADER = ",".join(COLUMNS)


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
def test_what_is_wrong_with_a_manifest_is_said(
    kind: str, expected: str, open_client: OpenClient, tmp_path: Path
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
        client.post("/v1/corrections", json=describe()),
        client.delete("/v1/corrections"),
        client.delete(f"/v1/corrections/{'0' * 32}"),
    ):
        assert response.status_code == 503
        message = response.json()["error"]["message"]
        assert expected in message
        assert str(tmp_path) not in message
    assert list_files(tmp_path) == before


def test_the_list_grows_no_larger_than_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_a_folder_locked_by_another_process(
    open_client: OpenClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkdigits.web.corrections.LOCK_S", 0.2)
    client = open_client(corrections=tmp_path)
    client.post("/v1/corrections", json=describe())
    before = list_files(tmp_path)
    start = time.monotonic()
    with (tmp_path / ".lock").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another process would

        responses = [
            client.post("/v1/corrections", json=describe()),
            client.delete("/v1/corrections"),
        ]
        with pytest.raises(OutputError, match="locked by another process") as caught:
            CorrectionStore(tmp_path)
        assert client.get("/v1/corrections").status_code == 200

    assert time.monotonic() - start < 5
    assert str(tmp_path) in str(caught.value)
    for response in responses:
        assert response.status_code == 503
        message = response.json()["error"]["message"]
        assert "locked by another process; try again" in message
        assert str(tmp_path) not in message
    assert list_files(tmp_path) == before
    assert client.delete("/v1/corrections").status_code == 204


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "the folder is read-only"),
        (errno.EACCES, "the folder is read-only"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_folder_that_cannot_be_written(
    number: int,
    expected: str,
    open_client: OpenClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = open_client(corrections=tmp_path)

    def fail(path: Path, content: bytes) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    response = client.post("/v1/corrections", json=describe())

    assert response.status_code == 503
    message = response.json()["error"]["message"]
    assert message.endswith(expected)
    assert str(tmp_path) not in message
    assert list_files(tmp_path) == set()


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/version/kept"])
def test_a_folder_that_cannot_be(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="it is not a folder") as caught:
        CorrectionStore(tmp_path / place)

    assert "\n" not in str(caught.value)


def test_deletion_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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

    name = save(label="5")  # writes the manifest as a whole again

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


def test_deletion_on_a_real_full_disk(tmp_path: Path) -> None:
    """In a file system of 96 kB, which exists for one process alone."""
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            [*mount, str(tmp_path), "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    script = [sys.executable, "-c", FILL_AND_DELETE, str(tmp_path), str(SAMPLES / "7-canvas.png")]

    ended = subprocess.run(
        [*mount, str(tmp_path), *script], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr
    full, filled, left = ended.stdout.splitlines()
    assert (full, filled) == ("the disk is full", "No space left on device")
    assert left == ".lock manifest.csv"


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    store = CorrectionStore(tmp_path)
    (tmp_path / "manifest.csv").mkdir()  # so that it cannot be written

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


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
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
