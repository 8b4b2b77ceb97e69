"""/v1/review, seen by a client."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from inkdigits.data import load_labelled_pictures
from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition import Recognizer
from inkdigits.results.review_folder import ReviewFolder

SAMPLES = Path(__file__).parents[2] / "samples"
OpenClient = Callable[..., TestClient]


@pytest.fixture
def folder(tmp_path: Path, default_recognizer: Recognizer) -> ReviewFolder:
    """Two pages of a document, 1984 with uncertain digits, and a blank page."""
    folder = ReviewFolder(tmp_path / "review")
    picture = decode_picture(SAMPLES / "1984-on-ruled-paper.jpg")
    reading = default_recognizer.read(picture, threshold=0.9999)
    folder.add("scan.pdf", 2, picture.pixels, reading)
    blank = np.full((60, 80), 255, np.uint8)
    folder.add("scan.pdf", 1, blank, default_recognizer.read(blank))
    return folder


def test_pictures_are_listed_shown_reviewed_and_opened_again(
    folder: ReviewFolder, open_client: OpenClient
) -> None:
    client = open_client(review=folder.folder)
    assert client.get("/v1/status").json()["review"] is True
    listed = client.get("/v1/review").json()
    blank, digits = listed["open"]
    assert listed == {
        **{"folder": str(folder.folder), "open": [blank, digits]},
        **{"n_open": 2, "n_pictures": 2},
    }

    shown = client.get(f"/v1/review/{digits}").json()
    assert (shown["address"], shown["page"], shown["reviewed"]) == ("scan.pdf", 2, None)
    assert len(shown["digits"]) == 4
    assert "?" in shown["text"]
    response = client.get(f"/v1/review/{digits}/picture")
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size == (shown["width"], shown["height"])

    for name, text in ((digits, "1984"), (blank, "")):
        assert client.put(f"/v1/review/{name}", json={"text": text}).status_code == 204
    assert client.get("/v1/review").json()["open"] == []
    assert client.get(f"/v1/review/{digits}").json()["reviewed"] == "1984"
    assert client.get(f"/v1/review/{blank}").json()["reviewed"] == ""
    labels = {picture.label for picture in load_labelled_pictures(folder.folder)}
    assert labels >= {"1984", ""}

    assert client.delete(f"/v1/review/{digits}").status_code == 204
    assert client.get("/v1/review").json()["open"] == [digits]
    assert client.delete(f"/v1/review/{digits}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"text": "19?4"}, 422, "text"),
        ({"text": ","}, 422, "text"),
        ({"text": "1" * 5_000}, 422, "text"),
        ({"text": 1984}, 422, "text"),
        ({"label": "1984"}, 422, "with the key text"),
        (["1984"], 400, ""),
        ("1984", 422, "not a JSON object"),
    ],
    ids=str,
)
def test_other_bodies_are_refused(
    body: Any,
    status: int,
    message: str,
    folder: ReviewFolder,
    open_client: OpenClient,
    check_error: Callable[[Any, int], str],
) -> None:
    client = open_client(review=folder.folder)
    (name, _), _, _ = folder.list_open(2)

    assert message in check_error(client.put(f"/v1/review/{name}", json=body), status)
    assert folder.load_texts() == {}


def test_unknown_pictures_are_not_found(
    folder: ReviewFolder, open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    client = open_client(review=folder.folder)
    for name in ("0" * 32, "manifest", "..%2fmanifest"):
        check_error(client.get(f"/v1/review/{name}"), 404)
        check_error(client.get(f"/v1/review/{name}/picture"), 404)
        check_error(client.delete(f"/v1/review/{name}"), 404)
        check_error(client.put(f"/v1/review/{name}", json={"text": "1"}), 404)


def test_without_a_folder_there_is_nothing_to_review(
    shared_client: TestClient, check_error: Callable[[Any, int], str]
) -> None:
    assert "--review" in check_error(shared_client.get("/v1/review"), 403)


def test_the_review_is_protected_as_corrections_are(
    folder: ReviewFolder, open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    (name, _), _, _ = folder.list_open(2)
    locked = open_client(review=folder.folder, api_key="secret-key")
    check_error(locked.get("/v1/review"), 401)
    check_error(locked.get(f"/v1/review/{name}/picture"), 401)
    check_error(locked.put(f"/v1/review/{name}", json={"text": "1"}), 401)
    assert locked.get("/review").status_code == 200  # the page, which asks for the key
    assert locked.get("/v1/review", headers={"X-API-Key": "secret-key"}).status_code == 200

    # Another site whose name resolves to this machine.
    anywhere = open_client(review=folder.folder, allowed_hosts=("*",))
    for path in ("/v1/review", f"/v1/review/{name}/picture"):
        check_error(anywhere.get(path, headers={"Host": "evil.example"}), 403)
        assert anywhere.get(path, headers={"Host": "localhost"}).status_code == 200
    check_error(
        anywhere.put(
            f"/v1/review/{name}", json={"text": "1"}, headers={"Sec-Fetch-Site": "cross-site"}
        ),
        403,
    )
    assert folder.load_texts() == {}


def test_a_damaged_folder_is_explained(
    folder: ReviewFolder, open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    client = open_client(review=folder.folder)
    (folder.folder / "manifest.csv").write_text("file,label\n")

    assert "review folder is damaged" in check_error(client.get("/v1/review"), 503)
