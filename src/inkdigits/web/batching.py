"""Batches the tiles of concurrent requests for the network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import RequestError
from inkdigits.recognition.network import Network

CANCELLED: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)
"""Set once the request that the current thread works for has timed out or disconnected."""


class Batcher:
    """One thread that runs the network on the queued calls.

    It never waits for a batch to fill: a single call is answered without delay, and batches grow
    with the load.
    """

    def __init__(
        self,
        network: Network,
        *,
        max_batch: int,
        max_waiting: int,
        report_batch: Callable[[int], object] = lambda n_tiles: None,
    ) -> None:
        """Starts the thread; `close` ends it.

        Args:
            network: The network that classifies tiles.
            max_batch: Largest number of tiles in a batch. A single larger call is one batch.
            max_waiting: Largest number of calls in the queue.
            report_batch: Called with the number of tiles of each batch.
        """
        self._network = network
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._report_batch = report_batch
        self._waiting: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="inkdigits-batch", daemon=True)
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Number of calls in the queue."""
        return self._waiting.qsize()

    def submit(self, tiles: NDArray[np.uint8]) -> Future[NDArray[np.float32]]:
        """Queues tiles for classification.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            A future of the network's output for these tiles.

        Raises:
            RequestError: The queue is full: status 503.
        """
        if self._waiting.qsize() >= self._max_waiting:
            raise RequestError(503, "The queue is full: try again soon", {"Retry-After": "1"})
        call = _Call(tiles)
        self._waiting.put(call)
        return call.future

    def close(self) -> None:
        """Runs the queued calls, then ends the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        ahead: _Call | None = None
        while True:
            first = ahead or self._waiting.get()
            ahead = None
            if first is None:
                return
            calls, n_tiles = [first], len(first.tiles)
            while n_tiles < self._max_batch:
                try:
                    following = self._waiting.get_nowait()
                except Empty:
                    break
                if following is None:
                    self._waiting.put(None)  # ends the thread after this batch
                    break
                if n_tiles + len(following.tiles) > self._max_batch:
                    ahead = following
                    break
                calls.append(following)
                n_tiles += len(following.tiles)
            self._run([call for call in calls if call.future.set_running_or_notify_cancel()])

    def _run(self, calls: list[_Call]) -> None:
        if not calls:
            return
        try:
            tiles = calls[0].tiles
            if len(calls) > 1:
                tiles = np.concatenate([call.tiles for call in calls])
            self._report_batch(len(tiles))
            outputs = self._network(tiles)
        except BaseException as error:
            for call in calls:
                call.future.set_exception(error)
            return
        start = 0
        for call in calls:
            end = start + len(call.tiles)
            call.future.set_result(outputs[start:end])
            start = end


class _Call:
    """Tiles, and the future of the network's output for them."""

    __slots__ = ("future", "tiles")

    def __init__(self, tiles: NDArray[np.uint8]) -> None:
        self.tiles = tiles
        self.future: Future[NDArray[np.float32]] = Future()


class BatchedNetwork:
    """A network that submits its tiles to a batcher; safe to share between threads."""

    def __init__(self, batcher: Batcher, *, max_tiles: int) -> None:
        """Submits at most `max_tiles` per call, so that one large page cannot starve others."""
        self._batcher = batcher
        self._max_tiles = max_tiles

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classifies tiles, as `Network.__call__`; blocks until the result is there.

        Raises:
            RequestError: The queue is full, or the request was cancelled: status 503.
        """
        outputs = []
        for start in range(0, max(len(tiles), 1), self._max_tiles):
            cancelled = CANCELLED.get()
            if cancelled is not None and cancelled.is_set():
                raise RequestError(503, "The request was cancelled")
            outputs.append(self._batcher.submit(tiles[start : start + self._max_tiles]).result())
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
