"""The Open Inference Protocol, seen by a client."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from inkdigits.data import LabelledImages
from inkdigits.recognition import Recognizer
from inkdigits.web.inference import HEADER_LENGTH

URL = "/v2/models/pictures/infer"

TILES = np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)


def describe(tiles: NDArray[np.uint8] = TILES, **changes: Any) -> dict[str, Any]:
    """Returns a request; `changes` are fields of its tensor, None removes a field."""
    tensor = {
        "name": "tiles",
        "datatype": "UINT8",
        "shape": list(tiles.shape),
        "data": tiles.ravel().tolist(),
    } | changes
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


@pytest.mark.parametrize("form", ["flat", "nested", "tiles"])
@pytest.mark.parametrize("n", [1, 2, 100])
def test_probabilities_equal_those_of_the_recognizer(
    n: int,
    form: str,
    shared_client: TestClient,
    default_recognizer: Recognizer,
    test_slice: LabelledImages,
) -> None:
    tiles = test_slice.images[:n]
    data = {
        "flat": tiles.ravel().tolist(),
        "nested": tiles.tolist(),
        "tiles": tiles.reshape(n, -1).tolist(),
    }[form]

    response = shared_client.post(URL, json=describe(tiles, data=data) | {"id": "a-7"})

    assert response.status_code == 200, response.text
    answer = response.json()
    (output,) = answer.pop("outputs")
    assert answer == {"model_name": "pictures", "model_version": "1", "id": "a-7"}
    assert (output["name"], output["datatype"]) == ("probabilities", "FP32")
    assert output["shape"] == [n, 10]
    probabilities = np.array(output["data"], np.float32).reshape(n, 10)
    assert probabilities == pytest.approx(default_recognizer.classify(tiles), abs=1e-5)


@pytest.mark.parametrize(
    "output_options",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]},
    ],
)
def test_binary_tensors_are_supported(
    output_options: dict[str, Any], shared_client: TestClient, default_recognizer: Recognizer
) -> None:
    request = describe(data=None, parameters={"binary_data_size": TILES.nbytes}) | output_options
    header = json.dumps(request).encode()

    response = shared_client.post(
        URL, content=header + TILES.tobytes(), headers={HEADER_LENGTH: str(len(header))}
    )

    assert response.status_code == 200, response.text
    n_header = int(response.headers[HEADER_LENGTH])
    (output,) = json.loads(response.content[:n_header])["outputs"]
    assert output["parameters"]["binary_data_size"] == 80
    assert "data" not in output
    probabilities = np.frombuffer(response.content[n_header:], "<f4").reshape(2, 10)
    assert probabilities == pytest.approx(default_recognizer.classify(TILES), abs=1e-5)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], "not a JSON object"),
        ({}, "one tensor"),
        ({"inputs": []}, "one tensor"),
        ({"inputs": [1]}, "one tensor"),
        ({"inputs": {}}, "one tensor"),
        ({"inputs": describe()["inputs"] * 2}, "one tensor"),
        (describe() | {"id": 7}, "id"),
        (describe(name="images"), "'tiles'"),
        (describe(datatype="FP32"), "UINT8"),
        (describe(shape=[2, 28]), "n, 28, 28"),
        (describe(shape=[2, 28, 29]), "n, 28, 28"),
        (describe(shape=[0, 28, 28], data=[]), "n, 28, 28"),
        (describe(shape=[-2, 28, 28]), "n, 28, 28"),
        (describe(shape=[True, 28, 28], data=[0] * 784), "n, 28, 28"),
        (describe(shape=[2.0, 28, 28]), "n, 28, 28"),
        (describe(shape=[1, 28, 28]), "784 integers"),
        (describe(shape=None), "n, 28, 28"),
        (describe(data=None), "1568 values"),
        (describe(data=[]), "integers"),
        (describe(data="0" * 1568), "integers"),
        (describe(data=[256] * 1568), "integers"),
        (describe(data=[-1] * 1568), "integers"),
        (describe(data=[0.5] * 1568), "integers"),
        (describe(data=[None] * 1568), "integers"),
        (describe(data=[10**30] * 1568), "integers"),
        (describe(data=[[0] * 784, [0] * 783]), "integers"),
        (describe(data=[[256] * 784] * 2), "integers"),
        (describe(data=[{"a": 1}]), "integers"),
        (describe(data=None, parameters={"binary_data_size": 1568}), "1568 values"),
        (describe(data=None, parameters={"binary_data_size": "1568"}), "1568 values"),
        (describe(data=None, parameters=[]), "1568 values"),
        (describe() | {"outputs": [{"name": "logits"}]}, "'probabilities'"),
        (describe() | {"outputs": "all"}, "outputs"),
        (describe() | {"outputs": [1]}, "outputs"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_invalid_request_is_an_error_of_one_sentence(
    request_: object, message: str, shared_client: TestClient
) -> None:
    response = shared_client.post(URL, json=request_)

    assert response.status_code == 400, response.text
    assert message in response.json()["error"]


def test_metadata_describes_the_tensors(shared_client: TestClient) -> None:
    assert shared_client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    model = shared_client.get("/v2/models/pictures").json()
    assert model["inputs"] == [{"name": "tiles", "datatype": "UINT8", "shape": [-1, 28, 28]}]
    assert model["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
