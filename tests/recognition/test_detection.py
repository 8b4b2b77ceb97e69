from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inkdigits.errors import ModelError, PictureError
from inkdigits.recognition.detection import Candidates, Detections, Detector

BOXES = np.array([[1, 2, 3, 4], [5, 6, 7, 8.5]], np.float32)
PROBABILITIES = np.full((2, 17), 0.2 / 16, np.float32)
PROBABILITIES[[0, 1], [4, 12]] = 0.8


def write_reader(
    path: Path,
    *,
    input_name: str = "picture",
    input_type: int = TensorProto.UINT8,
    input_shape: Sequence[Any] = ("h", "w"),
    n_classes: int = 17,
    left_out: str = "",
    further: dict[str, Any] | None = None,
) -> Path:
    """A reader that finds the same two marks in every picture, and as `unread` its height."""
    values = {
        "boxes": BOXES,
        "classes": np.array([4, 12]),
        "scores": np.array([0.8, 0.8], np.float32),
        "probabilities": PROBABILITIES[:, :n_classes],
        **(further or {}),
    }
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
        for name, value in values.items()
    ]
    nodes.append(helper.make_node("Shape", [input_name], ["shape"]))
    nodes.append(helper.make_node("Constant", [], ["first"], value_int=0))
    nodes.append(helper.make_node("Gather", ["shape", "first"], ["unread"]))
    outputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), ["n", *value.shape[1:]]
        )
        for name, value in values.items()
    ]
    outputs.append(helper.make_tensor_value_info("unread", TensorProto.INT64, []))
    graph = helper.make_graph(
        nodes,
        "reader",
        [helper.make_tensor_value_info(input_name, input_type, input_shape)],
        [output for output in outputs if output.name != left_out],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def test_the_outputs_of_the_model_are_returned_as_detections(tmp_path: Path) -> None:
    detector = Detector(write_reader(tmp_path / "reader.onnx"), n_threads=1)
    found = detector(np.zeros((30, 20), np.uint8))
    np.testing.assert_array_equal(found.boxes, BOXES)
    np.testing.assert_array_equal(found.probabilities, PROBABILITIES)
    assert found.classes.tolist() == [4, 12]
    assert found.unread == 30
    assert len(found) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"input_name": "image"},
        {"input_type": TensorProto.FLOAT},
        {"input_shape": ("n", 28, 28)},
        {"n_classes": 11},
        {"left_out": "scores"},
        {"left_out": "unread"},
    ],
)
def test_a_model_with_other_inputs_or_outputs_is_rejected(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = write_reader(tmp_path / "other.onnx", **change)
    with pytest.raises(ModelError, match=r"other\.onnx maps .* expected a uint8 picture"):
        Detector(path)


def test_a_missing_file_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model at .*reader\.onnx"):
        Detector(tmp_path / "reader.onnx")


def test_a_damaged_file_is_reported_by_name_in_one_line(tmp_path: Path) -> None:
    path = write_reader(tmp_path / "reader.onnx")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"reader\.onnx is not a readable ONNX model") as caught:
        Detector(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_arrays_that_are_not_grey_pictures_are_rejected(
    tmp_path: Path, pixels: np.ndarray[Any, Any]
) -> None:
    detector = Detector(write_reader(tmp_path / "reader.onnx"), n_threads=1)
    with pytest.raises(PictureError, match="expected uint8 of shape"):
        detector(pixels)


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": BOXES[:, :3]},
        {"classes": np.array([1])},
        {"scores": np.zeros((2, 1), np.float32)},
        {"probabilities": PROBABILITIES[:, :10]},
    ],
)
def test_detections_check_their_shapes(change: dict[str, Any]) -> None:
    arrays: dict[str, Any] = {
        "boxes": BOXES,
        "classes": np.array([4, 12]),
        "scores": np.array([0.8, 0.8], np.float32),
        "probabilities": PROBABILITIES,
    }
    with pytest.raises(ValueError, match="detections have shapes"):
        Detections(**{**arrays, **change})


def test_early_readers_return_fewer_candidates(tmp_path: Path) -> None:
    """At first none, and later no mark that fills the picture."""
    first = Detector(write_reader(tmp_path / "first.onnx"))(np.zeros((4, 5), np.uint8))
    assert first.candidates is None
    np.testing.assert_array_equal(first.list_candidates().boxes, BOXES)
    assert not first.list_candidates().fills.any()

    boxes = np.concatenate([BOXES, BOXES[:1]])
    further = {
        "candidate_boxes": boxes,
        "candidate_probabilities": np.concatenate([PROBABILITIES, PROBABILITIES[:1]]),
    }
    later = Detector(write_reader(tmp_path / "later.onnx", further=further))
    np.testing.assert_array_equal(later(np.zeros((4, 5), np.uint8)).list_candidates().boxes, boxes)
    assert not later(np.zeros((4, 5), np.uint8)).list_candidates().fills.any()

    further["candidate_fills"] = np.array([False, False, True])
    today = Detector(write_reader(tmp_path / "today.onnx", further=further))
    fills = today(np.zeros((4, 5), np.uint8)).list_candidates().fills
    assert fills.tolist() == [False, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": BOXES[:, :3]},
        {"probabilities": PROBABILITIES[:, :10]},
        {"fills": np.zeros((2, 1), np.bool_)},
        {"fills": np.zeros(3, np.bool_)},
    ],
)
def test_candidates_check_their_shapes(change: dict[str, Any]) -> None:
    arrays: dict[str, Any] = {
        "boxes": BOXES,
        "probabilities": PROBABILITIES,
        "fills": np.zeros(2, np.bool_),
    }
    Candidates(**arrays)
    with pytest.raises(ValueError, match="candidates have shapes"):
        Candidates(**{**arrays, **change})
