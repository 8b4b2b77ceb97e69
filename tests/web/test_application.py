"""The assembled application: errors, the OpenAPI document, and starting."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inkdigits.errors import ModelError, OutputError
from inkdigits.recognition import Recognizer
from inkdigits.web import Settings, build_app

SAMPLES = Path(__file__).parents[1] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
OpenClient = Callable[..., TestClient]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/page/nothing.js", 404),
        ("GET", "/page/../settings.py", 404),
        ("GET", "/page/%2e%2e%2fsettings.py", 404),
        ("GET", "/page/gallery.py", 404),
        ("GET", "/docs/redoc.standalone.js", 404),
        ("GET", "/v1/read", 405),
        ("PUT", "/v1/corrections", 405),
        ("DELETE", "/", 405),
        ("POST", "/v1/read?digits=two", 422),
        ("POST", "/v1/read?tiles=perhaps", 422),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("GET", "/v1/corrections", 403),
        ("POST", "/v1/corrections", 403),
        ("DELETE", "/v1/corrections", 403),
        ("DELETE", "/v1/corrections/0123456789abcdef0123456789abcdef", 403),
    ],
)
def test_all_errors_have_one_shape(
    method: str,
    path: str,
    status: int,
    shared_client: TestClient,
    check_error: Callable[[Any, int], str],
) -> None:
    response = shared_client.request(method, path)

    message = check_error(response, status)
    if status == 405:
        assert response.headers["allow"]
    if status == 403:
        assert "--keep-corrections" in message


def test_documentation_needs_no_other_host(shared_client: TestClient) -> None:
    page = shared_client.get("/docs").text

    assert "//" not in page.replace("<!doctype", "")
    for name in ("docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "page/docs.js"):
        assert name in page
        assert shared_client.get(f"/{name}").status_code == 200
    described = shared_client.get("/openapi.json").json()
    assert {"/v1/read", "/v1/corrections", "/v1/status", "/v2/models/{name}/infer"} <= set(
        described["paths"]
    )
    assert "HTTPValidationError" not in json.dumps(described)


def test_service_is_live_at_once_and_ready_with_the_model(
    default_recognizer: Recognizer,
    check_error: Callable[[Any, int], str],
    wait_until: Callable[[Callable[[], bool]], None],
    post_tiles: Callable[[TestClient, int], Any],
) -> None:
    may_load = threading.Event()

    def load() -> Recognizer:
        assert may_load.wait(20)
        return default_recognizer

    with TestClient(build_app(load), "http://localhost") as client:
        assert client.get("/v2/health/live").status_code == 200
        assert client.get("/").status_code == 200
        for path in ("/v2/health/ready", "/v1/status", "/v2/models/pictures/ready"):
            early = client.get(path)
            check_error(early, 503)
            assert early.headers["retry-after"] == "1"
        check_error(client.post("/v1/read", content=PNG), 503)
        check_error(post_tiles(client, 1), 503)
        may_load.set()
        wait_until(lambda: client.get("/v2/health/ready").status_code == 200)
        assert client.get("/v2/models/pictures/ready").status_code == 200
        assert client.post("/v1/read", content=PNG).json()[0]["text"] == "7"


def test_model_that_does_not_match_its_card_fails_the_start(
    default_recognizer: Recognizer, held_network: Any
) -> None:
    held_network.may_answer.set()
    card = replace(default_recognizer.card, labels=tuple(range(10)))

    client = TestClient(build_app(Recognizer(held_network, card)), "http://localhost")
    with pytest.raises(ModelError, match="its card has 10"), client:
        pytest.fail("it has started")


def test_internal_errors_are_logged_but_not_sent(
    default_recognizer: Recognizer,
    open_client: OpenClient,
    caplog: pytest.LogCaptureFixture,
    check_error: Callable[[Any, int], str],
    post_tiles: Callable[[TestClient, int], Any],
) -> None:
    class FaultyNetwork:
        n_calls = 0

        def __call__(self, tiles: Any) -> Any:
            self.n_calls += 1
            if self.n_calls > 1:
                raise RuntimeError("onnxruntime at /usr/lib is misconfigured")
            return default_recognizer.network(tiles)

    client = open_client(Recognizer(FaultyNetwork(), default_recognizer.card))

    for response in (client.post("/v1/read", content=PNG), post_tiles(client, 1)):
        assert "misconfigured" not in check_error(response, 500)
    assert "is misconfigured" in caplog.text  # for the operator
    assert client.get("/v2/health/live").status_code == 200


def test_unusable_folder_for_corrections_fails_the_start(
    default_recognizer: Recognizer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(OutputError, match="cannot keep corrections"):
        build_app(default_recognizer, Settings(corrections=tmp_path / "file"))


def test_openapi_document_describes_the_bodies_that_routes_parse(
    shared_client: TestClient,
) -> None:
    document = shared_client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]

    for path, name in (
        ("/v1/corrections", "NewCorrection"),
        ("/v2/models/{name}/infer", "Inference"),
    ):
        body = document["paths"][path]["post"]["requestBody"]
        assert body["required"] is True
        schema = body["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{name}"}
    assert set(schemas["NewCorrection"]["required"]) == {"label", "read", "tile", "picture"}
    assert schemas["NewCorrection"]["additionalProperties"] is False
    assert schemas["Inference"]["properties"]["inputs"]["items"] == {
        "$ref": "#/components/schemas/InferInput"
    }
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(schemas)
