"""Reads one file of a batch: a row for the picture, or for each page of the document."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.allocator import return_freed_memory
from inkdigits.bulk.batch_items import BatchItem, show_address
from inkdigits.bulk.packed_model import PackedModel
from inkdigits.bulk.rows import Row, build_row
from inkdigits.bulk.storage import fetch_content, is_remote
from inkdigits.errors import (
    DataUnavailableError,
    InkdigitsError,
    PictureError,
    PictureFormatError,
)
from inkdigits.pictures.addresses import fetch_picture
from inkdigits.pictures.decoding import Picture
from inkdigits.pictures.documents import Page, iterate_pages
from inkdigits.pictures.kept_pictures import HeldFile
from inkdigits.pictures.picture_sources import is_address, read_content
from inkdigits.results.reading import Reading
from inkdigits.results.review_folder import ReviewFolder, needs_review

if TYPE_CHECKING:
    from inkdigits.recognition.reading_options import Digits


@dataclass(frozen=True)
class BatchOptions:
    """How the pictures of a batch are read. It can be pickled.

    Attributes:
        model: The model.
        digits: As in `Recognizer.read`.
        separators: As in `Recognizer.read`.
        threshold: As in `Recognizer.read`.
        allow_url: Whether addresses of the web are fetched.
        review: Folder for pictures to review; None for none.
        root: The folder on this machine that holds the pictures; if it vanishes, the batch ends.
    """

    model: PackedModel
    digits: Digits = "all"
    separators: bool = False
    threshold: float | None = None
    allow_url: bool = False
    root: Path | None = None
    review: Path | None = None


class FileReader:
    """Reads files with a model that is loaded once. Thread-safe."""

    def __init__(self, options: BatchOptions) -> None:
        """Loads the model, and makes the process return freed memory to the system.

        Raises:
            ModelError, MissingExtraError, UsageError: As in `Recognizer.load`.
        """
        return_freed_memory()
        self._options = options
        self._recognizer = options.model.load()
        self._review = None if options.review is None else ReviewFolder(options.review)

    def read(self, item: BatchItem) -> list[Row]:
        """Returns the rows of a file. A picture that cannot be read is a row with its error.

        Raises:
            DataUnavailableError: The storage of the pictures is gone.
            ModelError: The model fails.
        """
        return [self.read_page(item.address, page) for page in self.iterate_pages(item)]

    def iterate_pages(self, item: BatchItem) -> Iterator[tuple[Page, float]]:
        """Yields the decoded pages of a file, with the milliseconds that decoding took.

        Raises:
            DataUnavailableError: The storage of the pictures is gone.
        """
        try:
            name, content = self._fetch(item)
        except PictureError as error:
            yield (None, error), 0.0
            return
        pages = iterate_pages(HeldFile(name, content), self._recognizer.limits)
        while True:
            started = time.perf_counter()
            page = next(pages, None)
            if page is None:
                return
            yield page, 1000 * (time.perf_counter() - started)

    def read_page(self, address: str, decoded: tuple[Page, float]) -> Row:
        """Returns the row of a decoded page. Raises ModelError if the model fails."""
        (page, picture), milliseconds = decoded
        started = time.perf_counter()
        try:
            if isinstance(picture, PictureError):
                raise picture
            reading = self._recognizer.read(
                picture,
                digits=self._options.digits,
                separators=self._options.separators,
                threshold=self._options.threshold,
            )
        except PictureError as error:
            reading = Reading((), reason=str(error), error=error)
        except InkdigitsError:
            raise
        except Exception as error:  # one picture must not end a batch of a million others
            fault = f"{address}: a fault in inkdigits ({type(error).__name__}: {error})"
            failed = PictureFormatError(" ".join(fault.split()))
            reading = Reading((), reason=str(failed), error=failed)
        milliseconds += 1000 * (time.perf_counter() - started)
        if self._review is not None and needs_review(reading) and isinstance(picture, Picture):
            self._review.add(show_address(address), page, picture.pixels, reading)
        return build_row(
            show_address(address), page, reading, milliseconds, self._options.model.sha256
        )

    def _fetch(self, item: BatchItem) -> tuple[str, bytes]:
        address, max_bytes = item.address, self._recognizer.limits.max_bytes
        if item.error is not None:
            raise PictureFormatError(item.error)
        if item.content is not None:
            return address, item.content
        if is_address(address):
            if not self._options.allow_url:
                raise PictureFormatError(f"{address}: an address is fetched only with --allow-url")
            return address, fetch_picture(address, max_bytes)[1]
        if is_remote(address):
            return address, fetch_content(address, max_bytes)
        try:
            return address, read_content(Path(address), max_bytes)[1]
        except PictureError:
            root = self._options.root
            if root is not None and not root.is_dir():
                raise DataUnavailableError(f"{address} cannot be read: {root} is gone") from None
            raise
