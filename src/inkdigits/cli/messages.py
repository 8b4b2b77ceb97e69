"""Messages on stderr, and what to do about streams that cannot be written."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Iterator

_logger = logging.getLogger(__name__)


def print_message(message: str) -> None:
    """Prints a line on stderr, after everything printed on stdout so far."""
    sys.stdout.flush()  # keeps the order if both streams end in the same place
    print(f"inkdigits: {message}", file=sys.stderr)


class _MessageHandler(logging.Handler):
    """Prints log records as messages."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record on the stderr of this moment."""
        print_message(self.format(record))


@contextlib.contextmanager
def show_log(*, verbose: bool) -> Iterator[None]:
    """Prints during the block what the modules of inkdigits log.

    Args:
        verbose: Whether to print debugging records, too, such as those of `timed`.
    """
    logger = logging.getLogger("inkdigits")
    handler, level = _MessageHandler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def is_verbose() -> bool:
    """Returns whether `--verbose` was given."""
    return _logger.isEnabledFor(logging.DEBUG)


@contextlib.contextmanager
def timed(step: str) -> Iterator[None]:
    """Logs how many seconds the block took, for `--verbose`.

    Args:
        step: What the block does, such as "loading the model".
    """
    started = time.perf_counter()
    try:
        yield
    finally:
        _logger.debug("%s took %.3f s", step, time.perf_counter() - started)


def escape_unprintable() -> None:
    """Prints characters that the encoding of a stream lacks as escape sequences.

    Without this, a file name or "█" raises UnicodeEncodeError on a terminal that is limited to
    ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Redirects stdout to nowhere if it cannot be written, so that exiting raises no error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
