"""Freed memory returns to the system."""

import subprocess
import sys
from pathlib import Path

import pytest

from inkdigits.allocator import return_freed_memory

# Large blocks are freed, but a small block that came after them stays at the top of the heap.
_SCRIPT = """
import ctypes, os, sys
from inkdigits.allocator import return_freed_memory
from inkdigits.bulk.file_reader import BatchOptions, FileReader
from inkdigits.bulk.packed_model import PackedModel

def measure_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

malloc, free, memset = (getattr(ctypes.CDLL(None), n) for n in ("malloc", "free", "memset"))
malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
free.argtypes = [ctypes.c_void_p]
memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def take(n_bytes):
    block = malloc(n_bytes)
    memset(block, 1, n_bytes)
    return block

if sys.argv[1] == "returned":
    return_freed_memory()
elif sys.argv[1] == "batch":
    FileReader(BatchOptions(PackedModel.pack(())))
free(take(30 << 20))  # from here on, glibc by default keeps blocks up to this size in the heap
before = measure_mb()
blocks = []
for _ in range(10):
    blocks += [take(10 << 20), take(100 << 10)]
for block in blocks[::2]:
    free(block)
print(measure_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_freed_memory_returns_to_the_system() -> None:
    kept_mb = {
        mode: float(
            subprocess.run(
                [sys.executable, "-c", _SCRIPT, mode], check=True, capture_output=True, text=True
            ).stdout
        )
        for mode in ("kept", "returned", "batch")
    }
    if not return_freed_memory():
        pytest.skip("the C library is not glibc")
    assert kept_mb["returned"] < 5
    assert kept_mb["batch"] < 5
    assert kept_mb["kept"] > 50, "the case no longer shows what the setting is for"
