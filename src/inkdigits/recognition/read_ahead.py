"""Reads pictures in threads, a few ahead of those that are consumed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

from inkdigits.errors import UsageError

PICTURES_AHEAD: Final = 8
"""Pictures per thread that are started ahead, so that a large one does not delay the others."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def count_threads(n_threads: int | None) -> int:
    """Returns the number of threads: one per core if None is given.

    Raises:
        UsageError: The number is less than 1.
    """
    n_threads = os.cpu_count() or 1 if n_threads is None else n_threads
    if n_threads < 1:
        raise UsageError(f"invalid number of threads {n_threads}: expected at least 1")
    return n_threads


def map_in_threads(
    read: Callable[[_Item], _Result], pictures: Iterator[_Item], n_threads: int
) -> Generator[_Result]:
    """Yields the result of `read` for each picture, in their order.

    Args:
        read: Reads a picture; called in threads.
        pictures: The pictures. At most `PICTURES_AHEAD` per thread are taken ahead.
        n_threads: Number of threads, at least 1.
    """
    ahead: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(n_threads, "inkdigits-read") as executor:
        try:
            while True:
                missing = PICTURES_AHEAD * n_threads - len(ahead)
                for picture in islice(pictures, missing):
                    ahead.append(executor.submit(read, picture))
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:  # also if the caller stops the iteration early
            for future in ahead:
                future.cancel()
