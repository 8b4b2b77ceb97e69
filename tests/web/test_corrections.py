from __future__ import annotations

import base64
import csv
import io
import re
import subprocess
import sys
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
from inkdigits.web.corrections import COLUMNS, CorrectionStore

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
        ({"Content-Type": "application/json"}, b"[" * 100_000, 422),
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
