"""The HTTP service and its page. Needs FastAPI and uvicorn: `inkdigits[serve]`.

    from inkdigits.web import Settings, build_app
    app = build_app(Recognizer.load(), Settings(max_bytes=5_000_000))

Importing this package does not import them; building an application does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from inkdigits.errors import MissingExtraError
from inkdigits.web.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from inkdigits.recognition import Recognizer

__all__ = ["Settings", "build_app", "serve"]


def build_app(
    recognizer: Recognizer | Callable[[], Recognizer], settings: Settings | None = None
) -> FastAPI:
    """Builds the service as an ASGI application.

    Args:
        recognizer: The recognizer that reads the pictures, or a function that loads it. The
            function is called while the application starts; until it returns, the service is live
            but not ready.
        settings: Limits and options; None for the defaults.

    Returns:
        The application. Its lifespan must be run, as every ASGI server does.

    Raises:
        MissingExtraError: FastAPI or another part of `inkdigits[serve]` is not installed.
        OutputError: The folder for corrections cannot be used.
    """
    try:
        from inkdigits.web.application import build_app as build
    except ImportError as error:
        raise _name_extra(error) from error
    return build(recognizer, settings or Settings())


def serve(
    load_recognizer: Callable[[], Recognizer],
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    report_address: Callable[[str], object] = print,
) -> None:
    """Runs the service until SIGTERM or Ctrl-C, then finishes the requests in progress.

    Args:
        load_recognizer: Loads the recognizer; called once, while the service starts.
        settings: Limits and options; None for the defaults.
        host: Address to listen on. The default accepts connections from this machine only.
        port: TCP port; 0 for any free one.
        report_address: Called with the address of the page once the model is loaded.

    Raises:
        MissingExtraError: As in `build_app`.
        UsageError: The address is invalid, in use or not permitted.
        KeyboardInterrupt: Ctrl-C stopped the service.
        Exception: Any exception of `load_recognizer`.
    """
    try:
        from inkdigits.web.server import serve as run
    except ImportError as error:
        raise _name_extra(error) from error
    run(load_recognizer, settings or Settings(), host, port, report_address)


def _name_extra(error: ImportError) -> MissingExtraError:
    return MissingExtraError(
        f"{error.name or error} is not installed, and the service needs it: "
        'pip install "inkdigits[serve]"'
    )
