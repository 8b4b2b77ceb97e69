"""A thread pool that is fair between clients: many tasks of one client do not delay another's."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class FairThreadPool:
    """Runs tasks in threads, round-robin over the clients that have tasks waiting.

    A single client may use all threads. As soon as a second client submits a task, that client gets
    the next free thread.
    """

    def __init__(self, n: int, name: str) -> None:
        """Starts `n` threads with names that begin with `name`; `close` ends them."""
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

    def submit(self, client: str, task: Callable[[], Result]) -> Future[Result]:
        """Submits a task, which can be cancelled until it starts.

        Args:
            client: The client that the task belongs to.
            task: The callable that a thread runs.

        Raises:
            RuntimeError: The pool is closed.
        """
        future: Future[Result] = Future()
        with self._condition:
            if self._is_closed:
                raise RuntimeError("the thread pool is closed")
            self._waiting.setdefault(client, deque()).append((task, future))  # type: ignore[arg-type]
            self._condition.notify()
        return future

    def close(self, timeout_s: float) -> None:
        """Cancels the waiting tasks, and waits up to `timeout_s` for the running ones."""
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
                task, future = waiting.popleft()
                if waiting:
                    self._waiting[client] = waiting  # at the end: the other clients come first
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)
