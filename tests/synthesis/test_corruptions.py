from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.synthesis.corruptions import (
    CORRUPTIONS,
    corrupt_brightness,
    corrupt_canny_edges,
    corrupt_dotted_line,
    corrupt_fog,
    corrupt_glass_blur,
    corrupt_impulse_noise,
    corrupt_motion_blur,
    corrupt_shot_noise,
    corrupt_spatter,
    corrupt_stripe,
    corrupt_translate,
    corrupt_zigzag,
)

Images = NDArray[np.uint8]

DRAWING_NOTHING = {"scale", "brightness", "stripe", "canny_edges"}
BLANK = np.zeros((28, 28), np.uint8)


def draw_digits(n: int, seed: int = 0) -> Images:
    """Strokes as wide as MNIST's, within its 20 × 20 pixels."""
    random = np.random.default_rng(seed)
    images = np.zeros((n, 28, 28), np.uint8)
    for image in images:
        points = random.integers(5, 23, (4, 2)).astype(np.int32)
        cv2.polylines(image, [points], False, 255, 2, cv2.LINE_AA)
    return images


def repeat(image: Images, n: int) -> Images:
    return np.repeat(image[np.newaxis], n, axis=0)


def corrupt_one(name: str, image: Images, seed: int) -> Images:
    corrupted: Images = CORRUPTIONS[name](image[np.newaxis], np.random.default_rng(seed))[0]
    return corrupted


