"""The progress of reading many pictures, shown on stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from inkdigits.cli.messages import print_message

if TYPE_CHECKING:
    from rich.progress import Progress

    from inkdigits.recognition import Reading

DELAY_S: Final = 2.0
"""Seconds after which a bar is worth showing, and loading what draws it."""

_logger = logging.getLogger(__name__)


def follow_readings(readings: Iterable[Reading], n_pictures: int) -> Iterator[Reading]:
    """Yields readings, and shows on a terminal how far they are.

    If they take longer than `DELAY_S`, a bar shows their number, the seconds per picture and the
    time that is left, and a last line the time of all. With `--verbose`, the last line is always
    there.

    Args:
        readings: The readings, one for each picture, or several for the pages of a document.
        n_pictures: Number of pictures that were given; each further page of a document adds one.
    """
    started = time.monotonic()
    is_terminal = sys.stderr.isatty()
    n_read, n_pages, bar = 0, n_pictures, None
    with ExitStack() as stack:
        for reading in readings:
            n_read += 1
            n_pages += (reading.page or 1) > 1
            seconds = time.monotonic() - started
            if bar is None and is_terminal and seconds > DELAY_S and n_read < n_pages:
                bar = stack.enter_context(build_bar())
                bar.add_task("reading", total=n_pages, rate="")
            if bar is not None:
                each = f"{seconds / n_read:.2f} s per picture"
                bar.update(bar.task_ids[0], completed=n_read, total=n_pages, rate=each)
            yield reading
    seconds = time.monotonic() - started
    summary = f"read {n_read:,} pictures in {seconds:.1f} s, {seconds / max(n_read, 1):.3f} s each"
    if bar is not None:
        print_message(summary)
    else:
        _logger.debug("%s", summary)


def build_bar() -> Progress:
    """Returns a bar on stderr; its tasks have the field `rate`, a text."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False, markup=False, soft_wrap=True),
        transient=True,
        # Lines on the same terminal go above the bar. Those for a file must reach the file.
        redirect_stdout=sys.stdout.isatty(),
    )
