"""The state that the routes share: the recognizer, its threads and processes, and the limits."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from inkdigits.errors import ModelError, PictureError, RequestError
from inkdigits.pictures.decoding import DecodingLimits, Picture
from inkdigits.pictures.documents import DOCUMENT_FORMATS, MAX_PAGES
from inkdigits.pictures.file_formats import detect_format
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import TILE_SHAPE
from inkdigits.recognition.ensemble import add_shifts
from inkdigits.recognition.inside import Inside, load_inside
from inkdigits.recognition.network import Network
from inkdigits.recognition.reading_options import Digits
from inkdigits.recognition.recognizer import Recognizer
from inkdigits.results.review_folder import ReviewFolder
from inkdigits.web.batching import CANCELLED, BatchedNetwork, Batcher
from inkdigits.web.bodies import BodyReader, Upload
from inkdigits.web.corrections import CorrectionStore
from inkdigits.web.counters import Metrics
from inkdigits.web.decoders import DecoderPool
from inkdigits.web.heat_maps import add_heat_maps
from inkdigits.web.own_gallery import OwnGallery
from inkdigits.web.responses import describe_picture_error
from inkdigits.web.settings import Settings
from inkdigits.web.thread_pool import FairThreadPool

Result = TypeVar("Result")
Submit = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a task in a thread."""

_FILE_THREADS = 2
_FIRST_PICTURE = (64, 64)  # height and width; enough for the reader to allocate its buffers


@dataclass(frozen=True)
class ReadOptions:
    """How to read pictures, and what to include in the result.

    Attributes:
        digits: As in `Recognizer.read`.
        separators: As in `Recognizer.read`.
        shifts: As in `Recognizer.load`.
        threshold: As in `Recognizer.read`.
        tiles: Whether to include the tile of each digit.
        heat: Whether to include the heat map of each digit.
        page: The only page of documents to read, from 1; None for all pages.
    """

    digits: Digits = "all"
    separators: bool = False
    shifts: bool = False
    threshold: float | None = None
    tiles: bool = False
    heat: bool = False
    page: int | None = None


