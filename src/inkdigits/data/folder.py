"""The four files of MNIST in a folder: their names, where they lie, reading and writing them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path

import platformdirs

from inkdigits.errors import DataFormatError, DataUnavailableError

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

# SHA-256 of the raw files that LeCun, Cortes and Burges published.
PUBLISHED_SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

# A small compressed file can hold terabytes of zeros. 1.3 million images fit below this.
_MAX_RAW_BYTES = 2**30


def cache_directory() -> Path:
    """The folder of everything that inkdigits downloads: $INKDIGITS_CACHE, or the system's."""
    chosen = os.environ.get("INKDIGITS_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("inkdigits")).expanduser()


def data_folder(directory: Path | str | None) -> Path:
    """The folder that holds the four files: `directory`, or `mnist` in our cache."""
    return cache_directory() / "mnist" if directory is None else Path(directory).expanduser()


def find_file(folder: Path, name: str) -> Path | None:
    """Find one of the four files under one of its usual names, raw before compressed.

    Raises:
        DataUnavailableError: The folder may not be looked into.
    """
    dotted = name.replace("-idx", ".idx")  # as the original archive unpacks on some systems
    candidates = [folder / spelling for spelling in (name, dotted, f"{name}.gz", f"{dotted}.gz")]
    try:
        return next((path for path in candidates if path.is_file()), None)
    except OSError as error:
        raise DataUnavailableError(
            f"{folder} cannot be looked into: {error.strerror}; check its permissions"
        ) from error


def read_raw(path: Path) -> bytes:
    """Read the raw IDX bytes of a file, which may be compressed with gzip.

    Raises:
        DataFormatError: The gzip stream is damaged or holds too much.
        DataUnavailableError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataUnavailableError(
            f"{path} cannot be read: {error.strerror}; check the file and its permissions"
        ) from error
    return decompress(content, str(path))


def decompress(content: bytes, name: str, max_bytes: int = _MAX_RAW_BYTES) -> bytes:
    """Undo gzip where there is any; the content tells, since names and servers do not always.

    Raises:
        DataFormatError: The gzip stream is damaged or holds more than `max_bytes`.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            raw = file.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataFormatError(
            f"{name} is a damaged gzip file ({error}), expected a whole one: copy it again"
        ) from error
    if len(raw) > max_bytes:
        raise DataFormatError(
            f"{name} holds more than {max_bytes} bytes, the most that is read: split it"
        )
    return raw


def compute_sha256(raw: bytes) -> str:
    """The SHA-256 of raw IDX bytes as 64 hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()
