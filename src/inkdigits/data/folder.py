"""The four MNIST files: their names, checksums and location, and how to read them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path

import platformdirs

from inkdigits.errors import DataFormatError, DataUnavailableError
from inkdigits.files import read_limited

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

# SHA-256 of the uncompressed files as published by LeCun, Cortes and Burges.
PUBLISHED_SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

# Protects against decompression bombs and files that do not fit into memory.
MAX_RAW_BYTES = 2**30
MAX_IMAGES = MAX_RAW_BYTES // 28**2  # 1.3 million


def cache_directory() -> Path:
    """Returns the download cache: $INKDIGITS_CACHE, or a folder in the user's system cache."""
    chosen = os.environ.get("INKDIGITS_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("inkdigits")).expanduser()


def data_folder(directory: Path | str | None) -> Path:
    """Returns the folder of the four files: `directory`, or `mnist` in the download cache."""
    return cache_directory() / "mnist" if directory is None else Path(directory).expanduser()


def find_file(folder: Path, name: str) -> Path | None:
    """Finds one of the four files under its usual names; an uncompressed file comes first.

    Returns:
        The path of the file, or None if there is none.

    Raises:
        DataUnavailableError: The folder cannot be read.
    """
    dotted = name.replace("-idx", ".idx")  # the name after unpacking on some systems
    candidates = [folder / spelling for spelling in (name, dotted, f"{name}.gz", f"{dotted}.gz")]
    try:
        return next((path for path in candidates if path.is_file()), None)
    except OSError as error:
        raise DataUnavailableError(
            f"the folder {folder} cannot be read ({error.strerror}): check its permissions"
        ) from error


def read_raw(path: Path) -> bytes:
    """Reads the uncompressed IDX bytes of a file, which may be compressed with gzip.

    Raises:
        DataFormatError: The file is too large, or its gzip stream is damaged or too large.
        DataUnavailableError: The file cannot be read.
    """
    return decompress(read_content(path), str(path))


def read_content(path: Path, max_bytes: int = MAX_RAW_BYTES) -> bytes:
    """Reads a file of at most `max_bytes`.

    Raises:
        DataFormatError: The file is larger.
        DataUnavailableError: The file cannot be read.
    """
    try:
        return read_limited(path, max_bytes)
    except OSError as error:
        raise DataUnavailableError(
            f"{path} cannot be read ({error.strerror}): check the file and its permissions"
        ) from error
    except ValueError as error:
        raise DataFormatError(
            f"{path} has more than {max_bytes:,} bytes, the maximum: split it"
        ) from error


def decompress(content: bytes, name: str, max_bytes: int = MAX_RAW_BYTES) -> bytes:
    """Decompresses gzip content; returns other content unchanged.

    The first bytes decide whether the content is compressed, because file names and servers are
    not reliable.

    Raises:
        DataFormatError: The gzip stream is damaged, or larger than `max_bytes` when uncompressed.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            raw = file.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataFormatError(
            f"{name} is a damaged gzip file ({error}): download or copy it again"
        ) from error
    if len(raw) > max_bytes:
        raise DataFormatError(
            f"{name} has more than {max_bytes:,} bytes when uncompressed, the maximum: split it"
        )
    return raw


def compute_sha256(raw: bytes) -> str:
    """Returns the SHA-256 of `raw` as 64 hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()
