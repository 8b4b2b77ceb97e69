"""The HTTP service and its page; needs FastAPI and uvicorn, `inkdigits[serve]`.

    from inkdigits.web import Settings, build_app
    app = build_app(Recognizer.load(), Settings(max_bytes=5_000_000))

Importing this package loads neither: that happens when an application is built.
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
        recognizer: What reads the pictures; or what loads it, which is then called while the
            application starts, and until it is done the service answers that it is not ready.
        settings: Limits and what is switched on; None: the defaults.

    Returns:
        An application whose lifespan must be run, as every ASGI server does.

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
    """Runs the service until SIGTERM or Ctrl-C, then finishes what has begun.

    Args:
        load_recognizer: Loads what reads the pictures; called once, while the service starts.
        settings: Limits and what is switched on; None: the defaults.
        host: Address to listen on; one of this machine alone is the default.
        port: TCP port; 0 takes a free one.
        report_address: Called with the page's address once the service listens.

    Raises:
        MissingExtraError: As in `build_app`.
        UsageError: The port cannot be listened on.
        KeyboardInterrupt: It was Ctrl-C.
        Exception: Whatever `load_recognizer` raises.
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
