from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.cli import main
from inkdigits.data import LabelledImages
from inkdigits.errors import DataFormatError, MissingExtraError, UsageError
from inkdigits.evaluation.suite_result import SuiteRow
from inkdigits.evaluation.suites import (
    SUITES,
    enlarge_digit,
    evaluate_corruptions,
    evaluate_digits8x8,
    evaluate_mnist,
)
from inkdigits.recognition import Recognizer
from inkdigits.synthesis.corruptions import CORRUPTIONS, corrupt_scale


def classify_right(recognizer: Recognizer, tiles: NDArray[np.uint8], labels: list[int]) -> int:
    read = recognizer.classify(tiles).argmax(axis=1)
    return sum(int(digit) == label for digit, label in zip(read, labels, strict=True))


def read_right(recognizer: Recognizer, pictures: NDArray[np.uint8], labels: list[int]) -> int:
    texts = [recognizer.read(picture).text for picture in pictures]
    return sum(text == str(label) for text, label in zip(texts, labels, strict=True))


def test_mnist_is_read_as_pictures_and_classified_as_tiles(
    ink_recognizer: Recognizer, test_slice: LabelledImages, own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_mnist(
        ink_recognizer,
        data=own_data,
        limit=50,
        report_progress=lambda *report: reported.append(report),
    )

    images, labels = test_slice.images[:50], test_slice.labels[:50].tolist()
    right, classified = (
        measure(ink_recognizer, images, labels) for measure in (read_right, classify_right)
    )
    assert result.rows == (SuiteRow("mnist", 50, right, classified),)
    assert classified > 35
    assert right > 25
    assert result.second == "classify"
    assert reported == [("mnist", done, 50) for done in range(1, 51)]


def test_each_picture_is_read_whole(
    read_always: Callable[..., Recognizer], test_slice: LabelledImages, own_data: Path
) -> None:
    """With default options two digits are never right, though the central one may be."""
    n_sevens = int((test_slice.labels[:80] == 7).sum())
    (one,) = evaluate_mnist(read_always(7), data=own_data).rows
    (two,) = evaluate_mnist(read_always(7, 7), data=own_data).rows
    assert (one.n, one.right) == (80, n_sevens)
    assert two.right == 0
    assert two.second_right == one.second_right
    assert one.second_right is not None
    assert one.second_right >= 78  # the default network for tiles does the classification


def test_corruptions_are_read_and_classified(
    ink_recognizer: Recognizer, test_slice: LabelledImages, own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_corruptions(
        ink_recognizer,
        data=own_data,
        limit=20,
        report_progress=lambda *report: reported.append(report),
    )

    images, labels = test_slice.images[:20], test_slice.labels[:20].tolist()
    halved = images.copy()
    halved[:, :, :7], halved[:, :, 21:] = 255 - images[:, :, :7], 255 - images[:, :, 21:]
    scaled = corrupt_scale(images, np.random.default_rng(0))
    rows = {row.name: row for row in result.rows}
    assert list(rows) == list(CORRUPTIONS)
    assert {row.n for row in result.rows} == {20}
    assert result.clean is not None
    for row, tiles in ((result.clean, images), (rows["stripe"], halved), (rows["scale"], scaled)):
        assert row.right == read_right(ink_recognizer, tiles, labels)
        assert row.second_right == classify_right(ink_recognizer, tiles, labels)
    assert reported == [
        (name, done, 20) for name in ["clean", *CORRUPTIONS] for done in range(1, 21)
    ]


def test_corruptions_are_the_same_every_time(
    read_always: Callable[..., Recognizer], own_data: Path
) -> None:
    first, second = (
        evaluate_corruptions(read_always(1), data=own_data, limit=15) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("limit", [0, -1])
@pytest.mark.parametrize("suite", SUITES)
def test_limit_that_leaves_nothing(
    suite: str, limit: int, read_always: Callable[..., Recognizer]
) -> None:
    with pytest.raises(UsageError, match=f"the limit is {limit}: expected 1 or more"):
        SUITES[suite](read_always(1), limit=limit)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--limit", "5"], "--limit requires --suite"),
        (["--pictures", "p", "--limit", "5"], "--limit requires --suite"),
        (["--suite", "mnist", "--limit", "0"], "invalid number '0': expected an integer of 1"),
        (["--suite", "mark"], "did you mean 'marks'"),
    ],
)
def test_wrong_use_on_the_command_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == 2
    printed = capsys.readouterr().err
    assert expected in printed
    assert printed.count("\n") == 1


def test_limit_beyond_all(read_always: Callable[..., Recognizer], own_data: Path) -> None:
    assert evaluate_mnist(read_always(1), data=own_data, limit=81).rows[0].n == 80


def test_data_that_is_not_there(read_always: Callable[..., Recognizer], tmp_path: Path) -> None:
    for evaluate in (evaluate_corruptions, evaluate_mnist):
        with pytest.raises(DataFormatError, match="found an empty folder"):
            evaluate(read_always(1), data=tmp_path)


def test_enlarged_digits_shrink_back() -> None:
    from sklearn.datasets import load_digits

    for digit in load_digits().images[:100]:
        picture = enlarge_digit(digit)
        assert picture.shape == (240, 240)
        assert picture.dtype == np.uint8
        assert (picture[[0, 39, 200, 239]] == 255).all()
        assert (picture[:, [0, 39, 200, 239]] == 255).all()
        inner = picture[40:200, 40:200]
        centres = (255 - inner.reshape(8, 20, 8, 20)[:, 9:11, :, 9:11].mean(axis=(1, 3))) * 16 / 255
        np.testing.assert_allclose(centres, digit, atol=0.3)
        # Smooth: no step as large as between neighbouring pixels of the coarse digit.
        assert np.abs(np.diff(inner.astype(int), axis=0)).max() < 30


def test_digits8x8(ink_recognizer: Recognizer) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    reported: list[tuple[str, int, int]] = []
    result = evaluate_digits8x8(
        ink_recognizer, limit=60, report_progress=lambda *report: reported.append(report)
    )

    pictures = np.stack([enlarge_digit(digit) for digit in digits.images[:60]])
    right = read_right(ink_recognizer, pictures, digits.target[:60].tolist())
    assert result.rows == (SuiteRow("digits8x8", 60, right),)
    assert right > 25
    assert (result.clean, result.second) == (None, None)
    assert [done for _, done, _ in reported] == list(range(1, 61))


def test_all_of_digits8x8(read_always: Callable[..., Recognizer]) -> None:
    from sklearn.datasets import load_digits

    (row,) = evaluate_digits8x8(read_always(4)).rows
    assert (row.n, row.right) == (1_797, int((load_digits().target == 4).sum()))


def test_digits8x8_without_scikit_learn(
    read_always: Callable[..., Recognizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    with pytest.raises(MissingExtraError, match="pip install scikit-learn"):
        evaluate_digits8x8(read_always(1))
