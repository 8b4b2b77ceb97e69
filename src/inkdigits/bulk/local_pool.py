"""Reads a source in threads of this process."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator
from contextlib import closing

from inkdigits.bulk.batch_items import BatchItem, show_address
from inkdigits.bulk.batch_sources import BatchSource
from inkdigits.bulk.file_reader import BatchOptions, FileReader
from inkdigits.bulk.rows import Row
from inkdigits.errors import InkdigitsError
from inkdigits.recognition.read_ahead import count_threads, map_in_threads


def read_in_threads(
    source: BatchSource, options: BatchOptions, read: Container[str], *, workers: int | None = None
) -> Generator[list[list[Row]]]:
    """Yields the rows of each file, of one at a time, in the order of the source.

    Only a few files are in memory at a time. The pages of a document are read one after the other
    by one thread; if the source is one document, all threads share its pages.

    Args:
        source: The files.
        options: How they are read.
        read: Addresses of files that are left out.
        workers: Number of threads. None: one per core.

    Raises:
        DataFormatError: An archive is damaged.
        DataUnavailableError: The storage of the pictures is gone.
        ModelError, MissingExtraError, UsageError: The model or the number of threads is invalid.
    """
    n_threads = count_threads(workers)
    reader = FileReader(options)
    if source.document is not None:
        address = source.document
        if show_address(address) not in read:
            pages = reader.iterate_pages(BatchItem(address))
            read_page = map_in_threads(
                lambda page: reader.read_page(address, page), pages, n_threads
            )
            yield [list(read_page)]
        return
    endings: list[InkdigitsError] = []

    def list_items() -> Iterator[BatchItem]:
        """Yields all items. An error comes after the rows of those before it."""
        try:
            for shard in source.shards:
                yield from shard.iterate(read)
        except InkdigitsError as error:
            endings.append(error)

    with closing(map_in_threads(reader.read, list_items(), n_threads)) as read_files:
        for rows in read_files:
            yield [rows]
    if endings:
        raise endings[0]
