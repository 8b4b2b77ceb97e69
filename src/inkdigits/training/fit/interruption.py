"""Handles Ctrl-C and SIGTERM during training, so that no progress is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Makes SIGTERM raise KeyboardInterrupt in the block, as Ctrl-C does.

    Does nothing outside the main thread, because only that may set signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Delays Ctrl-C and SIGTERM until the end of the block, so that the block always completes.

    Does nothing outside the main thread, as `sigterm_as_interrupt`.

    Raises:
        KeyboardInterrupt: At the end of the block, if a signal arrived during it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])  # for the previous handler
