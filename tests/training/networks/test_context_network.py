"""The context network: what it may depend on, and what it must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.networks.context_network import LEAST_PROBABILITY, build_context

Rows = NDArray[np.float32]


def make_rows(n: int, seed: int = 0) -> Rows:
    random = np.random.default_rng(seed)
    places, sizes = random.uniform(0, 200, (n, 2)), random.uniform(3, 40, (n, 2))
    logits = np.log(random.dirichlet(np.ones(N_CLASSES + 1), n) + LEAST_PROBABILITY)
    return np.concatenate([places, sizes, logits], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    pytest.importorskip("keras")
    network = build_context()
    random = np.random.default_rng(1)
    network.set_weights([random.normal(0, 0.3, w.shape) for w in network.get_weights()])
    return network


def run(network: Any, rows: Rows) -> Rows:
    (corrected,) = np.asarray(network(rows[np.newaxis]), np.float32)
    return np.asarray(corrected)


def test_it_starts_as_the_identity() -> None:
    pytest.importorskip("keras")
    network, rows = build_context(), make_rows(5)

    assert network.count_params() == sum(int(np.prod(w.shape)) for w in network.get_weights())
    assert f"{network.count_params():,}" in str(build_context.__doc__)
    np.testing.assert_array_equal(run(network, rows), rows[:, 4:])


def test_rows_that_fill_up_a_page_change_nothing(network: Any) -> None:
    rows = make_rows(6)
    filled = np.concatenate([rows, make_rows(3, seed=2)])
    filled[6:, 2] = 0

    np.testing.assert_allclose(run(network, filled)[:6], run(network, rows), rtol=1e-4, atol=1e-3)


def test_the_order_of_the_boxes_does_not_matter(network: Any) -> None:
    rows = make_rows(7)
    order = np.random.default_rng(3).permutation(7)

    np.testing.assert_allclose(
        run(network, rows[order]), run(network, rows)[order], rtol=1e-4, atol=1e-3
    )


def test_place_and_scale_of_the_page_do_not_matter(network: Any) -> None:
    rows = make_rows(7)
    moved = rows.copy()
    moved[:, :4] *= 3
    moved[:, :2] += 500

    np.testing.assert_allclose(run(network, moved), run(network, rows), rtol=1e-3, atol=1e-2)


def test_a_single_mark_keeps_its_probabilities(network: Any) -> None:
    rows = make_rows(1)
    filled = np.concatenate([rows, np.zeros((2, rows.shape[1]), np.float32)])

    np.testing.assert_allclose(run(network, rows), rows[:, 4:], atol=1e-4)
    np.testing.assert_allclose(run(network, filled)[:1], rows[:, 4:], atol=1e-4)


def test_boxes_hear_of_each_other(network: Any) -> None:
    rows = make_rows(2)
    alone = run(network, rows[:1])
    assert np.abs(run(network, rows)[0] - alone[0]).max() > 1e-2
