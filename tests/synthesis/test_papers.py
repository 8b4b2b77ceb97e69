"""Bare papers: range, repeatability, and that each kind is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.synthesis.papers import FREQUENCIES, PAPERS, draw_noise, draw_paper, draw_ramp

SHAPE = (256, 256)


def roughness(paper: NDArray[np.float32], axis: int) -> float:
    """Mean absolute difference of neighbours along an axis."""
    return float(np.abs(np.diff(paper, axis=axis)).mean())


@pytest.mark.parametrize("kind", PAPERS)
@pytest.mark.parametrize("shape", [SHAPE, (40, 97), (700, 30), (3, 2)])
def test_a_paper_is_a_reflectance_of_the_asked_shape(kind: str, shape: tuple[int, int]) -> None:
    for seed, scale in enumerate((12, 40, 200)):
        paper = draw_paper(shape, scale, np.random.default_rng(seed), [kind])
        assert paper.shape == shape
        assert paper.dtype == np.float32
        assert paper.min() >= 0
        assert paper.max() <= 1


@pytest.mark.parametrize("kind", PAPERS)
def test_the_same_state_draws_the_same_paper_and_another_state_another(kind: str) -> None:
    first, again = (draw_paper(SHAPE, 30, np.random.default_rng(8), [kind]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    others = [draw_paper(SHAPE, 30, np.random.default_rng(seed), [kind]) for seed in range(9, 15)]
    assert any(not np.array_equal(first, other) for other in others)


def test_drawing_leaves_the_shared_random_numbers_alone() -> None:
    before = np.random.get_state(legacy=False)
    draw_paper(SHAPE, 30, np.random.default_rng(0), ["grainy"])
    after = np.random.get_state(legacy=False)
    np.testing.assert_array_equal(before["state"]["key"], after["state"]["key"])


def test_every_kind_has_a_frequency_and_half_of_the_papers_are_simple() -> None:
    assert set(FREQUENCIES) == set(PAPERS)
    random = np.random.default_rng(1)
    papers = [draw_paper((64, 64), 30, random) for _ in range(600)]
    # Grain changes from pixel to pixel; light does not, by more than a slope from 0.5 to 1.
    smooth = [roughness(paper, 0) < 0.01 and roughness(paper, 1) < 0.01 for paper in papers]
    assert 0.42 < np.mean(smooth) < 0.72
    assert 0.28 < np.mean([np.ptp(paper) == 0 for paper in papers]) < 0.46


def test_unknown_kinds_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"sandpaper.*grainy"):
        draw_paper(SHAPE, 30, np.random.default_rng(0), ["sandpaper"])
    with pytest.raises(UsageError):
        draw_paper(SHAPE, 30, np.random.default_rng(0), [])


@pytest.mark.parametrize("size", [0.5, 2.0, 6.0, 12.0])
def test_noise_has_unit_deviation_and_grain_of_its_size(size: float) -> None:
    random = np.random.default_rng(2)
    fields = [draw_noise(SHAPE, size, random) for _ in range(6)]
    assert np.std(fields) == pytest.approx(1, abs=0.12)

    def correlation(lag: int) -> float:
        pairs = [np.corrcoef(field[lag:].ravel(), field[:-lag].ravel())[0, 1] for field in fields]
        return float(np.mean(pairs))

    # Neighbours within a grain resemble each other; two grains apart they do not.
    assert correlation(max(1, round(3 * size))) < 0.15
    if size > 1:
        assert correlation(max(1, round(size / 3))) > 0.5


def test_noise_may_be_longer_than_high_and_larger_than_the_stored_fields() -> None:
    field = draw_noise((900, 1500), (2.0, 20.0), np.random.default_rng(3))
    assert field.shape == (900, 1500)
    assert roughness(field, 0) > 4 * roughness(field, 1)


def test_a_ramp_goes_from_corner_to_corner_in_equal_steps() -> None:
    ramp = draw_ramp((30, 50), np.random.default_rng(4))
    corners = ramp[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() == pytest.approx(0, abs=1e-5)
    assert corners.max() == pytest.approx(1, abs=1e-5)
    assert np.ptp(np.diff(ramp, axis=0)) < 1e-5


def test_grain_comes_faint_and_strong() -> None:
    random = np.random.default_rng(5)
    deviations = [float(np.std(draw_paper((96, 96), 40, random, ["grainy"]))) for _ in range(150)]
    assert np.percentile(deviations, 10) < 0.03
    assert np.percentile(deviations, 97) > 0.12


def test_boards_are_dark_and_all_other_papers_are_not() -> None:
    random = np.random.default_rng(6)
    for kind in PAPERS:
        means = [float(draw_paper((96, 96), 40, random, [kind]).mean()) for _ in range(20)]
        if kind == "blackboard":
            assert max(means) < 0.4
        else:
            assert np.mean(means) > 0.45


def test_wood_has_a_direction() -> None:
    random = np.random.default_rng(7)
    ratios = []
    for _ in range(20):
        wood = PAPERS["wooden"](SHAPE, 40, random)
        ratios.append(abs(np.log(roughness(wood, 0) / roughness(wood, 1))))
    assert np.median(ratios) > np.log(4)


def test_a_weave_repeats_in_rows_and_in_columns() -> None:
    random = np.random.default_rng(8)
    for _ in range(5):
        cloth = PAPERS["woven"](SHAPE, 40, random)
        power = np.abs(np.fft.rfft2(cloth - cloth.mean())) ** 2
        # A few frequencies hold most of it: grain would spread over all 33,000.
        assert np.sort(power, axis=None)[-300:].sum() > 0.5 * power.sum()


@pytest.mark.parametrize("kind", ["show-through", "stained", "folded"])
def test_what_paper_shows_stays_paler_than_ink(kind: str) -> None:
    random = np.random.default_rng(9)
    for _ in range(20):
        paper = PAPERS[kind](SHAPE, 40, random)
        assert np.median(paper) - np.percentile(paper, 0.5) < 0.6
