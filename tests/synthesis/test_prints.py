"""Prints: range, repeatability, and that each kind is what its name says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.synthesis.prints import (
    FREQUENCIES,
    GUILLOCHE,
    PRINTS,
    draw_print,
    draw_screen,
    frame_boxes,
)

SHAPE = (256, 256)


def strongest_period(cover: NDArray[np.float32]) -> float:
    """Wavelength in pixels of the strongest frequency of a square field."""
    side = cover.shape[0]
    window = np.hanning(side)
    windowed = (cover - cover.mean()) * window[:, None] * window[None, :]
    power: NDArray[np.float64] = np.abs(np.fft.rfft2(windowed))
    power[:3, :3] = power[-2:, :3] = 0
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    return float(side / np.hypot(min(int(row), side - int(row)), int(column)))


def repeats(cover: NDArray[np.float32], axis: int, low: float, high: float) -> float:
    """Share of the variation along an axis that the best shift of low to high pixels explains."""
    lines = np.moveaxis(cover, axis, 0)
    lines = lines - lines.mean(axis=0)
    shifts = range(int(low), int(high) + 2)
    products = [(lines[shift:] * lines[:-shift]).mean() for shift in shifts]
    return float(max(products) / max((lines**2).mean(), 1e-9))


@pytest.mark.parametrize("kind", PRINTS)
@pytest.mark.parametrize("shape", [SHAPE, (40, 97), (300, 30), (3, 2)])
def test_a_print_is_a_cover_of_the_asked_shape(kind: str, shape: tuple[int, int]) -> None:
    for seed, scale in enumerate((12, 40, 200)):
        cover = draw_print(shape, scale, np.random.default_rng(seed), [kind])
        assert cover.shape == shape
        assert cover.dtype == np.float32
        assert cover.min() >= 0
        assert cover.max() <= 1


@pytest.mark.parametrize("kind", PRINTS)
def test_the_same_state_draws_the_same_print_and_another_state_another(kind: str) -> None:
    first, again = (draw_print(SHAPE, 30, np.random.default_rng(8), [kind]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, draw_print(SHAPE, 30, np.random.default_rng(9), [kind]))


@pytest.mark.parametrize("kind", PRINTS)
def test_hardly_a_print_is_empty_and_none_is_all_black(kind: str) -> None:
    random = np.random.default_rng(1)
    covers = [draw_print(SHAPE, 30, random, [kind]) for _ in range(20)]
    assert sum(cover.max() > 0.02 for cover in covers) >= 15
    assert all(cover.mean() < 0.9 for cover in covers)


def test_every_kind_has_a_frequency() -> None:
    assert set(FREQUENCIES) == set(PRINTS)
    assert set(GUILLOCHE) < set(PRINTS)
    assert sum(FREQUENCIES[kind] for kind in GUILLOCHE) > 0.4 * sum(FREQUENCIES.values())


def test_unknown_kinds_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"text.*guilloche|text.*waves"):
        draw_print(SHAPE, 30, np.random.default_rng(0), ["text"])


@pytest.mark.parametrize(("pitch", "width"), [(8.0, 2.0), (16.0, 3.0), (5.0, 1.0), (9.0, 0.4)])
def test_a_screen_has_lines_of_its_pitch_and_width(pitch: float, width: float) -> None:
    across = np.repeat(np.arange(720, dtype=np.float32)[:, None], 4, axis=1)
    cover = draw_screen(across.copy(), pitch, width)
    np.testing.assert_allclose(cover[round(pitch) :], cover[: -round(pitch)], atol=1e-4)
    assert cover[0, 0] == pytest.approx(min(1, width))
    # The ink of a line is its width, whether it covers pixels wholly or in part.
    assert cover.mean() * pitch == pytest.approx(width, rel=0.25)


def test_rules_repeat_downwards_at_the_height_of_a_line_of_writing() -> None:
    random, scale = np.random.default_rng(2), 20
    shares = [repeats(PRINTS["rules"](SHAPE, scale, random), 0, 22, 53) for _ in range(30)]
    # A single rule, and one that is dotted askew, repeat nowhere.
    assert np.mean([share > 0.4 for share in shares]) > 0.6


def test_squares_repeat_in_both_directions() -> None:
    random, scale = np.random.default_rng(3), 20
    for _ in range(20):
        cover = PRINTS["squares"](SHAPE, scale, random)
        assert repeats(cover, 0, 3, 33) > 0.4
        assert repeats(cover, 1, 3, 33) > 0.4


@pytest.mark.parametrize("kind", ["table", "boxes", "squares"])
def test_forms_divide_the_page_into_cells(kind: str) -> None:
    random = np.random.default_rng(4)
    counts = []
    for _ in range(20):
        cover = PRINTS[kind](SHAPE, 25, random)
        bare = (cover < 0.3 * cover.max()).astype(np.uint8)
        counts.append(cv2.connectedComponents(bare, connectivity=4)[0] - 1)
    assert np.median(counts) >= 6


def test_frames_run_around_their_boxes_and_leave_the_inside_bare() -> None:
    cover = frame_boxes((80, 120), [(20, 10, 30, 40), (70, 10, 30, 40)], 1)
    assert cover[10, 20:51].min() > 0.75
    assert cover[50, 20:51].min() > 0.75
    assert cover[10:51, [20, 50, 70, 100]].min() > 0.75
    assert cover[13:48, 23:48].max() == 0
    assert cover[:, 53:68].max() == 0


def test_combs_are_open_above() -> None:
    cover = frame_boxes((80, 120), [(20, 10, 30, 40)], 1, comb=True)
    assert cover[:36].max() == 0
    assert cover[50, 20:51].min() > 0.75
    assert cover[40:51, [20, 50]].min() > 0.75


@pytest.mark.parametrize("kind", ["waves", "contours", "microlines", "tints"])
def test_guilloche_is_finer_than_writing(kind: str) -> None:
    random, scale = np.random.default_rng(5), 40
    periods = [strongest_period(PRINTS[kind](SHAPE, scale, random)) for _ in range(20)]
    assert np.median(periods) < 0.3 * scale
    # Finer lines than two pixels in each direction would alias.
    assert min(periods) >= np.sqrt(2)


@pytest.mark.parametrize("kind", GUILLOCHE)
def test_guilloche_is_paler_than_ink_and_comes_in_many_strengths(kind: str) -> None:
    random = np.random.default_rng(6)
    peaks = [float(PRINTS[kind](SHAPE, 40, random).max()) for _ in range(40)]
    assert max(peaks) <= 0.61
    assert np.percentile(peaks, 85) > 2.5 * np.percentile(peaks, 15)


def test_a_halftone_is_made_of_dots() -> None:
    random = np.random.default_rng(7)
    counts = []
    for _ in range(10):
        cover = PRINTS["halftone"](SHAPE, 40, random)
        dots = (cover > 0.5 * cover.max()).astype(np.uint8)
        counts.append(cv2.connectedComponents(dots)[0])
    assert np.median(counts) > 30


def test_bars_are_level_and_marks_are_not() -> None:
    random = np.random.default_rng(8)
    for _ in range(10):
        bars = PRINTS["bars"](SHAPE, 40, random)
        spread = min(float(np.ptp(bars, axis=axis).mean()) for axis in (0, 1))
        assert spread < 0.25 * max(float(np.ptp(bars)), 0.01)
    assert any(np.ptp(PRINTS["marks"](SHAPE, 40, random), axis=1).mean() > 0.1 for _ in range(10))
