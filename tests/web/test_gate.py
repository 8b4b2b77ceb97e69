"""The middleware: hosts, origins, API keys, rate limits and response headers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inkdigits.errors import RequestError
from inkdigits.web.gate import RateLimiter, is_open

SAMPLES = Path(__file__).parents[1] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
KEY = "correct horse battery"
OpenClient = Callable[..., TestClient]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/page/app.js", 200), ("/v1/status", 200), ("/docs", 200), ("/nowhere", 404)],
)
def test_every_response_has_the_security_headers(
    path: str, status: int, shared_client: TestClient
) -> None:
    response = shared_client.get(path)

    assert response.status_code == status
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "connect-src": "'self'",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["permissions-policy"] == "camera=(self)"
    assert "access-control-allow-origin" not in response.headers
    assert "server" not in response.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("evil.example", 400),
        ("evil.example:8000", 400),
        ("localhost.evil.example", 400),
        ("localhost:8000:1", 400),
        ("", 400),
    ],
)
def test_only_local_host_names_are_allowed_by_default(
    host: str, status: int, shared_client: TestClient
) -> None:
    response = shared_client.get("/v1/status", headers={"Host": host})

    assert response.status_code == status


def test_other_host_names_can_be_allowed(
    open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    one = open_client(allowed_hosts=("digits.example",))
    every = open_client(allowed_hosts=("*",))

    assert one.get("/", headers={"Host": "digits.example"}).status_code == 200
    check_error(one.get("/", headers={"Host": "localhost"}), 400)
    assert every.get("/", headers={"Host": "any.example:81"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "origin", "status"),
    [
        ("POST", "same-origin", 200),
        ("POST", "none", 200),
        ("POST", "cross-site", 403),
        ("POST", "same-site", 403),
        ("GET", "cross-site", 405),
    ],
)
def test_pages_of_other_sites_cannot_write(
    method: str, origin: str, status: int, shared_client: TestClient
) -> None:
    headers = {"Sec-Fetch-Site": origin}

    response = shared_client.request(method, "/v1/read", content=PNG, headers=headers)

    assert response.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": KEY}, 200),
        ({"X-API-Key": KEY + "x"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer {KEY}"}, 200),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer wrong", "X-API-Key": KEY}, 401),
    ],
    ids=str,
)
def test_api_key_is_required_if_set(
    headers: dict[str, str],
    status: int,
    open_client: OpenClient,
    check_error: Callable[[Any, int], str],
) -> None:
    client = open_client(api_key=KEY)

    for method, path in (("POST", "/v1/read"), ("GET", "/metrics"), ("GET", "/v2")):
        content = PNG if method == "POST" else None
        response = client.request(method, path, content=content, headers=headers)
        assert response.status_code == status
        if status == 401:
            check_error(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/", "/page/app.js", "/v1/status", "/v2/health/live", "/v2/health/ready", "/docs"]
)
def test_page_status_and_health_need_no_key(path: str, open_client: OpenClient) -> None:
    assert open_client(api_key=KEY).get(path).status_code == 200


def test_requests_per_minute_are_limited(
    open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    client = open_client(requests_per_minute=3)

    statuses = [client.post("/v1/read", content=PNG).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    rejected = client.post("/v1/read", content=PNG)
    check_error(rejected, 429)
    assert 1 <= int(rejected.headers["retry-after"]) <= 20
    assert client.get("/").status_code == client.get("/v2/health/ready").status_code == 200


def ask(limiter: RateLimiter, client: str, now_s: float) -> int | None:
    """Returns the seconds to wait, or None if the request is allowed."""
    try:
        limiter.check(client, now_s)
    except RequestError as rejected:
        return int(rejected.headers["Retry-After"])
    return None


def test_rate_limit_answers_429() -> None:
    limiter = RateLimiter(per_minute=1)
    limiter.check("a", 0.0)

    with pytest.raises(RequestError, match="More than 1 requests") as rejected:
        limiter.check("a", 0.0)
    assert rejected.value.status == 429


def test_rate_limit_allows_a_burst_and_then_a_steady_rate() -> None:
    limiter = RateLimiter(per_minute=6)

    assert [ask(limiter, "a", 100.0) for _ in range(8)] == [None] * 6 + [10, 10]
    assert ask(limiter, "b", 100.0) is None
    assert ask(limiter, "a", 104.0) == 6
    assert [ask(limiter, "a", 110.5) for _ in range(2)] == [None, 10]
    # After an hour, the bucket still holds only a minute's requests.
    assert [ask(limiter, "a", 4000.0) for _ in range(7)] == [None] * 6 + [10]


def test_rate_limit_holds_over_an_hour() -> None:
    limiter = RateLimiter(per_minute=30)
    n_allowed = sum(ask(limiter, "a", second / 4) is None for second in range(4 * 3600))

    assert n_allowed == pytest.approx(30 + 30 * 60, abs=1)


def test_memory_of_the_rate_limit_is_bounded() -> None:
    limiter = RateLimiter(per_minute=1)
    for number in range(10_500):
        assert ask(limiter, str(number), 0.0) is None

    assert ask(limiter, "10499", 0.0) == 60
    assert ask(limiter, "0", 0.0) is None  # its bucket was dropped


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", True),
        ("/page/app.js", True),
        ("/docs", True),
        ("/docs/start.js", True),
        ("/openapi.json", True),
        ("/v1/status", True),
        ("/v2/health/live", True),
        ("/v2/health/ready", True),
        ("/v2/models/pictures/ready", True),
        ("/v2", False),
        ("/v2/models/pictures", False),
        ("/v2/models/pictures/infer", False),
        ("/v1/read", False),
        ("/v1/corrections", False),
        ("/v1/corrections/ready", False),
        ("/metrics", False),
        ("//v1/read", False),
        ("/page", False),
    ],
)
def test_paths_that_need_no_key(path: str, expected: bool) -> None:
    assert is_open(path) is expected
