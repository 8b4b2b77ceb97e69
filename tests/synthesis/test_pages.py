"""Pages: boxes lie where the ink is, and nobody is asked for what cannot be seen."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.synthesis import pages
from inkdigits.synthesis.glyphs import Glyph
from inkdigits.synthesis.pages import draw_page, draw_pages
from inkdigits.synthesis.placing import Part, Placed
from inkdigits.synthesis.scribes import Scriptorium

SIDE = 128
UNTURNED = np.eye(3)


def make_block(width: int, height: int) -> Glyph:
    return Glyph(np.full((height, width), 255, np.uint8), 0.0, 4)


def put(
    glyph: Glyph, matrix: list[list[float]], parts: tuple[Part, ...] = (Part(4),)
) -> tuple[NDArray[np.float32], list[pages._Mark]]:
    cover = np.zeros((SIDE, SIDE), np.float32)
    placed = Placed(glyph, np.array(matrix, np.float64), 32.0, 1.0, parts)
    return cover, pages._draw_glyph(cover, placed, UNTURNED)


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.75, 1, 2, 3])
@pytest.mark.parametrize("corner", [(20, 30), (21, 33)])
def test_box_is_that_of_the_ink(scale: float, corner: tuple[int, int]) -> None:
    """A block of whole pixels: ink and box reach from its left edge to its right one."""
    left, top = corner
    cover, (mark,) = put(make_block(16, 24), [[scale, 0, left], [0, scale, top]])

    assert mark.box == (left, top, 16 * scale, 24 * scale)
    rows, columns = np.nonzero(cover > 0.5)
    assert (columns.min(), rows.min()) == corner
    assert (columns.max() + 1, rows.max() + 1) == (left + 16 * scale, top + 24 * scale)
    assert cover.sum() == pytest.approx(16 * 24 * scale**2, rel=0.02)


@pytest.mark.parametrize("scale", [0.2, 0.33, 0.7, 1.3])
def test_middle_of_ink_is_that_of_the_glyph(scale: float) -> None:
    """No shift by half a pixel, at whatever scale: the centroid is mapped as the middle is."""
    cover, (mark,) = put(make_block(40, 64), [[scale, 0, 30.3], [0, scale, 20.6]])

    rows, columns = np.indices(cover.shape) + 0.5
    middle = (columns * cover).sum() / cover.sum(), (rows * cover).sum() / cover.sum()
    assert middle == pytest.approx((30.3 + 20 * scale, 20.6 + 32 * scale), abs=0.1)
    x, y, width, height = mark.box
    assert (x + width / 2, y + height / 2) == pytest.approx(middle, abs=0.6)


@pytest.mark.parametrize("scale", [0.11, 0.25, 0.6, 1, 1.7])
def test_boxes_of_parts_follow_the_map(scale: float) -> None:
    part = Part(4, (10.0, 5.0, 23.0, 37.0))
    _, (mark,) = put(make_block(67, 41), [[scale, 0, 12.5], [0, scale, 31.25]], (part,))

    expected = (12.5 + 10 * scale, 31.25 + 5 * scale, 13 * scale, 32 * scale)
    assert mark.box == pytest.approx(expected)


@pytest.mark.parametrize(
    ("left", "expected"),
    [(50, "sure"), (-2, "sure"), (-8, "unsure"), (-16, None), (-40, None), (SIDE + 5, None)],
)
def test_marks_cut_by_the_edge(left: float, expected: str | None) -> None:
    """Of 20 pixels: 18 to be seen are enough, 12 are not, 4 are nothing."""
    _, marks = put(make_block(20, 30), [[1, 0, left], [0, 1, 40]])

    assert [("sure" if mark.sure else "unsure") for mark in marks] == [expected][: len(marks)]
    assert len(marks) == (expected is not None)
    for mark in marks:
        x, y, width, height = mark.box
        assert (x, y, height) == (max(left, 0), 40, 30)
        assert x + width == left + 20


def test_huge_glyph_is_left_out() -> None:
    cover, marks = put(make_block(20, 30), [[100, 0, 0], [0, 100, 0]])

    assert not marks
    assert not cover.any()


def test_covered_marks_are_not_asked_for() -> None:
    cover, (mark,) = put(make_block(20, 30), [[1, 0, 50], [0, 1, 40]])
    picture = (255 * (1 - 0.9 * cover)).astype(np.uint8)
    seen = np.ones_like(cover)
    border = seen.copy()
    border[:, :55] = 0
    beside = seen.copy()
    beside[:, :45] = 0

    assert pages._is_legible(mark, cover, picture, seen)
    assert not pages._is_legible(mark, cover, picture, border)
    assert pages._is_legible(mark, cover, picture, beside)


@pytest.mark.parametrize(("contrast", "expected"), [(0.0, False), (0.005, False), (0.1, True)])
def test_faint_marks_are_not_asked_for(contrast: float, expected: bool) -> None:
    cover, (mark,) = put(make_block(20, 30), [[1, 0, 50], [0, 1, 40]])
    picture = (200 * (1 - contrast * cover)).astype(np.uint8)

    assert pages._is_legible(mark, cover, picture, np.ones_like(cover)) is expected


def test_marks_in_noise_are_not_asked_for() -> None:
    cover, (mark,) = put(make_block(20, 30), [[1, 0, 50], [0, 1, 40]])
    noise = np.random.default_rng(0).normal(0, 40, cover.shape)
    picture = np.clip(150 - 20 * cover + noise, 0, 255).astype(np.uint8)

    assert not pages._is_legible(mark, cover, picture, np.ones_like(cover))


def test_pages_are_what_they_say(scriptorium: Scriptorium) -> None:
    n_sure = n_marks = n_cropped = 0
    for seed in range(40):
        page = draw_page(scriptorium, np.random.default_rng(seed))
        height, width = page.picture.shape
        assert 16 <= min(height, width) <= max(height, width) <= 256
        assert page.picture.dtype == np.uint8
        n = len(page.boxes)
        assert page.boxes.shape == (n, 4)
        assert page.labels.shape == page.heights.shape == page.sure.shape == (n,)
        assert ((page.labels >= 0) & (page.labels < N_CLASSES)).all()
        assert (page.boxes[:, 2:] > 0).all()
        assert (page.boxes[:, :2] >= 0).all()
        assert (page.boxes[:, :2] + page.boxes[:, 2:] <= (width + 0.001, height + 0.001)).all()
        n_cropped += min(height, width) < 256
        n_sure, n_marks = n_sure + int(page.sure.sum()), n_marks + n
    assert n_marks > 200
    assert 5 < n_cropped < 30
    assert 0.5 < n_sure / n_marks < 0.98


def test_crop_keeps_what_is_inside_and_says_what_its_edge_cuts() -> None:
    """Each mark is a block of its own grey, which says where it was."""
    picture = np.full((256, 256), 255, np.uint8)
    boxes = np.array([(x, y, 20, 30) for y in (20, 120, 200) for x in (10, 60, 110, 190)])
    for grey, (x, y, width, height) in enumerate(boxes.tolist()):
        picture[y : y + height, x : x + width] = 10 * grey
    n = len(boxes)
    page = pages.DrawnPage(
        picture,
        boxes.astype(np.float32),
        np.arange(n) % 10,
        np.full(n, 30, np.float32),
        np.ones(n, np.bool_),
    )
    n_cut = 0
    for seed in range(200):
        crop = pages._crop(page, np.random.default_rng(seed))
        greys, counts = np.unique(crop.picture[crop.picture < 255], return_counts=True)
        shown = dict(zip((greys // 10).tolist(), (counts / 600).tolist(), strict=True))
        told = []
        for (x, y, width, height), sure in zip(crop.boxes.astype(int), crop.sure, strict=True):
            block = crop.picture[y : y + height, x : x + width]
            (grey,) = np.unique(block).tolist()
            told.append(grey // 10)
            assert sure == (shown[told[-1]] >= 0.8)
            n_cut += not sure
        assert told == [number for number in sorted(shown) if shown[number] >= 0.3]
    assert n_cut > 20


def test_pages_of_one_writing_have_the_same_marks_on_other_papers(
    scriptorium: Scriptorium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_CROP_SHARE", 0.0)
    monkeypatch.setattr(pages, "_draw_turn", lambda side, random: np.eye(3))
    n_marks = 0
    for seed in range(10):
        one, other = draw_pages(scriptorium, np.random.default_rng(seed), 2)
        assert one.labels.tolist() == other.labels.tolist()
        assert (one.boxes == other.boxes).all()
        assert (one.picture != other.picture).any() or not len(one.labels)
        n_marks += len(one.labels)
    assert n_marks > 30


def test_pages_of_a_chosen_layout(scriptorium: Scriptorium) -> None:
    random = np.random.default_rng(0)
    assert not any(len(draw_pages(scriptorium, random, 1, layout="blank")[0].boxes) for _ in "1234")
    rows = [draw_pages(scriptorium, random, 1, layout="table")[0] for _ in "1234"]
    assert sum(len(page.boxes) for page in rows) > 20


def test_bands_turn_the_polarity_and_nothing_else() -> None:
    levels = np.full((40, 40), 0.25, np.float32)
    pages._invert_bands(levels, np.random.default_rng(3))
    assert set(np.unique(levels).tolist()) == {0.25, 0.75}


def test_same_state_gives_the_same_page(scriptorium: Scriptorium) -> None:
    def compute_hash(seed: int) -> str:
        page = draw_page(scriptorium, np.random.default_rng(seed))
        return hashlib.sha256(page.picture.tobytes() + page.boxes.tobytes()).hexdigest()

    assert [compute_hash(seed) for seed in range(5)] == [compute_hash(seed) for seed in range(5)]


def test_sure_digits_differ_from_their_paper(scriptorium: Scriptorium) -> None:
    """Within the box of a sure digit there is more contrast than on a page without writing."""
    spreads = []
    for seed in range(30):
        page = draw_page(scriptorium, np.random.default_rng(seed))
        for (x, y, width, height), label in zip(page.boxes, page.labels, strict=True):
            crop = page.picture[int(y) : int(y + height) + 1, int(x) : int(x + width) + 1]
            if label < 10 and min(crop.shape) > 6:
                spreads.append(float(np.ptp(cv2.blur(crop, (3, 3)))))
    assert np.median(spreads) > 50


def test_photograph_is_cut_from_one() -> None:
    """Each pixel of an enlarged cut is between its neighbours of the photograph."""
    photograph = np.full((300, 400), 0.25, np.float32)
    photograph[:, 200:] = 0.75

    cuts = [pages._cut(photograph, (64, 64), np.random.default_rng(seed)) for seed in range(20)]

    assert {(cut.shape, cut.dtype) for cut in cuts} == {((64, 64), np.dtype(np.float32))}
    assert all(0.2499 < cut.min() <= cut.max() < 0.7501 for cut in cuts)
    assert len({float(cut.mean()) for cut in cuts}) > 3
