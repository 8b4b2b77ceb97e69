"""The camera: what each effect does to a page, and what of it stays visible."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.synthesis.camera import BORDERS, CLEAN, EFFECTS, FREQUENCIES, take_picture

Field = NDArray[np.float32]
SHAPE = (128, 160)


def written_page(ground: float = 0.9, ink: float = 0.2) -> Field:
    cover = np.zeros(SHAPE, np.uint8)
    cv2.putText(cover, "358", (20, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 255, 5, cv2.LINE_AA)
    return ground + (ink - ground) * cover.astype(np.float32) / np.float32(255)


def edges(page: Field) -> float:
    """Mean squared Laplacian: how sharp a page is."""
    return float((np.asarray(cv2.Laplacian(page, cv2.CV_32F)) ** 2).mean())


@pytest.mark.parametrize("name", FREQUENCIES)
@pytest.mark.parametrize("shape", [SHAPE, (30, 200), (28, 28), (4, 3)])
def test_effects_keep_the_shape_and_the_page_they_are_given(
    name: str, shape: tuple[int, int]
) -> None:
    page = np.random.default_rng(0).random(shape, dtype=np.float32)
    before = page.copy()
    results = []
    for seed in (1, 1, 2):
        random = np.random.default_rng(seed)
        if name in BORDERS:
            changed, visible = BORDERS[name](page, 30, random)
            assert visible.shape == shape
            assert visible.dtype == np.float32
            assert visible.min() >= 0
            assert visible.max() <= 1
        else:
            changed = EFFECTS[name](page, 30, random)
        assert changed.shape == shape
        assert changed.dtype == np.float32
        results.append(changed)
    np.testing.assert_array_equal(page, before)
    np.testing.assert_array_equal(results[0], results[1])


def test_every_effect_has_a_chance() -> None:
    assert set(FREQUENCIES) == set(EFFECTS) | set(BORDERS)
    assert not set(EFFECTS) & set(BORDERS)


@pytest.mark.parametrize("name", BORDERS)
def test_what_is_not_visible_does_not_depend_on_the_page(name: str) -> None:
    hidden_shares = []
    for seed in range(30):
        (black, visible), (white, same) = (
            BORDERS[name](np.full(SHAPE, value, np.float32), 30, np.random.default_rng(seed))
            for value in (0, 1)
        )
        np.testing.assert_array_equal(visible, same)
        np.testing.assert_allclose(black[visible == 0], white[visible == 0], atol=1e-5)
        assert (white - black)[visible == 1].min() > 0.15
        hidden_shares.append(float((visible < 0.5).mean()))
        if hidden_shares[-1]:
            # What hides the page comes in from a side.
            count, parts = cv2.connectedComponents((visible < 0.5).astype(np.uint8))
            rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
            assert set(range(1, count)) <= set(rim.tolist())
    assert max(hidden_shares) > 0.08
    assert max(hidden_shares) < 0.8


def test_most_borders_are_darker_than_the_page() -> None:
    darker = []
    for seed in range(40):
        page, visible = BORDERS["border"](written_page(), 30, np.random.default_rng(seed))
        if (visible == 0).any():
            darker.append(bool(page[visible == 0].mean() < 0.3))
    assert len(darker) > 25
    assert 0.4 < np.mean(darker) < 0.95


@pytest.mark.parametrize("name", ["shadow", "vignette"])
def test_shadows_only_darken(name: str) -> None:
    page = np.ones(SHAPE, np.float32)
    results = [EFFECTS[name](page, 30, np.random.default_rng(seed)) for seed in range(20)]
    assert max(float(result.max()) for result in results) <= 1 + 1e-6
    assert np.mean([float(result.min()) for result in results]) < 0.85


def test_a_vignette_leaves_the_middle_brightest() -> None:
    page = EFFECTS["vignette"](np.ones(SHAPE, np.float32), 30, np.random.default_rng(0))
    assert page[64, 80] == page.max()
    assert page[[0, 0, -1, -1], [0, -1, 0, -1]].max() < page[64, 0]


def test_light_changes_slowly() -> None:
    for seed in range(10):
        lit = EFFECTS["uneven-light"](np.ones(SHAPE, np.float32), 30, np.random.default_rng(seed))
        assert np.ptp(lit) > 0.02
        assert np.abs(np.diff(lit, axis=1)).max() < 0.05


def test_fading_lowers_the_contrast_but_keeps_the_order() -> None:
    page = written_page()
    for seed in range(20):
        faded = EFFECTS["fade"](page, 30, np.random.default_rng(seed))
        assert 0.1 < np.ptp(faded) < 0.9
        order = np.argsort(page, axis=None, kind="stable")
        assert np.diff(faded.ravel()[order]).min() > -1e-5


@pytest.mark.parametrize("name", ["defocus", "motion-blur", "pixelate"])
def test_blur_takes_edges_and_keeps_the_mean(name: str) -> None:
    page = written_page()
    sharpness = []
    for seed in range(10):
        blurred = EFFECTS[name](page, 60, np.random.default_rng(seed))
        assert blurred.mean() == pytest.approx(page.mean(), abs=0.01)
        sharpness.append(edges(blurred) / edges(page))
    assert np.median(sharpness) < 0.9


@pytest.mark.parametrize("name", ["defocus", "motion-blur", "pixelate"])
def test_small_writing_is_blurred_less(name: str) -> None:
    page = written_page()
    small, large = (
        np.mean(
            [
                np.abs(EFFECTS[name](page, scale, np.random.default_rng(seed)) - page).mean()
                for seed in range(30)
            ]
        )
        for scale in (12, 120)
    )
    assert small < 0.7 * large


def test_sharpening_adds_edges_and_halos() -> None:
    page = written_page(0.7, 0.3)
    sharp = EFFECTS["sharpen"](page, 30, np.random.default_rng(0))
    assert edges(sharp) > edges(page)
    assert sharp.max() > 0.71
    assert sharp.min() < 0.29


def test_sensor_noise_has_no_mean_and_comes_in_many_strengths() -> None:
    page = np.full(SHAPE, 0.5, np.float32)
    deviations = []
    for seed in range(40):
        noise = EFFECTS["sensor-noise"](page, 30, np.random.default_rng(seed)) - page
        assert abs(float(noise.mean())) < 0.01
        deviations.append(float(noise.std()))
    assert min(deviations) < 0.015
    assert max(deviations) > 0.06


def test_impulses_are_black_or_white_and_few() -> None:
    page = np.full(SHAPE, 0.5, np.float32)
    for seed in range(20):
        damaged = EFFECTS["impulses"](page, 30, np.random.default_rng(seed))
        changed = damaged != page
        assert set(np.unique(damaged[changed])) <= {0.0, 1.0}
        assert changed.mean() < 0.08


def test_stripes_are_constant_along_one_axis() -> None:
    page = np.full(SHAPE, 0.5, np.float32)
    for seed in range(10):
        striped = EFFECTS["stripes"](page, 30, np.random.default_rng(seed))
        assert min(np.ptp(striped, axis=axis).max() for axis in (0, 1)) == 0


def test_few_greys_are_at_most_sixteen() -> None:
    ramp = np.tile(np.linspace(0, 1, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))
    for seed in range(10):
        levels = np.unique(EFFECTS["few-greys"](ramp, 30, np.random.default_rng(seed)).round(4))
        assert 4 <= len(levels) <= 16


@pytest.mark.parametrize(("ground", "ink"), [(0.9, 0.2), (0.6, 0.45), (0.2, 0.9)])
def test_black_and_white_keeps_the_writing(ground: float, ink: float) -> None:
    page = written_page(ground, ink)
    written = np.abs(page - ink) < 0.1 * abs(ground - ink)
    bare = page == np.float32(ground)
    for seed in range(10):
        result = EFFECTS["black-and-white"](page, 30, np.random.default_rng(seed))
        assert set(np.unique(result)) <= {0.0, 1.0}
        assert np.mean(result[written] == (ink > ground)) > 0.8
        assert np.mean(result[bare] == (ground > ink)) > 0.8


def test_black_and_white_leaves_an_empty_page_empty() -> None:
    page = np.full(SHAPE, 0.8, np.float32)
    result = EFFECTS["black-and-white"](page, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(result, np.ones(SHAPE))


def test_jpeg_stays_close_and_is_not_exact() -> None:
    page = written_page()
    stored = EFFECTS["jpeg"](page, 30, np.random.default_rng(0))
    assert 0 < np.abs(stored - page).mean() < 0.03


def test_inversion_undoes_itself() -> None:
    page, random = written_page(), np.random.default_rng(0)
    inverted = EFFECTS["invert"](page, 30, random)
    assert inverted.mean() < 0.5 < page.mean()
    np.testing.assert_allclose(EFFECTS["invert"](inverted, 30, random), page, atol=1e-6)


def test_a_third_of_the_pictures_are_as_clean_as_they_came() -> None:
    page = written_page()
    exact = np.rint(page * 255)
    random = np.random.default_rng(3)
    clean = hidden = 0
    for _ in range(500):
        picture, visible = take_picture(page, random, 30)
        assert picture.dtype == np.uint8
        assert picture.shape == visible.shape == SHAPE
        assert visible.dtype == np.float32
        clean += bool((picture == exact).all())
        hidden += bool((visible < 0.5).any())
    # Three standard deviations of a binomial of 500 are 0.063.
    assert CLEAN - 0.065 < clean / 500 < CLEAN + 0.13
    assert 0.05 < hidden / 500 < 0.25


def test_the_same_state_takes_the_same_picture() -> None:
    page = written_page()
    for seed in range(10):
        first, again = (take_picture(page, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])


def test_tiny_pages_have_pictures_too() -> None:
    random = np.random.default_rng(4)
    for _ in range(60):
        picture, _ = take_picture(np.full((5, 9), 0.7, np.float32), random)
        assert picture.shape == (5, 9)
