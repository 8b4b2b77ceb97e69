"""What a batch reads: items, and the shards of a source that they come from."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Protocol

from inkdigits.errors import PictureError


@dataclass(frozen=True)
class BatchItem:
    """A picture file.

    Attributes:
        address: Its path or address; see `rows.COLUMNS`.
        content: The bytes of the file; None if they are fetched from the address.
        error: Why there are no bytes; None if there are.
    """

    address: str
    content: bytes | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.error is not None and self.content is not None:
            raise PictureError("an item has either content or an error")


class Shard(Protocol):
    """A part of a source that one process lists and reads. It can be pickled."""

    @property
    def n_items(self) -> int | None:
        """Number of items; None if unknown before they are read."""

    def iterate(self, read: Container[str]) -> Iterator[BatchItem]:
        """Yields the items, except those whose address is in `read`.

        Raises:
            DataFormatError: An archive is damaged. The items before were yielded.
            DataUnavailableError: It is missing or cannot be reached.
        """


@dataclass(frozen=True)
class AddressShard:
    """Files that the reader fetches from their addresses.

    Attributes:
        addresses: Paths and addresses, each only once.
    """

    addresses: tuple[str, ...]

    @property
    def n_items(self) -> int:
        """Number of addresses."""
        return len(self.addresses)

    def iterate(self, read: Container[str]) -> Iterator[BatchItem]:
        """Yields the addresses. Raises nothing."""
        for address in self.addresses:
            if show_address(address) not in read:
                yield BatchItem(address)


def show_address(address: str) -> str:
    r"""Returns an address as rows have it: as valid UTF-8.

    File names in another encoding get escape sequences, such as \xe9.
    """
    try:
        address.encode()
    except UnicodeEncodeError:
        return address.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return address