def test_names_and_order_are_those_of_the_published_set() -> None:
    assert list(CORRUPTIONS) == [
        "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate",
        "brightness", "translate", "stripe", "fog", "spatter", "dotted_line", "zigzag",
        "canny_edges",
    ]  # fmt: skip


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_every_image_and_depends_on_the_seed_alone(name: str) -> None:
    images = draw_digits(40)
    images.flags.writeable = False
    corrupt = CORRUPTIONS[name]

    corrupted = corrupt(images, np.random.default_rng(1))

    assert corrupted.shape == images.shape
    assert corrupted.dtype == np.uint8
    assert (corrupted != images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(corrupted, corrupt(images, np.random.default_rng(1)))
    otherwise = corrupt(images, np.random.default_rng(2))
    assert (otherwise == corrupted).all() == (name in DRAWING_NOTHING)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupting_no_images_returns_none(name: str) -> None:
    assert corrupt_one(name, draw_digits(1)[0], 0).shape == (28, 28)
    nothing = CORRUPTIONS[name](draw_digits(0), np.random.default_rng(0))

    assert nothing.shape == (0, 28, 28)
    assert nothing.dtype == np.uint8


@pytest.mark.parametrize("name", sorted(DRAWING_NOTHING))
def test_images_do_not_touch_each_other(name: str) -> None:
    images = draw_digits(1_100)
    together = CORRUPTIONS[name](images, np.random.default_rng(0))

    for i in [0, 1, 15, 16, 17, 1_023, 1_024, 1_099]:
        np.testing.assert_array_equal(together[i], corrupt_one(name, images[i], 0))


def test_shot_noise_counts_photons() -> None:
    grey = 100
    noisy = corrupt_shot_noise(repeat(BLANK + np.uint8(grey), 300), np.random.default_rng(0))
    rate = 3 * grey / 255
    shares = [math.exp(-rate) * rate**count / math.factorial(count) for count in range(3)]
    shares.append(1 - sum(shares))

    for count, share in enumerate(shares):
        spread = math.sqrt(share * (1 - share) / noisy.size)
        assert np.mean(noisy == 85 * count) == pytest.approx(share, abs=4 * spread)
    assert not corrupt_shot_noise(repeat(BLANK, 2), np.random.default_rng(0)).any()


def test_impulse_noise_salts_and_peppers() -> None:
    noisy = corrupt_impulse_noise(repeat(BLANK + np.uint8(100), 300), np.random.default_rng(0))

    spread = math.sqrt(0.085 * 0.915 / noisy.size)
    for value in (0, 255):
        assert np.mean(noisy == value) == pytest.approx(0.17 / 2, abs=4 * spread)
    assert set(np.unique(noisy)) == {0, 100, 255}


def blur_by_convolution(
    values: NDArray[np.generic], deviation: float, axis: int
) -> NDArray[np.float64]:
    """Gaussian blur along one axis, to four standard deviations; edge pixels are repeated."""
    reach = int(4 * deviation + 0.5)
    weights = [
        math.exp(-((distance / deviation) ** 2) / 2) for distance in range(-reach, reach + 1)
    ]
    widths = [(reach, reach) if number == axis else (0, 0) for number in range(values.ndim)]
    padded = np.pad(values.astype(np.float64), widths, mode="edge")
    kernel = np.array(weights) / sum(weights)
    return np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")


def test_glass_blur_is_vertical_and_swaps_within_the_image() -> None:
    images = np.random.default_rng(5).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    blurred = corrupt_glass_blur(images, np.random.default_rng(0))

    for image, result in zip(images, blurred, strict=True):
        # Column 0 is never swapped, and a vertical blur does not mix columns.
        truncated = np.floor(blur_by_convolution(image[:, :1], 0.7, axis=0) + 1e-9)
        expected = blur_by_convolution(truncated, 0.7, axis=0)
        np.testing.assert_allclose(result[:, :1], expected, atol=0.5 + 1e-6)
        # Swaps permute pixels; truncation lowers each pixel by less than a grey level.
        assert -0.7 < result.mean() - blur_by_convolution(image, 0.7, axis=0).mean() < 0.3
    assert (
        blurred[:, :, 1:] != corrupt_glass_blur(images, np.random.default_rng(1))[:, :, 1:]
    ).any()


@pytest.mark.parametrize("seed", range(20))
def test_motion_blur_is_a_line_of_half_a_gaussian(seed: int) -> None:
    """The weighted sum of shifted copies of the image."""
    digit = draw_digits(1, seed)[0]
    angle = math.radians(np.random.default_rng(seed).uniform(-45, 45))
    padded = np.pad(digit, 20, mode="edge")
    weights = [math.exp(-(distance**2) / 18) for distance in range(21)]
    expected = np.zeros((28, 28))
    for distance, weight in enumerate(weights):
        top, left = (20 + round(distance * f(angle)) for f in (math.sin, math.cos))
        expected += weight / sum(weights) * padded[top : top + 28, left : left + 28]

    blurred = corrupt_one("motion_blur", digit, seed)

    assert (blurred - expected).min() >= -1
    assert (blurred - expected).max() < 0.01


@given(grey=st.integers(0, 255), seed=st.integers(0, 99))
@settings(deadline=None)
def test_motion_blur_kernel_sums_to_one(grey: int, seed: int) -> None:
    even = repeat(BLANK + np.uint8(grey), 3)

    np.testing.assert_array_equal(corrupt_motion_blur(even, np.random.default_rng(seed)), even)


@pytest.mark.parametrize(
    ("name", "matrix", "signs"),
    [
        ("shear", lambda sign: [[1, -sign * math.sin(0.4)], [0, math.cos(0.4)]], {-1, 1}),
        (
            "rotate",
            lambda sign: [
                [math.cos(0.4), -sign * math.sin(0.4)],
                [sign * math.sin(0.4), math.cos(0.4)],
            ],
            {-1, 1},
        ),
        ("scale", lambda sign: [[1 / 0.7, 0], [0, 1 / 0.7]], {1}),
    ],
)
def test_warps_use_the_published_matrices(
    name: str, matrix: Callable[[int], list[list[float]]], signs: set[int]
) -> None:
    """Bilinear interpolation keeps linear gradients, so each grey level tells its source."""
    y, x = np.mgrid[:28, :28] - 13.5
    seen = set()
    for seed in range(12):
        slopes = np.array([np.rint(128 + 9 * x), np.rint(128 + 9 * y)]).astype(np.uint8)
        across, along = (corrupt_one(name, slope, seed) for slope in slopes)
        for sign in signs:
            source = np.tensordot(matrix(sign), [x, y], axes=1)
            inside = (np.abs(source) <= 13.5).all(axis=0)
            outside = (np.abs(source) >= 14.5).any(axis=0)
            errors = np.abs([across, along] - (128 + 9 * source)).max(axis=0)
            if errors[inside].max() <= 1.01:  # rounded twice
                seen.add(sign)
                assert not across[outside].any()
                assert inside.sum() > 300
                break
        else:
            pytest.fail(f"seed {seed} warps by neither matrix")

    assert seen == signs


def test_brightness_adds_half_of_full_ink() -> None:
    greys = np.arange(256, dtype=np.uint8)
    image = np.resize(greys, (1, 28, 28))

    brighter = corrupt_brightness(image, np.random.default_rng(0))[0].ravel()[:256]

    # Python rounds halves to even numbers as well.
    assert brighter.tolist() == [min(round(grey + 127.5), 255) for grey in range(256)]


def test_translate_moves_the_centre_of_mass_by_three_pixels() -> None:
    images = draw_digits(60)
    moved = corrupt_translate(images, np.random.default_rng(0))
    directions = set()
    for before, after in zip(images, moved, strict=True):
        first, second = cv2.moments(before), cv2.moments(after)
        assert second["m00"] == first["m00"]
        shift = [(second[m] - first[m]) / first["m00"] for m in ("m10", "m01")]
        assert np.abs(shift) == pytest.approx([3, 3])
        directions.add(tuple(np.sign(shift)))

    assert directions == set(product((-1, 1), repeat=2))


def test_stripe_inverts_seven_columns_on_either_side() -> None:
    images = draw_digits(5)
    random = np.random.default_rng(0)
    striped = corrupt_stripe(images, random)

    for column in range(28):
        inverted = column < 7 or column >= 21
        expected = 255 - images[:, :, column] if inverted else images[:, :, column]
        np.testing.assert_array_equal(striped[:, :, column], expected)
    np.testing.assert_array_equal(corrupt_stripe(striped, random), images)


def draw_plasma_slowly(random: np.random.Generator) -> NDArray[np.float64]:
    """Diamond-square on a torus, point by point."""
    side, step, wibble = 256, 256, 100.0
    heights = np.zeros((side, side))
    while step >= 2:
        half = step // 2
        starts = ((half, half), (0, half), (half, 0))
        for number, (first_row, first_column) in enumerate(starts):
            reach = ((half, half), (half, -half), (-half, half), (-half, -half))
            if number:
                reach = ((half, 0), (-half, 0), (0, half), (0, -half))
            for row, column in product(
                range(first_row, side, step), range(first_column, side, step)
            ):
                near = [heights[(row + r) % side, (column + c) % side] for r, c in reach]
                heights[row, column] = sum(near) / 4 + wibble * random.uniform(-wibble, wibble)
        step, wibble = half, wibble / 1.4
    return np.asarray((heights - heights.min()) / (heights.max() - heights.min()))


def test_fog_is_a_corner_of_a_plasma() -> None:
    digit = draw_digits(1)[0] // 2
    cloud = draw_plasma_slowly(np.random.default_rng(3))[:28, :28]
    full = digit.max() / 255

    foggy = corrupt_one("fog", digit, 3)

    expected = 255 * (digit / 255 + 3 * cloud) * full / (full + 3)
    np.testing.assert_allclose(foggy, expected, atol=0.51)


def test_fog_keeps_a_quarter_of_the_contrast_and_leaves_blank_images_blank() -> None:
    images = draw_digits(40)
    images[7] = 0
    foggy = corrupt_fog(images, np.random.default_rng(0)).astype(int)

    assert not foggy[7].any()
    assert (foggy + 1 >= images // 4).all()
    assert (foggy - 1 <= images / 4 + 0.75 * 255).all()
    assert len(np.unique(foggy.reshape(40, -1), axis=0)) == 40


@pytest.mark.parametrize("seed", range(5))
def test_spatter_lays_mud_where_noise_is_high(seed: int) -> None:
    digit = draw_digits(1, seed)[0]

    def blur(values: NDArray[np.generic], deviation: float) -> NDArray[np.float64]:
        return blur_by_convolution(
            blur_by_convolution(values, deviation, axis=0), deviation, axis=1
        )

    noise = np.random.default_rng(seed).normal(0.65, 0.3, (28, 28))
    mud = blur(blur(noise, 1.0) > 0.65, 1.5)
    mud = np.where(mud < 0.8, 0, mud)

    spattered = corrupt_one("spatter", digit, seed)

    assert 0.02 < np.mean(mud > 0) < 0.5
    np.testing.assert_allclose(spattered, digit * (1 - mud) + 63 * mud, atol=0.51)


def test_spatter_covers_the_same_places_on_any_background() -> None:
    dark = corrupt_spatter(repeat(BLANK, 50), np.random.default_rng(0))
    light = corrupt_spatter(repeat(BLANK + np.uint8(255), 50), np.random.default_rng(0))

    assert ((dark == 0) | ((dark >= 50) & (dark <= 63))).all()
    np.testing.assert_array_equal(light == 255, dark == 0)
    assert light.min() == 63


def shade(distance: float) -> float:
    """Ink of a line at a vertical distance, in shares of full ink."""
    return max(1 + math.log(1 - distance / 2.3), 0) if distance < 2.3 else 0


def test_dotted_line_goes_from_edge_to_edge() -> None:
    n = 50
    lines = corrupt_dotted_line(repeat(BLANK, n), np.random.default_rng(4))
    heights = np.random.default_rng(4).integers(0, 27, (n, 2))
    for line, (left, right) in zip(lines, heights, strict=True):
        expected = [
            [
                255 * shade(abs(row - (left + (right - left) * column / 27)))
                if column % 4 >= 2 and column < 27
                else 0
                for column in range(28)
            ]
            for row in range(28)
        ]
        np.testing.assert_allclose(line, expected, atol=0.51)


def test_lines_are_added_to_the_digit() -> None:
    digits = draw_digits(20) // 2
    for corrupt in (corrupt_dotted_line, corrupt_zigzag):
        lines = corrupt(repeat(BLANK, 20), np.random.default_rng(0)).astype(int)
        drawn = corrupt(digits, np.random.default_rng(0)).astype(int)

        np.testing.assert_allclose(drawn, np.minimum(digits + lines, 255), atol=1)


def test_zigzag_swings_about_its_line() -> None:
    n = 400
    drawn = corrupt_zigzag(repeat(BLANK, n), np.random.default_rng(6))
    random = np.random.default_rng(6)
    starts, rises = random.integers(0, 27, n), random.integers(-5, 5, n)
    level = np.flatnonzero(rises == 0)
    assert len(level) > 10
    for i in level:
        columns = np.arange(2, 24)
        swings = np.interp(columns, [2, 4, 8, 12, 16, 20, 24], [0, 2, -2, 2, -2, 2, -2])
        for column, swing in zip(columns, swings, strict=True):
            expected = [255 * shade(abs(row - (starts[i] + swing))) for row in range(28)]
            np.testing.assert_allclose(drawn[i, :, column], expected, atol=0.51)
        assert not drawn[i, :, :2].any()
        assert not drawn[i, :, 25:].any()
    # Where it fits wholly, its ends differ in height by its rise.
    inner = [i for i in range(n) if 9 <= starts[i] <= 17]
    rows = np.arange(28)
    slopes = []
    for image in drawn[inner]:
        ink = image[:, 4:20].astype(float)  # two whole swings
        centres = rows @ ink / ink.sum(axis=0)
        slopes.append(centres[8:].mean() - centres[:8].mean())
    assert np.corrcoef(slopes, rises[inner])[0, 1] > 0.9


def draw_step(top: int, bottom: int) -> Images:
    """Ink of given values in the upper and the lower right quarter."""
    image = BLANK.copy()
    image[:14, 14:] = top
    image[14:, 14:] = bottom
    return image


@pytest.mark.parametrize(
    ("top", "bottom", "top_is_edge", "bottom_is_edge"),
    [
        # A step of 1 has a gradient of 2.56 after the blur: the thresholds of 0.1 and 0.2 are
        # passed by 10 and by 20 of 255.
        (255, 255, True, True),
        (21, 21, True, True),
        (18, 18, False, False),
        (30, 14, True, True),
        (30, 6, True, False),
        (0, 0, False, False),
    ],
)
def test_canny_edges_are_steps_above_the_thresholds(
    top: int, bottom: int, top_is_edge: bool, bottom_is_edge: bool
) -> None:
    edges = corrupt_one("canny_edges", draw_step(top, bottom), 0)

    for rows, is_edge in ((slice(1, 10), top_is_edge), (slice(19, 27), bottom_is_edge)):
        # The step lies between columns 13 and 14, which are as steep: either is its edge, or both.
        beside = edges[rows, 13:15]
        assert (beside.max(axis=1) == (255 if is_edge else 0)).all()
        assert not np.delete(edges[rows], (13, 14), axis=1).any()
    assert not edges[[0, -1]].any()


def test_canny_finds_no_edges_in_even_images_or_between_images() -> None:
    strong, weak = draw_step(255, 255), draw_step(18, 18)
    even = BLANK + np.uint8(200)
    edges = corrupt_canny_edges(np.array([strong, weak, strong, even]), np.random.default_rng(0))

    np.testing.assert_array_equal(edges.any(axis=(1, 2)), [True, False, True, False])
    np.testing.assert_array_equal(edges[0], edges[2])


@given(turns=st.integers(0, 3), flip=st.booleans(), seed=st.integers(0, 200))
@settings(deadline=None)
def test_canny_edges_rotate_with_the_image(turns: int, flip: bool, seed: int) -> None:
    digit = draw_digits(1, seed)[0]
    turned = np.rot90(digit[::-1] if flip else digit, turns)
    edges = corrupt_one("canny_edges", digit, 0)

    expected = np.rot90(edges[::-1] if flip else edges, turns)
    found = corrupt_one("canny_edges", turned, 0)
    # Rounding decides between pixels that are equally steep.
    assert np.mean(found != expected) < 0.02
    assert set(np.unique(edges)) == {0, 255}
