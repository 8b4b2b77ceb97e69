"""The curves of a running training at an address of this machine.

The page draws the run's `history.csv` as it grows. It is served to this machine only, loads nothing
from elsewhere, and ends with the training.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from inkdigits.errors import UsageError
from inkdigits.presentation.svg_curves import draw_curves, load_style
from inkdigits.training.fit.curve_panels import list_panels
from inkdigits.training.run_views import list_history

HOST: Final = "127.0.0.1"
MAX_PORT: Final = 65_535
_PAGE: Final = Path(__file__).with_suffix(".html")
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)
_WATCHED_S: Final = 5.0
"""A page that asked so recently is open, and gets the last curves before the address closes."""
_FAREWELL_S: Final = 2.0


class LiveCurves:
    """Serves the curves of a run, until it is closed.

    Attributes:
        address: The address of the page.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        """Starts serving, in threads.

        Args:
            folder: The run folder.
            port: The port; 0: any free one.

        Raises:
            UsageError: The port is used by another program, or is none.
        """
        check_port(port)
        self._folder = folder
        self._is_over = False
        self._last_request = 0.0
        self._has_told_end = threading.Event()
        try:
            self._server = ThreadingHTTPServer((HOST, port), self._build_handler())
        except OSError as error:
            raise UsageError(
                f"live curves cannot use port {port} ({error.strerror}): leave the port out for a "
                "free one"
            ) from error
        self._server.daemon_threads = True
        self.address = f"http://{HOST}:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Shows open pages the end of the training, and stops serving."""
        self._is_over = True
        if time.monotonic() - self._last_request < _WATCHED_S and self._last_request:
            self._has_told_end.wait(_FAREWELL_S)
        self._server.shutdown()
        self._server.server_close()

    def render_page(self) -> str:
        """Returns the page."""
        page = _PAGE.read_text(encoding="utf-8")
        return page.replace("/* style */", load_style()).replace("RUN", escape(str(self._folder)))

    def describe(self) -> dict[str, object]:
        """Returns what the page asks for each second: curves, a line, and whether it is over."""
        rows = [row for row in list_history(self._folder) if "val_accuracy" in row]
        figures = [
            draw_curves(panel.title, panel.unit, panel.curves, logarithmic=True)
            for panel in list_panels(rows)
        ]
        told = "The first epoch is running."
        if rows:
            last = rows[-1]
            told = (
                f"Epoch {last['epoch']}: validation accuracy {100 * last['val_accuracy']:.2f} %, "
                f"loss {last['val_loss']:.4f}; {last['seconds']:.1f} s."
            )
        if self._is_over:
            told += " The training is over, and this address is closed."
            self._has_told_end.set()
        return {"curves": "".join(figures), "told": told, "is_over": self._is_over}

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        curves = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # Another site could point its own name here, and read the answers.
                name = self.headers.get("Host", "").rpartition(":")[0]
                if name not in (HOST, "localhost"):
                    self._answer(HTTPStatus.FORBIDDEN, "text/plain", "unknown host\n")
                elif self.path == "/":
                    self._answer(HTTPStatus.OK, "text/html", curves.render_page())
                elif self.path == "/curves":
                    curves._last_request = time.monotonic()
                    self._answer(HTTPStatus.OK, "application/json", json.dumps(curves.describe()))
                else:
                    self._answer(HTTPStatus.NOT_FOUND, "text/plain", "no such page\n")

            def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
                content = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Security-Policy", _POLICY)
                self.send_header("X-Content-Type-Options", "nosniff")
                with suppress(ConnectionError):  # the page was closed
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Writes nothing: stderr shows the progress."""

        return Handler


def check_port(port: int) -> None:
    """Raises UsageError unless a number is a port, or 0."""
    if not 0 <= port <= MAX_PORT:
        raise UsageError(f"invalid port {port}: expected 0 to {MAX_PORT}, 0 for any free one")
