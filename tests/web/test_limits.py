"""Hostile requests that are rejected early, and limits per client."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from inkdigits.cli import main
from inkdigits.recognition.attribution import compute_occlusion
from inkdigits.web import heat_maps
from inkdigits.web.routes import v1_corrections
from inkdigits.web.settings import ANY_HOST

OpenClient = Callable[..., TestClient]
INFER = "/v2/models/pictures/infer"


def wrap(data: str, shape: str = "[1,28,28]") -> str:
    return f'{{"inputs":[{{"name":"tiles","datatype":"UINT8","shape":{shape},"data":{data}}}]}}'


@pytest.mark.parametrize(
    ("data", "character"),
    [
        ("[" + "[]," * 50_000 + "[]]", "["),
        ("[" + '"",' * 50_000 + '""]', '"'),
        ("[" + "{}," * 50_000 + "{}]", "{"),
        ("[" * 50_000 + "]" * 50_000, "["),
    ],
    ids=["lists", "strings", "objects", "deep"],
)
def test_json_of_many_values_is_not_parsed(
    data: str, character: str, shared_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkdigits.web.inference.orjson.loads", None)
    response = shared_client.post(INFER, content=wrap(data))
    assert response.status_code == 400
    assert f"{character!r}: expected at most" in response.json()["error"]


def test_body_limit_of_tensors_follows_from_the_tiles(open_client: OpenClient) -> None:
    client = open_client(max_tiles=2)
    row = [255] * 784
    full = client.post(INFER, content=wrap(json.dumps([row, row]), "[2,28,28]"))
    assert full.status_code == 200
    beyond = client.post(INFER, content=b" " * 80_000)
    assert beyond.status_code == 413
    assert "71,808 bytes" in beyond.json()["error"]


def test_correction_of_many_keys_or_values_is_not_parsed(
    open_client: OpenClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(corrections=tmp_path)
    headers = {"Content-Type": "application/json"}
    keys = "{" + ",".join(f'"{n}":0' for n in range(50_000)) + "}"
    for content in (keys, '{"tile":[' + "0," * 5_000 + "0]}"):
        response = client.post("/v1/corrections", content=content, headers=headers)
        assert response.status_code == 400
    response = client.post("/v1/corrections", content='{"labels":"7"}', headers=headers)
    assert response.status_code == 422
    assert "labels: expected only label, read, tile" in response.json()["error"]["message"]
    large = b" " * (v1_corrections.MAX_BYTES + 1)
    response = client.post("/v1/corrections", content=large, headers=headers)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8000", 403),
        ("", 403),
        ("localhost:8000", 200),
        ("192.168.1.7:8000", 200),
        ("[fe80::1]:8000", 200),
        (socket.gethostname(), 200),
        (f"{socket.gethostname()}.local:80", 200),
    ],
)
def test_corrections_need_an_own_name_if_every_host_name_is_allowed(
    host: str, status: int, open_client: OpenClient, tmp_path: Path
) -> None:
    client = open_client(corrections=tmp_path, allowed_hosts=(ANY_HOST,))
    assert client.get("/v1/corrections", headers={"Host": host}).status_code == status
    assert client.get("/v1/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("options", "is_warned"),
    [
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--allowed-host", "digits.example.org"], True),
        ([], False),
    ],
)
def test_service_open_to_everyone_warns(
    options: list[str],
    is_warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("INKDIGITS_API_KEY", raising=False)

    def serve(*arguments: Any, report_address: Callable[[str], None], **more: Any) -> None:
        report_address("http://localhost:8000/")

    monkeypatch.setattr("inkdigits.web.serve", serve)
    assert main(["serve", "--no-browser", *options]) == 0
    assert ("warning: anyone who can reach" in capsys.readouterr().err) == is_warned


def test_api_key_allows_corrections_under_any_host_name(
    open_client: OpenClient, tmp_path: Path
) -> None:
    client = open_client(corrections=tmp_path, allowed_hosts=(ANY_HOST,), api_key="0123456789")
    headers = {"Host": "digits.example.org", "X-API-Key": "0123456789"}
    assert client.get("/v1/corrections", headers=headers).status_code == 200
    assert client.get("/v1/corrections", headers={"Host": "a"}).status_code == 401


def test_concurrent_requests_of_one_client_are_limited(
    open_client: OpenClient, sample: Callable[[str], bytes]
) -> None:
    client = open_client(max_client_requests=1)
    app: Any = client.app
    picture = sample("7-canvas.png")
    assert client.post("/v1/read", content=picture).status_code == 200
    app.state.service._n_active_of_client["testclient"] = 1
    rejected = client.post("/v1/read", content=picture)
    assert rejected.status_code == 503
    assert "concurrent requests per client" in rejected.json()["error"]["message"]
    app.state.service._n_active_of_client["testclient"] = 0
    assert client.post("/v1/read", content=picture).status_code == 200


def test_number_and_resolution_of_heat_maps_are_limited(
    shared_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = np.full((60, 220), 255, np.uint8)
    cv2.putText(paper, "12345", (10, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 0, 3)
    file = io.BytesIO()
    Image.fromarray(paper).save(file, "PNG")
    steps: list[int] = []

    def compute(*arguments: Any, step: int, **named: Any) -> NDArray[np.float32]:
        steps.append(step)
        return compute_occlusion(*arguments, step=step, **named)

    monkeypatch.setattr(heat_maps, "compute_occlusion", compute)
    monkeypatch.setattr(heat_maps, "MAX_OF_MANY", 2)
    n_digits = len(shared_client.post("/v1/read", content=file.getvalue()).json()[0]["digits"])
    assert n_digits > 2
    for plan, n_maps, step in (
        (((n_digits, 1), (n_digits + 1, 2)), n_digits, 1),
        (((n_digits - 1, 1), (n_digits, 2)), n_digits, 2),
        (((1, 1), (n_digits - 1, 3)), 2, 3),
    ):
        monkeypatch.setattr(heat_maps, "STEPS", plan)
        (row,) = shared_client.post("/v1/read?heat=true", content=file.getvalue()).json()
        heats = [digit.get("heat") for digit in row["digits"]]
        assert [heat is not None for heat in heats] == [n < n_maps for n in range(n_digits)]
        assert all(np.array(heat).shape == (28, 28) for heat in heats[:n_maps])
        assert steps == [step] * n_maps
        note = f"only the first {n_maps} digits have a heat map"
        assert (note in row["notes"]) == (n_maps < n_digits)
        steps.clear()


def test_pictures_beyond_the_default_limit_are_rejected(shared_client: TestClient) -> None:
    file = io.BytesIO()
    Image.new("1", (5000, 4100), 1).save(file, "PNG")
    response = shared_client.post("/v1/read", content=file.getvalue())
    assert response.status_code == 413
    assert "20,000,000" in response.json()["error"]["message"]