class Service:
    """The state that the routes share.

    Attributes:
        settings: Limits and options.
        bodies: Receives request bodies.
        metrics: Counters and histograms.
        corrections: The store of corrections; None if the service stores none.
        review: The pictures to review; None if there are none.
        gallery: The gallery of the page.
        failure: The exception that loading the model raised; None if it raised none.
        is_draining: Whether the service is stopping and rejects new requests.
        n_active: Number of requests in progress.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepares everything but the model, which `load` loads.

        Raises:
            OutputError, DataFormatError: The folder for corrections or that of the review cannot
                be used.
        """
        self.settings = settings
        self.bodies = BodyReader(settings)
        self.metrics = Metrics(self._count_waiting, lambda: self.n_active)
        folder = settings.corrections
        self.corrections = None if folder is None else CorrectionStore(folder)
        self.review = None if settings.review is None else ReviewFolder(settings.review)
        self.gallery = OwnGallery(settings.models)
        self.failure: Exception | None = None
        self.is_draining = False
        self.n_active = 0
        self._n_active_of_client: Counter[str] = Counter()
        self._recognizer: Recognizer | None = None
        self._batcher: Batcher | None = None
        self._network: Network | None = None
        self._inside: Inside | ModelError | None = None
        self._inside_lock = threading.Lock()
        n_threads = settings.n_threads or os.cpu_count() or 1
        self._threads = FairThreadPool(n_threads, "inkdigits-picture")
        # Separate, because a network folder may hang.
        self._file_threads = FairThreadPool(_FILE_THREADS, "inkdigits-file")
        self._decoders = DecoderPool(
            n_threads, DecodingLimits(max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        )

    @property
    def is_ready(self) -> bool:
        """Whether the service accepts pictures now."""
        return self._recognizer is not None and not self.is_draining

    @property
    def recognizer(self) -> Recognizer:
        """The recognizer, whose network batches tiles; it blocks, so use it in threads only.

        Raises:
            RequestError: The model is not loaded yet: status 503.
        """
        if self._recognizer is None:
            raise RequestError(503, "The model is being loaded", {"Retry-After": "1"})
        return self._recognizer

    @property
    def model_name(self) -> str:
        """The recipe of the network for tiles, its name in the Open Inference Protocol.

        Raises:
            RequestError: As for `recognizer`.
        """
        return str(self.recognizer.card.recipe.get("name", "model"))

    @property
    def inside(self) -> Inside:
        """The network for tiles with its layers, loaded on first use; use it in threads only.

        Raises:
            RequestError: The model is not loaded yet (503), or its layers cannot be shown (404).
        """
        if self._network is None:
            raise RequestError(503, "The model is being loaded", {"Retry-After": "1"})
        with self._inside_lock:
            if self._inside is None:
                try:
                    self._inside = load_inside(self._network)
                except ModelError as error:
                    self._inside = error
            if isinstance(self._inside, Inside):
                return self._inside
            text = str(self._inside)
            raise RequestError(404, text[0].upper() + text[1:])

    async def load(self, load_recognizer: Callable[[], Recognizer]) -> None:
        """Loads the model. An exception is stored as `failure`."""
        try:
            self._start(await asyncio.to_thread(load_recognizer))
        except Exception as error:
            self.failure = error

    def _start(self, recognizer: Recognizer) -> None:
        # The first call is the slowest, and fails if the network and its card do not match.
        recognizer.classify(np.zeros((1, *TILE_SHAPE), np.uint8))
        recognizer.reader.detect(np.full(_FIRST_PICTURE, 255, np.uint8))
        self._batcher = Batcher(
            recognizer.network,
            max_batch=self.settings.max_batch,
            max_waiting=self.settings.max_waiting,
            report_batch=self.metrics.report_batch,
        )
        self._network = recognizer.network
        network = BatchedNetwork(self._batcher, max_tiles=self.settings.max_batch)
        self._recognizer = recognizer.adapt(network=network)

    async def close(self) -> None:
        """Finishes the running tasks, and ends threads and processes."""
        for threads in (self._threads, self._file_threads):
            await asyncio.to_thread(threads.close, self.settings.deadline_s)
        if self._batcher is not None:
            await asyncio.to_thread(self._batcher.close)
        await asyncio.to_thread(self.gallery.close)
        await asyncio.to_thread(self._decoders.close)

    @contextmanager
    def admit(self, request: Request) -> Iterator[None]:
        """Counts a request as in progress until the block ends.

        Args:
            request: The request; its client may use a part of the concurrent requests only.

        Raises:
            RequestError: The service is stopping, or a limit of concurrent requests is reached:
                status 503.
        """
        if self.is_draining:
            raise RequestError(503, "The service is stopping", {"Retry-After": "5"})
        if self.n_active >= self.settings.max_requests:
            raise RequestError(
                503,
                f"The limit of {self.settings.max_requests} concurrent requests is reached: try "
                "again soon",
                {"Retry-After": "1"},
            )
        client = _get_client(request)
        limit = self.settings.max_client_requests
        if self._n_active_of_client[client] >= limit:
            raise RequestError(
                503,
                f"The limit of {limit} concurrent requests per client is reached: wait for a "
                "response",
                {"Retry-After": "1"},
            )
        self.n_active += 1
        self._n_active_of_client[client] += 1
        try:
            yield
        finally:
            self.n_active -= 1
            self._n_active_of_client[client] -= 1
            if not self._n_active_of_client[client]:
                del self._n_active_of_client[client]

    async def run(
        self, request: Request, *tasks: Callable[[], Result], on_files: bool = False
    ) -> list[Result]:
        """Runs tasks in threads, until the deadline or until the client disconnects.

        Args:
            request: The request that the tasks belong to; its body has been received.
            tasks: Callables, which may run at the same time.
            on_files: Whether the tasks access files, which may hang on a network folder.

        Returns:
            The return value of each task, in order.

        Raises:
            RequestError: The deadline has passed: status 503.
            ClientDisconnect: The client disconnected.
            Exception: The exception of the first task that failed.
        """

        async def run_all(submit: Submit) -> list[Result]:
            return list(await asyncio.gather(*map(submit, tasks)))

        return await self._run(request, run_all, on_files=on_files)

    async def _run(
        self,
        request: Request,
        work: Callable[[Submit], Awaitable[Result]],
        *,
        on_files: bool = False,
    ) -> Result:
        """Runs a coroutine that submits tasks to threads, until the deadline, as `run` does."""
        cancelled = threading.Event()
        threads = self._file_threads if on_files else self._threads
        client = _get_client(request)

        def submit(task: Callable[[], Any]) -> Awaitable[Any]:
            def run_one() -> Any:
                CANCELLED.set(cancelled)
                return task()

            return asyncio.wrap_future(threads.submit(client, run_one))

        results = asyncio.ensure_future(work(submit))
        disconnect = asyncio.ensure_future(_await_disconnect(request))
        try:
            done, _ = await asyncio.wait(
                (results, disconnect),
                timeout=self.settings.deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if results in done:
                return results.result()
            if disconnect in done:
                raise ClientDisconnect
            raise self._deadline_error()
        finally:
            cancelled.set()
            disconnect.cancel()
            if not results.done():
                results.cancel()
                results.add_done_callback(_take_exception)

    async def read(
        self,
        request: Request,
        uploads: Sequence[Upload],
        options: ReadOptions,
    ) -> list[dict[str, Any]]:
        """Reads pictures and documents.

        Args:
            request: The request that the pictures belong to.
            uploads: The pictures.
            options: How to read them, and what to include in the result.

        Returns:
            A JSON object per picture or page, as `inkdigits predict --json` prints it, with width
            and height in addition.

        Raises:
            PictureError: The only picture or document cannot be read. One of several, and a page,
                has an object with `error` instead.
            RequestError, ClientDisconnect: As in `run`; the model is not loaded; there are too many
                pages (413), or there is no page of this number (422).
        """
        recognizer = self.recognizer

        async def list_pages(submit: Submit, upload: Upload) -> tuple[Upload, Sequence[int | None]]:
            if not _is_document(upload) and options.page in (None, 1):
                return upload, [None]
            try:
                list_of_one = functools.partial(self._list_pages, upload, options.page)
                return upload, await submit(list_of_one)
            except PictureError as error:
                return replace(upload, error=error), [None]

        def read_page(upload: Upload, page: int | None) -> dict[str, Any]:
            try:
                return _read(recognizer, self._decode_page, upload, page, options)
            except PictureError as error:
                if len(uploads) == 1 and page is None:
                    raise
                row = {"file": upload.name, "page": page, "error": describe_picture_error(error)[1]}
                return {key: value for key, value in row.items() if key == "file" or value}

        async def read_pages(
            submit: Submit, upload: Upload, pages: Sequence[int | None]
        ) -> list[dict[str, Any]]:
            # One after the other, so that a document takes the memory of one page only.
            return [await submit(functools.partial(read_page, upload, page)) for page in pages]

        async def read_all(submit: Submit) -> list[dict[str, Any]]:
            listed = await asyncio.gather(*(list_pages(submit, upload) for upload in uploads))
            self._check_pages(sum(len(pages) for _, pages in listed if pages != [None]))
            rows = await asyncio.gather(*(read_pages(submit, *each) for each in listed))
            return list(itertools.chain.from_iterable(rows))

        return await self._run(request, read_all)

    def _list_pages(self, upload: Upload, page: int | None) -> Sequence[int | None]:
        """Returns the numbers of the pages to read; a single None for a picture without pages."""
        n_pages = None
        if _is_document(upload):
            limit = self.settings.max_pages if page is None else MAX_PAGES
            n_pages = self._decoders.count_pages(
                upload.content, upload.name, limit, CANCELLED.get()
            )
        if page is not None and page > (n_pages or 1):
            raise RequestError(
                422, f"page: expected 1 to {n_pages or 1}, the last page, not {page}"
            )
        if n_pages is None:
            return [None]
        return range(1, n_pages + 1) if page is None else [page]

    def _check_pages(self, n_pages: int) -> None:
        if n_pages > self.settings.max_pages:
            raise RequestError(
                413,
                f"The documents have {n_pages:,} pages; the limit of a request is "
                f"{self.settings.max_pages:,}: send fewer at once",
            )

    def _decode_page(self, upload: Upload, page: int | None) -> Picture:
        # A TIFF file without pages may have a thumbnail, which is not worth a note.
        page = 1 if page is None and _is_document(upload) else page
        return self._decoders.decode(upload.content, upload.name, CANCELLED.get(), page=page)

    def decode(self, content: bytes, name: str | None = None) -> Picture:
        """Decodes a picture in a decoder process; for tasks of `run`.

        Raises:
            PictureError, RequestError: As in `DecoderPool.decode`.
        """
        return self._decoders.decode(content, name, CANCELLED.get())

    async def classify(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classifies tiles, as `Recognizer.classify`, without blocking a thread.

        Raises:
            RequestError: The model is not loaded, the queue is full, or the deadline has passed:
                status 503.
        """
        card = self.recognizer.card
        if self._batcher is None:
            raise RequestError(503, "The model is being loaded", {"Retry-After": "1"})
        size = self.settings.max_batch
        futures = [
            asyncio.wrap_future(self._batcher.submit(tiles[start : start + size]))
            for start in range(0, len(tiles), size)
        ]
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                outputs = [await future for future in futures]
        except TimeoutError:
            raise self._deadline_error() from None
        finally:
            for future in futures:
                future.cancel()
        return keep_digits(calibrate(np.concatenate(outputs), card.temperature), card.n_classes)

    def _deadline_error(self) -> RequestError:
        return RequestError(
            503,
            f"The response was not ready within {self.settings.deadline_s:g} s: try again later, "
            "or send less in one request",
            {"Retry-After": "5"},
        )

    def _count_waiting(self) -> int:
        return 0 if self._batcher is None else self._batcher.n_waiting


def _is_document(upload: Upload) -> bool:
    return detect_format(upload.content) in DOCUMENT_FORMATS


def _read(
    recognizer: Recognizer,
    decode_page: Callable[[Upload, int | None], Picture],
    upload: Upload,
    page: int | None,
    options: ReadOptions,
) -> dict[str, Any]:
    if upload.error is not None:
        raise upload.error
    try:
        recognizer.check_reads_digits()
    except ModelError as error:
        message = str(error)
        raise RequestError(422, f"{message[0].upper()}{message[1:]}") from None
    picture = decode_page(upload, page)
    # The heat maps below stay without shifts, which would take nine times as long.
    reader = add_shifts(recognizer) if options.shifts else recognizer
    reading = reader.read(
        picture,
        digits=options.digits,
        separators=options.separators,
        threshold=options.threshold,
    )
    row = replace(reading, source=upload.name, page=page).to_dict()
    row["height"], row["width"] = picture.pixels.shape
    if options.tiles:
        for digit, digit_row in zip(reading.digits, row["digits"], strict=True):
            digit_row["tile"] = digit.tile
    if options.heat:
        add_heat_maps(row, reading, recognizer.classify)
    return row


def get_service(request: Request) -> Service:
    """Returns the service of the application that handles a request."""
    service: Service = request.app.state.service
    return service


def _get_client(request: Request) -> str:
    return request.client.host if request.client else ""


async def _await_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _take_exception(results: asyncio.Future[Any]) -> None:
    if not results.cancelled():
        results.exception()
