"""The data set that a batch writes: parts that are complete or absent, and what they contain.

A part is written in one piece under its name, so each part in the folder is whole, whatever ends
the process. All rows of one file are in the same part: a file is either in the data set or not.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from inkdigits.bulk.read_addresses import ReadAddresses
from inkdigits.bulk.rows import COLUMNS, Row, build_schema
from inkdigits.bulk.storage import OutputFolder
from inkdigits.errors import (
    DataFormatError,
    InkdigitsError,
    MissingExtraError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from inkdigits.suggestions import describe_unknown

if TYPE_CHECKING:
    from filelock import FileLock

BatchFormat: TypeAlias = Literal["parquet", "csv", "jsonl"]
FORMATS: Final[tuple[BatchFormat, ...]] = get_args(BatchFormat)

SETTINGS_NAME: Final = "batch.json"
"""File of the settings, which a batch that goes on must share, and of the result."""

PART_ROWS: Final = 50_000
"""Maximum number of rows of a part, unless one file has more."""

PART_SECONDS: Final = (10.0, 600.0)
"""Minimum and maximum time between two parts. Between them it is `PART_SHARE` of the time so far,
so that a kill loses little work and a long batch does not end in thousands of small files."""

PART_SHARE: Final = 0.05

_VERSION: Final = 1
_PART: Final = re.compile(r"part-(\d{6,})\.(parquet|csv|jsonl)")
_LOCK: Final = ".lock"


class BatchDataset:
    """Writes the rows of a batch.

    Attributes:
        folder: Where the parts are.
        format: "parquet", "csv" or "jsonl".
        read: The files that the data set contains from before.
        n_rows: Number of rows in complete parts of this process.
        n_errors: Number of rows among them with an error.
    """

    def __init__(
        self, folder: OutputFolder, row_format: BatchFormat, read: ReadAddresses, next_part: int
    ) -> None:
        """Use `open_dataset`."""
        self.folder = folder
        self.format = row_format
        self.read = read
        self.n_rows = 0
        self.n_errors = 0
        self._next_part = next_part
        self._pending: list[Row] = []
        self._started = self._last_part = time.monotonic()

    def add(self, rows: Sequence[Row]) -> None:
        """Adds all rows of one file, and writes a part if one is due.

        Raises:
            OutputError: The part cannot be written. The parts before it are complete.
        """
        self._pending += rows
        now = time.monotonic()
        least, most = PART_SECONDS
        pause = min(max(PART_SHARE * (now - self._started), least), most)
        if len(self._pending) >= PART_ROWS or now - self._last_part >= pause:
            self.write_pending()

    def write_pending(self) -> None:
        """Writes the rows since the last part as a part, if there are any. Errors as in `add`."""
        self._last_part = time.monotonic()
        if not self._pending:
            return
        name = f"part-{self._next_part:06d}.{self.format}"
        self.folder.write(name, _ENCODERS[self.format](self._pending))
        self._next_part += 1
        self.n_rows += len(self._pending)
        self.n_errors += sum(row["error"] is not None for row in self._pending)
        self._pending = []


@contextmanager
def open_dataset(
    output: str,
    row_format: BatchFormat,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Iterator[BatchDataset]:
    """Opens a data set for the rows of a batch, and holds its lock during the block.

    At the end of the block the rest of the rows is written, also if an exception ends it, such as
    KeyboardInterrupt; but not if a part could not be written.

    Args:
        output: Path or address of the folder.
        row_format: "parquet", "csv" or "jsonl".
        settings: What the rows depend on. A batch is resumed only with the same settings.
        resume: Whether the data set may exist. Its rows are kept, and its files not read again.
        overwrite: Whether the parts of an earlier batch are removed first.

    Raises:
        UsageError: The format is unknown; both `resume` and `overwrite` are given; or there is no
            batch to resume, or one with other settings.
        OutputExistsError: There is a data set without `resume` or `overwrite`, or something else,
            or another process writes to it.
        MissingExtraError: A package of the extra `scale` is missing.
        DataFormatError: A part is damaged.
        OutputError: The folder cannot be written.
    """
    if row_format not in FORMATS:
        raise UsageError(describe_unknown("format", row_format, FORMATS))
    if resume and overwrite:
        raise UsageError(
            "resume keeps the rows of an earlier batch and overwrite removes them: choose one"
        )
    if row_format == "parquet":
        _load_pyarrow(output)
    folder = OutputFolder(output)
    if folder.is_local and Path(output).is_file():
        raise OutputExistsError(f"{output} is a file: name a folder for the parts of the data set")
    _check_earlier(folder, resume=resume, overwrite=overwrite)  # before the lock makes the folder
    with _lock(folder):
        earlier = _check_earlier(folder, resume=resume, overwrite=overwrite)
        settings = {"version": _VERSION, "format": row_format, **settings}
        parts = [name for name in earlier if _PART.fullmatch(name)]
        if SETTINGS_NAME in earlier and not overwrite:
            _check_settings(folder, settings)
        folder.remove_leftovers()
        if overwrite:
            for name in parts:
                folder.remove(name)
            parts = []
        _write_settings(folder, settings)
        numbers = [int(found[1]) for name in parts if (found := _PART.fullmatch(name))]
        dataset = BatchDataset(
            folder, row_format, _collect_read(folder, parts), max(numbers, default=-1) + 1
        )
        try:
            yield dataset
        except OutputError:
            raise
        except BaseException:
            dataset.write_pending()
            raise
        dataset.write_pending()
        n_earlier = len(dataset.read)
        result = {"files_before": n_earlier, "rows": dataset.n_rows, "errors": dataset.n_errors}
        _write_settings(folder, {**settings, "finished": result})


@contextmanager
def open_parts(output: str) -> Iterator[tuple[OutputFolder, list[str]]]:
    """Opens a data set to change its rows, and holds its lock during the block.

    Args:
        output: Path or address of the folder.

    Yields:
        The folder, and the names of the parts in it.

    Raises:
        UsageError: There is no batch in the folder.
        OutputExistsError: Another process writes to it.
        MissingExtraError: A package of the extra `scale` is missing.
    """
    folder = OutputFolder(output)
    if SETTINGS_NAME not in folder.list_names():
        raise UsageError(f"no batch in {output}: expected the folder of a data set")
    with _lock(folder):
        names = [name for name in folder.list_names() if _PART.fullmatch(name)]
        if any(name.endswith(".parquet") for name in names):
            _load_pyarrow(output)
        yield folder, names


def encode_part(row_format: BatchFormat, rows: Sequence[Row]) -> bytes:
    """Returns rows as the content of a part."""
    return _ENCODERS[row_format](rows)


def _check_earlier(folder: OutputFolder, *, resume: bool, overwrite: bool) -> list[str]:
    """Returns the names of the files in the folder, after checks."""
    names = [name for name in folder.list_names() if not name.startswith(".")]
    is_batch = SETTINGS_NAME in names
    if resume and not is_batch:
        raise UsageError(f"no batch in {folder.address} to resume: leave --resume out to start one")
    if is_batch and not (resume or overwrite):
        raise OutputExistsError(
            f"{folder.address} already contains a batch: continue it with --resume, or replace it "
            "with --force"
        )
    if names and not is_batch:
        raise OutputExistsError(
            f"{folder.address} exists already and is not empty: choose another folder"
        )
    return names


def _check_settings(folder: OutputFolder, settings: Mapping[str, Any]) -> None:
    try:
        earlier = json.loads(folder.read(SETTINGS_NAME))
        earlier.pop("finished", None)
    except (ValueError, AttributeError) as error:
        raise DataFormatError(
            f"{folder.address}/{SETTINGS_NAME} is damaged: choose another folder"
        ) from error
    for name, value in settings.items():
        if earlier.get(name) != value:
            raise UsageError(
                f"the batch in {folder.address} has {name} {earlier.get(name)!r}, not {value!r}: "
                "resume it with the same settings, or choose another folder"
            )


def _write_settings(folder: OutputFolder, settings: Mapping[str, Any]) -> None:
    folder.write(SETTINGS_NAME, json.dumps(settings, indent=2).encode() + b"\n")


@contextmanager
def _lock(folder: OutputFolder) -> Iterator[None]:
    """Holds the lock of a local folder, so that no two processes write the same pictures."""
    if not folder.is_local:
        yield
        return
    lock = _load_lock(Path(folder.address))
    try:
        yield
    finally:
        lock.release()


def _load_lock(folder: Path) -> FileLock:
    try:
        import filelock
    except ImportError as error:
        raise MissingExtraError(
            'filelock is not installed, but batch needs it: pip install "inkdigits[scale]"'
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise OutputExistsError(
            f"another process writes to {folder}: wait for it, or choose another folder"
        ) from None
    except InkdigitsError:
        raise
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}): choose another folder"
        ) from error
    return lock


def _collect_read(folder: OutputFolder, parts: Sequence[str]) -> ReadAddresses:
    def list_addresses() -> Iterator[str]:
        for name in parts:
            content = folder.read(name)
            try:
                yield from _ADDRESS_READERS[cast(BatchFormat, name.rpartition(".")[2])](content)
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise DataFormatError(
                    f"{folder.address}/{name} is damaged: remove it, and the pictures in it are "
                    "read again with --resume"
                ) from error

    return ReadAddresses.collect(list_addresses())


def _load_pyarrow(output: str) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"pyarrow is not installed, but Parquet in {output} needs it: "
            'pip install "inkdigits[scale]", or choose --format csv'
        ) from error


def _encode_parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist(list(rows), build_schema())
    parquet.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _encode_csv(rows: Sequence[Row]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "digits": json.dumps(row["digits"], separators=(",", ":"))})
    return buffer.getvalue().encode()


def _encode_jsonl(rows: Sequence[Row]) -> bytes:
    return b"".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows
    )


def _read_parquet_addresses(content: bytes) -> Iterator[str]:
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(content), columns=["address"])
    for chunk in table["address"].chunks:
        yield from chunk.to_pylist()


def _read_csv_addresses(content: bytes) -> Iterator[str]:
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        yield row["address"]


def _read_jsonl_addresses(content: bytes) -> Iterator[str]:
    for line in content.splitlines():
        yield json.loads(line)["address"]


_ENCODERS: Final[Mapping[BatchFormat, Callable[[Sequence[Row]], bytes]]] = {
    "parquet": _encode_parquet,
    "csv": _encode_csv,
    "jsonl": _encode_jsonl,
}
_ADDRESS_READERS: Final[Mapping[BatchFormat, Callable[[bytes], Iterator[str]]]] = {
    "parquet": _read_parquet_addresses,
    "csv": _read_csv_addresses,
    "jsonl": _read_jsonl_addresses,
}
