"""`inkdigits serve`: serves a web page and an HTTP API that read pictures."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import parse_count, parse_port, parse_seconds
from inkdigits.cli.messages import print_message
from inkdigits.cli.models import load_recognizer
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_device, add_models, add_threshold
from inkdigits.cli.telephone import LOCAL_NAMES, draw_qr_code, find_network_host
from inkdigits.errors import UsageError

if TYPE_CHECKING:
    from inkdigits.recognition import Recognizer

USAGE = "inkdigits serve [options]"
EXAMPLES = (
    "inkdigits serve",
    "inkdigits serve --model runs/quick --keep-corrections my-corrections",
    "inkdigits serve --review to-review",
    "inkdigits serve --host 0.0.0.0 --port 80 --no-browser --api-key-file key.txt",
)
_LIMITS: tuple[tuple[str, Callable[[str], object], str, str], ...] = (
    ("--max-bytes", parse_count, "N", "size of a request; default: 20,000,000"),
    ("--max-pixels", parse_count, "N", "pixels of a picture; default: 20,000,000"),
    ("--max-pictures", parse_count, "N", "pictures in one request; default: 64"),
    ("--max-pages", parse_count, "N", "pages of documents in one request; default: 20"),
    (
        *("--max-tiles", parse_count, "N"),
        "tiles in one request of the Open Inference Protocol; default: 1024",
    ),
    ("--max-requests", parse_count, "N", "requests at the same time; default: 256"),
    ("--max-client-requests", parse_count, "N", "the same for one client; default: 128"),
    ("--max-connections", parse_count, "N", "connections at the same time; default: 1024"),
    ("--max-client-connections", parse_count, "N", "the same for one client; default: 256"),
    (
        *("--max-held-bytes", parse_count, "N"),
        "size of all requests in memory; default: 400,000,000",
    ),
    ("--max-waiting", parse_count, "N", "queued calls of the network; default: 512"),
    ("--max-batch", parse_count, "N", "tiles in one call of the network; default: 64"),
    (
        *("--requests-per-minute", parse_count, "N"),
        "requests of one client in a minute; default: no limit",
    ),
    ("--deadline-s", parse_seconds, "SECONDS", "until a request is answered; default: 30"),
    ("--body-timeout-s", parse_seconds, "SECONDS", "until a request has arrived; default: 60"),
)
"""Options that set the field of the same name in `inkdigits.web.Settings`."""


def add_options(parser: Parser) -> None:
    """Adds the options of the command."""
    model = parser.add_argument_group("model")
    add_models(model)
    add_device(model)
    add_threshold(model)
    page = parser.add_argument_group("page")
    page.add_argument("--no-browser", action="store_true", help="do not open the page")
    page.add_argument(
        "--keep-corrections",
        type=Path,
        metavar="DIR",
        help="keep what users correct, in a folder for 'inkdigits evaluate --pictures'",
    )
    page.add_argument(
        "--review",
        type=Path,
        metavar="DIR",
        help="show the pictures of this folder one after the other at /review, to type what they "
        "show; 'inkdigits batch --review DIR' puts in what it cannot read for certain",
    )
    address = parser.add_argument_group("address")
    address.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0: reachable from other machines, such as a telephone; "
        "default: 127.0.0.1, reachable from this machine only",
    )
    address.add_argument(
        "--port",
        type=parse_port,
        default=8000,
        help="0 chooses a free port; default: 8000",
    )
    security = parser.add_argument_group("security")
    security.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="require the API key in this file; without the option, the one in the environment "
        "variable INKDIGITS_API_KEY",
    )
    security.add_argument(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="host name that requests may use; may be repeated; default: localhost for a local "
        "address, any name otherwise",
    )
    limits = parser.add_argument_group("limits")
    for name, parse, metavar, summary in _LIMITS:
        limits.add_argument(name, type=parse, metavar=metavar, help=summary)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see `inkdigits.cli.predict`
    from inkdigits.web import Settings, serve
    from inkdigits.web.settings import ANY_HOST, LOCAL_HOSTS

    is_local = options.host in LOCAL_NAMES
    names = options.allowed_host or (LOCAL_HOSTS if is_local else [ANY_HOST])
    given = {name: value for name, value in vars(options).items() if value is not None}
    known = {field.name for field in dataclasses.fields(Settings)}
    settings = Settings(
        **{name: value for name, value in given.items() if name in known},
        api_key=_find_api_key(options.api_key_file),
        corrections=options.keep_corrections,
        models=tuple(options.model),
        allowed_hosts=tuple(names),
    )

    def report_address(address: str) -> None:
        print(f"inkdigits serves {address} and its API at {address}docs; Ctrl-C stops it")
        if settings.review is not None:
            print(f"pictures to review: {address}review")
        _print_telephone(options.host, address, names)
        sys.stdout.flush()
        if not is_local and settings.api_key is None:
            print_message(
                "warning: anyone who can reach this machine can use the service, because no API "
                "key is set: see --api-key-file"
            )
        if not options.no_browser:
            _open_browser(address if settings.review is None else f"{address}review")

    def load() -> Recognizer:
        return load_recognizer(*options.model, device=options.device).adapt(
            threshold=options.threshold
        )

    serve(load, settings, host=options.host, port=options.port, report_address=report_address)
    return exit_status.OK


def _print_telephone(host: str, address: str, allowed_hosts: Sequence[str]) -> None:
    """Prints the address to open on a telephone, if the service answers others in the network."""
    from inkdigits.web.settings import ANY_HOST

    found = find_network_host(host)
    if found is None:
        return
    name = f"[{found}]" if ":" in found else found
    if ANY_HOST not in allowed_hosts and name not in allowed_hosts:
        return
    port = urlsplit(address).port
    there = f"http://{name}:{port}/"
    print(f"on a telephone in the same network: {there}")
    if (code := draw_qr_code(there)) is not None:
        print(code, end="")


def _find_api_key(file: Path | None) -> str | None:
    """Returns the API key in the file, or else in the environment; None if there is none."""
    if file is None:
        return os.environ.get("INKDIGITS_API_KEY") or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the file is not text"
        raise UsageError(f"cannot read the API key in {file}: {reason}") from error


def _open_browser(address: str) -> None:
    import threading
    import webbrowser

    # Some browsers stay in the foreground, and the service must not wait for them.
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
