from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from inkdigits.web.thread_pool import FairThreadPool


def test_results_and_exceptions_are_returned() -> None:
    threads = FairThreadPool(2, "test")
    assert [threads.submit("a", lambda n=n: n * n).result(5) for n in range(20)] == [  # type: ignore[misc]
        n * n for n in range(20)
    ]
    with pytest.raises(ZeroDivisionError):
        threads.submit("a", lambda: 1 / 0).result(5)
    threads.close(5)
    with pytest.raises(RuntimeError):
        threads.submit("a", lambda: 1)


def test_second_client_gets_the_next_free_thread() -> None:
    threads = FairThreadPool(1, "test")
    may_go = threading.Event()
    done: list[str] = []
    works: list[Future[Any]] = [threads.submit("greedy", may_go.wait)]
    works += [threads.submit("greedy", lambda: done.append("greedy")) for _ in range(50)]
    works += [threads.submit("modest", lambda: done.append("modest")) for _ in range(2)]
    may_go.set()
    for work in works:
        work.result(5)
    assert done[:4].count("modest") == 2
    threads.close(5)


def test_cancelled_tasks_do_not_run_and_close_has_a_timeout() -> None:
    threads = FairThreadPool(1, "test")
    may_go, done = threading.Event(), threading.Event()
    threads.submit("a", may_go.wait)
    cancelled, waiting = threads.submit("a", done.set), threads.submit("b", done.set)
    assert cancelled.cancel()
    threads.close(0.1)
    assert waiting.cancelled()
    may_go.set()
    assert not done.wait(0.2)
