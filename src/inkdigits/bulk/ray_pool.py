"""Reads a source on a Ray cluster: Ray Data, with a pool of actors that each hold the model.

Tasks list the shards of the source and read archives; the actors fetch and read the files. If a
worker or machine is lost, Ray repeats the tasks whose results are gone. The driver alone writes
rows, and gets those of each file once.
"""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Container, Generator, Iterator
from typing import Any, Final

from inkdigits.bulk.batch_items import BatchItem, Shard
from inkdigits.bulk.batch_sources import BatchSource
from inkdigits.bulk.file_reader import BatchOptions, FileReader
from inkdigits.bulk.rows import Row
from inkdigits.errors import (
    DataFormatError,
    DataUnavailableError,
    InkdigitsError,
    ModelError,
    OutputError,
    UsageError,
)
from inkdigits.ray_clusters import connect_ray

BATCH_FILES: Final = 8
"""Number of files that an actor reads in one task, which is repeated if the actor is killed."""

_BLOCK_BYTES: Final = 16 * 2**20
"""Maximum size of the files from an archive that travel together, unless one file is larger."""

_ENDINGS: Final = (DataFormatError, DataUnavailableError, ModelError, OutputError)
"""Errors that end a batch, by their names in the answers of workers."""


def read_on_ray(
    source: BatchSource,
    options: BatchOptions,
    read: Container[str],
    *,
    address: str,
    workers: int | None = None,
) -> Generator[list[list[Row]]]:
    """Yields the rows of each file, of the files that a worker read at once, in any order.

    Args:
        source: The files. All machines of the cluster must reach them.
        options: How they are read.
        read: Addresses of files that are left out.
        address: As in `connect_ray`.
        workers: Number of actors, each with one core. None: one for each core of the cluster, also
            for those that join it later.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: No cluster answers, or the number of workers is less than 1.
        DataFormatError: An archive is damaged.
        DataUnavailableError: The storage of the pictures is gone.
        ModelError: The model fails.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"invalid number of workers {workers}: expected at least 1")
    with connect_ray(address, environment={"OMP_NUM_THREADS": "1"}) as ray:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Each row becomes a block, and each block a task: so many files as an actor reads at once.
        context.target_max_block_size = 1
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        n_cores = int(ray.cluster_resources().get("CPU", 1))
        shards = [{"shard": pickle.dumps(shard)} for shard in source.shards]
        files = ray.data.from_items(shards, override_num_blocks=len(shards)).map_batches(
            _list_files,
            batch_size=1,
            fn_args=(read,),
            num_cpus=0,  # they wait for storages; otherwise actors could leave them no core
            concurrency=min(max(2, n_cores // 4), len(shards)),
        )
        answers = files.map_batches(
            _RayReader,
            batch_size=1,
            batch_format="pyarrow",
            fn_constructor_args=(options,),
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=workers or 1, max_size=workers),
        )
        for batch in answers.iter_batches(batch_size=None, batch_format="pyarrow"):
            for answer in batch["answer"].to_pylist():
                files_rows, ending = json.loads(answer)
                if files_rows:
                    yield files_rows
                if ending is not None:
                    name, message = ending
                    raise _find_ending(name)(message)


def _list_files(batch: dict[str, Any], read: Container[str]) -> Iterator[Any]:
    """Yields a row for each `BATCH_FILES` items of shards."""
    for packed in batch["shard"]:
        shard: Shard = pickle.loads(packed)
        items: list[BatchItem] = []
        n_bytes = 0
        try:
            for item in shard.iterate(read):
                items.append(item)
                n_bytes += len(item.content or b"")
                if n_bytes >= _BLOCK_BYTES or len(items) == BATCH_FILES:
                    yield _build_table("files", pickle.dumps((items, None)))
                    items, n_bytes = [], 0
        except _ENDINGS as error:
            ending = type(error).__name__, str(error)
            yield _build_table("files", pickle.dumps((items, ending)))
            return
        yield _build_table("files", pickle.dumps((items, None)))


class _RayReader:
    """The actor: holds the model and reads files."""

    def __init__(self, options: BatchOptions) -> None:
        self._reader = FileReader(options)

    def __call__(self, batch: Any) -> Any:
        """Returns the rows of each file, and the error that ends the batch, as JSON."""
        answers: list[bytes] = []
        for packed in batch["files"].to_pylist():
            items, ending = pickle.loads(packed)
            rows: list[list[Row]] = []
            try:
                for item in items:
                    rows.append(self._reader.read(item))
            except _ENDINGS as error:
                ending = type(error).__name__, str(error)
            answers.append(json.dumps((rows, ending)).encode())
        return _build_table("answer", *answers)


def _build_table(name: str, *values: bytes) -> Any:
    import pyarrow

    return pyarrow.table({name: pyarrow.array(values, pyarrow.large_binary())})


def _find_ending(name: str) -> type[InkdigitsError]:
    return next((kind for kind in _ENDINGS if kind.__name__ == name), DataUnavailableError)
