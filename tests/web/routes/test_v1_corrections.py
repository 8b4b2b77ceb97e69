"""/v1/corrections, seen by a client."""

from __future__ import annotations

import base64
import csv
import errno
import io
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from inkdigits.data import LabelledImages, load_labelled_pictures
from inkdigits.errors import OutputError
from inkdigits.evaluation import evaluate_pictures
from inkdigits.recognition import Recognizer
from inkdigits.web.corrections import COLUMNS, CorrectionStore

fcntl = pytest.importorskip("fcntl", reason="needs what Windows lacks")

SAMPLES = Path(__file__).parents[2] / "samples"
PICTURE = (SAMPLES / "7-canvas.png").read_bytes()
OpenClient = Callable[..., TestClient]


def open_png(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def test_corrections_are_saved_listed_and_deleted(
    open_client: OpenClient,
    tmp_path: Path,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    folder = tmp_path / "new" / "kept"
    client = open_client(corrections=folder)
    assert client.get("/v1/status").json()["corrections"] is True
    assert client.get("/v1/corrections").json() == {"folder": str(folder), "corrections": []}

    saved = [
        client.post("/v1/corrections", json=describe_correction(label=label, read=read))
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


def test_folder_can_be_evaluated(
    open_client: OpenClient,
    tmp_path: Path,
    default_recognizer: Recognizer,
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    client = open_client(corrections=tmp_path)
    blank = io.BytesIO()
    Image.new("L", (50, 50), 255).save(blank, "PNG")
    client.post("/v1/corrections", json=describe_correction())
    empty = base64.b64encode(blank.getvalue()).decode()
    client.post("/v1/corrections", json=describe_correction(label="", picture=empty))

    pictures = load_labelled_pictures(tmp_path)
    assert [picture.label for picture in pictures] == ["7", ""]
    assert [picture.path.read_bytes() for picture in pictures] == [PICTURE, blank.getvalue()]
    with (tmp_path / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS == ("file", "label", "tile", "read", "saved")
    assert open_png(tmp_path / rows[0]["tile"]).tolist() == describe_correction()["tile"]
    evaluation = evaluate_pictures(tmp_path, default_recognizer, digits="one").to_json()
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
def test_invalid_correction_is_rejected(
    changes: dict[str, Any],
    status: int,
    message: str,
    open_client: OpenClient,
    tmp_path: Path,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    client = open_client(corrections=tmp_path)

    response = client.post("/v1/corrections", json=describe_correction(**changes))

    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"]
    assert list_files(tmp_path) == set()


def test_picture_of_too_many_pixels_is_rejected(
    open_client: OpenClient,
    tmp_path: Path,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    client = open_client(corrections=tmp_path, max_pixels=1000)

    assert client.post("/v1/corrections", json=describe_correction()).status_code == 413
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
def test_invalid_json_is_rejected(
    headers: dict[str, str], content: bytes, status: int, open_client: OpenClient, tmp_path: Path
) -> None:
    client = open_client(corrections=tmp_path)

    response = client.post("/v1/corrections", content=content, headers=headers)

    assert response.status_code == response.json()["error"]["status"] == status


@pytest.mark.parametrize("name", ["0" * 32, "manifest", "..%2f..%2fmanifest", "A" * 32, "0" * 31])
def test_only_corrections_can_be_deleted(
    name: str,
    open_client: OpenClient,
    tmp_path: Path,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    client = open_client(corrections=tmp_path)
    client.post("/v1/corrections", json=describe_correction())
    before = list_files(tmp_path)

    assert client.delete(f"/v1/corrections/{name}").status_code == 404
    assert list_files(tmp_path) == before


def test_locked_folder_is_reported(
    open_client: OpenClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    monkeypatch.setattr("inkdigits.web.corrections.LOCK_S", 0.2)
    client = open_client(corrections=tmp_path)
    client.post("/v1/corrections", json=describe_correction())
    before = list_files(tmp_path)
    start = time.monotonic()
    with (tmp_path / ".lock").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another process does

        responses = [
            client.post("/v1/corrections", json=describe_correction()),
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
def test_unwritable_folder_is_reported_without_its_path(
    number: int,
    expected: str,
    open_client: OpenClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
) -> None:
    client = open_client(corrections=tmp_path)

    def fail(path: Path, content: bytes) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    response = client.post("/v1/corrections", json=describe_correction())

    assert response.status_code == 503
    message = response.json()["error"]["message"]
    assert message.endswith(expected)
    assert str(tmp_path) not in message
    assert list_files(tmp_path) == set()


@pytest.mark.parametrize("is_inverted", [False, True])
@pytest.mark.parametrize("part", ["tile", "picture"])
def test_test_images_of_mnist_are_not_corrected(
    part: str,
    is_inverted: bool,
    open_client: OpenClient,
    tmp_path: Path,
    test_slice: LabelledImages,
    list_files: Callable[[Path], set[str]],
    describe_correction: Callable[..., dict[str, Any]],
    check_error: Callable[[Any, int], str],
) -> None:
    client = open_client(corrections=tmp_path)
    tile = 255 - test_slice.images[9] if is_inverted else test_slice.images[9]
    encoded = io.BytesIO()
    picture = np.pad(tile, ((3, 0), (0, 8)), mode="edge")
    Image.fromarray(picture).convert("RGBA").save(encoded, "PNG")  # as from a canvas
    changes = {"tile": tile.tolist(), "picture": base64.b64encode(encoded.getvalue()).decode()}

    response = client.post("/v1/corrections", json=describe_correction(**{part: changes[part]}))

    assert check_error(response, 422) == (
        "This is a test image of MNIST: models are measured on it, so no correction of it is "
        "stored to train on"
    )
    assert list_files(tmp_path) == set()
