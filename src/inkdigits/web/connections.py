"""Connection limits: timeouts and sizes that hold whatever a client sends or does not read."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inkdigits.web.responses import json_response

HEADERS_TIMEOUT_S: Final = 20.0
"""Timeout from the first byte of a request to the end of its headers, and between requests."""
WRITE_TIMEOUT_S: Final = 20.0
"""Timeout for a client that reads nothing of a response."""
MAX_HEAD_BYTES: Final = 65_536
"""Largest request line with all headers; browsers send less than 8 kB, nginx accepts 32 kB."""
_MAX_OVERHEAD: Final = 16
"""Largest number of bytes on the wire per byte of a chunked body: chunks of one byte take six. More
than that are trailers or chunk extensions, which the service does not use."""

_PHRASES: Final = {
    400: b"Bad Request",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


def build_protocol(max_connections: int, max_of_client: int) -> type[HttpToolsProtocol]:
    """Returns the protocol class for uvicorn.

    Args:
        max_connections: Largest number of open connections; further ones get status 503.
        max_of_client: Largest number of open connections of one address.
    """
    register = _Register(max_connections, max_of_client)
    return type("Connection", (_Connection,), {"register": register})


class _Register:
    """Counts open connections, in total and per client."""

    def __init__(self, max_connections: int, max_of_client: int) -> None:
        self._max_connections = max_connections
        self._max_of_client = max_of_client
        self._counts: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        """Adds a connection, and returns whether it is within the limits."""
        self._counts[client] += 1
        is_within = self._counts[client] <= self._max_of_client
        return is_within and self._counts.total() <= self._max_connections

    def leave(self, client: str) -> None:
        """Removes a connection."""
        self._counts[client] -= 1
        if self._counts[client] <= 0:
            del self._counts[client]


class _Connection(HttpToolsProtocol):
    """HTTP/1.1 with limits on headers, trailers and time.

    A subclass sets `register`, which all connections of a server share.
    """

    register: _Register

    _deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _client_name = ""
    _is_in_head = True
    _is_closed = False
    _n_heads = 0
    _n_head_bytes = 0
    _n_bytes = 0
    _n_body_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._client_name = self.client[0] if self.client else ""
        if not self.register.enter(self._client_name):
            self._reject(503, "Too many connections are open: close some, or try again soon")
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self.register.leave(self._client_name)
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_closed:
            return
        # An empty line after a response is data too, but must not reset the timeout.
        if self._is_in_head and self._deadline is None:
            self._start_timer()
        was_in_head, n_heads = self._is_in_head, self._n_heads
        self._n_bytes += len(data)
        super().data_received(data)
        if self._is_closed or self.parser is None:
            return
        if self._is_in_head != was_in_head or self._n_heads > n_heads:
            return  # the end of a head or of a body
        if self._is_in_head:
            # The parser reports complete headers only, and a hostile one is never complete.
            self._n_head_bytes += len(data)
            if self._n_head_bytes > MAX_HEAD_BYTES:
                self._reject_head()
        elif self._n_bytes > MAX_HEAD_BYTES + _MAX_OVERHEAD * self._n_body_bytes:
            self._reject_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._n_head_bytes = 0
        if self._deadline is None:  # a later request on the same connection
            self._start_timer()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._is_in_head = False
        self._n_heads += 1
        self._n_bytes = self._n_body_bytes = 0
        n_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if n_bytes > MAX_HEAD_BYTES:
            self._reject_head()
        elif sum(name == b"host" for name, _ in self.headers) > 1:
            self._reject(400, "The request has more than one Host header: send one")
        if self._is_closed:
            # Stops the parser, so that no request in the rest of its input is handled.
            raise httptools.HttpParserError("rejected")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._n_body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_head = True
        self._n_head_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(WRITE_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Sends the usual JSON error for input that is not HTTP."""
        if not self._is_closed:
            self._reject(400, "Invalid HTTP request")

    def _reject_head(self) -> None:
        self._reject(
            431,
            f"Request line, headers or trailers are too large: expected at most "
            f"{MAX_HEAD_BYTES:,} bytes",
        )

    def _reject(self, status: int, message: str) -> None:
        """Sends an error, unless a response has started, and closes the connection."""
        self._stop_timer()
        self._is_closed = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # else the application's response would follow this one
            self.cycle.message_event.set()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            response = json_response({"error": {"status": status, "message": message}}, status)
            lines = [b"HTTP/1.1 %d %s" % (status, _PHRASES[status]), b"connection: close"]
            lines += [b": ".join(header) for header in response.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self._close()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _time_out(self) -> None:
        self._deadline = None
        self._close()

    def _close(self) -> None:
        """Closes once the client has read everything, or after the write timeout."""
        if not self.transport.is_closing():
            self.transport.close()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(WRITE_TIMEOUT_S, self.transport.abort)

    def _start_timer(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_TIMEOUT_S, self._time_out)

    def _stop_timer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_write_timer(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
