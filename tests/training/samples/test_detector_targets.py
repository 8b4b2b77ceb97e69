"""Targets of the detector for handmade pages."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from inkdigits.results.alphabet import N_CLASSES, POINT
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.samples.detector_targets import (
    BOX,
    CENTRE,
    N_TARGETS,
    WEIGHT,
    build_targets,
    frame_page,
)

MakePage = Callable[..., DrawnPage]

SIDE = 256
TINY = N_CLASSES  # the channel of writing too small to read


def test_blank_page_asks_for_nothing(make_page: MakePage) -> None:
    targets = build_targets(make_page())

    assert targets.shape == (64, 64, N_TARGETS)
    assert targets.dtype == np.float16
    assert (targets[..., WEIGHT] == 1).all()
    assert not np.delete(targets, WEIGHT, axis=-1).any()


def test_mark_can_be_read_back_from_its_targets(make_page: MakePage) -> None:
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
    # The values fall on all sides, and only in the channel of the class.
    assert targets[row, column + 1, 7] < 1 > targets[row - 1, column, 7] > 0
    assert targets[..., 7].sum() < 30
    assert not np.delete(targets[..., :WEIGHT], 7, axis=-1).any()


@pytest.mark.parametrize(
    ("box", "label", "height", "sure", "asked", "weighed", "tiny"),
    [
        ((100, 100, 12, 13), 3, 13, True, True, True, False),
        ((100, 100, 8, 11), 3, 11, True, False, False, True),
        ((100, 100, 8, 11), 3, 11, False, False, False, False),  # covered, so illegible
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
    make_page: MakePage,
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


def test_marks_at_the_edge_stay_on_the_grid(make_page: MakePage) -> None:
    corners = [(0, 0), (SIDE - 13, 0), (0, SIDE - 13), (SIDE - 13, SIDE - 13)]
    page = make_page(*(((x, y, 13, 13), 5, 13.0, True) for x, y in corners))

    assert build_targets(page)[..., CENTRE].sum() == 4


def test_cropped_page_is_framed_and_its_edges_are_repeated(make_page: MakePage) -> None:
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


def test_whole_page_is_its_own_frame(blocks: DrawnPage) -> None:
    page = blocks
    assert frame_page(page, np.random.default_rng(0)) is page
