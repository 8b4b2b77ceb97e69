"""Tiles of simultaneous requests, which the network sees together."""

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

GIVEN_UP: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)
"""Set where nobody waits any longer for what the current thread works on."""


class Batcher:
    """One thread that runs the network on whatever waits.

    It never waits for more to come: a lone tile is answered as fast as without it, and the more
    there is to do, the larger the batches become.
    """

    def __init__(
        self,
        network: Network,
        *,
        max_batch: int,
        max_waiting: int,
        report_batch: Callable[[int], object] = lambda n_tiles: None,
    ) -> None:
        """Starts the thread, which `close` ends.

        Args:
            network: What judges tiles.
            max_batch: Tiles at most that the network sees at once, unless one call alone has more.
            max_waiting: Calls that may wait.
            report_batch: Told the number of tiles of each batch.
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
        """Calls that the network has not begun."""
        return self._waiting.qsize()

    def submit(self, tiles: NDArray[np.uint8]) -> Future[NDArray[np.float32]]:
        """Has tiles judged.

        Args:
            tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.

        Returns:
            The future of what the network gives for them.

        Raises:
            RequestError: Too many calls wait already: status 503.
        """
        if self._waiting.qsize() >= self._max_waiting:
            raise RequestError(
                503, "Too much is waiting to be read: try again soon", {"Retry-After": "1"}
            )
        call = _Call(tiles)
        self._waiting.put(call)
        return call.future

    def close(self) -> None:
        """Finishes what waits, and ends the thread."""
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
                    self._waiting.put(None)  # ends the thread once this batch is done
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
            judged = self._network(tiles)
        except BaseException as error:
            for call in calls:
                call.future.set_exception(error)
            return
        start = 0
        for call in calls:
            end = start + len(call.tiles)
            call.future.set_result(judged[start:end])
            start = end


class _Call:
    """Some tiles, and the future of what the network says of them."""

    __slots__ = ("future", "tiles")

    def __init__(self, tiles: NDArray[np.uint8]) -> None:
        self.tiles = tiles
        self.future: Future[NDArray[np.float32]] = Future()


class BatchedNetwork:
    """A network for the threads of the service, which all ask the same batcher."""

    def __init__(self, batcher: Batcher, *, max_tiles: int) -> None:
        """Asks for at most `max_tiles` at a time, so that a full page lets others come between."""
        self._batcher = batcher
        self._max_tiles = max_tiles

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`; waits for the answer.

        Raises:
            RequestError: Too many calls wait, or nobody waits for the answer any longer.
        """
        judged = []
        for start in range(0, max(len(tiles), 1), self._max_tiles):
            given_up = GIVEN_UP.get()
            if given_up is not None and given_up.is_set():
                raise RequestError(503, "Nobody waits for this any longer")
            judged.append(self._batcher.submit(tiles[start : start + self._max_tiles]).result())
        return judged[0] if len(judged) == 1 else np.concatenate(judged)
