from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.errors import RequestError
from inkdigits.web.batching import CANCELLED, BatchedNetwork, Batcher


class HeldSum:
    """Returns the sum of each tile once it may answer, and records the size of each batch."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_answer = threading.Event()
        self.n_tiles: list[int] = []

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.n_tiles.append(len(tiles))
        self.has_begun.set()
        assert self.may_answer.wait(20)
        if 255 in tiles:
            raise ValueError("too bright")
        return np.asarray(tiles.sum(axis=(1, 2))[:, np.newaxis], np.float32)


@pytest.fixture
def network() -> HeldSum:
    return HeldSum()


@pytest.fixture
def make_batcher(network: HeldSum) -> Iterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def make(max_batch: int = 8, max_waiting: int = 100, **options: Any) -> Batcher:
        made.append(Batcher(network, max_batch=max_batch, max_waiting=max_waiting, **options))
        return made[-1]

    yield make
    network.may_answer.set()
    for batcher in made:
        batcher.close()


def make_tiles(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (n, 28, 28), np.uint8)


def sum_up(tiles: NDArray[np.uint8]) -> list[list[float]]:
    return [[float(sum(map(int, tile.ravel())))] for tile in tiles]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1], [1, 1]),
        ([3, 3, 2], [1, 8]),
        ([3, 3, 3], [1, 6, 3]),
        ([9, 1], [1, 9, 1]),
        ([1, 20, 1], [1, 1, 20, 1]),
        ([8, 8], [1, 8, 8]),
        ([0, 2, 0], [1, 2]),
    ],
    ids=str,
)
def test_queued_calls_share_batches(
    sizes: list[int], expected: list[int], make_batcher: Callable[..., Batcher], network: HeldSum
) -> None:
    told: list[int] = []
    batcher = make_batcher(report_batch=told.append)
    first = batcher.submit(make_tiles(1))
    assert network.has_begun.wait(10)
    calls = [make_tiles(n, seed) for seed, n in enumerate(sizes)]
    futures = [batcher.submit(tiles) for tiles in calls]
    assert batcher.n_waiting == len(sizes)
    network.may_answer.set()

    assert first.result(10).tolist() == sum_up(make_tiles(1))
    for future, tiles in zip(futures, calls, strict=True):
        assert future.result(10).tolist() == sum_up(tiles)
    assert network.n_tiles == told == expected


def test_exception_reaches_all_calls_of_its_batch_and_no_other(
    make_batcher: Callable[..., Batcher], network: HeldSum
) -> None:
    batcher = make_batcher(max_batch=2)
    first = batcher.submit(make_tiles(1))
    assert network.has_begun.wait(10)
    bright = np.full((1, 28, 28), 255, np.uint8)
    futures = [batcher.submit(tiles) for tiles in (bright, make_tiles(1), make_tiles(2))]
    network.may_answer.set()

    assert first.result(10).shape == (1, 1)
    for future in futures[:2]:
        with pytest.raises(ValueError, match="too bright"):
            future.result(10)
    assert futures[2].result(10).tolist() == sum_up(make_tiles(2))


def test_cancelled_calls_are_skipped(
    make_batcher: Callable[..., Batcher], network: HeldSum
) -> None:
    batcher = make_batcher()
    batcher.submit(make_tiles(1))
    assert network.has_begun.wait(10)
    dropped, kept, alone = (batcher.submit(make_tiles(n)) for n in (3, 2, 8))
    assert dropped.cancel()
    assert alone.cancel()
    network.may_answer.set()

    assert kept.result(10).shape == (2, 1)
    assert network.n_tiles == [1, 2]


def test_full_queue_rejects_calls(make_batcher: Callable[..., Batcher], network: HeldSum) -> None:
    batcher = make_batcher(max_waiting=2)
    batcher.submit(make_tiles(1))
    assert network.has_begun.wait(10)
    waiting = [batcher.submit(make_tiles(1)) for _ in range(2)]

    with pytest.raises(RequestError) as rejected:
        batcher.submit(make_tiles(1))

    assert rejected.value.status == 503
    assert "Retry-After" in rejected.value.headers
    network.may_answer.set()
    assert [future.result(10).shape for future in waiting] == [(1, 1)] * 2
    assert batcher.submit(make_tiles(1)).result(10).shape == (1, 1)


def test_close_runs_the_queued_calls(network: HeldSum) -> None:
    batcher = Batcher(network, max_batch=2, max_waiting=10)
    futures = [batcher.submit(make_tiles(1, seed)) for seed in range(5)]
    network.may_answer.set()
    batcher.close()

    assert [future.result(0).tolist() for future in futures] == [
        sum_up(make_tiles(1, seed)) for seed in range(5)
    ]


@pytest.mark.parametrize("n", [0, 1, 4, 5, 19])
def test_batched_network_returns_the_same(
    n: int, make_batcher: Callable[..., Batcher], network: HeldSum
) -> None:
    network.may_answer.set()
    batched = BatchedNetwork(make_batcher(), max_tiles=4)

    assert batched(make_tiles(n)).tolist() == sum_up(make_tiles(n))
    assert max(network.n_tiles) <= 4


def test_each_thread_gets_its_own_results(
    make_batcher: Callable[..., Batcher], network: HeldSum
) -> None:
    network.may_answer.set()
    batched = BatchedNetwork(make_batcher(), max_tiles=4)
    calls = [make_tiles(seed % 9, seed) for seed in range(200)]
    with ThreadPoolExecutor(16) as executor:
        answers = list(executor.map(batched, calls))

    for tiles, sums in zip(calls, answers, strict=True):
        assert sums.tolist() == sum_up(tiles)


def test_cancelled_request_runs_nothing(
    make_batcher: Callable[..., Batcher], network: HeldSum
) -> None:
    batched = BatchedNetwork(make_batcher(), max_tiles=4)
    cancelled = threading.Event()
    cancelled.set()
    token = CANCELLED.set(cancelled)
    try:
        with pytest.raises(RequestError):
            batched(make_tiles(1))
    finally:
        CANCELLED.reset(token)

    assert network.n_tiles == []
