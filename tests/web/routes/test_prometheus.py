"""GET /metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from inkdigits.recognition import Recognizer

SAMPLES = Path(__file__).parents[2] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
OpenClient = Callable[..., TestClient]


def test_requests_rejections_and_batches_are_counted(
    open_client: OpenClient,
    default_recognizer: Recognizer,
    read_metric: Callable[[TestClient, str], float],
) -> None:
    judge = Recognizer(default_recognizer.network, default_recognizer.card)  # classifies every tile
    client = open_client(judge, max_bytes=len(PNG))
    for _ in range(3):
        client.post("/v1/read", content=PNG)
    client.post("/v1/read", content=PNG + b"x")
    client.get("/nowhere/1")
    client.get("/nowhere/2")

    name = "inkdigits_requests_total"
    assert read_metric(client, name + '{route="/v1/read",status="200"}') == 3
    assert read_metric(client, name + '{route="/v1/read",status="413"}') == 1
    assert read_metric(client, name + '{route="none",status="404"}') == 2
    assert read_metric(client, 'inkdigits_refusals_total{status="404"}') == 2
    seconds = 'inkdigits_request_seconds_bucket{le="+Inf",route="/v1/read"}'
    assert read_metric(client, seconds) == 4
    assert read_metric(client, "inkdigits_batch_tiles_sum") >= 3
    assert read_metric(client, "inkdigits_active_requests") == 0
