"""Windows of the judge from handmade pages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from inkdigits.recognition.detection import Detections
from inkdigits.results.alphabet import N_CLASSES, NO_MARK, POINT
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.samples import judge_windows
from inkdigits.training.samples.judge_windows import cut_windows, label_found

MakePage = Callable[..., DrawnPage]


def test_windows_show_their_marks(blocks: DrawnPage) -> None:
    seen = np.zeros(N_CLASSES + 1, int)
    for seed in range(20):
        windows, classes = cut_windows(blocks, np.random.default_rng(seed))
        assert windows.shape == (len(classes), 48, 48)
        assert windows.dtype == np.float32
        np.add.at(seen, classes, 1)
        for window, label in zip(windows, classes, strict=True):
            if label != NO_MARK:
                # The block is dark and in the middle; the paper beside it is light.
                assert window[20:28, 20:28].mean() < -0.5
                assert window[20:28, [0, 1, 46, 47]].mean() > 0.1
    assert list(seen[:4]) == [20, 20, 20, 0]
    assert seen[4:NO_MARK].sum() == 0
    assert 5 < seen[NO_MARK] < 40


def test_windows_without_mark_are_not_about_one(blocks: DrawnPage) -> None:
    """No box without a mark overlaps a mark so much that it could be its box."""
    random = np.random.default_rng(1)
    found = [judge_windows._misplace(blocks, random) for _ in range(500)]
    boxes = [box for box in found if box is not None]

    assert len(boxes) > 250
    for x, y, width, height in boxes:
        for left, top, mark_width, mark_height in blocks.boxes:
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
    make_page: MakePage,
    mark: tuple[tuple[float, float, float, float], int, float, bool],
    expected: int,
) -> None:
    _, classes = cut_windows(make_page(mark), np.random.default_rng(0), n_none=0)

    assert classes.tolist() == [mark[1]] * expected


@pytest.mark.parametrize(
    ("box", "expected", "asked"),
    [
        ((81, 99, 23, 41), 1, True),  # a mark, off by a pixel
        ((84, 118, 12, 12), NO_MARK, True),  # a loop of the mark
        ((20, 100, 84, 40), NO_MARK, True),  # two marks
        ((20, 20, 24, 40), NO_MARK, True),  # paper
        ((86, 112, 24, 40), 1, False),  # between: neither the mark nor clearly wrong
        ((200, 100, 24, 40), 3, False),  # a mark that is not sure
        ((205, 110, 12, 12), NO_MARK, False),  # a part of such a mark
    ],
)
def test_what_detected_boxes_hold(
    blocks: DrawnPage, box: tuple[float, float, float, float], expected: int, asked: bool
) -> None:
    probabilities = np.full((1, N_CLASSES + 1), 1 / (N_CLASSES + 1), np.float32)
    boxes, scores = np.array([box], np.float32), np.array([0.5], np.float32)
    found = Detections(boxes, np.array([8]), scores, probabilities)

    classes, is_asked = label_found(blocks, found)
    assert is_asked.tolist() == [asked]
    if asked:
        assert classes.tolist() == [expected]
    _, labels = cut_windows(blocks, np.random.default_rng(0), found, n_none=0)
    assert labels.tolist() == [0, 1, 2, *classes[is_asked]]


def test_a_box_a_little_off_holds_nothing_where_the_mark_is_found_already(
    blocks: DrawnPage,
) -> None:
    boxes = np.array([(81, 99, 23, 41), (86, 112, 24, 40)], np.float32)
    probabilities = np.full((2, N_CLASSES + 1), 1 / (N_CLASSES + 1), np.float32)
    scores = np.array([0.9, 0.5], np.float32)
    found = Detections(boxes, np.array([8, 8]), scores, probabilities)

    classes, is_asked = label_found(blocks, found)
    assert is_asked.tolist() == [True, True]
    assert classes.tolist() == [1, NO_MARK]


def test_page_without_marks_gives_windows_of_none(make_page: MakePage) -> None:
    windows, classes = cut_windows(make_page(), np.random.default_rng(0))

    assert classes.tolist() == [NO_MARK] * 2
    assert np.isfinite(windows).all()
