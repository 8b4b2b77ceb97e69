"""Runs the application with uvicorn, from the listening socket to a graceful shutdown."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn

from inkdigits.allocator import return_freed_memory
from inkdigits.errors import UsageError
from inkdigits.recognition import Recognizer
from inkdigits.web.application import build_app
from inkdigits.web.connections import build_protocol
from inkdigits.web.service import Service
from inkdigits.web.settings import Settings

KEEP_ALIVE_S: Final = 30
_LAST_S: Final = 5.0
"""Seconds after the last deadline in which a stopping server closes files and threads."""
_OTHER_FILES: Final = 256
"""Open files besides those of connections: models, decoder processes, corrections."""
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def serve(
    load_recognizer: Callable[[], Recognizer],
    settings: Settings,
    host: str,
    port: int,
    report_address: Callable[[str], object],
) -> None:
    """Implements `inkdigits.web.serve`."""
    return_freed_memory()
    _raise_file_limit(2 * settings.max_connections + _OTHER_FILES)
    app = build_app(load_recognizer, settings)
    service: Service = app.state.service
    listener = _listen(host, port)
    # The log is for faults of the service; invalid requests are counted in the metrics.
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


def _raise_file_limit(n_files: int) -> None:
    """Raises the soft limit of open files, so that clients cannot exhaust it.

    Each connection has a socket, and an open file while its client is slow to read a file of the
    page. Does nothing where the system does not support it.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY:
            n_files = min(n_files, hard)
        if soft != resource.RLIM_INFINITY and soft < n_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, hard))


def _listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket.

    Raises:
        UsageError: The address is invalid, in use or not permitted.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((address[0], port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise UsageError(_describe_refusal(error, host, port)) from error


def _describe_refusal(error: OSError | OverflowError, host: str, port: int) -> str:
    """Describes why the service cannot listen on an address."""
    if isinstance(error, OverflowError):
        return f"invalid port {port}: expected an integer from 0 to 65535"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} is for administrators: choose one from 1024 on with --port"
    # Names are looked up with errors of their own. The text of other errors repeats the address.
    is_lookup = isinstance(error, socket.gaierror)
    reason = error.strerror if is_lookup or error.errno is None else os.strerror(error.errno)
    return f"cannot listen on {host} ({reason}): choose another address with --host"


def _name_address(listener: socket.socket, host: str) -> str:
    port = listener.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class _Server(uvicorn.Server):
    """A uvicorn server that finishes the requests in progress, and is not ready meanwhile."""

    def __init__(
        self, config: uvicorn.Config, service: Service, report_ready: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self.stopped_by: int | None = None
        self._service = service
        self._report_ready = report_ready
        self._is_reported = False
        self._grace_s = service.settings.deadline_s + _LAST_S

    async def on_tick(self, counter: int) -> bool:
        if self._service.failure is not None:
            return True
        if self._service.is_ready and not self._is_reported:
            self._is_reported = True
            self._report_ready()
        if self._service.is_draining and self._service.n_active == 0:
            return True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stopped_by = sig
        if self._service.is_draining:  # a second signal ends the process at once
            os._exit(128 + sig)
        self._service.is_draining = True
        # Ends the process even if a system call or a library hangs.
        watchdog = threading.Timer(self._grace_s, os._exit, (128 + sig,))
        watchdog.daemon = True
        watchdog.start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles signals without raising them again, unlike uvicorn, so the exit status is 0."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in _STOPPING}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
