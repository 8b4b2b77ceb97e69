"""Limits on request bodies, seen by a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

SAMPLES = Path(__file__).parents[1] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
OpenClient = Callable[..., TestClient]


def send_in_parts(content: bytes) -> Iterator[bytes]:
    """Yields a body in parts, which the client sends without Content-Length."""
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize(("margin", "status"), [(0, 200), (1, 413)])
def test_bytes_of_a_body_are_limited(
    margin: int,
    status: int,
    in_parts: bool,
    open_client: OpenClient,
    check_error: Callable[[Any, int], str],
) -> None:
    client = open_client(max_bytes=len(PNG) - margin)

    response = client.post("/v1/read", content=send_in_parts(PNG) if in_parts else PNG)

    assert response.status_code == status
    if status == 413:
        assert f"{len(PNG) - 1:,}" in check_error(response, 413)


def test_endless_body_is_rejected(
    open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    client = open_client(max_bytes=100_000)
    n_parts = 0

    def send_on() -> Iterator[bytes]:
        nonlocal n_parts
        while n_parts < 1000:
            n_parts += 1
            yield bytes(10_000)

    check_error(client.post("/v1/read", content=send_on()), 413)
