"""POST /v1/read with JSON, HEIC and AVIF."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image
from starlette.testclient import TestClient

SAMPLES = Path(__file__).parents[2] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
TEXT = base64.b64encode(PNG).decode()
CheckError = Callable[[Any, int], str]
OpenClient = Callable[..., TestClient]


def encode(file_format: str) -> bytes:
    file = io.BytesIO()
    image = Image.open(io.BytesIO(PNG)).convert("RGB")
    if file_format == "HEIC":
        pillow_heif.from_pillow(image).save(file)
    else:
        image.save(file, file_format)
    return file.getvalue()


@pytest.mark.parametrize("text", [TEXT, f"data:image/png;base64,{TEXT}"], ids=["base64", "uri"])
def test_json_of_one_picture_is_read_as_its_bytes(text: str, shared_client: TestClient) -> None:
    expected = shared_client.post("/v1/read", content=PNG).json()

    assert shared_client.post("/v1/read", json={"image": text}).json() == expected
    assert shared_client.post("/v1/read", json={"images": [text]}).json() == expected


def test_json_of_several_pictures_reports_errors_per_picture(shared_client: TestClient) -> None:
    texts = [TEXT, TEXT[:100] + "!", "/etc/hostname", "https://example.org/7.png", "", TEXT]

    response = shared_client.post("/v1/read", json={"images": texts})

    assert response.status_code == 200, response.text
    first, damaged, path, address, empty, last = response.json()
    assert (first["text"], last["text"]) == ("7", "7")
    assert damaged["error"] == "picture: damaged base64 text (101 characters): copy all of it"
    for row in (path, address, empty):
        assert row == {
            "file": None,
            "error": "picture: is neither a data URI nor the base64 text of a picture",
        }


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[]", 422, "the body"),
        (b"{}", 422, "Expected one of image and images"),
        (b'{"images":[]}', 422, "Expected one of image and images"),
        (b'{"image":"a","images":["a"]}', 422, "Expected one of image and images"),
        (b'{"image":7}', 422, "image: "),
        (b'{"images":"a"}', 422, "images: "),
        (b'{"picture":"a"}', 422, "picture: "),
        (json.dumps({"image": TEXT[:-9] + "*"}).encode(), 422, "damaged base64 text ("),
        (b'{"image":"/etc/passwd"}', 415, "neither a data URI nor"),
        (b'{"image":"http://127.0.0.1/"}', 415, "neither a data URI nor"),
        (b'{"images":[' + b"[]," * 50_000 + b"[]]}", 400, "'[': expected at most 1"),
        (b'{"images":[' + b"{}," * 50_000 + b"{}]}", 400, "'{': expected at most 1"),
        (b'{"images":[' + b'"",' * 50_000 + b'""]}', 413, "at most 64 pictures"),
        (b"", 400, "empty"),
    ],
    ids=range(15),
)
def test_unreadable_json_is_an_error_of_one_sentence(
    body: bytes, status: int, message: str, shared_client: TestClient, check_error: CheckError
) -> None:
    headers = {"Content-Type": "application/json"}
    found = check_error(shared_client.post("/v1/read", content=body, headers=headers), status)

    assert message in found
    assert TEXT[:12] not in found


def test_json_is_within_the_limits(open_client: OpenClient, check_error: CheckError) -> None:
    body = {"images": [TEXT, TEXT]}
    n_bytes = len(json.dumps(body))

    assert open_client(max_pictures=2).post("/v1/read", json=body).status_code == 200
    check_error(open_client(max_pictures=1).post("/v1/read", json=body), 413)
    check_error(open_client(max_bytes=n_bytes // 2).post("/v1/read", json=body), 413)
    with Image.open(io.BytesIO(PNG)) as image:
        n_pixels = image.width * image.height
    small = open_client(max_pixels=n_pixels - 1)
    assert "pixels" in check_error(small.post("/v1/read", json={"image": TEXT}), 413)


def test_json_is_described(shared_client: TestClient) -> None:
    document = shared_client.get("/openapi.json").json()

    content = document["paths"]["/v1/read"]["post"]["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(document["components"]["schemas"][name]["properties"]) == {"image", "images"}


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
def test_heic_and_avif_are_read_within_the_limits(
    file_format: str, shared_client: TestClient, open_client: OpenClient, check_error: CheckError
) -> None:
    content = encode(file_format)

    (row,) = shared_client.post("/v1/read", content=content).json()

    assert row["text"] == "7"
    with Image.open(io.BytesIO(PNG)) as image:
        n_pixels = image.width * image.height
    small = open_client(max_pixels=n_pixels - 1)
    assert "pixels" in check_error(small.post("/v1/read", content=content), 413)
