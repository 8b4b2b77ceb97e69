"""Pictures in zip, tar and Parquet files, one after the other, within limits."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from tarfile import (  # type: ignore[attr-defined]  # mypy does not know all of them
    EmptyHeaderError,
    ReadError,
    TarFile,
    TruncatedHeaderError,
)
from typing import IO, Any, Final

from inkdigits.bulk.batch_items import AddressShard, BatchItem, Shard, show_address
from inkdigits.bulk.storage import is_remote, make_absolute, open_file
from inkdigits.errors import DataFormatError, MissingExtraError, UsageError
from inkdigits.recognition.picture_lists import PICTURE_SUFFIXES

SHARD_ITEMS: Final = 256
"""Number of files in a shard: some minutes of work for one core."""

ZIP_SUFFIXES: Final = (".zip",)
TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
PARQUET_SUFFIXES: Final = (".parquet",)
ARCHIVE_SUFFIXES: Final = (*ZIP_SUFFIXES, *TAR_SUFFIXES, *PARQUET_SUFFIXES)

_PICTURE_COLUMNS: Final = ("image", "picture", "content", "bytes", "data")
_PATH_COLUMNS: Final = ("address", "path", "file", "filename", "file_name")
_BATCH_ROWS: Final = 16


def split(addresses: Sequence[str]) -> Iterator[AddressShard]:
    """Yields shards of these addresses."""
    for start in range(0, len(addresses), SHARD_ITEMS):
        yield AddressShard(tuple(addresses[start : start + SHARD_ITEMS]))


def is_picture_name(name: str) -> bool:
    """Returns whether a file in an archive is read: as in folders, by its suffix, and no dot."""
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return name.lower().endswith(PICTURE_SUFFIXES) and not is_hidden


def is_archive(address: str) -> bool:
    """Returns whether the name of a file is that of an archive."""
    is_member = is_remote(address) and "::" in address  # zip://7.png::scans.zip
    return address.lower().endswith(ARCHIVE_SUFFIXES) and not is_member


def list_archive(address: str, column: str | None, max_bytes: int) -> Iterator[Shard]:
    """Yields the shards of an archive.

    Args:
        address: A file with one of `ARCHIVE_SUFFIXES`.
        column: Column of a Parquet file; None: the only one that fits.
        max_bytes: Maximum size of a picture file.

    Raises:
        DataFormatError: The archive is damaged.
        DataUnavailableError: It is missing or cannot be reached.
        UsageError: A Parquet file has no such column, or several columns fit.
        MissingExtraError: pyarrow is not installed, for a Parquet file.
    """
    lowered = address.lower()
    if lowered.endswith(PARQUET_SUFFIXES):
        yield from _list_parquet(address, column, max_bytes)
    elif lowered.endswith(TAR_SUFFIXES):
        yield TarShard(address, max_bytes)
    else:
        with open_file(address) as file, _open_zip(address, file) as archive:
            listed = (entry.filename for entry in archive.infolist() if not entry.is_dir())
            names = list(dict.fromkeys(name for name in listed if is_picture_name(name)))
        for start in range(0, len(names), SHARD_ITEMS):
            yield ZipShard(address, tuple(names[start : start + SHARD_ITEMS]), max_bytes)


@dataclass(frozen=True)
class ZipShard:
    """Some of the pictures in a zip file.

    Attributes:
        archive: Address of the file.
        names: Names of the pictures in it, each only once.
        max_bytes: Maximum size of a picture file.
    """

    archive: str
    names: tuple[str, ...]
    max_bytes: int

    @property
    def n_items(self) -> int:
        """Number of pictures."""
        return len(self.names)

    def iterate(self, read: Container[str]) -> Iterator[BatchItem]:
        """As `Shard.iterate`. A picture that cannot be unpacked is an item with an error."""
        addresses = {name: show_address(f"zip://{name}::{self.archive}") for name in self.names}
        missing = [name for name, address in addresses.items() if address not in read]
        if not missing:
            return
        with open_file(self.archive) as file, _open_zip(self.archive, file) as archive:
            for name in missing:
                yield _unpack(archive, name, addresses[name], self.max_bytes)


class _WholeTarInfo(tarfile.TarInfo):
    """Raises an error at the end of a tar file that was cut off, which `tarfile` accepts."""

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> _WholeTarInfo:
        try:
            return super().fromtarfile(tarfile)
        except (EmptyHeaderError, TruncatedHeaderError) as error:
            raise ReadError("it has no end") from error


@dataclass(frozen=True)
class TarShard:
    """The pictures in a tar file, also a compressed one, which is read from start to end.

    Attributes:
        archive: Address of the file.
        max_bytes: Maximum size of a picture file.
    """

    archive: str
    max_bytes: int

    @property
    def n_items(self) -> None:
        """None: unknown before the file is read."""
        return None

    def iterate(self, read: Container[str]) -> Iterator[BatchItem]:
        """As `Shard.iterate`."""
        seen: set[str] = set()
        try:
            with (
                open_file(self.archive) as file,
                tarfile.open(fileobj=file, mode="r|*", tarinfo=_WholeTarInfo) as archive,
            ):
                for entry in archive:
                    address = show_address(f"tar://{entry.name}::{self.archive}")
                    is_new = is_picture_name(entry.name) and address not in seen
                    if not entry.isfile() or not is_new or address in read:
                        archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                        continue
                    seen.add(address)
                    if entry.size > self.max_bytes:
                        yield _reject(address, entry.size, self.max_bytes)
                    else:
                        stream = archive.extractfile(entry)
                        yield BatchItem(address, b"" if stream is None else stream.read())
                    archive.members = []  # type: ignore[attr-defined]
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise DataFormatError(
                f"{self.archive} is a damaged tar file ({_shorten(error)}): the pictures before "
                "the damage were read; pack it again"
            ) from error


@dataclass(frozen=True)
class ParquetShard:
    """A row group of a Parquet file with a column of pictures.

    Attributes:
        file: Address of the file.
        column: Column of bytes, or of structs of bytes and path as Hugging Face has them.
        group: Number of the row group.
        first_row: Number of its first row in the file, from 0.
        n_rows: Number of its rows.
        max_bytes: Maximum size of a picture file.
    """

    file: str
    column: str
    group: int
    first_row: int
    n_rows: int
    max_bytes: int

    @property
    def n_items(self) -> int:
        """Number of rows."""
        return self.n_rows

    def iterate(self, read: Container[str]) -> Iterator[BatchItem]:
        """As `Shard.iterate`. A row without bytes is an item with an error."""
        row = self.first_row
        with open_file(self.file) as opened:
            for batch in _iterate_batches(self.file, opened, self.column, [self.group]):
                for value in batch:
                    address = f"{self.file}#{row}"
                    row += 1
                    if address in read:
                        continue
                    content = value.as_py()
                    if isinstance(content, dict):
                        content = content.get("bytes")
                    if not isinstance(content, bytes):
                        yield BatchItem(address, error=f"{address}: no picture in this row")
                    elif len(content) > self.max_bytes:
                        yield _reject(address, len(content), self.max_bytes)
                    else:
                        yield BatchItem(address, content)


def _open_zip(address: str, file: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataFormatError(
            f"{address} is a damaged zip file ({_shorten(error)}): copy or pack it again"
        ) from error


def _unpack(archive: zipfile.ZipFile, name: str, address: str, max_bytes: int) -> BatchItem:
    try:
        with archive.open(name) as stream:
            content = stream.read(max_bytes + 1)  # what the archive says about sizes may be wrong
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        return BatchItem(address, error=f"{address}: damaged in the archive ({_shorten(error)})")
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or a rare compression
        return BatchItem(address, error=f"{address}: cannot be unpacked ({_shorten(error)})")
    if len(content) > max_bytes:
        return _reject(address, archive.getinfo(name).file_size, max_bytes)
    return BatchItem(address, content)


def _reject(address: str, size: int, max_bytes: int) -> BatchItem:
    fault = f"{address}: {size:,} bytes; the limit is {max_bytes:,}: resize it"
    return BatchItem(address, error=fault)


def _list_parquet(address: str, column: str | None, max_bytes: int) -> Iterator[Shard]:
    with open_file(address) as opened:
        file = _open_parquet(address, opened)
        chosen, has_paths = _choose_column(address, file.schema_arrow, column)
        metadata = file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if has_paths:
            paths = (
                value.as_py()
                for batch in _iterate_batches(address, opened, chosen, range(len(sizes)))
                for value in batch
            )
            yield from split(list(dict.fromkeys(make_absolute(path) for path in paths if path)))
            return
    first_row = 0
    for group, n_rows in enumerate(sizes):
        yield ParquetShard(address, chosen, group, first_row, n_rows, max_bytes)
        first_row += n_rows


def _choose_column(address: str, schema: Any, column: str | None) -> tuple[str, bool]:
    """Returns the name of the column, and whether it has paths instead of bytes."""
    from pyarrow import types

    def has_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return bool(kind.get_field_index("bytes") >= 0)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    def has_text(kind: Any) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    kinds = {name: schema.field(name).type for name in schema.names}
    bytes_columns = [name for name, kind in kinds.items() if has_bytes(kind)]
    path_columns = [name for name, kind in kinds.items() if has_text(kind)]
    if column is not None:
        if column in bytes_columns or column in path_columns:
            return column, column in path_columns
    else:
        for fitting, usual, has_paths in (
            (bytes_columns, _PICTURE_COLUMNS, False),
            (path_columns, _PATH_COLUMNS, True),
        ):
            named = [name for name in usual if name in fitting]
            if named or len(fitting) == 1:
                return (named or fitting)[0], has_paths
    shown = ", ".join(f"{name} ({kind})" for name, kind in list(kinds.items())[:6])
    wanted = "one column" if column is None else f"the column {column!r}"
    raise UsageError(
        f"{address} has the columns {shown[:160]}: expected {wanted} of pictures (bytes) or paths "
        "(text); name it with --column"
    )


def _open_parquet(address: str, opened: IO[bytes]) -> Any:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{address} is a Parquet file, but pyarrow is not installed: "
            'pip install "inkdigits[scale]"'
        ) from error
    try:
        # Limits for what a damaged or hostile file may claim about its own structure.
        return parquet.ParquetFile(
            opened,
            thrift_string_size_limit=2**26,
            thrift_container_size_limit=2**20,
            page_checksum_verification=True,
        )
    except (ArrowException, OSError, ValueError) as error:
        raise _describe_damage(address, error) from error


def _iterate_batches(
    address: str, opened: IO[bytes], column: str, groups: Sequence[int]
) -> Iterator[Any]:
    """Yields the values of a column in arrays, a few at a time."""
    from pyarrow import ArrowException

    try:
        file = _open_parquet(address, opened)
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=list(groups), columns=[column]):
            yield batch.column(0)
    except (ArrowException, OSError) as error:
        raise _describe_damage(address, error) from error


def _describe_damage(address: str, error: Exception) -> DataFormatError:
    return DataFormatError(
        f"{address} is a damaged Parquet file ({_shorten(error)}): download it again"
    )


def _shorten(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
