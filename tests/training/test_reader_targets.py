"""Targets of the detector and windows of the judge, from pages made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import N_CLASSES, NO_MARK, POINT
from inkdigits.recognition.detection import Detections
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.frameworks import load_keras
from inkdigits.training.reader_targets import (
    BOX,
    CENTRE,
    N_TARGETS,
    WEIGHT,
    build_targets,
    compute_detector_loss,
    cut_windows,
    frame_page,
    label_found,
)

SIDE = 256
TINY = N_CLASSES  # the channel of writing too small to read


def make_page(
    *marks: tuple[tuple[float, float, float, float], int, float, bool],
    picture: NDArray[np.uint8] | None = None,
) -> DrawnPage:
    """A page of marks: box, label, height of their digits, whether they are sure."""
    boxes, labels, heights, sure = zip(*marks, strict=True) if marks else ((), (), (), ())
    return DrawnPage(
        np.full((SIDE, SIDE), 200, np.uint8) if picture is None else picture,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(heights, np.float32),
        np.array(sure, np.bool_),
    )


def test_blank_page_asks_for_nothing() -> None:
    targets = build_targets(make_page())

    assert targets.shape == (64, 64, N_TARGETS)
    assert targets.dtype == np.float16
    assert (targets[..., WEIGHT] == 1).all()
    assert not np.delete(targets, WEIGHT, axis=-1).any()


def test_mark_can_be_read_back_from_its_targets() -> None:
    box = (101.0, 54.5, 22.0, 37.0)
    targets = build_targets(make_page((box, 7, 37.0, True))).astype(np.float64)

    ((row, column),) = np.argwhere(targets[..., CENTRE] == 1)
    assert targets[row, column, 7] == 1 == targets[..., 7].max()
    x, y, log_width, log_height = targets[row, column, BOX]
    width, height = math.exp(log_width), math.exp(log_height)
    middle = (column + 0.5 + x) * 4, (row + 0.5 + y) * 4
    read = (middle[0] - width / 2, middle[1] - height / 2, width, height)
    assert read == pytest.approx(box, abs=0.1)
    assert (targets[..., WEIGHT] == 1).all()
    # It falls on all sides, and concerns its class alone.
    assert targets[row, column + 1, 7] < 1 > targets[row - 1, column, 7] > 0
    assert targets[..., 7].sum() < 30
    assert not np.delete(targets[..., :WEIGHT], 7, axis=-1).any()


@pytest.mark.parametrize(
    ("box", "label", "height", "sure", "asked", "weighed", "tiny"),
    [
        ((100, 100, 12, 13), 3, 13, True, True, True, False),
        ((100, 100, 8, 11), 3, 11, True, False, False, True),
        ((100, 100, 8, 11), 3, 11, False, False, False, False),  # covered: nobody can say
        ((100, 100, 2, 2), 3, 2, True, False, False, False),
        ((60, 60, 90, 127), 3, 127, True, True, True, False),
        ((60, 60, 90, 140), 3, 140, True, False, False, False),
        ((10, 10, 150, 230), 3, 230, True, False, True, False),  # only strokes at this level
        ((100, 100, 20, 30), 3, 30, False, False, False, False),
        ((100, 100, 4, 4), POINT, 30, True, True, True, False),  # small beside readable digits
        ((100, 100, 2, 2), POINT, 10, True, False, False, False),
    ],
)
def test_size_and_certainty_decide(
    box: tuple[float, float, float, float],
    label: int,
    height: float,
    sure: bool,
    asked: bool,
    weighed: bool,
    tiny: bool,
) -> None:
    targets = build_targets(make_page((box, label, height, sure)))

    x, y, width, mark_height = box
    row, column = int((y + mark_height / 2) / 4), int((x + width / 2) / 4)
    assert (targets[row, column, CENTRE] == 1) is np.bool_(asked)
    assert (targets[row, column, label] == 1) is np.bool_(asked)
    assert (targets[row, column, WEIGHT] == 1) is np.bool_(weighed)
    assert (targets[row, column, TINY] == 1) is np.bool_(tiny)
    assert targets[0, 0, WEIGHT] == 1


def test_marks_at_the_edge_stay_on_the_grid() -> None:
    corners = [(0, 0), (SIDE - 13, 0), (0, SIDE - 13), (SIDE - 13, SIDE - 13)]
    page = make_page(*(((x, y, 13, 13), 5, 13.0, True) for x, y in corners))

    assert build_targets(page)[..., CENTRE].sum() == 4


def test_loss_is_that_of_its_formulas() -> None:
    """Compared with sums over all cells, one by one."""
    page = make_page(
        ((101, 54, 22, 37), 7, 37.0, True),
        ((30, 180, 5, 5), POINT, 40.0, True),
        ((180, 180, 30, 30), 2, 30.0, False),
        ((200, 40, 8, 10), 2, 10.0, True),
    )
    targets = build_targets(page)[np.newaxis]
    outputs = np.random.default_rng(0).normal(0, 2, (1, 64, 64, N_CLASSES + 5))
    expected, n = 0.0, 0.0
    for target, output in zip(
        targets.reshape(-1, N_TARGETS).astype(np.float64), outputs.reshape(64 * 64, -1), strict=True
    ):
        for bump, logit in zip(target[: N_CLASSES + 1], output[: N_CLASSES + 1], strict=True):
            share = 1 / (1 + math.exp(-logit))
            if bump >= 0.999:
                expected -= (1 - share) ** 2 * math.log(share)
            else:
                weight = target[WEIGHT] * (1 - bump) ** 4
                expected -= weight * share**2 * math.log(1 - share)
        if target[CENTRE] == 1:
            n += 1
            expected += 0.5 * float(np.abs(output[-4:] - target[BOX]).sum())

    loss = compute_detector_loss(targets, outputs.astype(np.float32))

    assert n == 2
    assert float(load_keras().ops.convert_to_numpy(loss)) == pytest.approx(expected / n, rel=1e-4)


def draw_blocks() -> DrawnPage:
    """Dark blocks on light paper, of which each is a digit, and one that nobody should ask for."""
    picture = np.full((SIDE, SIDE), 220, np.uint8)
    marks = []
    for index, x in enumerate((20, 80, 140, 200)):
        picture[100:140, x : x + 24] = 20 + 40 * index
        marks.append(((float(x), 100.0, 24.0, 40.0), index, 40.0, index != 3))
    return make_page(*marks, picture=picture)


def test_windows_show_their_marks() -> None:
    seen = np.zeros(N_CLASSES + 1, int)
    for seed in range(20):
        windows, classes = cut_windows(draw_blocks(), np.random.default_rng(seed))
        assert windows.shape == (len(classes), 48, 48)
        assert windows.dtype == np.float32
        np.add.at(seen, classes, 1)
        for window, label in zip(windows, classes, strict=True):
            if label != NO_MARK:
                # The block is dark and in the middle, paper is light and at its sides.
                assert window[20:28, 20:28].mean() < -0.5
                assert window[20:28, [0, 1, 46, 47]].mean() > 0.1
    assert list(seen[:4]) == [20, 20, 20, 0]
    assert seen[4:NO_MARK].sum() == 0
    assert 5 < seen[NO_MARK] < 40


def test_windows_without_mark_are_not_about_one() -> None:
    """No box that is called none lies where a mark's box would be accepted."""
    from inkdigits.training import reader_targets

    page = draw_blocks()
    random = np.random.default_rng(1)
    found = [reader_targets._misplace(page, random) for _ in range(500)]
    boxes = [box for box in found if box is not None]

    assert len(boxes) > 250
    for x, y, width, height in boxes:
        for left, top, mark_width, mark_height in page.boxes:
            common_x = min(x + width, left + mark_width) - max(x, left)
            common_y = min(y + height, top + mark_height) - max(y, top)
            common = max(common_x, 0) * max(common_y, 0)
            union = width * height + mark_width * mark_height - common
            assert common / union < 0.7


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (((100, 100, 20, 30), 3, 30, True), 1),
        (((100, 100, 20, 30), 3, 30, False), 0),
        (((100, 100, 5, 7), 3, 7, True), 0),
        (((100, 100, 3, 3), POINT, 30, True), 1),
        (((100, 100, 2, 2), POINT, 7, True), 0),
    ],
)
def test_windows_of_what_can_be_told(
    mark: tuple[tuple[float, float, float, float], int, float, bool], expected: int
) -> None:
    _, classes = cut_windows(make_page(mark), np.random.default_rng(0), n_none=0)

    assert classes.tolist() == [mark[1]] * expected


