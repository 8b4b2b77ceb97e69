"""The context network as ONNX computes what the Keras model does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.model_files.context_graph import write_context
from inkdigits.training.networks.context_network import LEAST_PROBABILITY


@pytest.mark.parametrize("n", [1, 2, 9, 60])
def test_the_graph_is_the_network(n: int, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    from inkdigits.training.networks.context_network import build_context

    network = build_context()
    random = np.random.default_rng(n)
    network.set_weights([random.normal(0, 0.2, w.shape) for w in network.get_weights()])
    rows = np.concatenate(
        [
            random.uniform(0, 200, (n, 2)),
            random.uniform(3, 40, (n, 2)),
            np.log(random.dirichlet(np.ones(N_CLASSES + 1), n) + LEAST_PROBABILITY),
        ],
        axis=1,
    ).astype(np.float32)
    rows[n // 2 + 1 :, 2] = 0
    onnx.save(write_context(network), tmp_path / "context.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "context.onnx"), providers=["CPUExecutionProvider"]
    )

    (found,) = session.run(None, {"rows": rows})

    expected = np.asarray(network(rows[np.newaxis]))[0]
    assert n == 1 or np.abs(expected - rows[:, 4:]).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
