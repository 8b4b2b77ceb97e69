"""POST /v1/inside and GET /v1/inside/{layer}/{number}."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from inkdigits.recognition import Recognizer
from inkdigits.recognition.inside import Inside
from inkdigits.recognition.recognizer import DEFAULT_TILE_MODEL
from tests.web.conftest import OpenClient

CheckError = Callable[[Any, int], str]
TILE = np.zeros((28, 28), np.uint8)
TILE[4:24, 13:16] = 255


def decode(text: str, shape: list[int]) -> Any:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)


def test_layers_are_those_of_the_network(shared_client: TestClient) -> None:
    answer = shared_client.post("/v1/inside", json={"tile": TILE.tolist()}).json()
    outputs, expected = Inside(DEFAULT_TILE_MODEL).compute(TILE)

    assert answer["tile"] == TILE.tolist()
    assert answer["labels"] == [*map(str, range(10)), "none"]
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert np.argmax(answer["probabilities"]) == outputs.argmax()
    assert [layer["name"] for layer in answer["layers"]] == [one.layer.name for one in expected]
    for layer, one in zip(answer["layers"], expected, strict=True):
        levels = decode(layer["maps"], layer["shape"]).astype(float)
        step = (layer["high"] - layer["low"]) / 255
        np.testing.assert_allclose(layer["low"] + levels * step, one.maps, atol=0.51 * step)
        assert layer["strongest"] == one.strongest
        for number, (row, column) in enumerate(layer["peaks"]):
            assert layer["answers"][number] == pytest.approx(
                float(one.maps[number, row, column]), abs=1e-4
            )


def test_picture_is_framed_as_the_reader_frames_it(
    shared_client: TestClient, sample: Callable[[str], bytes]
) -> None:
    picture = sample("7-canvas.png")
    answer = shared_client.post(
        "/v1/inside", content=picture, headers={"Content-Type": "image/png"}
    ).json()
    digit = Recognizer.load().read_digit(picture)

    assert np.argmax(answer["probabilities"]) == 7
    # The ink is framed here, and the detected box there, which is a tenth off at most.
    tiles = np.stack([np.array(answer["tile"], float).ravel(), digit.tile.ravel().astype(float)])
    assert np.corrcoef(tiles)[0, 1] > 0.7


def test_empty_tile_has_no_strongest_map(shared_client: TestClient) -> None:
    answer = shared_client.post("/v1/inside", json={"tile": np.zeros((28, 28), int).tolist()})

    assert {layer["strongest"] for layer in answer.json()["layers"]} == {None}


def test_filter_is_that_of_the_map(shared_client: TestClient) -> None:
    answer = shared_client.get("/v1/inside/1/5").json()
    expected = Inside(DEFAULT_TILE_MODEL).get_filter(1, 5)

    assert expected is not None
    kernels = (decode(answer["kernels"], answer["shape"]).astype(float) - 128) / 127
    np.testing.assert_allclose(kernels * answer["high"], expected, atol=0.51 * answer["high"] / 127)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("8/0", 404, "No layer 8: expected 0 to 7"),
        ("0/32", 404, "No map 32 in layer 0: expected 0 to 31"),
        ("2/0", 404, "This map has no filter that can be shown"),
        ("-1/0", 422, "layer"),
        ("one/0", 422, "layer"),
    ],
)
def test_unknown_filter_is_an_error(
    shared_client: TestClient, check_error: CheckError, path: str, status: int, message: str
) -> None:
    assert message in check_error(shared_client.get(f"/v1/inside/{path}"), status)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b'{"tile": [[0]]}', 422),
        ("application/json", b'{"tile": 1, "x": 2}', 400),
        ("application/json", b"[]", 422),
        ("text/plain", b"7", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("image/png", b"not a picture", 415),
        ("image/png", b"", 400),
    ],
)
def test_invalid_body_is_an_error(
    shared_client: TestClient,
    check_error: CheckError,
    content_type: str,
    body: bytes,
    status: int,
) -> None:
    answer = shared_client.post("/v1/inside", content=body, headers={"Content-Type": content_type})

    check_error(answer, status)


def test_model_without_one_file_says_how_to_get_one(
    open_client: OpenClient, held_recognizer: Recognizer, check_error: CheckError
) -> None:
    client = open_client(held_recognizer)
    for _ in range(2):
        answer = client.post("/v1/inside", json={"tile": TILE.tolist()})

        assert "inkdigits export --format onnx" in check_error(answer, 404)
