from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.recognition.framing import frame, measure_stroke
from inkdigits.synthesis.suite_pages import KINDS, Page, draw_page

CONNECTED = [kind for kind in KINDS if kind not in ("broken", "touching", "overlapping", "mixed")]


def draw_pages(kind: str, digits: LabelledImages, n: int = 6) -> list[Page]:
    return [draw_page(kind, digits, np.random.default_rng((5, number))) for number in range(n)]


def count_pieces(ink: NDArray[np.uint8]) -> int:
    return cv2.connectedComponents((ink > 127).astype(np.uint8), connectivity=8)[0] - 1


@pytest.fixture(scope="module")
def whole_digits(test_slice: LabelledImages) -> LabelledImages:
    """Digits of which each is one piece of ink even at half its strength."""
    whole = [n for n, image in enumerate(test_slice.images) if count_pieces(image) == 1]
    return test_slice.take([n for n in whole if count_pieces(test_slice.images[n] // 2 + 64) == 1])


@pytest.fixture(scope="module")
def alphabet(whole_digits: LabelledImages) -> LabelledImages:
    """One image of each digit."""
    return whole_digits.take([int(np.argmax(whole_digits.labels == digit)) for digit in range(10)])


@pytest.mark.parametrize("kind", KINDS)
def test_truth_describes_the_page(kind: str, whole_digits: LabelledImages) -> None:
    for page in draw_pages(kind, whole_digits):
        assert page.picture.dtype == page.ink.dtype == np.uint8
        assert page.picture.shape[:2] == page.ink.shape
        assert len(page.boxes) == len(page.text.replace("\n", ""))
        bare = page.ink.copy()
        for box in page.boxes:
            window = page.ink[box.y : box.y + box.height, box.x : box.x + box.width]
            # A box ends where its ink ends.
            assert cv2.boundingRect(np.pad(window, 1))[2:] == (box.width, box.height)
            bare[box.y : box.y + box.height, box.x : box.x + box.width] = 0
        assert not bare.any()


@pytest.mark.parametrize("kind", KINDS)
def test_same_draws_same_page(kind: str, whole_digits: LabelledImages) -> None:
    first, second, other = (
        draw_page(kind, whole_digits, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first.picture, second.picture)
    assert (first.text, first.boxes) == (second.text, second.boxes)
    assert not np.array_equal(first.picture, other.picture)


@pytest.mark.parametrize("kind", CONNECTED)
def test_text_is_what_is_written(kind: str, alphabet: LabelledImages) -> None:
    """Each box holds its digit: of ten known images, the one most like it has its label."""
    templates = alphabet.images.reshape(10, -1).astype(float)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    right = total = 0
    for page in draw_pages(kind, alphabet):
        for box, truth in zip(page.boxes, page.text.replace("\n", ""), strict=True):
            window = page.ink[box.y : box.y + box.height, box.x : box.x + box.width]
            likeness = templates @ frame(window).ravel().astype(float)
            right += str(alphabet.labels[likeness.argmax()]) == truth
            total += 1
    # A neighbour may reach into a box, and a fine pen is unlike the images' own.
    assert right > 0.9 * total


@pytest.mark.parametrize("kind", CONNECTED)
def test_digits_are_whole_and_apart(kind: str, whole_digits: LabelledImages) -> None:
    for page in draw_pages(kind, whole_digits):
        assert count_pieces(page.ink) == len(page.boxes)


def test_touching_digits_are_one_piece(whole_digits: LabelledImages) -> None:
    for kind in ("touching", "overlapping"):
        pages = draw_pages(kind, whole_digits, 20)
        assert all(len(page.boxes) > 1 for page in pages)
        assert sum(count_pieces(page.ink) == 1 for page in pages) >= 18


def test_overlapping_digits_lie_deeper(whole_digits: LabelledImages) -> None:
    def measure_depth(page: Page) -> float:
        """How far the boxes of neighbours overlap, in heights."""
        height = np.median([max(box.width, box.height) for box in page.boxes])
        overlaps = [
            one.x + one.width - other.x
            for one, other in zip(page.boxes, page.boxes[1:], strict=False)
        ]
        return float(np.median(overlaps) / height)

    touching, overlapping = (
        np.mean([measure_depth(page) for page in draw_pages(kind, whole_digits, 40)])
        for kind in ("touching", "overlapping")
    )
    assert overlapping > touching + 0.05


def test_broken_digits_are_in_parts(whole_digits: LabelledImages) -> None:
    pages = draw_pages("broken", whole_digits, 20)
    pieces = sum(count_pieces(page.ink) for page in pages)
    assert pieces > 1.2 * sum(len(page.boxes) for page in pages)


def measure_pen(page: Page) -> float:
    """Width of the strokes in heights of the digits."""
    return measure_stroke(page.ink) / float(
        np.median([max(box.width, box.height) for box in page.boxes])
    )


def measure_contrast(page: Page) -> float:
    """How much darker the ink is than the paper, as a share of the paper's light."""
    paper = np.median(page.picture[page.ink == 0])
    return 1 - float(np.median(page.picture[page.ink == 255]) / paper)


def measure_paper(page: Page) -> float:
    """How much lighter the paper is at its lightest than at its darkest, in grey levels."""
    smooth = cv2.medianBlur(
        np.where(page.ink > 0, np.median(page.picture), page.picture).astype(np.uint8), 5
    )
    return float(np.ptp(smooth[page.ink == 0]))


def measure_marks(page: Page) -> float:
    """Share of the bare paper that is not as light as most of it."""
    bare = page.picture[cv2.dilate(page.ink, np.ones((5, 5))) == 0].astype(int)
    return float((np.abs(bare - np.median(bare)) > 8).mean())


def measure_grain(page: Page) -> float:
    """Standard deviation of the paper, in grey levels."""
    return float(page.picture[cv2.dilate(page.ink, np.ones((9, 9))) == 0].std())


def measure_darkness(page: Page) -> float:
    return 1 - float(np.median(page.picture)) / 255


def count_lines(page: Page) -> float:
    return float(page.text.count("\n") + 1)


def count_digits(page: Page) -> float:
    return float(len(page.boxes))


def count_channels(page: Page) -> float:
    return 1.0 if page.picture.ndim == 2 else float(page.picture.shape[2])


@pytest.mark.parametrize(
    ("kind", "measure", "least", "most"),
    [
        ("digit", count_digits, 1, 1),
        ("row", count_lines, 1, 1),
        ("row", count_digits, 2, 8),
        ("row", measure_marks, 0, 0),
        ("row", count_channels, 1, 1),
        ("columns", count_lines, 2, 4),
        ("columns", count_digits, 4, 48),
        ("lines", count_lines, 2, 5),
        ("thin", measure_pen, 0.02, 0.08),
        ("thick", measure_pen, 0.11, 0.22),
        ("row", measure_contrast, 0.4, 1),
        ("pencil", measure_contrast, 0.1, 0.45),
        ("ruled", measure_marks, 0.002, 0.06),
        ("squared", measure_marks, 0.01, 0.2),
        ("print", measure_marks, 0.01, 0.2),
        ("specks", measure_marks, 0.0002, 0.1),
        ("row", measure_darkness, 0, 0.3),
        ("dark", measure_darkness, 0.7, 1),
        ("coloured", count_channels, 3, 3),
        ("row", measure_paper, 0, 0),
        ("gradient", measure_paper, 30, 255),
        ("shadow", measure_paper, 10, 255),
        ("noise", measure_grain, 5, 21),
        ("jpeg", measure_grain, 0.01, 8),
    ],
)
def test_kinds_are_what_they_are_called(
    kind: str,
    measure: Callable[[Page], float],
    least: float,
    most: float,
    whole_digits: LabelledImages,
) -> None:
    for page in draw_pages(kind, whole_digits, 10):
        assert least <= measure(page) <= most


def test_words_are_printed_above_and_below(whole_digits: LabelledImages) -> None:
    for page in draw_pages("print", whole_digits):
        marks = np.abs(page.picture.astype(int) - int(np.median(page.picture))) > 20
        marked, written = marks.any(axis=1), page.ink.any(axis=1)
        first, *_, last = np.flatnonzero(written).tolist()
        assert marked[:first].any()
        assert marked[last + 1 :].any()
        assert not (marked & ~written)[first : last + 1].any()


def test_mixed_pages_differ_in_everything(whole_digits: LabelledImages) -> None:
    pages = draw_pages("mixed", whole_digits, 60)
    assert {count_channels(page) for page in pages} == {1, 3}
    assert {count_lines(page) for page in pages} >= {1, 2, 3}
    assert any(measure_darkness(page) > 0.7 for page in pages)
    assert any(page.picture.ndim == 2 and measure_grain(page) > 5 for page in pages)


def test_specks_of_the_tiles_are_left_behind(whole_digits: LabelledImages) -> None:
    speckled = whole_digits.images.copy()
    speckled[:, 0, 0] = 200
    for page in draw_pages("row", LabelledImages(speckled, whole_digits.labels)):
        assert count_pieces(page.ink) == len(page.boxes)


def test_pages_that_cannot_be_drawn(whole_digits: LabelledImages) -> None:
    random = np.random.default_rng(0)
    blank = LabelledImages(np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(UsageError, match="kind of page 'cheque': expected one of digit, row"):
        draw_page("cheque", whole_digits, random)
    for digits in (whole_digits.take([]), blank):
        with pytest.raises(UsageError, match="expected at least one digit, and ink in each"):
            draw_page("row", digits, random)
