"""What every request passes: who may ask, how often, and what each answer says besides."""

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
from inkdigits.web.answers import answer_error
from inkdigits.web.metrics import Metrics
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
CORRECTIONS: Final = "/v1/corrections"
_NOT_STORED: Final = (b"cache-control", b"no-store")
_CLIENT_GONE: Final = 499
_LINGER_S: Final = 2.0
_MOST_CLIENTS: Final = 10_000

logger = logging.getLogger("inkdigits.web")


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        """Takes what lies behind the gate."""
        self._app = app
        self._metrics = metrics
        self._hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        self._key = None if settings.api_key is None else settings.api_key.encode()
        per_minute = settings.requests_per_minute
        self._limiter = None if per_minute is None else RateLimiter(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request; never raises."""
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
            if not exchange.has_begun:
                await answer_error(error, scope["path"])(scope, exchange.receive, exchange.send)
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.report_request(route, exchange.status, time.perf_counter() - started_s)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        host = _parse_host(headers)
        if ANY_HOST not in self._hosts and host not in self._hosts:
            raise RequestError(
                400, "The service is not known by this name: see --allowed-host of its command"
            )
        # A page elsewhere, whose name was made to lead here, would list and delete them.
        is_kept = scope["path"].startswith(CORRECTIONS)
        if is_kept and self._key is None and ANY_HOST in self._hosts and not _is_own(host):
            raise RequestError(
                403,
                "Corrections are only for this machine's own names and addresses: start the "
                "service with --allowed-host NAME or with a key",
            )
        # Browsers say so of themselves; a page elsewhere must not write here in their name.
        is_safe = scope["method"] in ("GET", "HEAD", "OPTIONS")
        if not is_safe and headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
            raise RequestError(403, "Pages of other sites may not ask")
        if is_open(scope["path"]):
            return
        if self._limiter is not None:
            self._limiter.check(scope["client"][0] if scope.get("client") else "")
        if self._key is not None and not self._brings_key(headers):
            raise RequestError(
                401,
                "A key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
                {"WWW-Authenticate": "Bearer"},
            )

    def _brings_key(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        return hmac.compare_digest(given, self._key or b"")


def _parse_host(headers: dict[bytes, bytes]) -> str:
    """The name or address by which the service is addressed, without port; lower case."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _is_own(host: str) -> bool:
    """Whether a name is this machine's own: no name server can make such a name lead elsewhere."""
    name = socket.gethostname().lower()
    if host in (*LOCAL_HOSTS, name, f"{name}.local"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_open(path: str) -> bool:
    """Whether an address is for everybody: the page, the description of the API, health."""
    return (
        path in ("/", "/v1/status", "/openapi.json", "/docs")
        or path.startswith(("/page/", "/docs/", "/v2/health/"))
        or (path.startswith("/v2/models/") and path.endswith("/ready"))
    )


class RateLimiter:
    """Buckets of tokens, one for each client: bursts of a minute's worth, then a steady rate."""

    def __init__(self, per_minute: int) -> None:
        """Takes how many requests a client may make."""
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str, now_s: float | None = None) -> None:
        """Counts a request of a client.

        Args:
            client: Its address.
            now_s: The time on a clock that only goes forward; None: now.

        Raises:
            RequestError: It has made too many: status 429.
        """
        now_s = time.monotonic() if now_s is None else now_s
        tokens, then_s = self._buckets.pop(client, (self._capacity, now_s))
        tokens = min(tokens + (now_s - then_s) * self._per_second, self._capacity)
        self._buckets[client] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now_s)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait_s = math.ceil((1 - tokens) / self._per_second)
            raise RequestError(
                429,
                f"More than {self._capacity:g} requests in a minute: wait {wait_s} s",
                {"Retry-After": str(wait_s)},
            )


class _Exchange:
    """One request and its answer, on their way through the gate."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.status = 500
        self.has_begun = False
        self._receive = receive
        self._send = send
        length = self.headers.get(b"content-length", b"0")
        self._is_whole = length == b"0" and b"transfer-encoding" not in self.headers

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False):
            self._is_whole = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_HEADERS]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NOT_STORED)
            if not self._is_whole:
                await self._take_rest()
                headers.append((b"connection", b"close"))
            message["headers"] = headers
        await self._send(message)

    async def _take_rest(self) -> None:
        """Takes the rest of a refused body for a while and drops it.

        A client that is still sending would else see its connection break instead of the answer.
        """
        if self.status == 408:
            return
        try:
            async with asyncio.timeout(_LINGER_S):
                while not self._is_whole:
                    await self.receive()
        except TimeoutError:
            return
