"""A service whose network tells other classes apart than digits classifies tiles alone."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from inkdigits.recognition import Recognizer

CheckError = Callable[[Any, int], str]


def classify_by_brightness(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Takes a tile of one grey value for the letter of this number."""
    return np.eye(26, dtype=np.float32)[tiles[:, 0, 0] % 26]


@pytest.fixture
def client(default_recognizer: Recognizer, open_client: Callable[..., TestClient]) -> TestClient:
    card = replace(
        default_recognizer.card,
        recipe={"name": "letters"},
        labels=tuple(range(26)),
        class_names=tuple(string.ascii_uppercase),
    )
    return open_client(Recognizer(classify_by_brightness, card))


def test_tiles_get_a_probability_for_each_class(client: TestClient) -> None:
    described = client.get("/v2/models/letters").json()
    assert described["outputs"][0]["shape"] == [-1, 26]

    data = np.repeat([25, 3], 784).tolist()
    tensor = {"name": "tiles", "datatype": "UINT8", "shape": [2, 28, 28], "data": data}
    (output,) = client.post("/v2/models/letters/infer", json={"inputs": [tensor]}).json()["outputs"]

    assert output["shape"] == [2, 26]
    assert np.reshape(output["data"], (2, 26)).argmax(axis=1).tolist() == [25, 3]


def test_pictures_are_not_read(
    client: TestClient, sample: Callable[[str], bytes], check_error: CheckError
) -> None:
    files = {"pictures": ("7.png", sample("7-canvas.png"), "image/png")}

    message = check_error(client.post("/v1/read", files=files), 422)

    assert message.startswith("The model tells A, B, C, … apart: it classifies tiles")


def test_its_gallery_is_that_of_the_default_model(client: TestClient) -> None:
    shown = client.get("/v1/gallery").json()

    assert (shown["is_own"], shown["is_pending"]) == (False, False)
