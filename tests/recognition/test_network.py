from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from inkdigits.data import LabelledImages
from inkdigits.errors import ModelError
from inkdigits.recognition.network import BATCH, MIN_TILES_PER_CORE, OnnxNetwork
from inkdigits.training import Run

Shape = list[Any] | None


def write_onnx(
    path: Path,
    inputs: list[tuple[int, Shape]],
    outputs: list[tuple[int, Shape]],
) -> Path:
    """Writes a network whose outputs are as `compute_shares` has them."""
    nodes = [
        helper.make_node("Flatten", ["tiles0"], ["flat"], axis=1),
        helper.make_node("Slice", ["flat", "from", "to", "axis"], ["ten"]),
        helper.make_node("Cast", ["ten"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["pixels", "one"], ["positive"]),
        helper.make_node("ReduceSum", ["positive", "axis"], ["sums"]),
        helper.make_node("Div", ["positive", "sums"], ["shares"]),
        *(
            helper.make_node("Cast", ["shares"], [f"outputs{i}"], to=kind)
            for i, (kind, _) in enumerate(outputs)
        ),
    ]
    numbers = {"from": 0, "to": 10, "axis": 1}
    graph = helper.make_graph(
        nodes,
        "pixels",
        [helper.make_tensor_value_info(f"tiles{i}", *given) for i, given in enumerate(inputs)],
        [helper.make_tensor_value_info(f"outputs{i}", *given) for i, given in enumerate(outputs)],
        [
            *(
                helper.make_tensor(n, TensorProto.INT64, [1], [value])
                for n, value in numbers.items()
            ),
            helper.make_tensor("one", TensorProto.FLOAT, [1], [1]),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def compute_shares(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each of a tile's first ten pixels plus one, as a share of their sum."""
    positive = tiles[:, 0, :10].astype(np.float32) + 1
    return np.asarray(positive / positive.sum(axis=1, keepdims=True), np.float32)


TILES = (TensorProto.UINT8, ["n", 28, 28])
PROBABILITIES = (TensorProto.FLOAT, ["n", 10])


@pytest.mark.parametrize(
    "n",
    [
        0,
        1,
        3,
        MIN_TILES_PER_CORE,
        MIN_TILES_PER_CORE + 1,
        3 * MIN_TILES_PER_CORE,
        BATCH,
        2 * BATCH + 1,
        1_000,
    ],
)
def test_every_tile_is_classified_in_order(tmp_path: Path, n: int) -> None:
    network = OnnxNetwork(write_onnx(tmp_path / "pixels.onnx", [TILES], [PROBABILITIES]))
    tiles = np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8)

    outputs = network(tiles)

    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, compute_shares(tiles), rtol=1e-6)


def test_a_network_is_thread_safe(tmp_path: Path) -> None:
    network = OnnxNetwork(write_onnx(tmp_path / "pixels.onnx", [TILES], [PROBABILITIES]))
    random = np.random.default_rng(0)
    batches = [random.integers(0, 256, (n, 28, 28), np.uint8) for n in range(1, 300, 7)]

    with ThreadPoolExecutor(8) as executor:
        outputs = list(executor.map(network, batches))

    for tiles, found in zip(batches, outputs, strict=True):
        np.testing.assert_allclose(found, compute_shares(tiles), rtol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([(TensorProto.UINT8, ["n", 32, 32])], [PROBABILITIES]),
        ([(TensorProto.UINT8, ["n", 28, 28, 1])], [PROBABILITIES]),
        ([(TensorProto.UINT8, ["n", 784])], [PROBABILITIES]),
        ([(TensorProto.UINT8, ["n", "h", "w"])], [PROBABILITIES]),
        ([(TensorProto.UINT8, None)], [PROBABILITIES]),
        ([(TensorProto.FLOAT, ["n", 28, 28])], [PROBABILITIES]),
        ([(TensorProto.UINT8, [1, 28, 28])], [(TensorProto.FLOAT, [1, 10])]),
        ([TILES], [(TensorProto.DOUBLE, ["n", 10])]),
        ([TILES, TILES], [PROBABILITIES]),
        ([TILES], [PROBABILITIES, PROBABILITIES]),
    ],
)
def test_a_network_with_other_inputs_or_outputs_is_rejected(
    tmp_path: Path, inputs: list[tuple[int, Shape]], outputs: list[tuple[int, Shape]]
) -> None:
    path = write_onnx(tmp_path / "other.onnx", inputs, outputs)

    with pytest.raises(ModelError, match="expected uint8 tiles") as caught:
        OnnxNetwork(path)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_rejected(smoke_run: Run, tmp_path: Path, share: float) -> None:
    whole = smoke_run.onnx_model.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(ModelError) as caught:
        OnnxNetwork(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_file_named_onnx_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "letter.onnx"
    path.write_text("Dear reader,\nthis is no network.\n")

    with pytest.raises(ModelError, match="not a readable ONNX model"):
        OnnxNetwork(path)


@pytest.mark.parametrize("name", ["missing.onnx", "."])
def test_a_missing_file_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="no model at"):
        OnnxNetwork(tmp_path / name)


def test_a_trained_network_returns_probabilities(
    smoke_run: Run, test_slice: LabelledImages
) -> None:
    probabilities = OnnxNetwork(smoke_run.onnx_model)(test_slice.images)

    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.min() >= 0
    assert np.mean(probabilities.argmax(axis=1) == test_slice.labels) > 0.85
