"""The application behind a socket: from the first connection to the last answer."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn

from inkdigits.errors import UsageError
from inkdigits.recognition import Recognizer
from inkdigits.web.application import build_app
from inkdigits.web.connections import build_protocol
from inkdigits.web.service import Service
from inkdigits.web.settings import Settings

KEEP_ALIVE_S: Final = 30
_LAST_S: Final = 5.0
"""After the last deadline, in which a server that was told to end closes files and threads."""
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
        http=build_protocol(settings.max_connections, settings.max_client_connections),
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
        self._grace_s = service.settings.deadline_s + _LAST_S

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
            os._exit(128 + sig)
        self._service.is_draining = True
        # Whatever is stuck then, in a system call or a library, the process ends.
        watchdog = threading.Timer(self._grace_s, os._exit, (128 + sig,))
        watchdog.daemon = True
        watchdog.start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike the one it replaces, it does not raise the signal again: the exit status is 0."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in _STOPPING}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
