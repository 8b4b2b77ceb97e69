from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.recognition import Recognizer
from inkdigits.recognition.attribution import compute_occlusion


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


def cover_everywhere(
    tile: NDArray[np.uint8], recognizer: Recognizer, digit: int, cover: int
) -> NDArray[np.float64]:
    """Each of the 784 places in turn, ink or not."""
    whole = float(recognizer.classify(tile[np.newaxis])[0, digit])
    covered = np.repeat(tile[np.newaxis], 28 * 28, axis=0)
    for number in range(28 * 28):
        row, column = divmod(number, 28)
        top, left = row - cover // 2, column - cover // 2
        for y in range(top, top + cover):
            for x in range(left, left + cover):
                if 0 <= y < 28 and 0 <= x < 28:
                    covered[number, y, x] = 0
    remaining = recognizer.classify(covered)[:, digit].reshape(28, 28)
    return whole - remaining.astype(np.float64)


@pytest.mark.parametrize(("index", "cover"), [(0, 5), (1, 3)])
def test_the_map_equals_covering_each_position_in_turn(
    index: int, cover: int, recognizer: Recognizer, test_slice: LabelledImages
) -> None:
    # Where the network is least sure, a cover changes most.
    least_sure = np.argsort(recognizer.classify(test_slice.images).max(axis=1))[index]
    tile, label = test_slice.images[least_sure], int(test_slice.labels[least_sure])

    falls = compute_occlusion(tile, recognizer.classify, label, cover=cover)

    assert falls.shape == (28, 28)
    assert falls.dtype == np.float32
    assert np.abs(falls).max() > 1e-2
    assert falls == pytest.approx(cover_everywhere(tile, recognizer, label, cover), abs=1e-5)


def test_the_map_finds_the_pixel_that_decides() -> None:
    """A network that sees a three wherever one pixel is dark, and knows nothing else."""

    def classify(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        is_three = tiles[:, 10, 20] > 0
        probabilities = np.zeros((len(tiles), 10), np.float32)
        probabilities[:, 3] = np.where(is_three, 0.9, 0.1)
        probabilities[:, 8] = 1 - probabilities[:, 3]
        return probabilities

    tile = np.full((28, 28), 200, np.uint8)
    expected = np.zeros((28, 28))
    expected[8:13, 18:23] = 0.8

    assert compute_occlusion(tile, classify, 3) == pytest.approx(expected, abs=1e-6)
    assert compute_occlusion(tile, classify, 8) == pytest.approx(-expected, abs=1e-6)


@pytest.mark.parametrize("step", [2, 3])
def test_a_larger_step_interpolates_between_its_positions(step: int) -> None:
    """A network whose probability of a three falls linearly with the place of the cover."""
    places: list[int] = []

    def classify(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        is_covered = (tiles == 0).any(axis=1)  # by column
        left = is_covered.argmax(axis=1)
        n_columns = is_covered.sum(axis=1)
        places.append(len(tiles))
        probabilities = np.zeros((len(tiles), 10), np.float32)
        # The middle of the cover, whose left edge the tile cuts near its own.
        middle = np.where(left == 0, n_columns - 3, left + 2)
        probabilities[:, 3] = np.where(n_columns > 0, 0.9 - middle / 100, 0.9)
        return probabilities

    tile = np.full((28, 28), 200, np.uint8)
    whole = compute_occlusion(tile, classify, 3)
    coarse = compute_occlusion(tile, classify, 3, step=step)

    last = 27 // step * step
    assert whole == pytest.approx(np.tile(np.arange(28) / 100, (28, 1)), abs=1e-6)
    assert coarse == pytest.approx(np.minimum(whole, last / 100), abs=1e-6)
    assert places == [28**2 + 1, len(range(0, 28, step)) ** 2 + 1]
    assert coarse.dtype == np.float32


def test_the_network_is_not_called_for_an_empty_tile() -> None:
    def classify(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        pytest.fail("there is no ink to cover")

    assert not compute_occlusion(np.zeros((28, 28), np.uint8), classify, 0).any()


@pytest.mark.parametrize(
    ("digit", "cover", "message"),
    [
        (10, 5, "invalid digit"),
        (-1, 5, "invalid digit"),
        (1, 4, "odd"),
        (1, 0, "odd"),
        (1, -3, "odd"),
    ],
)
def test_invalid_arguments_are_rejected(
    digit: int, cover: int, message: str, recognizer: Recognizer
) -> None:
    with pytest.raises(UsageError, match=message):
        compute_occlusion(np.zeros((28, 28), np.uint8), recognizer.classify, digit, cover=cover)
