"""What a user names as the source of a batch, as shards."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inkdigits.bulk.archives import (
    ARCHIVE_SUFFIXES,
    is_archive,
    is_picture_name,
    list_archive,
    split,
)
from inkdigits.bulk.batch_items import AddressShard, Shard
from inkdigits.bulk.storage import (
    has_wildcards,
    is_file,
    is_folder,
    is_remote,
    list_files,
    make_absolute,
    match_files,
    open_file,
)
from inkdigits.errors import DataFormatError, DataUnavailableError, UsageError
from inkdigits.pictures.picture_sources import is_address
from inkdigits.recognition.picture_lists import PICTURE_SUFFIXES, list_folder
from inkdigits.suggestions import ask_for, find_nearest

LIST_SUFFIXES: Final = (".txt", ".lst")
DOCUMENT_SUFFIXES: Final = (".pdf", ".tif", ".tiff")


@dataclass(frozen=True)
class BatchSource:
    """The shards of a source.

    Attributes:
        shards: Its shards. No address occurs twice.
        n_files: Number of files; None if it is unknown before they are read, as in a tar file.
        root: The folder on this machine that holds the files; None if there is no single one.
    """

    shards: Sequence[Shard]
    n_files: int | None
    root: Path | None = None

    @property
    def document(self) -> str | None:
        """Address of the only file, if that may have pages; otherwise None."""
        if len(self.shards) == 1 and isinstance(self.shards[0], AddressShard):
            addresses = self.shards[0].addresses
            if len(addresses) == 1 and addresses[0].lower().endswith(DOCUMENT_SUFFIXES):
                return addresses[0]
        return None


def find_source(source: str, *, column: str | None = None, max_bytes: int) -> BatchSource:
    """Finds the pictures of a source, without reading them.

    Args:
        source: A folder, whose subfolders belong to it; a glob, in which ** stands for subfolders;
            a text file with a path or address in each line; a zip, tar or Parquet file; a PDF or
            TIFF file; or a single picture. Each is a path or an address of fsspec.
        column: Column of Parquet files; None: the only one that fits.
        max_bytes: Maximum size of a picture file.

    Raises:
        UsageError: The source contains no pictures, or is nothing of these.
        DataUnavailableError: It is missing or cannot be reached.
        DataFormatError: An archive or list is damaged.
        MissingExtraError: A package of the extra `scale` is missing.
    """
    if not source:
        raise UsageError("empty source: name a folder, a glob, a list of paths, or an archive")
    if is_address(source):
        raise UsageError(
            f"invalid source {source}: expected a folder, archive or bucket; for addresses of the "
            "web, name a text file with one in each line, and --allow-url"
        )
    address = make_absolute(source)
    if has_wildcards(address):
        found = match_files(address)
        files = [name for name in found if is_picture_name(name) or is_archive(name)]
        if not files:
            raise UsageError(
                f"{source} matches {len(found)} files, but no picture or archive: quote a glob, as "
                "in 'scans/**/*.png'"
            )
        return _gather(files, column, max_bytes)
    if is_folder(address):
        return _gather(_list_pictures(address), column, max_bytes, root=address)
    if not is_file(address):
        raise DataUnavailableError(f"{source}: no such file or folder{_suggest(source)}")
    lowered = address.lower()
    if lowered.endswith(LIST_SUFFIXES):
        return _gather(_read_list(address), column, max_bytes)
    if not is_archive(address) and not lowered.endswith(PICTURE_SUFFIXES):
        expected = ", ".join((*LIST_SUFFIXES[:1], *ARCHIVE_SUFFIXES[:2], ".parquet", ".pdf"))
        raise UsageError(
            f"{source} has an unknown suffix: expected a folder, or a file that ends in "
            f"{expected}, or that of a picture such as .png"
        )
    return _gather([address], column, max_bytes)


def _gather(
    files: Iterable[str], column: str | None, max_bytes: int, *, root: str | None = None
) -> BatchSource:
    shards: list[Shard] = []
    unique = dict.fromkeys(files)
    for archived, group in itertools.groupby(unique, is_archive):
        if archived:
            for archive in group:
                shards += list_archive(archive, column, max_bytes)
        else:
            shards += split(list(group))
    shards = _remove_repeated(shards)
    sizes = [shard.n_items for shard in shards]
    known = [size for size in sizes if size is not None]
    if len(known) == len(sizes) and not any(known):
        raise UsageError("the source contains no pictures: expected files such as seven.png")
    n_files = sum(known) if len(known) == len(sizes) else None
    is_local = root is not None and not is_remote(root)
    return BatchSource(shards, n_files, Path(root) if root is not None and is_local else None)


def _remove_repeated(shards: Sequence[Shard]) -> list[Shard]:
    """Returns the shards without addresses that an earlier one has, as from two Parquet files."""
    if sum(isinstance(shard, AddressShard) for shard in shards) < 2:
        return list(shards)
    seen: set[str] = set()
    kept: list[Shard] = []
    for shard in shards:
        if isinstance(shard, AddressShard):
            shard = AddressShard(tuple(one for one in shard.addresses if one not in seen))
            seen.update(shard.addresses)
        kept.append(shard)
    return kept


def _list_pictures(folder: str) -> list[str]:
    if not is_remote(folder):
        return list_folder(folder)
    beginning = folder.rstrip("/")
    found = [name for name in list_files(folder) if is_picture_name(name.removeprefix(beginning))]
    if not found:
        raise UsageError(
            f"no pictures in folder {folder}: expected files such as {beginning}/seven.png"
        )
    return found


def _read_list(address: str) -> Iterator[str]:
    """Yields the paths and addresses in a text file. Paths are relative to the current folder."""
    try:
        with open_file(address) as file:
            for line in file:
                name = line.decode("utf-8", "surrogateescape").strip("\r\n")
                if "\0" in name:
                    raise DataFormatError(
                        f"{address} is not a text file: expected a path or address in each line"
                    )
                if name.strip():
                    yield make_absolute(name)
    except OSError as error:
        if isinstance(error, DataUnavailableError):
            raise
        raise DataUnavailableError(f"{address} cannot be read ({error})") from error


def _suggest(source: str) -> str:
    """Returns the end of a message that suggests similar names in the same folder."""
    if is_remote(source):
        return ""
    path = Path(source)
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f", nor the folder {path.parent}"
    close = [str(path.parent / name) for name in find_nearest(path.name, beside)]
    return f": {ask_for(close)}" if close else ""
