from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from inkdigits.recognition import Recognizer
from inkdigits.web import Settings, build_app

SAMPLES = Path(__file__).parents[2] / "samples"

OpenClient = Callable[..., TestClient]


@pytest.fixture(scope="session")
def default_recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture
def open_client(default_recognizer: Recognizer) -> Iterator[OpenClient]:
    """Starts the application with some settings, and stops it at the end of the test."""
    with contextlib.ExitStack() as stack:

        def open_one(recognizer: Any = default_recognizer, **settings: Any) -> TestClient:
            app = build_app(recognizer, Settings(**settings))
            return stack.enter_context(TestClient(app, "http://localhost"))

        yield open_one


@pytest.fixture(scope="session")
def shared_client(default_recognizer: Recognizer) -> Iterator[TestClient]:
    """The application with its default settings, for tests that leave nothing behind."""
    with TestClient(build_app(default_recognizer), "http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def sample() -> Callable[[str], bytes]:
    """The bytes of a sample picture."""
    return lambda name: (SAMPLES / name).read_bytes()


class HeldNetwork:
    """A network that answers once it is let; every tile is then a seven.

    Attributes:
        has_begun: Set by its first call.
        may_answer: To be set by the test.
        n_tiles: Of each call.
    """

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_answer = threading.Event()
        self.n_tiles: list[int] = []

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.n_tiles.append(len(tiles))
        self.has_begun.set()
        if not self.may_answer.wait(20):
            raise TimeoutError("the test does not let the network answer")
        probabilities = np.full((len(tiles), 11), 0.001, np.float32)
        probabilities[:, 7] = 0.99
        return probabilities


@pytest.fixture
def held_network() -> Iterator[HeldNetwork]:
    network = HeldNetwork()
    yield network
    network.may_answer.set()


@pytest.fixture
def held_recognizer(held_network: HeldNetwork, default_recognizer: Recognizer) -> Recognizer:
    """Its first call, by which the application sees that it works, is not held."""
    held_network.may_answer.set()
    return Recognizer(held_network, default_recognizer.card)