@pytest.mark.parametrize(
    ("box", "expected", "asked"),
    [
        ((81, 99, 23, 41), 1, True),  # the mark, a pixel off
        ((84, 118, 12, 12), NO_MARK, True),  # a loop of it
        ((20, 100, 84, 40), NO_MARK, True),  # two at once
        ((20, 20, 24, 40), NO_MARK, True),  # paper
        ((86, 112, 24, 40), 1, False),  # neither the mark nor another thing
        ((200, 100, 24, 40), 3, False),  # a mark that is not sure
        ((205, 110, 12, 12), NO_MARK, False),  # a part of one
    ],
)
def test_what_detected_boxes_hold(
    box: tuple[float, float, float, float], expected: int, asked: bool
) -> None:
    probabilities = np.full((1, N_CLASSES + 1), 1 / (N_CLASSES + 1), np.float32)
    boxes, scores = np.array([box], np.float32), np.array([0.5], np.float32)
    found = Detections(boxes, np.array([8]), scores, probabilities)

    classes, is_asked = label_found(draw_blocks(), found)
    assert is_asked.tolist() == [asked]
    if asked:
        assert classes.tolist() == [expected]
    _, labels = cut_windows(draw_blocks(), np.random.default_rng(0), found, n_none=0)
    assert labels.tolist() == [0, 1, 2, *classes[is_asked]]


