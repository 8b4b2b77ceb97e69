"""Threads that clients share: whoever sends much waits for itself, not others for it."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class SharedThreads:
    """Runs work in threads, in turn for each client that has some.

    A client alone has all threads; as soon as another comes, it has the next one that is free.
    """

    def __init__(self, n: int, name: str) -> None:
        """Starts the threads, which `close` ends."""
        self._condition = threading.Condition()
        self._waiting: OrderedDict[str, deque[tuple[Callable[[], object], Future[object]]]]
        self._waiting = OrderedDict()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(n)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, client: str, work: Callable[[], Result]) -> Future[Result]:
        """Has work done; it can be cancelled until it begins.

        Args:
            client: On whose behalf.
            work: What a thread calls.

        Raises:
            RuntimeError: After `close`.
        """
        future: Future[Result] = Future()
        with self._condition:
            if self._is_closed:
                raise RuntimeError("the threads have ended")
            self._waiting.setdefault(client, deque()).append((work, future))  # type: ignore[arg-type]
            self._condition.notify()
        return future

    def close(self, timeout_s: float) -> None:
        """Cancels what has not begun, and waits for the rest, though not longer than given."""
        with self._condition:
            self._is_closed = True
            for waiting in self._waiting.values():
                for _, future in waiting:
                    future.cancel()
            self._waiting.clear()
            self._condition.notify_all()
        for thread in self._threads:
            thread.join(timeout_s / len(self._threads))

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._is_closed:
                    self._condition.wait()
                if self._is_closed:
                    return
                client, waiting = self._waiting.popitem(last=False)
                work, future = waiting.popleft()
                if waiting:
                    self._waiting[client] = waiting  # at the end: others come first
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
