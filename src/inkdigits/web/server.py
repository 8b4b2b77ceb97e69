"""The application behind a socket: from the first connection to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inkdigits.errors import UsageError
from inkdigits.recognition import Recognizer
from inkdigits.web.answers import answer
from inkdigits.web.application import build_app
from inkdigits.web.service import Service
from inkdigits.web.settings import Settings

HEADERS_TIMEOUT_S: Final = 20.0
KEEP_ALIVE_S: Final = 30
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def serve(
    load_recognizer: Callable[[], Recognizer],
    settings: Settings,
    host: str,
    port: int,
    report_address: Callable[[str], object],
) -> None:
    """As `inkdigits.web.serve`."""
    app = build_app(load_recognizer, settings)
    service: Service = app.state.service
    listener = _listen(host, port)
    # Whoever runs the service sees its faults; its clients' are counted in the metrics.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.deadline_s) + 1,
    )
    server = _Server(config, service, lambda: report_address(_name_address(listener, host)))
    server.run(sockets=[listener])
    if service.failure is not None:
        raise service.failure
    if server.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UsageError: The address cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((address[0], port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"port {port} of {host} cannot be listened on ({reason}): choose another with --port"
        ) from error


def _name_address(listener: socket.socket, host: str) -> str:
    port = listener.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class _Server(uvicorn.Server):
    """Answers to the end what has begun, and says meanwhile that it is not ready."""

    def __init__(
        self, config: uvicorn.Config, service: Service, report_start: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self.stopped_by: int | None = None
        self._service = service
        self._report_start = report_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._report_start()

    async def on_tick(self, counter: int) -> bool:
        if self._service.failure is not None:
            return True
        if self._service.is_draining and self._service.n_active == 0:
            return True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stopped_by = sig
        if self._service.is_draining:  # asked twice: at once
            self.should_exit = self.force_exit = True
        self._service.is_draining = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike the one it replaces, it does not raise the signal again: the exit status is 0."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in _STOPPING}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1, with an end to connections that never say what they want."""

    _headers_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._headers_timer = self.loop.call_later(HEADERS_TIMEOUT_S, self._give_up)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._headers_timer is None:  # a later request of the same connection
            self._headers_timer = self.loop.call_later(HEADERS_TIMEOUT_S, self._give_up)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """The one shape of errors also where no request could be made out."""
        self._stop_timer()
        said = answer({"error": {"status": 400, "message": "This is no HTTP request"}}, 400)
        lines = [b"HTTP/1.1 400 Bad Request", b"connection: close"]
        lines += [b": ".join(header) for header in said.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(said.body)]))
        self.transport.close()

    def _give_up(self) -> None:
        self._headers_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
