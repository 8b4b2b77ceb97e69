"""The reader's graph with handmade networks, whose outputs follow from simple formulas."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from inkdigits.errors import ModelError
from inkdigits.results.alphabet import N_CLASSES, NO_MARK, POINT
from inkdigits.training.model_files.reader_graph import ReaderSettings, build_reader
from inkdigits.training.model_files.reader_levels import LevelSettings
from tests.training.model_files.handmade_networks import (
    LEAST_ANSWER,
    SLOPE,
    SQUARE,
    Read,
    draw_squares,
    make_blob_kernel,
    make_context,
    make_detector,
    make_judge,
    make_picture_judge,
    make_square_detector,
    make_sure_judge,
    measure_blob,
)


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


def test_boxes_are_corrected_by_those_around(start: Callable[..., Read]) -> None:
    """The placeholder row does not count."""
    settings = ReaderSettings(LevelSettings(scales=(128.0,)))
    for lefts in ((57,), (12, 57, 102)):
        picture = draw_squares(128, 128, [(left, 53, 18) for left in lefts])
        networks = (make_square_detector(), make_sure_judge())
        plain = start(*networks, settings=settings)(picture)
        found = start(*networks, settings=settings, context=make_context())(picture)

        assert len(plain) == len(found) == len(lefts)
        logits = np.log(np.maximum(plain.probabilities, 1e-30))
        logits[:, 3] += 3 * len(lefts)
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        order = [np.argsort(read.boxes[:, 0]) for read in (plain, found)]
        np.testing.assert_allclose(
            found.probabilities[order[1]], expected[order[0]], rtol=2e-3, atol=1e-5
        )
        assert found.candidates is not None
        assert len(found.candidates.boxes) == len(lefts)
        assert not found.candidates.fills.any()


@pytest.mark.parametrize("class_", [SQUARE, 3])
def test_a_mark_that_fills_the_picture_is_the_only_one(
    class_: int, start: Callable[..., Read]
) -> None:
    """Its box is that of a detected mark of the same class, or else the whole picture."""
    picture = draw_squares(50, 60, [(4, 16, 18), (38, 16, 18)])
    networks = make_square_detector(), make_sure_judge()
    plain = start(*networks)(picture)
    assert len(plain) > 1
    assert plain.candidates is not None
    assert not plain.candidates.fills.any()

    found = start(*networks, picture_judge=make_picture_judge(class_, 20))(picture)
    assert found.classes.tolist() == [class_]
    assert found.scores[0] > 0.999
    assert found.candidates is not None
    assert found.candidates.fills.tolist() == [False] * len(plain.candidates.fills) + [True]
    expected = plain.candidates.boxes[0] if class_ == SQUARE else (0, 0, 60, 50)
    np.testing.assert_allclose(found.boxes[0], expected, atol=1e-3)
    np.testing.assert_allclose(found.candidates.boxes[-1], expected, atol=1e-3)

    unsure = start(*networks, picture_judge=make_picture_judge(NO_MARK, 20))(picture)
    np.testing.assert_array_equal(unsure.boxes, plain.boxes)

    hot = replace(ReaderSettings(), picture_temperature=10.0)
    found = start(*networks, settings=hot, picture_judge=make_picture_judge(class_, 20))(picture)
    assert found.candidates is not None
    expected = np.where(np.arange(17) == class_, np.exp(2), 1) / (np.exp(2) + 16) + 1e-5
    if class_ == SQUARE:
        expected *= plain.candidates.probabilities[0] + 1e-5
    np.testing.assert_allclose(
        found.candidates.probabilities[-1], expected / expected.sum(), rtol=1e-3
    )


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
