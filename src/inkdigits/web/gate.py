"""Middleware around the application: access checks, rate limit, response headers, metrics."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import math
import socket
import time
from collections import OrderedDict
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inkdigits.errors import RequestError
from inkdigits.web.counters import Metrics
from inkdigits.web.responses import error_response
from inkdigits.web.settings import ANY_HOST, LOCAL_HOSTS, Settings

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self)"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
OWN_PICTURES: Final = ("/v1/corrections", "/v1/review")
"""Beginnings of the addresses under which pictures of users are stored."""
_NOT_STORED: Final = (b"cache-control", b"no-store")
_CLIENT_GONE: Final = 499
_LINGER_S: Final = 2.0
_MAX_CLIENTS: Final = 10_000

logger = logging.getLogger("inkdigits.web")


class Gate:
    """ASGI middleware around the whole application.

    A handler or check that raises gets a JSON error as its response.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        """Wraps `app`."""
        self._app = app
        self._metrics = metrics
        self._hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        self._key = None if settings.api_key is None else settings.api_key.encode()
        per_minute = settings.requests_per_minute
        self._limiter = None if per_minute is None else RateLimiter(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request. Never raises."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        exchange = _Exchange(scope, receive, send)
        try:
            self._check(scope, exchange.headers)
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = _CLIENT_GONE
        except Exception as error:
            if not isinstance(error, RequestError):
                logger.exception("%s %s failed", scope["method"], scope["path"])
            if not exchange.has_started:
                await error_response(error, scope["path"])(scope, exchange.receive, exchange.send)
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.report_request(route, exchange.status, time.perf_counter() - started_s)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        host = _parse_host(headers)
        if ANY_HOST not in self._hosts and host not in self._hosts:
            raise RequestError(
                400, "Host name not allowed: start the service with --allowed-host NAME to allow it"
            )
        # By DNS rebinding, a page of another site could list and delete corrections.
        is_protected = scope["path"].startswith(OWN_PICTURES)
        if is_protected and self._key is None and ANY_HOST in self._hosts and not _is_own(host):
            raise RequestError(
                403,
                "Corrections are available only under this machine's own names and addresses: "
                "start the service with --allowed-host NAME or with an API key",
            )
        # Browsers send this header. A page of another site must not write here in the user's name.
        is_safe = scope["method"] in ("GET", "HEAD", "OPTIONS")
        if not is_safe and headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
            raise RequestError(403, "Requests from pages of other sites are not allowed")
        if is_open(scope["path"]):
            return
        if self._limiter is not None:
            self._limiter.check(scope["client"][0] if scope.get("client") else "")
        if self._key is not None and not self._has_key(headers):
            raise RequestError(
                401,
                "An API key is required: send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
                {"WWW-Authenticate": "Bearer"},
            )

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        return hmac.compare_digest(given, self._key or b"")


def _parse_host(headers: dict[bytes, bytes]) -> str:
    """Returns the host of the Host header in lower case, without the port."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _is_own(host: str) -> bool:
    """Returns whether a host is this machine's own, which DNS rebinding cannot imitate."""
    name = socket.gethostname().lower()
    if host in (*LOCAL_HOSTS, name, f"{name}.local"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_open(path: str) -> bool:
    """Returns whether a path needs no API key: the page, the API documentation, health checks."""
    return (
        path in ("/", "/review", "/v1/status", "/openapi.json", "/docs")
        or path.startswith(("/page/", "/docs/", "/v2/health/"))
        or (path.startswith("/v2/models/") and path.endswith("/ready"))
    )


class RateLimiter:
    """A token bucket per client: bursts of up to a minute's requests, then a steady rate."""

    def __init__(self, per_minute: int) -> None:
        """Allows `per_minute` requests per minute to each client."""
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str, now_s: float | None = None) -> None:
        """Counts a request of a client.

        Args:
            client: The address of the client.
            now_s: The time of a monotonic clock; None for the current time.

        Raises:
            RequestError: The client has sent too many requests: status 429.
        """
        now_s = time.monotonic() if now_s is None else now_s
        tokens, then_s = self._buckets.pop(client, (self._capacity, now_s))
        tokens = min(tokens + (now_s - then_s) * self._per_second, self._capacity)
        self._buckets[client] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now_s)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait_s = math.ceil((1 - tokens) / self._per_second)
            raise RequestError(
                429,
                f"More than {self._capacity:g} requests per minute: wait {wait_s} s",
                {"Retry-After": str(wait_s)},
            )


class _Exchange:
    """One request and its response, with the ASGI callables that the application gets."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.status = 500
        self.has_started = False
        self._receive = receive
        self._send = send
        length = self.headers.get(b"content-length", b"0")
        self._is_complete = length == b"0" and b"transfer-encoding" not in self.headers

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False):
            self._is_complete = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_HEADERS]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NOT_STORED)
            if not self._is_complete:
                await self._drain_body()
                headers.append((b"connection", b"close"))
            message["headers"] = headers
        await self._send(message)

    async def _drain_body(self) -> None:
        """Reads and discards the rest of a rejected body, for a limited time.

        A client that is still sending would otherwise see a broken connection, not the response.
        """
        if self.status == 408:
            return
        try:
            async with asyncio.timeout(_LINGER_S):
                while not self._is_complete:
                    await self.receive()
        except TimeoutError:
            return
