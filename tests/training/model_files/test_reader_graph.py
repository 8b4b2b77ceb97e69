"""The reader's graph with handmade networks, whose outputs follow from simple formulas."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inkdigits.errors import ModelError
from inkdigits.recognition.detection import Detections, Detector
from inkdigits.recognition.windows import REACHES, crop_windows
from inkdigits.results.alphabet import COMMA, N_CLASSES, NO_MARK, POINT
from inkdigits.training.model_files.reader_graph import (
    LEAST_CUT,
    SHRINK_FACTORS,
    ReaderSettings,
    build_reader,
)
from inkdigits.training.model_files.reader_levels import LevelSettings

SQUARE = 7  # The class of bright squares in the handmade detector; next, the side of its boxes.
BOX_SIDE = 23.0
SLOPE, LEAST_ANSWER = 200.0, 0.38

Grey = NDArray[np.uint8]
Read = Callable[[Grey], Detections]


def make_model(
    nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]], shapes: list[list[Any]]
) -> onnx.ModelProto:
    """Builds a network with the input `x` and the output `y`, both float32."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes[1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def make_detector(
    kernel: NDArray[np.float32], mixture: NDArray[np.float32], bias: NDArray[np.float32]
) -> onnx.ModelProto:
    """Convolves around each cell, kernel (k, 1, side, side), and mixes k values to 21 outputs."""
    before = kernel.shape[-1] // 2 - 2
    nodes = [
        helper.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernel"], ["parts"], strides=[4, 4], pads=[before] * 4),
        helper.make_node("Conv", ["parts", "mixture", "bias"], ["out"]),
        helper.make_node("Transpose", ["out"], ["y"], perm=[0, 2, 3, 1]),
    ]
    weights = {"kernel": kernel, "mixture": mixture[:, :, np.newaxis, np.newaxis], "bias": bias}
    return make_model(nodes, weights, [["n", "h", "w", 1], ["n", "h4", "w4", 21]])


def make_blob_kernel(deviation: float) -> NDArray[np.float32]:
    """Difference of two Gaussians; its response is highest to a square of about 3.2 deviations."""
    distances = np.abs(np.arange(64) - 31.5) / deviation
    near, far = np.exp(-(distances**2) / 2), np.exp(-(distances**2) / 8)
    near, far = np.outer(near, near), np.outer(far, far)
    return np.asarray(near / near.sum() - far / far.sum(), np.float32)


def measure_blob(side: int, deviation: float = 7.0) -> float:
    """Returns the blob kernel's response to a centred square with an even side, 0 to 1."""
    half = side // 2
    return float(make_blob_kernel(deviation)[32 - half : 32 + half, 32 - half : 32 + half].sum())


def make_square_detector(
    *,
    class_: int = SQUARE,
    offset: tuple[float, float] = (0, 0),
    size: tuple[float, float] = (BOX_SIDE, BOX_SIDE),
) -> onnx.ModelProto:
    """Fires on bright squares of 16 to 33 pixels: logit 200 (response of the blob kernel - 0.38).

    "Too small" fires on squares of 5 to 11 pixels in the same way.
    """
    kernel = np.stack([make_blob_kernel(7), make_blob_kernel(7 / 3)])[:, np.newaxis]
    mixture = np.zeros((21, 2), np.float32)
    mixture[class_, 0] = mixture[N_CLASSES, 1] = SLOPE / 255
    bias = np.full(21, -20, np.float32)
    bias[[class_, N_CLASSES]] = -SLOPE * LEAST_ANSWER
    bias[17:] = (*offset, *np.log(size))
    return make_detector(kernel, mixture, bias)


