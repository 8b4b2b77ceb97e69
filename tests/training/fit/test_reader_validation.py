"""Validation of the reader: pages that training does not use, and the counts on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, Mnist
from inkdigits.data.fonts import Font
from inkdigits.recognition.detection import Detections
from inkdigits.results.alphabet import N_CLASSES, NO_MARK, POINT
from inkdigits.synthesis import scribes
from inkdigits.synthesis.font_glyphs import render
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training import READER_RECIPES
from inkdigits.training.fit.reader_validation import Match, _count, _temper, draw_validation, match
from inkdigits.training.samples.page_batches import Source


def detect(*found: tuple[tuple[float, float, float, float], int, float]) -> Detections:
    """Returns detections from box, class and probability; the rest is that of "no mark"."""
    probabilities = np.zeros((len(found), N_CLASSES + 1), np.float32)
    for row, (_, label, share) in zip(probabilities, found, strict=True):
        row[label], row[NO_MARK] = share, 1 - share
    return Detections(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([label for _, label, _ in found], np.int64),
        np.array([share for _, _, share in found], np.float32),
        probabilities,
    )


EIGHT = ((10.0, 10.0, 20.0, 30.0), 8, 30.0, True)


@pytest.mark.parametrize(
    ("marks", "found", "labels", "missed", "n_digits"),
    [
        ([EIGHT], [((11, 9, 20, 31), 8, 0.9)], [8], 0, 1),
        ([EIGHT], [], [], 1, 1),
        ([EIGHT], [((40, 10, 20, 30), 8, 0.9)], [NO_MARK], 1, 1),  # at another place
        ([EIGHT], [((11, 9, 20, 31), 8, 0.9), ((12, 12, 16, 28), 3, 0.4)], [8], 0, 1),  # twice
        ([EIGHT], [((12, 12, 10, 10), 0, 0.9)], [NO_MARK], 1, 1),  # only a loop of the digit
        ([], [((11, 9, 20, 31), 8, 0.9)], [NO_MARK], 0, 0),
        # An uncertain or too small mark is neither missed nor found wrongly.
        ([(*EIGHT[:3], False)], [], [], 0, 0),
        ([(*EIGHT[:3], False)], [((20, 20, 30, 30), 3, 0.9)], [], 0, 0),
        ([((10, 10, 6, 9), 8, 9.0, True)], [((10, 10, 6, 9), 8, 0.9)], [], 0, 0),
        # Other marks than digits count if they are found, but are not counted as missed.
        ([((10, 10, 4, 4), POINT, 30.0, True)], [((10, 10, 4, 4), POINT, 0.9)], [POINT], 0, 0),
        ([((10, 10, 4, 4), POINT, 30.0, True)], [], [], 0, 0),
    ],
)
def test_matching(
    make_page: Callable[..., DrawnPage],
    marks: list[tuple[tuple[float, float, float, float], int, float, bool]],
    found: list[tuple[tuple[float, float, float, float], int, float]],
    labels: list[int],
    missed: int,
    n_digits: int,
) -> None:
    matched = match([make_page(*marks)], lambda pixels: detect(*found))

    assert matched.labels.tolist() == labels
    assert matched.probabilities.shape == (len(labels), N_CLASSES + 1)
    assert (matched.missed, matched.n_digits) == (missed, n_digits)


def test_loss_counts_what_was_missed() -> None:
    found = detect(((0, 0, 1, 1), 8, 0.5), ((0, 0, 1, 1), 3, 0.8)).probabilities

    loss = Match(found, np.array([8, NO_MARK]), 1, 2).loss

    assert loss == pytest.approx(-(math.log(0.5) + math.log(0.2) + math.log(1e-3)) / 3)
    assert Match(found[:0], np.array([], np.int64), 0, 0).loss == 0


def test_counts_at_a_threshold() -> None:
    found = detect(
        *(((0, 0, 1, 1), 8, 0.9), ((0, 0, 1, 1), 3, 0.9), ((0, 0, 1, 1), 5, 0.9)),
        *(((0, 0, 1, 1), 8, 0.4), ((0, 0, 1, 1), POINT, 0.9)),
    )
    matched = Match(found.probabilities, np.array([8, 8, NO_MARK, 8, POINT]), 0, 3)

    assert _count(matched, 0.5) == (1, 1, 1)
    assert _count(matched, 0.3) == (2, 1, 1)
    assert _count(matched, 0.95) == (0, 0, 0)


def test_temperature_keeps_the_order() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (50, N_CLASSES + 1))
    shares = softmax(logits)

    np.testing.assert_allclose(_temper(shares, 1.0), shares, atol=1e-6)
    np.testing.assert_allclose(_temper(shares, 2.0), softmax(logits / 2), atol=1e-5)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def test_validation_sees_nothing_of_training(
    mnist: Mnist, validation_fonts: tuple[Font, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation pages use no font and no digit of training pages."""
    fonts: set[Path] = set()
    digits: set[bytes] = set()
    bank = scribes.DigitBank.__init__

    def note_font(path: Path, text: str) -> tuple[NDArray[np.uint8], float]:
        fonts.add(path)
        return render(path, text)

    def note_digits(
        self: scribes.DigitBank, images: LabelledImages, n: int, random: np.random.Generator
    ) -> None:
        digits.update(image.tobytes() for image in images.images)
        bank(self, images, n, random)

    monkeypatch.setattr(scribes, "render", note_font)
    monkeypatch.setattr(scribes.DigitBank, "__init__", note_digits)
    recipe = replace(READER_RECIPES["reader-quick"], validation_images=300, glyphs=300)
    source = Source(recipe, 5)

    pages = draw_validation(source, 30)

    assert len(pages) == 30
    assert fonts
    assert fonts <= {font.path for font in validation_fonts}
    training, _ = source.split_digits()
    assert len(training) == 59_700
    assert not digits & {image.tobytes() for image in training.images}
    again = draw_validation(source, 30)
    for page, same in zip(pages, again, strict=True):
        np.testing.assert_array_equal(page.picture, same.picture)
