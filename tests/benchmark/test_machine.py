from __future__ import annotations

import math
import os
from pathlib import Path

import onnx
import pytest

from inkdigits.benchmark import describe_machine
from inkdigits.benchmark.machine import (
    count_fit_operations,
    count_operations,
    measure_machine,
)
from inkdigits.benchmark.workplace import SLICE, Workplace
from inkdigits.training import Run, get_recipe
from inkdigits.training.model_files.loading import load_keras_model
from inkdigits.training.networks.tile_network import build_network


def count_in_graph(path: Path) -> int:
    """Counts the same operations independently, from the shapes of an ONNX graph."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    places = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in graph.value_info
    }
    operations = 0
    for node in graph.node:
        if node.op_type == "Conv":
            height, width = places[node.output[0]][2:]
            operations += 2 * height * width * math.prod(weights[node.input[1]])
        elif node.op_type in ("MatMul", "Gemm"):
            operations += 2 * math.prod(weights[node.input[1]])
    return operations


def test_operations_as_in_the_graph(smoke_run: Run) -> None:
    network = load_keras_model(smoke_run.keras_model)

    assert count_operations(network) == count_in_graph(smoke_run.onnx_model) > 0


def test_operations_of_the_classic_network() -> None:
    by_hand = 26 * 26 * 32 * 9 + 11 * 11 * 64 * 9 * 32 + 1600 * 128 + 128 * 10

    assert count_operations(build_network(get_recipe("classic"))) == 2 * by_hand


def test_operations_of_a_fit(smoke_run: Run, tmp_path: Path) -> None:
    """The recipe smoke has three epochs of 8,000 images."""
    place = Workplace(tmp_path, SLICE, smoke_run.folder)

    assert count_fit_operations(place, 1_000) == 3 * 1_000 * 8_000 * 3


def test_machine_is_described() -> None:
    found = describe_machine()

    assert found["cores"] == os.cpu_count()
    assert found["processor"]
    assert {"python", "inkdigits", "numpy", "onnxruntime"} <= set(found)


def test_shares_of_the_limit(smoke_run: Run, tmp_path: Path) -> None:
    result = measure_machine(Workplace(tmp_path, SLICE, smoke_run.folder))

    names = [timing.name for timing in result.timings]
    assert names[0] == "product of float32 matrices"
    assert [figure.name for figure in result.figures] == [
        *(f"{name}: of the limit" for name in names[1:]),
        "fit: of the limit",
    ]
    limit = 2 * SLICE.matrix_side**3 / result.timings[0].median_s
    network = load_keras_model(smoke_run.keras_model)
    done = count_operations(network) * SLICE.n_tiles / result.timings[1].median_s
    assert result.figures[0].value == pytest.approx(100 * done / limit)
