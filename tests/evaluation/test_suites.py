from __future__ import annotations

import json
import statistics
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.errors import DataUnavailableError, MissingExtraError, UsageError
from inkdigits.evaluation.suites import (
    SuiteResult,
    SuiteRow,
    enlarge_digit,
    evaluate_corruptions,
    evaluate_digits8x8,
)
from inkdigits.recognition import Recognizer
from inkdigits.synthesis.corruptions import CORRUPTIONS, corrupt_scale
from inkdigits.training import Run

ROWS = (SuiteRow("shear", 200, 151), SuiteRow("dotted_line", 10_000, 9_999))
RESULT = SuiteResult("corruptions", ROWS, clean=SuiteRow("clean", 10, 10))


@pytest.fixture(scope="module")
def recognizer(smoke_run: Run) -> Recognizer:
    return Recognizer.load(smoke_run.folder)


@pytest.fixture(scope="module")
def own_data(test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four IDX files of one's own, the test set of which is MNIST's first 60 images."""
    folder = tmp_path_factory.mktemp("own")
    for part, n in (("train", 3), ("t10k", 60)):
        write_part(folder, part, test_slice.take(range(n)))
    return folder


def write_part(folder: Path, part: str, digits: LabelledImages) -> None:
    images, labels = digits.images.tobytes(), digits.labels.tobytes()
    n = len(digits)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, n, 28, 28) + images)
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, n) + labels)


def count_right(recognizer: Recognizer, tiles: NDArray[np.uint8], labels: NDArray[np.uint8]) -> int:
    read = recognizer.classify(tiles).argmax(axis=1)
    return sum(int(digit) == int(label) for digit, label in zip(read, labels, strict=True))


def test_result_as_numbers() -> None:
    values = json.loads(json.dumps(RESULT.to_json()))

    assert [row["accuracy"] for row in values["rows"]] == [0.755, 0.9999]
    assert [row["name"] for row in values["rows"]] == ["shear", "dotted_line"]
    assert values["clean"] == {"name": "clean", "n": 10, "accuracy": 1}
    # The clean row does not count, and each other row counts alike.
    assert values["mean"] == RESULT.mean == statistics.fmean([0.755, 0.9999])


def test_result_as_table() -> None:
    lines = RESULT.to_table().splitlines()

    assert max(map(len, lines)) <= 60
    assert lines[0].split() == ["corruptions", "Accuracy", "95", "%", "interval", "Mistakes", "of"]
    (clean,) = (line for line in lines if line.startswith("clean"))
    (dotted,) = (line for line in lines if line.startswith("dotted_line"))
    assert clean.split()[1] == "100.00"
    assert dotted.split()[1] == "99.99"
    assert dotted.split()[-2:] == ["1", "10,000"]
    assert lines[-1].split() == ["mean", "87.75", "%"]
    single = SuiteResult("digits8x8", ROWS[:1]).to_table()
    assert "mean" not in single
    assert "clean" not in single


@pytest.mark.parametrize(("n", "right"), [(0, 0), (5, 6), (5, -1), (-1, -1)])
def test_impossible_rows(n: int, right: int) -> None:
    with pytest.raises(ValueError, match="cannot have been read"):
        SuiteRow("shear", n, right)


def test_result_without_rows() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        SuiteResult("corruptions", ())


def test_corruptions_of_tiles(
    recognizer: Recognizer, test_slice: LabelledImages, own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_corruptions(
        recognizer, data=own_data, report_progress=lambda *report: reported.append(report)
    )

    digits = test_slice.take(range(60))
    negative, halved = 255 - digits.images, digits.images.copy()
    halved[:, :, :7], halved[:, :, 21:] = negative[:, :, :7], negative[:, :, 21:]
    right = {row.name: row.right for row in result.rows}
    assert list(right) == list(CORRUPTIONS)
    assert {row.n for row in result.rows} == {60}
    assert result.clean is not None
    assert result.clean.right == count_right(recognizer, digits.images, digits.labels) > 40
    assert right["stripe"] == count_right(recognizer, halved, digits.labels)
    assert reported == [(name, 60, 60) for name in ["clean", *CORRUPTIONS]]


def test_corruptions_are_the_same_every_time(recognizer: Recognizer, own_data: Path) -> None:
    first, second = (evaluate_corruptions(recognizer, data=own_data, limit=50) for _ in range(2))

    assert first == second
    assert {row.n for row in first.rows} == {50}


def test_corruptions_of_pictures(
    recognizer: Recognizer, test_slice: LabelledImages, own_data: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    result = evaluate_corruptions(
        recognizer,
        data=own_data,
        limit=25,
        as_pictures=True,
        report_progress=lambda *report: reported.append(report),
    )

    digits = test_slice.take(range(25))
    scaled = corrupt_scale(digits.images, np.random.default_rng(0))
    texts = [recognizer.read(picture).text for picture in scaled]
    right = sum(text == str(label) for text, label in zip(texts, digits.labels, strict=True))
    rows = {row.name: row for row in result.rows}
    assert rows["scale"] == SuiteRow("scale", 25, right)
    # A tile that is framed as MNIST's are is read as it is.
    assert result.clean == SuiteRow(
        "clean", 25, count_right(recognizer, digits.images, digits.labels)
    )
    # The reader takes away what it can take away: where the digit stands, and grey paper.
    tiles = {row.name: row for row in evaluate_corruptions(recognizer, data=own_data).rows}
    assert rows["brightness"].accuracy > tiles["brightness"].accuracy
    assert reported == [
        (name, done, 25) for name in ["clean", *CORRUPTIONS] for done in range(1, 26)
    ]


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_that_leaves_nothing(recognizer: Recognizer, own_data: Path, limit: int) -> None:
    with pytest.raises(UsageError, match=f"the limit is {limit}"):
        evaluate_corruptions(recognizer, data=own_data, limit=limit)


def test_data_that_is_not_there(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError):
        evaluate_corruptions(recognizer, data=tmp_path)


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


def test_digits8x8(recognizer: Recognizer) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    reported: list[tuple[str, int, int]] = []
    result = evaluate_digits8x8(recognizer, report_progress=lambda *report: reported.append(report))

    (row,) = result.rows
    assert (row.name, row.n, result.clean) == ("digits8x8", len(digits.target), None)
    assert result.mean == row.accuracy > 0.5
    assert [done for _, done, _ in reported] == list(range(1, 1_798))
    pictures = map(enlarge_digit, digits.images)
    read = [recognizer.read(picture, one_digit=True).text for picture in pictures]
    assert row.right == sum(
        text == str(label) for text, label in zip(read, digits.target, strict=True)
    )


def test_digits8x8_without_scikit_learn(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    with pytest.raises(MissingExtraError, match="pip install scikit-learn"):
        evaluate_digits8x8(recognizer)
