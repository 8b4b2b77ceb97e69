"""The rows that the context network is trained on: labels of found boxes, and their variation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.recognition.detection import Detections
from inkdigits.results.alphabet import N_CLASSES, NO_MARK, POINT
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.samples.context_rows import (
    MAX_BOXES,
    NOT_COUNTED,
    gather_rows,
    label_boxes,
    vary_rows,
)

Box = tuple[float, float, float, float]
SEVEN: Box = (10, 10, 20, 30)
POINTED: Box = (34, 36, 4, 4)


def make_rows(*shares: tuple[int, float]) -> NDArray[np.float32]:
    rows = np.full((len(shares), N_CLASSES + 1), 1e-4, np.float32)
    for row, (label, share) in zip(rows, shares, strict=True):
        row[label], row[NO_MARK] = share, 1 - share
    return rows


@pytest.mark.parametrize(
    ("marks", "boxes", "shares", "labels"),
    [
        ([(SEVEN, 7, 30, True)], [SEVEN], [(7, 0.9)], [7]),
        ([(SEVEN, 7, 30, True)], [SEVEN], [(4, 0.9)], [7]),  # what was found is wrong
        ([(SEVEN, 7, 30, True)], [(60, 10, 20, 30)], [(7, 0.9)], [NO_MARK]),
        # Of two boxes on one mark, the one of its class and place belongs to it.
        ([(SEVEN, 7, 30, True)], [(11, 10, 20, 30), SEVEN], [(4, 0.9), (7, 0.8)], [NO_MARK, 7]),
        ([(SEVEN, 7, 30, True)], [(14, 14, 18, 26), SEVEN], [(7, 0.9), (7, 0.8)], [NO_MARK, 7]),
        (
            [(SEVEN, 7, 30, True), (POINTED, POINT, 30, True)],
            [SEVEN, POINTED],
            [(7, 0.9), (POINT, 0.9)],
            [7, POINT],
        ),
        # Beside a mark that is uncertain or too small, a box is neither right nor wrong.
        ([(SEVEN, 7, 30, False)], [SEVEN], [(7, 0.9)], [NOT_COUNTED]),
        ([((10, 10, 6, 9), 7, 9, True)], [(10, 10, 6, 9)], [(7, 0.9)], [NOT_COUNTED]),
        ([], [SEVEN], [(7, 0.9)], [NO_MARK]),
        ([(SEVEN, 7, 30, True)], [], [], []),
    ],
)
def test_labels(
    make_page: Callable[..., DrawnPage],
    marks: list[tuple[Box, int, float, bool]],
    boxes: list[Box],
    shares: list[tuple[int, float]],
    labels: list[int],
) -> None:
    found = label_boxes(
        make_page(*marks), np.array(boxes, np.float32).reshape(-1, 4), make_rows(*shares)
    )

    assert found.tolist() == labels


def read_grid(n: int) -> Detections:
    """Boxes of ten pixels in rows of ten."""
    places = np.stack([np.arange(n) % 10, np.arange(n) // 10], axis=1) * 20.0
    boxes = np.concatenate([places, np.full((n, 2), 10.0)], axis=1).astype(np.float32)
    probabilities = make_rows(*[(3, 0.9)] * n)
    return Detections(boxes, np.full(n, 3), np.full(n, 0.9, np.float32), probabilities)


def test_pages_are_filled_up(make_page: Callable[..., DrawnPage]) -> None:
    random = np.random.default_rng(0)

    rows, labels = gather_rows([make_page()] * 2, lambda pixels: read_grid(3), random)

    assert rows.shape == (2, MAX_BOXES, 4 + N_CLASSES + 1)
    assert labels.tolist() == [[NO_MARK] * 3 + [NOT_COUNTED] * (MAX_BOXES - 3)] * 2
    assert (rows[:, 3:] == 0).all()
    np.testing.assert_allclose(rows[0, :3, :4], read_grid(3).boxes)
    np.testing.assert_allclose(
        np.exp(rows[0, :3, 4:]), read_grid(3).probabilities + 1e-3, rtol=1e-4
    )


def test_of_a_crowded_page_one_place_is_taken(make_page: Callable[..., DrawnPage]) -> None:
    rows, labels = gather_rows(
        [make_page()], lambda pixels: read_grid(200), np.random.default_rng(0)
    )

    assert (labels == NO_MARK).all()
    spans = np.ptp(rows[0, :, :2], axis=0)
    assert spans.max() < 180  # of 180 x 380


def test_variation_keeps_what_a_row_is(make_page: Callable[..., DrawnPage]) -> None:
    random = np.random.default_rng(0)
    rows, _ = gather_rows([make_page()] * 500, lambda pixels: read_grid(3), random)

    varied = vary_rows(rows, random)

    assert varied.shape == rows.shape
    assert varied.dtype == np.float32
    assert (varied[:, 3:, 2:4] == 0).all()
    shares = np.exp(varied[:, :3, 4:])
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=0.05)
    assert (shares.argmax(axis=-1) == 3).mean() > 0.97
    assert 0.5 < np.quantile(shares[..., 3], 0.1) < np.quantile(shares[..., 3], 0.9)
    np.testing.assert_allclose(np.median(varied[:, :3, :4], axis=0), rows[0, :3, :4], atol=1)
    assert np.std(varied[:, 0, 2] / rows[:, 0, 2]) > 0.05
