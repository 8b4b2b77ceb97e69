"""Models that are valid ONNX and yet never end, or give something else than they declare."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inkdigits.errors import ModelError
from inkdigits.recognition import session
from inkdigits.recognition.detection import Detector
from inkdigits.recognition.network import OnnxNetwork
from inkdigits.recognition.recognizer import DEFAULT_MODEL, DEFAULT_TILE_MODEL

FOREVER = 2**62
BLANK = np.zeros((1, 28, 28), np.uint8)
INKED = np.full((1, 28, 28), 255, np.uint8)


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "hostile", inputs, outputs)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def make_constant(name: str, value: NDArray[Any]) -> Any:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def make_loop(count: str) -> list[Any]:
    """Nodes that count to what `count` holds, and then give float32 0 as `zero`."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["went_on"]),
            helper.make_node("Identity", ["inner"], ["outer"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("inner", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("went_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("outer", TensorProto.FLOAT, []),
        ],
    )
    return [
        make_constant("yes", np.array(True)),
        make_constant("nothing", np.array(0, np.float32)),
        helper.make_node("Loop", [count, "yes", "nothing"], ["zero"], body=body),
    ]


def write_network(path: Path, probabilities: NDArray[np.float32], count: int = 0) -> Path:
    """A network for tiles that counts to `count` for each grey level of the brightest pixel.

    Then it gives the same probabilities, whatever it declares.
    """
    nodes = [
        helper.make_node("Cast", ["tiles"], ["wide"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["wide"], ["brightest"], keepdims=0),
        make_constant("each", np.array(count)),
        helper.make_node("Mul", ["brightest", "each"], ["count"]),
        *make_loop("count"),
        make_constant("shares", probabilities),
        helper.make_node("Add", ["shares", "zero"], ["probabilities"]),
    ]
    tiles = helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["n", 28, 28])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])
    return save(path, nodes, [tiles], [output])


def write_reader(path: Path, *, is_endless: bool = False, **changes: NDArray[Any]) -> Path:
    """A reader that finds the same two marks in every picture, in shapes that it does not know."""
    values = {
        "boxes": np.array([[1, 2, 3, 4], [5, 6, 7, 8.5]], np.float32),
        "classes": np.array([4, 12]),
        "scores": np.array([0.8, 0.8], np.float32),
        "probabilities": np.full((2, 17), 1 / 17, np.float32),
        "unread": np.array(0),
        **changes,
    }
    ranks: dict[str, list[Any]] = {"boxes": ["n", 4], "probabilities": ["n", 17], "unread": []}
    nodes = [
        make_constant("endless", np.array(FOREVER if is_endless else 0)),
        *make_loop("endless"),
        helper.make_node("Cast", ["zero"], ["whole_zero"], to=TensorProto.INT64),
    ]
    for name, value in values.items():
        zero = "zero" if value.dtype == np.float32 else "whole_zero"
        nodes += [
            make_constant(f"{name}_given", value),
            make_constant(f"{name}_lengths", np.array(value.shape, np.int64)),
            # a shape that is computed from the picture, so that nobody knows it before
            helper.make_node("Shape", ["picture"], [f"{name}_sides"]),
            helper.make_node("ReduceMin", [f"{name}_sides"], [f"{name}_side"], keepdims=0),
            helper.make_node("Sub", [f"{name}_side", f"{name}_side"], [f"{name}_none"]),
            helper.make_node("Add", [f"{name}_lengths", f"{name}_none"], [f"{name}_shape"]),
            helper.make_node("Reshape", [f"{name}_given", f"{name}_shape"], [f"{name}_shaped"]),
            helper.make_node("Add", [f"{name}_shaped", zero], [name]),
        ]
    outputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), ranks.get(name, ["n"])
        )
        for name, value in values.items()
    ]
    picture = helper.make_tensor_value_info("picture", TensorProto.UINT8, ["h", "w"])
    return save(path, nodes, [picture], outputs)


UNIFORM = np.full((1, 10), 0.1, np.float32)


def assert_is_one_line(error: ModelError, path: Path) -> None:
    assert str(path) in str(error)
    assert "\n" not in str(error)


def test_a_reader_that_never_ends_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOAD_TIMEOUT_S", 0.5)
    path = write_reader(tmp_path / "endless.onnx", is_endless=True)
    start, cpu_start = time.monotonic(), time.process_time()

    with pytest.raises(ModelError, match=r"within 0\.5 s") as caught:
        Detector(path, n_threads=1)

    assert time.monotonic() - start < 5
    assert_is_one_line(caught.value, path)
    assert not [t for t in threading.enumerate() if t.name == "inkdigits-first-run"]
    assert time.process_time() - cpu_start < 5


