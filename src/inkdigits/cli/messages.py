"""Messages on stderr, and what to do about streams that cannot be written."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def print_message(message: str) -> None:
    """Prints a line on stderr, after everything printed on stdout so far."""
    sys.stdout.flush()  # keeps the order if both streams end in the same place
    print(f"inkdigits: {message}", file=sys.stderr)


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
