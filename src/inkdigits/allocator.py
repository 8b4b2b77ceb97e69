"""Settings of the C library's memory allocator for a process that runs for hours or weeks."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Parameters of `mallopt` in glibc's `malloc.h`."""
_LARGE_BYTES: Final = 1 << 20
"""Blocks of this size and more, such as pictures and network activations, get pages of their own,
which return to the system when the block is freed. By default, glibc raises this limit to 32 MB
with each larger block that is freed, so that later blocks fragment the heap and stay in it."""
_ARENAS: Final = 2
"""Number of heaps; by default, eight per core. Each thread that decodes or reads would otherwise
keep free memory in a heap of its own."""


def return_freed_memory() -> bool:
    """Makes glibc return large freed blocks to the system.

    Without it, the memory of a service under load or of a batch grows for hours, although nothing
    leaks: see `measurements/soak.py` and `measurements/bulk.py`.

    Returns:
        Whether the allocator was set: False with other C libraries, which return memory anyway.
    """
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, ValueError):
        return False
    settings = ((_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_ARENA_MAX, _ARENAS))
    return all(mallopt(parameter, value) for parameter, value in settings)
