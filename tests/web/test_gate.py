from __future__ import annotations

import pytest

from inkdigits.errors import RequestError
from inkdigits.web.gate import RateLimiter, is_open


def ask(limiter: RateLimiter, client: str, now_s: float) -> int | None:
    """Seconds to wait; None where the request is welcome."""
    try:
        limiter.check(client, now_s)
    except RequestError as refused:
        return int(refused.headers["Retry-After"])
    return None


def test_the_refusal_is_429() -> None:
    limiter = RateLimiter(per_minute=1)
    limiter.check("a", 0.0)

    with pytest.raises(RequestError, match="More than 1 requests") as refused:
        limiter.check("a", 0.0)
    assert refused.value.status == 429


def test_a_burst_and_then_a_steady_rate() -> None:
    limiter = RateLimiter(per_minute=6)

    assert [ask(limiter, "a", 100.0) for _ in range(8)] == [None] * 6 + [10, 10]
    assert ask(limiter, "b", 100.0) is None
    assert ask(limiter, "a", 104.0) == 6
    assert [ask(limiter, "a", 110.5) for _ in range(2)] == [None, 10]
    # An hour does not save up more than a minute's worth.
    assert [ask(limiter, "a", 4000.0) for _ in range(7)] == [None] * 6 + [10]


def test_over_an_hour_a_client_gets_its_rate() -> None:
    limiter = RateLimiter(per_minute=30)
    welcome = sum(ask(limiter, "a", second / 4) is None for second in range(4 * 3600))

    assert welcome == pytest.approx(30 + 30 * 60, abs=1)


def test_clients_without_number_take_no_memory_without_end() -> None:
    limiter = RateLimiter(per_minute=1)
    for number in range(10_500):
        assert ask(limiter, str(number), 0.0) is None

    assert ask(limiter, "10499", 0.0) == 60
    assert ask(limiter, "0", 0.0) is None  # forgotten


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
def test_what_is_open(path: str, expected: bool) -> None:
    assert is_open(path) is expected
