"""The recognizer as a service: loaded once, asked by many at once, within limits."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from inkdigits.errors import PictureError, RequestError
from inkdigits.recognition.attribution import compute_occlusion
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import TILE_SHAPE
from inkdigits.recognition.decoding import DecodingLimits, Picture
from inkdigits.recognition.recognizer import Recognizer
from inkdigits.web.answers import describe_picture_error
from inkdigits.web.batching import GIVEN_UP, BatchedNetwork, Batcher
from inkdigits.web.bodies import BodyReader, Upload
from inkdigits.web.corrections import CorrectionStore
from inkdigits.web.decoders import DecoderPool
from inkdigits.web.metrics import Metrics
from inkdigits.web.settings import Settings
from inkdigits.web.sharing import SharedThreads

Result = TypeVar("Result")

MOST_EXPLAINED = 12
MOST_FINE = 5
"""Digits of a picture for which the service says what mattered, and for how many of them pixel by
pixel: a whole tile takes 0.2 s of a core, and every second pixel each way a quarter of it."""
_FILE_THREADS = 2
_FIRST_PICTURE = (64, 64)  # height and width; all that a network allocates, it allocates for it too


@dataclass(frozen=True)
class Wanted:
    """How pictures are read, and what is told of them.

    Attributes:
        one_digit: As in `Recognizer.read`.
        separators: As in `Recognizer.read`.
        threshold: As in `Recognizer.read`.
        tiles: Whether each digit comes with its tile.
        heat: Whether each digit comes with what its reading rests on.
    """

    one_digit: bool = False
    separators: bool = False
    threshold: float | None = None
    tiles: bool = False
    heat: bool = False


class Service:
    """What the routes share.

    Attributes:
        settings: The limits.
        bodies: Receives requests.
        metrics: Counts.
        corrections: Where they are kept; None where they are not.
        failure: Why the model could not be loaded.
        is_draining: Whether nothing new is taken any more.
        n_active: Requests that have been taken and not been answered yet.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepares all but the model.

        Raises:
            OutputError: The folder for corrections cannot be used.
        """
        self.settings = settings
        self.bodies = BodyReader(settings)
        self.metrics = Metrics(self._count_waiting, lambda: self.n_active)
        folder = settings.corrections
        self.corrections = None if folder is None else CorrectionStore(folder)
        self.failure: Exception | None = None
        self.is_draining = False
        self.n_active = 0
        self._of_client: Counter[str] = Counter()
        self._recognizer: Recognizer | None = None
        self._batcher: Batcher | None = None
        n_threads = settings.n_threads or os.cpu_count() or 1
        self._threads = SharedThreads(n_threads, "inkdigits-picture")
        # Of their own: a folder on a network that is gone holds only those.
        self._file_threads = SharedThreads(_FILE_THREADS, "inkdigits-file")
        self._decoders = DecoderPool(
            n_threads, DecodingLimits(max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        )

    @property
    def is_ready(self) -> bool:
        """Whether pictures are read now."""
        return self._recognizer is not None and not self.is_draining

    @property
    def recognizer(self) -> Recognizer:
        """Reads pictures with the threads of others together; only for the service's threads.

        Raises:
            RequestError: The model is not loaded yet: status 503.
        """
        if self._recognizer is None:
            raise RequestError(503, "The model is being loaded", {"Retry-After": "1"})
        return self._recognizer

    async def load(self, load_recognizer: Callable[[], Recognizer]) -> None:
        """Loads the model; what goes wrong is kept as `failure`."""
        try:
            self._start(await asyncio.to_thread(load_recognizer))
        except Exception as error:
            self.failure = error

    def _start(self, recognizer: Recognizer) -> None:
        # The first call is the slowest one, and shows whether network and card belong together.
        recognizer.classify(np.zeros((1, *TILE_SHAPE), np.uint8))
        recognizer.reader.detect(np.full(_FIRST_PICTURE, 255, np.uint8))
        self._batcher = Batcher(
            recognizer.network,
            max_batch=self.settings.max_batch,
            max_waiting=self.settings.max_waiting,
            report_batch=self.metrics.report_batch,
        )
        network = BatchedNetwork(self._batcher, max_tiles=self.settings.max_batch)
        self._recognizer = recognizer.adapt(network=network)

    async def close(self) -> None:
        """Finishes what has begun, and ends threads and processes."""
        for threads in (self._threads, self._file_threads):
            await asyncio.to_thread(threads.close, self.settings.deadline_s)
        if self._batcher is not None:
            await asyncio.to_thread(self._batcher.close)
        await asyncio.to_thread(self._decoders.close)

    @contextmanager
    def admit(self, request: Request) -> Iterator[None]:
        """Counts a request as active.

        Args:
            request: Whose client may have a share of the places, so that others find some.

        Raises:
            RequestError: The service is stopping or has enough to do: status 503.
        """
        if self.is_draining:
            raise RequestError(503, "The service is stopping", {"Retry-After": "5"})
        if self.n_active >= self.settings.max_requests:
            raise RequestError(
                503,
                f"All {self.settings.max_requests} places are taken: try again soon",
                {"Retry-After": "1"},
            )
        client = _get_client(request)
        most = self.settings.max_client_requests
        if self._of_client[client] >= most:
            raise RequestError(
                503,
                f"The {most} places of one client are taken: wait for an answer",
                {"Retry-After": "1"},
            )
        self.n_active += 1
        self._of_client[client] += 1
        try:
            yield
        finally:
            self.n_active -= 1
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    async def run(
        self, request: Request, *works: Callable[[], Result], on_files: bool = False
    ) -> list[Result]:
        """Runs work in threads, until the deadline or until the client has gone.

        Args:
            request: On whose behalf; its body has been received.
            works: May run at the same time.
            on_files: Whether they may hang, as files of a network do.

        Returns:
            What each of them returned, in their order.

        Raises:
            RequestError: The deadline has passed: status 503.
            ClientDisconnect: The client has gone.
            Exception: What the first work raised that failed.
        """
        given_up = threading.Event()

        def run_one(work: Callable[[], Result]) -> Result:
            GIVEN_UP.set(given_up)
            return work()

        threads = self._file_threads if on_files else self._threads
        client = _get_client(request)
        futures = [threads.submit(client, functools.partial(run_one, work)) for work in works]
        results = asyncio.gather(*map(asyncio.wrap_future, futures))
        departure = asyncio.ensure_future(_await_departure(request))
        try:
            done, _ = await asyncio.wait(
                (results, departure),
                timeout=self.settings.deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if results in done:
                return results.result()
            if departure in done:
                raise ClientDisconnect
            raise self._too_late()
        finally:
            given_up.set()
            departure.cancel()
            if not results.done():
                results.cancel()
                results.add_done_callback(_take_exception)

    async def read(
        self,
        request: Request,
        uploads: Sequence[Upload],
        wanted: Wanted,
    ) -> list[dict[str, Any]]:
        """Reads pictures.

        Args:
            request: On whose behalf.
            uploads: The pictures.
            wanted: How to read them, and what to tell of each.

        Returns:
            A row for each picture, for JSON, as `inkdigits predict --json` prints it; besides
            width and height.

        Raises:
            PictureError: The only picture cannot be read; among several it has its row.
            RequestError, ClientDisconnect: As in `run`, or the model is not loaded.
        """
        recognizer = self.recognizer

        def read_one(upload: Upload) -> dict[str, Any]:
            try:
                return _read(recognizer, self.decode, upload, wanted)
            except PictureError as error:
                if len(uploads) == 1:
                    raise
                return {"file": upload.name, "error": describe_picture_error(error)[1]}

        return await self.run(
            request, *(lambda upload=upload: read_one(upload) for upload in uploads)
        )

    def decode(self, content: bytes, name: str | None = None) -> Picture:
        """Decodes a picture in a process of its own, on behalf of what `run` runs.

        Raises:
            PictureError, RequestError: As in `DecoderPool.decode`.
        """
        return self._decoders.decode(content, name, GIVEN_UP.get())

    async def classify(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Recognizer.classify`, without a thread that waits.

        Raises:
            RequestError: The model is not loaded, too much waits, or the deadline has passed.
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
                judged = [await future for future in futures]
        except TimeoutError:
            raise self._too_late() from None
        finally:
            for future in futures:
                future.cancel()
        return keep_digits(calibrate(np.concatenate(judged), card.temperature))

    def _too_late(self) -> RequestError:
        return RequestError(
            503,
            f"The answer was not ready within {self.settings.deadline_s:g} s: try again later, or "
            "send less at once",
            {"Retry-After": "5"},
        )

    def _count_waiting(self) -> int:
        return 0 if self._batcher is None else self._batcher.n_waiting


def _read(
    recognizer: Recognizer,
    decode: Callable[[bytes, str | None], Picture],
    upload: Upload,
    wanted: Wanted,
) -> dict[str, Any]:
    picture = decode(upload.content, upload.name)
    reading = recognizer.read(
        picture.pixels,
        one_digit=wanted.one_digit,
        separators=wanted.separators,
        threshold=wanted.threshold,
    )
    reading = replace(reading, notes=(*picture.notes, *reading.notes))
    row: dict[str, Any] = {"file": upload.name, **reading.to_json()}
    row["height"], row["width"] = picture.pixels.shape
    if wanted.heat and len(reading.digits) > MOST_EXPLAINED:
        row["notes"] = [
            *row["notes"],
            f"what mattered is told for the first {MOST_EXPLAINED} digits alone",
        ]
    step = 1 if len(reading.digits) <= MOST_FINE else 2
    for number, (digit, described) in enumerate(zip(reading.digits, row["digits"], strict=True)):
        if wanted.tiles:
            described["tile"] = digit.tile
        if wanted.heat and number < MOST_EXPLAINED:
            best = int(digit.probabilities.argmax())
            heat = compute_occlusion(digit.tile, recognizer.classify, best, step=step)
            described["heat"] = heat.round(4)
    return row


def _get_client(request: Request) -> str:
    return request.client.host if request.client else ""


async def _await_departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _take_exception(results: asyncio.Future[Any]) -> None:
    if not results.cancelled():
        results.exception()