def test_a_network_that_never_ends_is_terminated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "RUN_TIMEOUT_S", 0.5)
    path = write_network(tmp_path / "endless.onnx", UNIFORM, count=FOREVER // 255)
    network = OnnxNetwork(path)
    assert network(BLANK).tolist() == UNIFORM.tolist()
    start = time.monotonic()

    with pytest.raises(ModelError, match="cannot be run") as caught:
        network(INKED)

    assert time.monotonic() - start < 5
    assert_is_one_line(caught.value, path)
    assert network(BLANK).tolist() == UNIFORM.tolist()


def test_each_of_several_runs_has_its_own_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that began early is ended while one that began late goes on."""
    monkeypatch.setattr(session, "RUN_TIMEOUT_S", 1.0)
    endless = OnnxNetwork(write_network(tmp_path / "a.onnx", UNIFORM, count=FOREVER // 255))
    network = OnnxNetwork(write_network(tmp_path / "b.onnx", UNIFORM))
    errors: list[Exception] = []

    def run_endless() -> None:
        try:
            endless(INKED)
        except ModelError as error:
            errors.append(error)

    thread = threading.Thread(target=run_endless)
    thread.start()
    while thread.is_alive():
        assert network(INKED).tolist() == UNIFORM.tolist()
        time.sleep(0.01)

    assert len(errors) == 1


STUCK = """
import sys
from pathlib import Path
from inkdigits.errors import ModelError
from inkdigits.recognition import session
from inkdigits.recognition.network import OnnxNetwork
session.LOAD_TIMEOUT_S = session.TERMINATION_TIMEOUT_S = 0.5
try:
    OnnxNetwork(Path(sys.argv[1]))
except ModelError as error:
    print(error)
    sys.exit(7)
"""


def test_an_endless_layer_blocks_neither_the_error_nor_the_exit(
    tmp_path: Path, python: Callable[..., CompletedProcess[str]]
) -> None:
    """ONNX Runtime ends no layer; this one takes a minute, and is computed while loading."""
    nodes = [
        make_constant("lengths", np.array([10_000, 10_000])),
        helper.make_node("ConstantOfShape", ["lengths"], ["large"]),
        helper.make_node("MatMul", ["large", "large"], ["product"]),
        helper.make_node("ReduceSum", ["product"], ["sum"], keepdims=0),
        make_constant("shares", UNIFORM),
        helper.make_node("Add", ["shares", "sum"], ["probabilities"]),
    ]
    tiles = helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["n", 28, 28])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])
    path = save(tmp_path / "slow.onnx", nodes, [tiles], [output])
    start = time.monotonic()

    ended = python("-c", STUCK, str(path))

    assert ended.returncode == 7, ended
    assert ended.stdout.startswith(f"{path} does not load within 0.5 s"), ended
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.full((2, 10), 0.1, np.float32), "of shape"),
        (np.full((1, 1), 1, np.float32), "of shape"),
        (np.full((1, 10), np.nan, np.float32), "not finite"),
        (np.full((1, 10), np.inf, np.float32), "not finite"),
        (np.full((1, 10), 0.2, np.float32), "expected the sum 1"),
        (np.zeros((1, 10), np.float32), "expected the sum 1"),
        (np.array([[2, -1] + 8 * [0]], np.float32), "expected the sum 1"),
    ],
    ids=["tiles", "labels", "nan", "inf", "large", "small", "negative"],
)
def test_a_network_with_invalid_probabilities_is_rejected(
    tmp_path: Path, probabilities: NDArray[np.float32], message: str
) -> None:
    path = write_network(tmp_path / "other.onnx", probabilities)

    with pytest.raises(ModelError, match=message) as caught:
        OnnxNetwork(path)

    assert_is_one_line(caught.value, path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("boxes", np.full((2, 4), np.nan, np.float32), "not finite"),
        ("scores", np.full(2, np.inf, np.float32), "not finite"),
        ("probabilities", np.full((2, 17), np.nan, np.float32), "not finite"),
        ("boxes", np.zeros((2, 5), np.float32), "invalid detections"),
        ("boxes", np.zeros((3, 4), np.float32), "invalid detections"),
        ("probabilities", np.zeros((2, 11), np.float32), "invalid detections"),
        ("unread", np.zeros(2, np.int64), "invalid detections"),
        ("classes", np.array([4, 16]), "classes from 4 to 16"),
        ("classes", np.array([-1, 4]), "classes from -1 to 4"),
    ],
    ids=lambda value: None if isinstance(value, np.ndarray) else str(value),
)
def test_a_reader_with_invalid_detections_is_rejected(
    tmp_path: Path, name: str, value: NDArray[Any], message: str
) -> None:
    changes: dict[str, Any] = {name: value}
    path = write_reader(tmp_path / "other.onnx", **changes)

    with pytest.raises(ModelError, match=message) as caught:
        Detector(path, n_threads=1)

    assert_is_one_line(caught.value, path)


def test_a_reader_with_valid_detections_is_accepted(tmp_path: Path) -> None:
    found = Detector(write_reader(tmp_path / "reader.onnx"), n_threads=1)(BLANK[0])

    assert found.classes.tolist() == [4, 12]


def test_a_too_large_model_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(session.MAX_MODEL_BYTES + 1)
    start = time.process_time()

    for load in (OnnxNetwork, Detector):
        with pytest.raises(ModelError, match="expected a model of at most") as caught:
            load(path)
        assert_is_one_line(caught.value, path)
    assert time.process_time() - start < 1


def test_built_in_models_are_loaded_without_a_first_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a cold start stays as fast as it is; the first call is the caller's."""
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail(thread.name))

    network = OnnxNetwork(DEFAULT_TILE_MODEL)
    Detector(DEFAULT_MODEL, n_threads=1)

    assert network(BLANK).shape == (1, 11)


MEASURE_MEMORY = """
import re
from pathlib import Path

import numpy as np

from inkdigits.recognition.detection import Detector
from inkdigits.recognition.recognizer import DEFAULT_MODEL


def measure_mb():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", status)[1]) / 1e3


detect = Detector(DEFAULT_MODEL, n_threads=1)
paper = np.random.default_rng(0).integers(200, 255, (2500, 3000)).astype(np.uint8)
detect(paper[:100, :100])
before = measure_mb()
detect(paper)
print(measure_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_large_picture_is_freed(
    python: Callable[..., CompletedProcess[str]],
) -> None:
    ended = python("-c", MEASURE_MEMORY)
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) < 40