def test_a_box_a_little_off_holds_nothing_where_the_mark_is_found_already() -> None:
    boxes = np.array([(81, 99, 23, 41), (86, 112, 24, 40)], np.float32)
    probabilities = np.full((2, N_CLASSES + 1), 1 / (N_CLASSES + 1), np.float32)
    scores = np.array([0.9, 0.5], np.float32)
    found = Detections(boxes, np.array([8, 8]), scores, probabilities)

    classes, is_asked = label_found(draw_blocks(), found)
    assert is_asked.tolist() == [True, True]
    assert classes.tolist() == [1, NO_MARK]


def test_cropped_page_is_framed_and_its_edges_are_repeated() -> None:
    picture = np.full((40, 60), 200, np.uint8)
    picture[10:30, 20:35] = 50
    page = make_page(((20, 10, 15, 20), 4, 20, True), picture=picture)
    sizes = set()
    for seed in range(20):
        framed = frame_page(page, np.random.default_rng(seed))
        assert framed.picture.shape == (SIDE, SIDE)
        ((x, y, width, height),) = framed.boxes.tolist()
        assert height / width == pytest.approx(20 / 15, rel=0.06)
        assert framed.heights[0] == pytest.approx(height, rel=0.01)
        inside = framed.picture[
            round(y) + 2 : int(y + height) - 2, round(x) + 2 : int(x + width) - 2
        ]
        assert (inside == 50).all()
        assert np.isin(framed.picture[[0, -1]], (200,)).all()
        sizes.add(round(height))
    assert min(sizes) == 20
    assert 40 < max(sizes) <= 80


def test_whole_page_is_its_own_frame() -> None:
    page = draw_blocks()
    assert frame_page(page, np.random.default_rng(0)) is page


def test_page_without_marks_gives_windows_of_none() -> None:
    windows, classes = cut_windows(make_page(), np.random.default_rng(0))

    assert classes.tolist() == [NO_MARK] * 2
    assert np.isfinite(windows).all()
