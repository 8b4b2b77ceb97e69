"""The addresses that a data set contains, in 16 bytes each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DIGEST_BYTES: Final = 16
"""Two of a billion different addresses share a digest with a probability of 1.5e-21."""

_CHUNK: Final = 100_000


class ReadAddresses:
    """A set of addresses, as the sorted digests of them.

    It takes 16 bytes for each address, so the set of ten million is 160 MB; a set of texts would
    be ten times as large. It can be pickled, and a lookup takes microseconds.
    """

    def __init__(self, digests: NDArray[np.bytes_]) -> None:
        """Use `collect`.

        Args:
            digests: dtype S16, shape (n,), sorted, each only once.
        """
        self._digests = digests

    @classmethod
    def collect(cls, addresses: Iterable[str]) -> ReadAddresses:
        """Returns the set of these addresses. Only some of them are in memory at a time."""
        iterator = iter(addresses)
        arrays = [np.empty(0, f"S{_DIGEST_BYTES}")]
        while chunk := b"".join(compute_digest(one) for one in islice(iterator, _CHUNK)):
            arrays.append(np.frombuffer(chunk, f"S{_DIGEST_BYTES}"))
        return cls(np.unique(np.concatenate(arrays)))

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, address: object) -> bool:
        if not len(self._digests) or not isinstance(address, str):
            return False
        digest = np.frombuffer(compute_digest(address), f"S{_DIGEST_BYTES}")[0]
        index = int(np.searchsorted(self._digests, digest))
        return index < len(self._digests) and bool(self._digests[index] == digest)


def compute_digest(address: str) -> bytes:
    """Returns 16 bytes that stand for an address."""
    text = address.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()
