"""Concurrent requests: limits, deadlines and batches."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inkdigits.recognition import Recognizer

SAMPLES = Path(__file__).parents[1] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
OpenClient = Callable[..., TestClient]


def test_concurrent_requests_are_limited(
    open_client: OpenClient,
    held_recognizer: Recognizer,
    held_network: Any,
    check_error: Callable[[Any, int], str],
    read_metric: Callable[[TestClient, str], float],
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:
    client = open_client(held_recognizer, max_requests=2)
    held_network.may_answer.clear()
    with ThreadPoolExecutor(2) as executor:
        first = [executor.submit(client.post, "/v1/read", content=PNG) for _ in range(2)]
        wait_until(lambda: read_metric(client, "inkdigits_active_requests") == 2)
        rejected = client.post("/v1/read", content=PNG)
        held_network.may_answer.set()

        check_error(rejected, 503)
        assert int(rejected.headers["retry-after"]) >= 1
        assert [one.result().status_code for one in first] == [200, 200]
    assert client.post("/v1/read", content=PNG).status_code == 200


def test_full_queue_rejects_requests(
    open_client: OpenClient,
    held_recognizer: Recognizer,
    held_network: Any,
    check_error: Callable[[Any, int], str],
    read_metric: Callable[[TestClient, str], float],
    wait_until: Callable[[Callable[[], bool]], None],
    post_tiles: Callable[[TestClient, int], Any],
) -> None:
    client = open_client(held_recognizer, max_waiting=1)
    held_network.may_answer.clear()
    held_network.has_begun.clear()
    with ThreadPoolExecutor(2) as executor:
        running = executor.submit(post_tiles, client, 1)
        assert held_network.has_begun.wait(10)
        waiting = executor.submit(post_tiles, client, 1)
        wait_until(lambda: read_metric(client, "inkdigits_queue_depth") == 1)
        rejected = post_tiles(client, 1)
        held_network.may_answer.set()

        check_error(rejected, 503)
        assert int(rejected.headers["retry-after"]) >= 1
        assert running.result().status_code == waiting.result().status_code == 200


@pytest.mark.parametrize("path", ["/v1/read", "/v2/models/pictures/infer"])
def test_request_beyond_its_deadline_is_answered(
    path: str,
    open_client: OpenClient,
    held_recognizer: Recognizer,
    held_network: Any,
    check_error: Callable[[Any, int], str],
    post_tiles: Callable[[TestClient, int], Any],
) -> None:
    client = open_client(held_recognizer, deadline_s=0.2)
    held_network.may_answer.clear()

    late = client.post(path, content=PNG) if path == "/v1/read" else post_tiles(client, 1)
    held_network.may_answer.set()

    assert "0.2 s" in check_error(late, 503)
    assert late.headers["retry-after"]
    in_time = open_client(held_recognizer, deadline_s=20)
    assert in_time.post("/v1/read", content=PNG).json()[0]["text"] == "7"


def test_concurrent_requests_share_batches(
    open_client: OpenClient,
    held_recognizer: Recognizer,
    held_network: Any,
    read_metric: Callable[[TestClient, str], float],
    wait_until: Callable[[Callable[[], bool]], None],
    post_tiles: Callable[[TestClient, int], Any],
) -> None:
    client = open_client(held_recognizer)
    held_network.may_answer.clear()
    held_network.has_begun.clear()
    held_network.n_tiles.clear()
    with ThreadPoolExecutor(9) as executor:
        first = executor.submit(post_tiles, client, 1)
        assert held_network.has_begun.wait(10)
        others = [executor.submit(post_tiles, client, 2) for _ in range(8)]
        wait_until(lambda: read_metric(client, "inkdigits_queue_depth") == 8)
        held_network.may_answer.set()
        shapes = [one.result().json()["outputs"][0]["shape"] for one in (first, *others)]

    assert shapes == [[1, 10], *[[2, 10]] * 8]
    assert held_network.n_tiles == [1, 16]
    assert read_metric(client, "inkdigits_batch_tiles_count") == 2
