"""What NumPy computes in place of OpenCV, compared with OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.data import Mnist
from inkdigits.recognition import crops, framing, resizing, shapes
from inkdigits.recognition.crops import cut_tile
from inkdigits.recognition.shapes import Ink

Result = TypeVar("Result")


@contextmanager
def without_opencv() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (shapes, resizing):
            patch.setattr(module, "find_opencv", lambda: None)
        yield


def compute_both(compute: Callable[[], Result]) -> tuple[Result, Result]:
    """Returns what NumPy and OpenCV compute."""
    with without_opencv():
        ours = compute()
    return ours, compute()


@st.composite
def blots(draw: st.DrawFn, most: int = 70) -> Ink:
    """Blurred noise, in which there are blots of all sizes, with some pixels cut to 0."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, most), st.integers(1, most)))
    values = random.integers(0, 256, shape).astype(np.uint8)
    blurred = np.asarray(cv2.blur(values, (draw(st.integers(1, 9)),) * 2))
    return np.where(blurred > np.quantile(blurred, draw(st.floats(0, 1))), blurred, 0).astype(
        np.uint8
    )


@settings(deadline=None, max_examples=50)
@given(ink=blots())
def test_extent_and_centre(ink: Ink) -> None:
    for find in (shapes.find_extent, shapes.find_centre):
        ours, theirs = compute_both(partial(find, ink))
        assert ours == pytest.approx(theirs, abs=1e-9), find


@settings(deadline=None, max_examples=50)
@given(ink=blots())
def test_threshold(ink: Ink) -> None:
    """Thresholds between the same values are alike, and so are those that separate as well."""

    def measure_separation(threshold: int) -> float:
        above = ink > threshold
        if above.all() or not above.any():
            return 0.0
        return float(above.mean() * (~above).mean() * (ink[above].mean() - ink[~above].mean()) ** 2)

    ours, theirs = compute_both(partial(shapes.find_threshold, ink))

    assert measure_separation(ours) == pytest.approx(measure_separation(theirs), rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(ink=blots(), side=st.integers(1, 13))
def test_dilation_and_erosion(ink: Ink, side: int) -> None:
    kernel = shapes.build_ellipse(side)

    assert (kernel == cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))).all()
    for change in (shapes.dilate, shapes.erode):
        ours, theirs = compute_both(partial(change, ink, kernel))
        assert np.array_equal(ours, theirs), change


@settings(deadline=None, max_examples=50)
@given(ink=blots(most=40))
def test_distances(ink: Ink) -> None:
    mask = shapes.pad(ink, 1) > 0
    ours, theirs = compute_both(lambda: shapes.measure_distances(mask))

    assert ours.dtype == theirs.dtype == np.float32
    assert ours == pytest.approx(theirs, abs=1e-4)


@settings(deadline=None, max_examples=50)
@given(ink=blots())
def test_components(ink: Ink) -> None:
    ours, theirs = compute_both(lambda: shapes.find_components(ink > 0))

    pairs = set(zip(ours.labels.ravel().tolist(), theirs.labels.ravel().tolist(), strict=True))
    assert len(pairs) == len(set(ours.labels.ravel().tolist()))
    assert pairs == {(first, second) for first, second in pairs if (first == 0) == (second == 0)}
    for found in (ours, theirs):
        for label, (left, top, width, height) in enumerate(found.boxes.tolist(), start=1):
            mask = (found.labels == label).astype(np.uint8)
            assert cv2.boundingRect(mask) == (left, top, width, height)
            assert np.count_nonzero(mask) == found.areas[label - 1]
    assert sorted(ours.boxes.tolist()) == sorted(theirs.boxes.tolist())


def test_a_spiral_is_one_component() -> None:
    """Its arms join only in the middle."""
    spiral = np.zeros((60, 60), np.uint8)
    angles = np.linspace(0, 8 * np.pi, 4_000)
    spiral[
        (30 + angles * np.sin(angles)).astype(int), (30 + angles * np.cos(angles)).astype(int)
    ] = 1
    with without_opencv():
        assert len(shapes.find_components(spiral > 0).areas) == 1


@settings(deadline=None, max_examples=60)
@given(ink=blots(most=120), scale=st.floats(0.05, 4))
def test_resizing_is_that_of_opencv_up_to_one_grey_level(ink: Ink, scale: float) -> None:
    height, width = (max(round(side * scale), 1) for side in ink.shape)
    resize = resizing.shrink if scale <= 1 else resizing.enlarge
    ours, theirs = compute_both(lambda: resize(ink, width, height))

    assert ours.shape == theirs.shape == (height, width)
    assert ours.dtype == theirs.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.fixture(scope="module")
def written(mnist: Mnist) -> list[NDArray[np.uint8]]:
    """Pictures of one digit each: MNIST's, enlarged, on uneven paper."""
    random = np.random.default_rng(0)
    pictures = []
    for tile in mnist.test.images[:40]:
        ink = cv2.resize(tile, None, fx=4.3, fy=4.7, interpolation=cv2.INTER_CUBIC).astype(float)
        paper = 200 + 30 * np.linspace(-1, 1, ink.shape[1]) + random.normal(0, 2, ink.shape)
        pictures.append(np.clip(paper - 0.6 * ink, 0, 255).astype(np.uint8))
    return pictures


def test_tiles_are_those_of_opencv(written: list[NDArray[np.uint8]]) -> None:
    """Rounding to one grey level on the way changes few pixels, and those little."""
    differences = []
    for picture in written:
        box = (10, 10, picture.shape[1] - 20, picture.shape[0] - 20)
        ours, theirs = compute_both(partial(cut_tile, picture, box))
        assert theirs.any()
        differences.append(np.abs(ours.astype(int) - theirs))

    assert np.max(differences) <= 4
    assert np.mean(differences) < 0.02


def test_nothing_of_reading_imports_opencv_itself() -> None:
    assert not [module for module in (crops, framing, shapes, resizing) if hasattr(module, "cv2")]