def make_judge(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> onnx.ModelProto:
    """Builds a network of one dense layer with weights (2304, 17)."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["y"]),
    ]
    return make_model(nodes, {"weights": weights, "bias": bias}, [["n", 48, 48, 1], ["n", 17]])


def make_sure_judge() -> onnx.ModelProto:
    """Classifies every window as a square."""
    bias = np.zeros(17, np.float32)
    bias[SQUARE] = 5
    return make_judge(np.zeros((2304, 17), np.float32), bias)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Read]:
    def start_reader(
        detector: onnx.ModelProto,
        *judges: onnx.ModelProto,
        settings: ReaderSettings | None = None,
        context: onnx.ModelProto | None = None,
    ) -> Read:
        path = tmp_path / "reader.onnx"
        onnx.save(build_reader(detector, judges, settings, context), path)
        return Detector(path, n_threads=1)

    return start_reader


def draw_squares(
    height: int, width: int, squares: Sequence[tuple[float, float, float]], grey: int = 255
) -> Grey:
    """Draws bright squares (x, y, side) on black."""
    picture = np.zeros((height, width), np.uint8)
    for x, y, side in squares:
        picture[round(y) : round(y + side), round(x) : round(x + side)] = grey
    return picture


def middles(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(boxes[:, :2] + boxes[:, 2:] / 2, np.float32)


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [
        (28, 28, 10),
        (60, 60, 14),
        (100, 400, 24),
        (100, 400, 60),
        (300, 500, 150),
        (700, 1000, 40),
        (700, 1000, 330),
        (30, 3000, 10),
        (2000, 1500, 50),
        (2000, 1500, 500),
    ],
)
def test_a_square_of_any_size_is_found_once(
    start: Callable[..., Read], height: int, width: int, side: int
) -> None:
    x, y = (width - side) * 0.45, (height - side) * 0.55
    found = start(make_square_detector(), make_sure_judge())(
        draw_squares(height, width, [(x, y, side)])
    )
    assert found.classes.tolist() == [SQUARE]
    # A cell is at most a quarter of the square, and the middle is off by up to half a cell.
    assert np.abs(middles(found.boxes)[0] - (x + side / 2, y + side / 2)).max() < 0.16 * side
    assert side / 1.6 < found.boxes[0, 2] < side * 1.6


def test_many_squares_are_each_found_at_their_place(start: Callable[..., Read]) -> None:
    places = [(40 + 110 * i, 30 + 120 * j) for i in range(8) for j in range(5)]
    picture = draw_squares(700, 1000, [(x, y, 30) for x, y in places])
    found = start(make_square_detector(), make_sure_judge())(picture)
    assert len(found) == len(places)
    expected = np.array(places) + 15
    distances = np.abs(middles(found.boxes)[:, np.newaxis] - expected).max(axis=2)
    assert distances.min(axis=0).max() < 3.5  # half a cell at this level
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.scores, found.probabilities[:, SQUARE], atol=1e-6)


def test_offsets_and_sizes_are_read_in_their_order(start: Callable[..., Read]) -> None:
    # With one level of 128 x 128, the square lies exactly on a cell: 64 = 16 x 4.
    levels = LevelSettings(scales=(128.0,))
    detector = make_square_detector(offset=(0.5, -0.25), size=(20.0, 36.0))
    read = start(detector, make_sure_judge(), settings=ReaderSettings(levels=levels))
    found = read(draw_squares(128, 128, [(66 - 12, 62 - 12, 24)]))
    expected = [66 + 0.5 * 4 - 10, 62 - 0.25 * 4 - 18, 20, 36]
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-3)


def test_the_score_is_that_of_both_networks(start: Callable[..., Read]) -> None:
    settings = ReaderSettings(
        LevelSettings(scales=(128.0,)),
        detector_weight=0.7,
        detector_floor=0.02,
        temperature=1.3,
        none_odds=1.5,
    )
    found = start(make_square_detector(), make_sure_judge(), settings=settings)(
        draw_squares(128, 128, [(66 - 9, 62 - 9, 18)])
    )
    detected = np.full(16, 1 / (1 + np.exp(20)))
    detected[SQUARE] = 1 / (1 + np.exp(-SLOPE * (measure_blob(18) - LEAST_ANSWER)))
    judged = np.exp(np.where(np.arange(17) == SQUARE, 5.0, 0.0))
    product = judged * (np.append(detected, 1 - detected.max()) + 0.02) ** 0.7
    product = product ** (1 / 1.3)
    product[NO_MARK] *= 1.5
    np.testing.assert_allclose(found.probabilities[0], product / product.sum(), atol=1e-5)


def make_context() -> onnx.ModelProto:
    """Adds the number of boxes around, times 3, to the logit of class 3."""
    kernel = np.zeros((21, 17), np.float32)
    kernel[4:] = np.eye(17)
    nodes = [
        helper.make_node("MatMul", ["x", "kernel"], ["logits"]),
        helper.make_node("Slice", ["x", "two", "three", "one"], ["widths"]),
        helper.make_node("Sign", ["widths"], ["are_there"]),
        helper.make_node("ReduceSum", ["are_there"], ["count"], keepdims=1),
        helper.make_node("Mul", ["count", "step"], ["change"]),
        helper.make_node("Add", ["logits", "change"], ["y"]),
    ]
    step = np.zeros((1, 17), np.float32)
    step[0, 3] = 3
    numbers = {name: np.array([n]) for n, name in enumerate(("one", "two", "three"), start=1)}
    return make_model(nodes, {"kernel": kernel, "step": step, **numbers}, [["n", 21], ["n", 17]])


def test_boxes_are_corrected_by_those_around(start: Callable[..., Read]) -> None:
    """The placeholder row does not count."""
    settings = ReaderSettings(LevelSettings(scales=(128.0,)))
    for lefts in ((57,), (12, 57, 102)):
        picture = draw_squares(128, 128, [(left, 53, 18) for left in lefts])
        networks = (make_square_detector(), make_sure_judge())
        plain = start(*networks, settings=settings)(picture)
        found = start(*networks, settings=settings, context=make_context())(picture)

        assert len(plain) == len(found) == len(lefts)
        logits = np.log(plain.probabilities + 1e-3)
        logits[:, 3] += 3 * len(lefts)
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        order = [np.argsort(read.boxes[:, 0]) for read in (plain, found)]
        np.testing.assert_allclose(
            found.probabilities[order[1]], expected[order[0]], rtol=2e-3, atol=1e-5
        )
        assert found.candidates is not None
        assert len(found.candidates[0]) == len(lefts)


def test_a_picture_without_marks_is_read_with_a_context_network(start: Callable[..., Read]) -> None:
    read = start(make_square_detector(), make_sure_judge(), context=make_context())

    assert len(read(np.zeros((60, 90), np.uint8))) == 0


def test_a_mark_at_the_edge_is_found_and_its_box_ends_there(start: Callable[..., Read]) -> None:
    picture = draw_squares(128, 256, [(0, 50, 28), (228, 60, 28)])
    found = start(make_square_detector(), make_sure_judge())(picture)
    assert (found.boxes[:, :2] >= 0).all()
    assert (found.boxes[:, :2] + found.boxes[:, 2:] <= (256 + 1e-3, 128 + 1e-3)).all()
    # Edges are repeated, so a square at the edge looks longer than it is.
    assert len(found) >= 1


@pytest.mark.parametrize(
    ("class_", "n_large", "zooms", "all_zooms_boxes", "n_judges"),
    [
        (3, 0, (1.0,), 400, 1),
        (COMMA, 20, (1.0,), 400, 1),
        (3, 0, (0.8, 1.1, 1.3), 400, 1),
        (3, 0, (0.8, 1.1, 1.3), 60, 1),
        (3, 0, (0.8, 1.1, 1.3), 60, 2),
        (3, 0, (1.1, 0.8), 400, 2),
    ],
)
def test_windows_are_those_of_crop_windows(
    start: Callable[..., Read],
    class_: int,
    n_large: int,
    zooms: tuple[float, ...],
    all_zooms_boxes: int,
    n_judges: int,
) -> None:
    """The logits of a judge are random projections of its window, which shows its pixels."""
    random = np.random.default_rng(5)
    kernel = random.normal(0, 0.03, (5, 1, 16, 16)).astype(np.float32)
    mixture = np.zeros((21, 5), np.float32)
    mixture[class_, 0] = 1
    mixture[17:, 1:] = np.eye(4) * 0.01
    bias = np.full(21, -20, np.float32)
    bias[class_] = 0
    bias[17:] = (0, 0, *np.log([24, 24]))
    projections = random.normal(0, 0.02, (n_judges, 2304, 17)).astype(np.float32)
    settings = ReaderSettings(
        LevelSettings(size_factors=(1.0,) * N_CLASSES),
        window_zooms=zooms,
        all_zooms_boxes=all_zooms_boxes,
        detector_weight=0.0,
        max_contained=2.0,
        least_score=0.0,
    )
    judges = [make_judge(projection, np.zeros(17, np.float32)) for projection in projections]
    read = start(make_detector(kernel, mixture, bias), *judges, settings=settings)
    coarse = random.integers(0, 256, (40, 60))
    picture = np.kron(coarse, np.ones((9, 9))).astype(np.uint8)[:350, :533]
    found = read(picture)
    logits = np.zeros((len(zooms), len(found), 17))
    for logit, zoom, projection in zip(logits, zooms, itertools.cycle(projections)):
        first, size = found.boxes[:, :2], found.boxes[:, 2:]
        boxes = np.concatenate([first + size * (1 - zoom) / 2, size * zoom], axis=1)
        windows = crop_windows(picture, boxes.astype(np.float32), np.full(len(found), class_))
        logit[:] = windows.reshape(len(found), -1) @ projection
    logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
    once, often = logits[0], logits.mean(axis=0)
    log = np.log(found.probabilities)
    is_often = np.ptp(log - often, axis=1) < np.ptp(log - once, axis=1)
    if len(zooms) > 1:
        assert 0 < is_often.sum() <= all_zooms_boxes
        assert is_often.all() == (len(found) <= all_zooms_boxes)
    expected = np.where(is_often[:, np.newaxis], often, once)
    errors = np.ptp(np.log(found.probabilities) - expected, axis=1)
    sides = found.boxes[:, 2:].max(axis=1) * REACHES[class_] * max(zooms)
    is_small = sides < SHRINK_FACTORS[1] * LEAST_CUT
    assert is_small.sum() > 100
    assert (~is_small).sum() >= n_large
    # crop_windows rounds its samples to integers; larger windows are cut from a shrunk picture.
    assert errors[is_small].max() < 0.03
    assert errors[~is_small].max(initial=0) < 0.8
    assert np.ptp(expected, axis=1).min() > 1  # The errors are small compared with this.


def test_of_two_boxes_one_inside_the_other_the_better_one_stays(
    start: Callable[..., Read],
) -> None:
    """A square of 24 pixels has a box of 60, which contains a smaller and darker square, too."""
    kernel = np.stack([make_blob_kernel(7), make_blob_kernel(7 / 3)])[:, np.newaxis]
    mixture = np.zeros((21, 2), np.float32)
    mixture[SQUARE, 0] = mixture[POINT, 1] = SLOPE / 255
    mixture[19:, 1] = np.log(14 / 60) / measure_blob(24) / 230
    bias = np.full(21, -20, np.float32)
    bias[[SQUARE, POINT]] = -SLOPE * LEAST_ANSWER
    bias[17:] = (0, 0, *np.log([60, 60]))
    detector = make_detector(kernel, mixture, bias)
    judge = make_judge(np.zeros((2304, 17), np.float32), np.zeros(17, np.float32))
    picture = draw_squares(128, 128, [(54, 54, 24)])
    picture[62:70, 86:94] = 230
    levels = LevelSettings(scales=(128.0,), size_factors=(1.0,) * N_CLASSES)
    settings = ReaderSettings(levels, detector_weight=1.0, free_classes=())
    for change, expected in (
        ({}, [SQUARE]),
        ({"max_contained": 2.0}, [SQUARE, POINT]),
        ({"free_classes": (POINT,)}, [SQUARE, POINT]),
        ({"free_classes": (POINT,), "free_score": 0.9999}, [SQUARE]),
    ):
        found = start(detector, judge, settings=replace(settings, **change))(picture)
        assert found.classes.tolist() == expected, change


def test_of_two_boxes_that_overlap_by_a_third_the_better_one_stays(
    start: Callable[..., Read],
) -> None:
    detector = make_square_detector(size=(70, 70))
    picture = draw_squares(128, 128, [(36, 54, 24)])
    picture[54:78, 68:92] = 235
    levels = LevelSettings(scales=(128.0,))
    judge = make_judge(np.zeros((2304, 17), np.float32), np.zeros(17, np.float32))
    for most, expected in ((0.3, 1), (0.35, 2)):
        settings = ReaderSettings(levels, detector_weight=1.0, max_judged_overlap=most)
        found = start(detector, judge, settings=settings)(picture)
        assert len(found) == expected
        assert middles(found.boxes)[0] == pytest.approx((48, 66), abs=3)


def test_size_factors_move_the_levels_at_which_a_class_counts(start: Callable[..., Read]) -> None:
    """A point as large as here belongs to digits of 200 pixels, which have a coarser level."""
    detector = make_square_detector(class_=POINT)
    bias = np.zeros(17, np.float32)
    bias[POINT] = 5
    judge = make_judge(np.zeros((2304, 17), np.float32), bias)
    picture = draw_squares(128, 128, [(50, 50, 24)])
    assert len(start(detector, judge)(picture)) == 0
    level = LevelSettings(size_factors=(1.0,) * N_CLASSES)
    assert start(detector, judge, settings=ReaderSettings(level))(picture).classes.tolist() == [
        POINT
    ]


def test_small_writing_on_a_large_picture_gets_a_second_look(start: Callable[..., Read]) -> None:
    levels = LevelSettings(scales=(128.0, 256.0), second_look_windows=2)
    read = start(make_square_detector(), make_sure_judge(), settings=ReaderSettings(levels))
    # 1,024 pixels at a quarter of their size: 32 become 8, too small, and 24 at the second look.
    picture = draw_squares(1024, 1024, [(300, 700, 34)])
    found = read(picture)
    assert len(found) == 1
    assert np.abs(middles(found.boxes)[0] - (317, 717)).max() < 6
    assert found.unread == 0
    many = [(60 + 200 * i, 60 + 200 * j, 34) for i in range(5) for j in range(5)]
    crowded = read(draw_squares(1024, 1024, many))
    assert 1 <= len(crowded) < len(many)
    tiles = {((x + 17) // 4 + 16) // 64 for x, _, _ in many}  # Of 64 pixels, after the margin.
    assert crowded.unread == len(tiles) ** 2 - 2
    without = replace(levels, second_look_from=1e9)
    assert (
        len(
            start(make_square_detector(), make_sure_judge(), settings=ReaderSettings(without))(
                picture
            )
        )
        == 0
    )


def test_a_picture_beyond_the_limit_is_shrunk_and_boxes_are_in_its_own_pixels(
    start: Callable[..., Read],
) -> None:
    picture = draw_squares(600, 900, [(500, 200, 140)])
    settings = ReaderSettings(max_pixels=60_000)
    found = start(make_square_detector(), make_sure_judge(), settings=settings)(picture)
    assert len(found) == 1
    assert np.abs(middles(found.boxes)[0] - (570, 270)).max() < 16


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (2000, 2), (3, 5), (33, 31)])
def test_pictures_of_any_shape_are_read(start: Callable[..., Read], shape: tuple[int, int]) -> None:
    read = start(make_square_detector(), make_sure_judge())
    for grey in (0, 255):
        found = read(np.full(shape, grey, np.uint8))
        assert found.probabilities.shape[1] == NO_MARK + 1


def test_the_weights_stand_once_in_the_file() -> None:
    detector, judge = make_square_detector(), make_sure_judge()
    settings = ReaderSettings(window_zooms=(0.9, 1.1))
    size = len(build_reader(detector, [judge], settings).SerializeToString())
    assert size < len(detector.SerializeToString()) + len(judge.SerializeToString()) + 60_000


def test_only_operators_of_the_standard_are_used() -> None:
    model = build_reader(make_square_detector(), [make_sure_judge()])
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    assert [o.domain for o in model.opset_import] == [""]


@pytest.mark.parametrize("name", ["detector", "judge"])
def test_networks_of_other_shapes_are_rejected(name: str) -> None:
    networks = {"detector": make_square_detector(), "judge": make_sure_judge()}
    networks[name].graph.output[0].type.tensor_type.shape.dim[-1].dim_value = 11
    with pytest.raises(ModelError, match=f"the {name} .* 11"):
        build_reader(networks["detector"], [networks["judge"]])


def test_more_judges_than_windows_are_rejected() -> None:
    judges = [make_sure_judge(), make_sure_judge()]
    with pytest.raises(ModelError, match="2 judges have 1 windows"):
        build_reader(make_square_detector(), judges)


def test_networks_that_keras_exports_are_taken(start: Callable[..., Read], tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exporting needs the backend TensorFlow")
    layers = keras.layers
    source = keras.Input((None, None, 1))
    x = layers.Conv2D(4, 3, strides=8, padding="same", activation="relu")(source)
    x = layers.Conv2D(21, 1)(layers.UpSampling2D()(layers.BatchNormalization()(x)))
    detector = keras.Model(source, x)
    window = keras.Input((48, 48, 1))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(window))
    judge = keras.Model(window, layers.Dense(17)(x))
    models = []
    for network, side in ((detector, 64), (judge, 48)):
        network(np.zeros((1, side, side, 1), np.float32))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The exporter uses deprecated names of NumPy.
            network.export(tmp_path / "network.onnx", format="onnx", verbose=False)
        models.append(onnx.load(tmp_path / "network.onnx"))
    found = start(*models)(np.random.default_rng(0).integers(0, 256, (90, 150), np.uint8))
    assert found.probabilities.shape == (len(found), 17)
